"""The patches that a model sees as tokens, for views that cut along them."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import torch
from torch import Tensor, nn

from lime_callback.forwards.no_trace_guard import guarded
from lime_callback.forwards.tokens.token_blocks import AbsentError, find_blocks
from lime_callback.forwards.tokens.token_cells import find_cells
from lime_callback.views.layout import Layout

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from typing import Any

    from lime_callback.forwards.tokens.channel_calls import ChannelCall
    from lime_callback.forwards.tokens.token_blocks import TokenBlock
    from lime_callback.forwards.tokens.token_cells import Cells

Block = TypeVar("Block", bound="TokenBlock | ChannelCall")


def model_patches(model: nn.Module, inputs: Tensor, layout: str | Layout = "CHW") -> Tensor:
    """Find the patches that a vision transformer sees as tokens.

    Args:
        model: takes inputs ``[m, *dims]``; it is in evaluation mode meanwhile, and left without a trace.
        inputs: of which the first one is used, ``[B, *dims]``.
        layout: the axes of one input.

    Returns:
        The number of each pixel's patch, row by row, int64 ``[H, W]`` on the CPU; -1 for pixels of none.

    Raises:
        AbsentError: if the model has no such tokens.
    """
    with guarded(model):
        return patches_of(model, lambda x, _: model(x), inputs[:1], Layout.of(layout))


def patches_of(module: nn.Module | None, forward: Callable[[Tensor, Tensor], Any], x: Tensor, layout: Layout) -> Tensor:
    """See :func:`model_patches`.

    Args:
        module: the model; ``None`` if it is unknown.
        forward: runs it on inputs and the number of what each was made of.
        x: an input, ``[1, *dims]``.
        layout: the axes of one input.
    """
    with torch.no_grad():
        try:
            _, cells, *_ = next(blocks_with_cells(module, forward, x, layout))
        except AbsentError as error:
            way = "Take `method='slic'` or 'grid', which cut any picture"
            asked = "`Superpixels(method='tokens')` cuts along the patches that a vision transformer sees as tokens"
            raise AbsentError(error.reason, way, asked) from None
    return cells.pixels.cpu()


def blocks_with_cells(
    module: nn.Module | None,
    forward: Callable[[Tensor, Tensor], Any],
    x: Tensor,
    layout: Layout,
    batch_size: int = 1,
) -> Iterator[tuple[TokenBlock, Cells, Tensor, Tensor]]:
    """Yield the blocks where tokens may come in, with what :func:`find_cells` returns of each.

    Args:
        module: the model; ``None`` if it is unknown.
        forward: runs it on inputs and the number of what each was made of.
        x: an input, ``[1, *dims]``.
        layout: the axes of one input.
        batch_size: the largest number of inputs at a time.

    Raises:
        AbsentError: if there is none.
    """
    if module is None:
        raise AbsentError("`forward` is a function, which does not show the model's blocks; pass the model itself")
    yield from cells_of(find_blocks(module, forward, x), forward, x, layout, batch_size)


def cells_of(
    blocks: Sequence[Block], forward: Callable[[Tensor, Tensor], Any], x: Tensor, layout: Layout, batch_size: int
) -> Iterator[tuple[Block, Cells, Tensor, Tensor]]:
    """Yield those of some blocks whose tokens are made of a regular grid, with what :func:`find_cells` returns of each.

    Args:
        blocks: where tokens may come in, or channels.
        forward: runs the model on inputs and the number of what each was made of.
        x: an input, ``[1, *dims]``.
        layout: the axes of one input.
        batch_size: the largest number of inputs at a time.

    Raises:
        AbsentError: if there is none.
    """
    reasons: list[AbsentError] = []
    found = False
    for block in blocks:

        def tokens_of(inputs: Tensor, block: Block = block) -> Tensor:
            rows = torch.zeros(len(inputs), dtype=torch.long, device=x.device)
            return block.tokens(forward, inputs, rows)  # which are made for this call: a model may write into them

        try:
            found_cells = find_cells(tokens_of, x, layout, batch_size)
        except AbsentError as error:
            reasons.append(error)
        else:
            found = True
            yield block, *found_cells
    if not found:
        raise reasons[0]

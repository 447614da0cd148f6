"""A model whose patches become tokens, and the proof that its output depends on which tokens there are, and no more.

Letters: ``m`` rows, ``K`` outputs, ``N`` tokens of an input, ``L`` tokens that are left of them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from lime_callback.forwards.batched_forwards import Batches
from lime_callback.forwards.out_of_memory import is_out_of_memory
from lime_callback.forwards.tokens.channel_calls import find_channel_calls
from lime_callback.forwards.tokens.patch_grid import blocks_with_cells, cells_of
from lime_callback.forwards.tokens.token_blocks import AbsentError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from lime_callback.forwards.perturbed_inputs import PerturbedInputs
    from lime_callback.forwards.tokens.channel_calls import ChannelCall
    from lime_callback.forwards.tokens.token_blocks import TokenBlock
    from lime_callback.forwards.tokens.token_cells import Cells
    from lime_callback.views.features import Features

    Forward = Callable[[Tensor, Tensor], Tensor]

# Outputs for tokens in another order may differ by this share of the largest output.
_CLOSE = 1e-4


@dataclass(frozen=True, eq=False)
class TokenModel:
    """A model whose patches become tokens.

    Attributes:
        block: where tokens come in, or channels, where these are what is left out.
        cells: which elements make which token.
        first: the tokens of the first input, ``[1, N, width]``.
        answers_nothing: whether it has an output where no patch is left, but class tokens and the like.
    """

    block: TokenBlock | ChannelCall
    cells: Cells
    first: Tensor
    answers_nothing: bool = False

    def run(self, forward: Forward, tokens: Tensor, like: Tensor, rows: Tensor) -> Tensor:
        """Return the outputs ``[m, K]`` for tokens ``[m, L, width]`` of inputs that are like ``like`` [1, *dims]."""
        blank = like.new_full((1,) * like.ndim, math.nan).expand(len(tokens), *like.shape[1:])
        outputs: Tensor = self.block.run(forward, tokens, blank, rows)
        return outputs


def token_model(
    module: nn.Module | None, forward: Forward, perturber: PerturbedInputs, batch_size: int, known: Tensor
) -> TokenModel:
    """Find where a model's tokens come in and what they are made of, and prove that they can be left out.

    Args:
        module: the model.
        forward: takes rows ``[m, *dims]`` and the number of each row's input; returns the outputs ``[m, K]``.
        perturber: the perturbed inputs, of which the first input is used.
        batch_size: rows a forward at most.
        known: the output for it as it is, ``[1, K]``.

    Raises:
        AbsentError: if they cannot.
    """
    x = perturber.inputs[:1]
    reasons = []
    for block, cells, tokens, others in _candidates(module, forward, x, perturber.features, batch_size):
        model = TokenModel(block, cells, tokens)
        try:
            _prove(model, forward, x, known, others, batch_size)
        except AbsentError as error:
            reasons.append(error)
        else:
            return replace(model, answers_nothing=_answers_nothing(model, forward, x))
    raise reasons[0]


def _candidates(
    module: nn.Module | None, forward: Forward, x: Tensor, features: Features, batch_size: int
) -> Iterator[tuple[TokenBlock | ChannelCall, Cells, Tensor, Tensor]]:
    """Yield where tokens may come in, with what :func:`find_cells` returns of each place.

    Where features are groups of channels, and a model takes any, channels are its tokens.
    """
    mask, layout = features.canonical, features.layout
    if mask.shape[1] > 1 and mask.shape[2:].numel() == 1:
        calls = find_channel_calls(module, forward, x, layout.canonical(x).shape[1])
        if calls:
            yield from cells_of(calls, forward, x, layout, batch_size)
            return
    yield from blocks_with_cells(module, forward, x, layout, batch_size)


def _prove(model: TokenModel, forward: Forward, x: Tensor, known: Tensor, others: Tensor, batch_size: int) -> None:
    """Raise an :class:`AbsentError` if the output depends on more than which tokens there are.

    Args:
        model: the model.
        forward: runs it, see :func:`token_model`.
        x: an input, ``[1, *dims]``.
        known: the output for it as it is, ``[1, K]``.
        others: tokens of an input in which no two patches are alike, ``[1, N, width]``: where all are alike, as in a
            black picture, their order changes nothing.
        batch_size: rows a forward at most.
    """
    places, unit = model.cells.places.cpu(), model.block.unit
    generator = torch.Generator().manual_seed(0)
    reason = f"the model uses its input beside its {unit}s, too"
    order = f"the model's output depends on the places of the {unit}s in their row, as with windows and convolutions"

    def outputs(tokens: Tensor, reason: str) -> Tensor:
        """The outputs for rows of tokens ``[m, L, width]``."""
        first = torch.zeros(len(tokens), dtype=torch.long, device=x.device)
        found: dict[int, Tensor] = {}  # by first row, since rows may come again
        batches = Batches(0, len(tokens), batch_size)
        try:
            while batches.left:
                with batches.next() as (start, stop):
                    found[start] = model.run(forward, tokens[start:stop], x, first[start:stop])
        except Exception as error:  # a model that is none of this kind may fail in any way
            if is_out_of_memory(error):
                raise
            raise AbsentError(reason) from error
        answers = torch.cat(list(found.values()))
        if not bool(answers.isfinite().all()):
            raise AbsentError(reason)
        return answers

    everything = torch.arange(others.shape[1])
    # Pooling over a fixed grid minds no order where its cells divide the tokens evenly. So about half of the patches
    # are tried, too, in a number that has no divisor in common with all; rather more than half, since a window of half
    # of the tokens holds whatever is less.
    parts = [count for count in range(1, len(places)) if math.gcd(count, len(places)) == 1]
    half = sorted(parts, key=lambda count: (count == 1, abs(2 * count - len(places)), -count))[:1]  # one has no order
    for count in (len(places), *half):
        chosen = places[torch.randperm(len(places), generator=generator)[:count]]
        left = torch.ones(others.shape[1], dtype=torch.bool)
        left[places] = False
        left[chosen] = True
        moved = everything.clone()
        moved[chosen] = chosen.roll(1)  # no token stays where it is
        tokens = others[0][torch.stack([everything[left], moved[left]]).to(others.device)]
        if count == len(places):  # the first input's own tokens run with them
            answers = outputs(torch.cat([tokens, model.first]), reason)
            if apart(answers[2:], known):
                raise AbsentError(reason)
        else:
            answers = outputs(tokens, f"the model runs on no other number of {unit}s")
        if apart(answers[1:2], answers[:1]):
            raise AbsentError(order)


def apart(answers: Tensor, other: Tensor) -> bool:
    """Return whether outputs differ by more than the order in which they are summed up."""
    close = _CLOSE if answers.dtype in (torch.float32, torch.float64) else 100 * _CLOSE
    least = other.abs().amax().clamp(min=torch.finfo(other.dtype).tiny)
    return bool(((answers - other).abs() > close * least).any())


def _answers_nothing(model: TokenModel, forward: Forward, x: Tensor) -> bool:
    """Return whether the model has an output where no patch is left; one that takes the patches' mean has none."""
    prefix = model.first[:, model.cells.prefix]
    if not prefix.shape[1]:
        return False
    try:
        output = model.run(forward, prefix, x, torch.zeros(1, dtype=torch.long, device=x.device))
    except Exception as error:  # a model may fail in any way on what it was not made for
        if is_out_of_memory(error):
            raise
        return False
    return bool(output.isfinite().all())

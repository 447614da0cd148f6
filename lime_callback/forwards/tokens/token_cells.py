"""Finds which elements of an input make which token: a grid of cells, such as a ViT's patches.

Parts of one input are changed, and the tokens that change are looked at. Tokens that never change, such as class tokens
and registers, are a prefix that always stays, wherever it stands. The others are compared with regular grids over the
axes ``C``, ``H`` and ``W`` in any order: patches of pixels, groups of bands, or both.

Letters: ``N`` tokens of an input, ``P`` cells, ``d`` features.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from lime_callback.forwards.batched_forwards import Batches
from lime_callback.forwards.tokens.token_blocks import AbsentError
from lime_callback.sampling.precision import wide_dtype

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from lime_callback.views.features import Features
    from lime_callback.views.layout import Layout

_CHANGED = 1e-4  # a token has changed by at least this share of the largest change
_BOXES = 2  # parts of the input that grids are compared by
_SUBSETS, _CELLS = 3, 48  # random subsets of cells prove a grid: fewer where so many cells were tried


@dataclass(frozen=True, eq=False)
class Cells:
    """Which elements of an input make which token.

    Attributes:
        labels: the cell of each element, int64 ``[C, H, W]``, with size 1 along an axis that is not cut; -1 for
            elements that make no token.
        pixels: the place of each pixel in the grid over the pixels alone, int64 ``[H, W]``; -1 as in ``labels``.
        places: the token of each cell, int64 ``[P]``.
        prefix: tokens that no element changes, int64.
    """

    labels: Tensor
    pixels: Tensor
    places: Tensor
    prefix: Tensor

    def shares(self, features: Features) -> Tensor:
        """Return how much of each cell each feature holds, ``[B or 1, d + 1, P]``; the first is what is never hidden.

        The shares of a cell sum to 1.
        """
        mask = features.canonical.long()
        shape = [max(sizes) for sizes in zip(mask.shape[1:], self.labels.shape, strict=True)]
        label, cell = (mask + 1).expand(-1, *shape).flatten(1), self.labels.expand(shape).flatten()
        count, d = len(self.places), len(features) + 1
        # Elements that make no token are counted in a last column, which is cut off.
        index = label * (count + 1) + torch.where(cell < 0, count, cell)
        sums = torch.zeros(len(mask), d * (count + 1), dtype=wide_dtype(mask.device), device=mask.device)
        sums = sums.scatter_add_(1, index, torch.ones_like(index, dtype=sums.dtype))
        sums = sums.view(-1, d, count + 1)[..., :-1]
        return sums / sums.sum(1, keepdim=True)


def find_cells(
    tokens_of: Callable[[Tensor], Tensor], x: Tensor, layout: Layout, batch_size: int
) -> tuple[Cells, Tensor, Tensor]:
    """Find which elements of an input make which token.

    Args:
        tokens_of: returns the tokens of inputs ``[m, *dims]``, ``[m, N, width]``.
        x: an input, ``[1, *dims]``.
        layout: its axes.
        batch_size: the largest number of inputs at a time.

    Returns:
        The cells; the tokens of the input, and those of an input in which no two cells are alike, ``[1, N, width]``.

    Raises:
        AbsentError: if the tokens that elements make are no regular grid.
    """
    generator = torch.Generator().manual_seed(0)
    image, other = layout.canonical(x), layout.canonical(_unlike(x))
    sizes: tuple[int, ...] = tuple(image.shape[1:])

    def tokens_with(parts: Sequence[Tensor]) -> Tensor:
        """The tokens where parts of the input are changed, bool ``[C, H, W]``; ``[parts, N, width]``."""
        found: dict[int, Tensor] = {}  # by first part, since parts may come again
        batches = Batches(0, len(parts), batch_size)
        while batches.left:
            with batches.next() as (start, stop):
                images = torch.where(torch.stack(list(parts[start:stop])).to(x.device), other, image)
                found[start] = tokens_of(layout.restore(images).contiguous())
        return torch.cat(list(found.values()))

    def changes(tokens: Tensor) -> Tensor:
        """How far tokens are from those of the input, ``[parts, N]`` on the CPU."""
        change: Tensor = (tokens - before).abs().amax(-1)
        return change.float().cpu()

    boxes = [_random_box(sizes, generator) for _ in range(_BOXES)]
    nothing, everything = (torch.full(sizes, value) for value in (False, True))
    before, *tokens = tokens_with([nothing, everything, *(_within(box, sizes) for box in boxes)])
    whole, *by_boxes = changes(torch.stack(tokens))
    least = _CHANGED * whole.amax()
    places = (whole > least).nonzero().flatten()
    for grid in _grids(len(places), sizes):
        if any(
            not torch.equal(grid.touched(box), moved[places] > least)
            for box, moved in zip(boxes, by_boxes, strict=True)
        ):
            continue
        labels = grid.labels()
        count = min(_SUBSETS, math.ceil(_CELLS / max(1, len(places))))
        subsets = [torch.rand(len(places), generator=generator) < 0.5 for _ in range(count)]
        # What makes no token is changed, too: no token may change with it.
        parts = [torch.cat([subset, torch.tensor([True])])[labels].expand(sizes) for subset in subsets]
        by_subsets = changes(tokens_with(parts))
        if torch.equal(torch.stack(subsets), by_subsets[:, places] > least):
            prefix = (whole <= least).nonzero().flatten()
            cells = Cells(*(part.to(x.device) for part in (labels, grid.pixels(), places, prefix)))
            return cells, before.unsqueeze(0), tokens[0].unsqueeze(0)
    raise AbsentError(
        "its tokens are made of no regular grid of patches that have nothing in common, as overlapping patches, "
        "convolutions before the blocks, and normalisation over the whole input have"
    )


def _unlike(x: Tensor) -> Tensor:
    """Return inputs with noise as large as they vary, ``[m, *dims]``: no two patches of them are alike."""
    spread = x.std() if x.numel() > 1 else x.abs().mean()
    noise = torch.randn(x.shape, generator=torch.Generator().manual_seed(0)).to(x)
    return x + noise * torch.where(spread > 0, spread, 1.0)


@dataclass(frozen=True, eq=False)
class _Grid:
    """A grid over the axes C, H and W.

    Attributes:
        cuts: for each axis the part of the grid that each index lies in, int64; -1 for none.
        counts: the number of parts of each axis.
        order: the axes, the one that changes slowest first.
    """

    cuts: Sequence[Tensor]
    counts: Sequence[int]
    order: tuple[int, ...]

    def touched(self, box: Sequence[tuple[int, int]]) -> Tensor:
        """Return whether each cell has elements in a box, bool ``[P]``."""
        hit = torch.ones((), dtype=torch.bool)
        for axis in self.order:
            along = torch.zeros(self.counts[axis] + 1, dtype=torch.bool)
            along[self.cuts[axis][slice(*box[axis])]] = True  # those of no cell are the last
            hit = hit.unsqueeze(-1) & along[:-1]
        return hit.flatten()

    def labels(self) -> Tensor:
        """Return the cell of each element, int64 ``[C, H, W]``, with size 1 along axes that are not cut."""
        return self._numbered(self.order)

    def pixels(self) -> Tensor:
        """Return the place of each pixel in the grid of the pixels, row by row, int64 ``[H, W]``."""
        labels = self._numbered((1, 2))[0]
        return labels.expand(len(self.cuts[1]), len(self.cuts[2]))

    def _numbered(self, order: Sequence[int]) -> Tensor:
        label, none = torch.zeros(1, 1, 1, dtype=torch.long), torch.zeros(1, 1, 1, dtype=torch.bool)
        for axis in order:
            cut = self.cuts[axis]
            if self.counts[axis] > 1 or bool((cut < 0).any()):
                cut = cut.view([-1 if other == axis else 1 for other in range(3)])
                label, none = label * self.counts[axis] + cut, none | (cut < 0)
        return torch.where(none, -1, label)


def _grids(count: int, sizes: Sequence[int]) -> Iterator[_Grid]:
    """Yield all regular grids of ``count`` cells over axes of these sizes."""
    for first in _divisors(count):
        for second in _divisors(count // first):
            counts = (first, second, count // first // second)
            if count == 0 or any(parts > size for parts, size in zip(counts, sizes, strict=True)):
                continue
            orders = dict.fromkeys(
                tuple(axis for axis in order if counts[axis] > 1) for order in itertools.permutations(range(3))
            )
            for cuts in itertools.product(*map(_cuts, counts, sizes)):
                for cut_axes in orders:
                    rest = tuple(axis for axis in range(3) if axis not in cut_axes)
                    yield _Grid(cuts, counts, (*rest, *cut_axes))


def _cuts(parts: int, size: int) -> list[Tensor]:
    """Return the ways to cut an axis into equal parts: with a rest that makes no token, or with a short last part."""
    index = torch.arange(size)
    sides = dict.fromkeys((size // parts, math.ceil(size / parts)))
    cut = [index // side for side in sides if (size - 1) // side + 1 >= parts]
    return [torch.where(places < parts, places, -1) for places in cut]


def _divisors(count: int) -> list[int]:
    return [number for number in range(1, count + 1) if count % number == 0]


def _random_box(sizes: Sequence[int], generator: torch.Generator) -> list[tuple[int, int]]:
    """Return the first index and the one behind the last of a box along each axis."""
    box = []
    for size in sizes:
        ends = torch.randint(0, size, (2,), generator=generator).tolist()
        box.append((min(ends), max(ends) + 1))
    return box


def _within(box: Sequence[tuple[int, int]], sizes: Sequence[int]) -> Tensor:
    inside = torch.zeros(sizes, dtype=torch.bool)
    inside[tuple(slice(*ends) for ends in box)] = True
    return inside

"""Places of pictures that are hidden: the outer tiles of a grid, and the border with what it surrounds."""

from __future__ import annotations

import torch
from torch import Tensor

PLACE = "place/"
_GRID = 3
_SMALLEST = 6  # pixels along a side that places can be told apart on
_SIDE = 12  # times as long as a border is wide is the shorter side
_ROWS, _COLUMNS = ("top", "middle", "bottom"), ("left", "middle", "right")


def blocks_within(frame: Tensor, count: int, seed: int) -> list[Tensor]:
    """Blocks within a frame that have about as many pixels as it."""
    height, width = frame.shape[2:]
    wide = max(1, min(height, width) // _SIDE)
    high = height - 2 * wide, width - 2 * wide
    side = min(round(float(frame.sum()) ** 0.5), *high)
    generator, found = torch.Generator().manual_seed(seed), []
    for _ in range(count):
        top, left = (wide + int(torch.randint(free - side + 1, (1,), generator=generator)) for free in high)
        block = torch.zeros_like(frame)
        block[..., top : top + side, left : left + side] = True
        found.append(block)
    return found


def tiles(height: int, width: int) -> dict[str, Tensor]:
    """The eight outer tiles of a grid of three by three, bool ``[1, 1, H, W]``; none of a small picture."""
    found: dict[str, Tensor] = {}
    if min(height, width) < _SMALLEST:
        return found
    for i, row in enumerate(_ROWS):
        for j, column in enumerate(_COLUMNS):
            if i == j == 1:
                continue
            mask = torch.zeros(1, 1, height, width, dtype=torch.bool)
            mask[
                ..., i * height // _GRID : (i + 1) * height // _GRID, j * width // _GRID : (j + 1) * width // _GRID
            ] = True
            found[f"{PLACE}{row} {column}"] = mask
    return found


def place_name(cells: Tensor) -> str:
    """The ninth in which the middle of some cells of a picture lies, in words, such as ``"top left"``.

    Args:
        cells: bool ``[H, W]``.
    """
    row, column = (
        int(_GRID * (float(at.double().mean()) + 0.5) / size)
        for at, size in zip(cells.nonzero(as_tuple=True), cells.shape, strict=True)
    )
    return f"{_ROWS[row]} {_COLUMNS[column]}"


def border(height: int, width: int) -> Tensor:
    """The border, a twelfth of the shorter side wide."""
    wide = max(1, min(height, width) // _SIDE)
    mask = torch.ones(1, 1, height, width, dtype=torch.bool)
    mask[..., wide : height - wide, wide : width - wide] = False
    return mask

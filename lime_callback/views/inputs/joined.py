"""Joins several inputs of a model into one image, and splits it again without a loss.

The joined image is ``[B, C, H, W]``: the inputs' channels after each other, each plane as large as the largest. Smaller
planes repeat their pixels (nearest neighbour), and an input without pixels is constant over the plane. So all that is
known of one image, perturbations and baselines and pictures, holds for several inputs, too.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from lime_callback.views.layout import Layout

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


@dataclass(frozen=True)
class InputPart:
    """Where one of several inputs lies in the joined image.

    Attributes:
        name: of the input.
        start: its first channel.
        stop: the channel after its last one.
        size: its own height and width.
        layout: the axes of one of its samples.
        dtype: of its values.
    """

    name: str
    start: int
    stop: int
    size: tuple[int, int]
    layout: Layout
    dtype: torch.dtype

    def of(self, image: Tensor) -> Tensor:
        """This input as the model gets it, ``[B, *dims]``, of the joined ``[B, C, H, W]``; integers the nearest."""
        planes = image[:, self.start : self.stop]
        rows, columns = (
            _firsts(own, whole, image.device) for own, whole in zip(self.size, image.shape[2:], strict=True)
        )
        if rows is not None:
            planes = planes.index_select(2, rows)
        if columns is not None:
            planes = planes.index_select(3, columns)
        if planes.is_floating_point() and not self.dtype.is_floating_point:
            bounds = torch.iinfo(self.dtype)
            planes = planes.round().clamp(bounds.min, bounds.max)
        return self.layout.restore(planes).to(self.dtype).contiguous()

    def onto(self, labels: Tensor, size: tuple[int, int]) -> Tensor:
        """Spread values of this input ``[B, c, h, w]``, of size 1 where they broadcast, over ``size`` pixels."""
        channels = self.stop - self.start
        labels = labels.expand(-1, channels, *(max(own, 1) for own in self.size))
        return _spread(labels, size)


def join(inputs: Mapping[str, Tensor], layout: Layout) -> tuple[Tensor, tuple[InputPart, ...]]:
    """Join several inputs of the same samples.

    Args:
        inputs: by their names, each ``[B, *dims]``.
        layout: the axes of those with as many axes as it names; others have the usual ones, ``C``, ``HW``, ``CHW``.

    Returns:
        The joined image ``[B, *dims]`` in this layout, of a dtype that holds all of them, and where each input lies in
        it.

    Raises:
        ValueError: if their numbers of samples differ, an input has no usual layout, or the layout lacks an axis of the
            joined image.
    """
    counts = {name: len(x) for name, x in inputs.items()}
    if len(set(counts.values())) > 1:
        raise ValueError(
            f"`input_key` should name inputs with a row for each sample. Found {_texts(counts)} rows; leave out what "
            "does not belong to single samples, or pass `forward=`, which gets the whole batch."
        )
    layouts = {name: _layout(x, layout) for name, x in inputs.items()}
    for name, x in inputs.items():
        layouts[name].check(tuple(x.shape), f"input {name!r}")
    planes = {name: layouts[name].canonical(x) for name, x in inputs.items()}
    size = tuple(max(x.shape[axis] for x in planes.values()) for axis in (2, 3))
    dtypes = {x.dtype for x in inputs.values()}
    mixed = [_holding(dtype) if len(dtypes) > 1 else dtype for dtype in dtypes]
    kind = reduce(torch.promote_types, mixed)
    parts, start = [], 0
    for name, x in planes.items():
        height, width = x.shape[2:]
        parts.append(InputPart(name, start, start + x.shape[1], (height, width), layouts[name], inputs[name].dtype))
        start += x.shape[1]
    image = torch.cat([_spread(x, (size[0], size[1])).to(kind) for x in planes.values()], dim=1)
    lacking = [
        axis for axis, length in zip("CHW", image.shape[1:], strict=True) if length > 1 and axis not in layout.axes
    ]
    if lacking:
        raise ValueError(
            f"`layout` should name the axes of several inputs together, such as 'CHW'. Found `layout = "
            f"{layout.axes!r}`, which has no {' and no '.join(lacking)}."
        )
    return layout.restore(image).contiguous(), tuple(parts)


def split(joined: Tensor, parts: Sequence[InputPart], layout: Layout) -> dict[str, Tensor]:
    """The inputs that :func:`join` joined in this layout, by their names."""
    image = layout.canonical(joined)
    return {part.name: part.of(image) for part in parts}


def _holding(dtype: torch.dtype) -> torch.dtype:
    """The floating-point numbers that hold integers of this dtype exactly; other dtypes as they are."""
    if dtype.is_floating_point or dtype is torch.bool or dtype.is_complex:
        return dtype
    return torch.float32 if dtype.itemsize <= 2 else torch.float64


def _layout(x: Tensor, layout: Layout) -> Layout:
    return layout if len(layout.axes) == x.ndim - 1 else Layout.of_rank(x.ndim - 1)


def _spread(x: Tensor, size: tuple[int, int]) -> Tensor:
    """Repeat pixels until planes ``[B, C, h, w]`` have ``size``."""
    for axis, whole in zip((2, 3), size, strict=True):
        own = x.shape[axis]
        if own != whole:
            x = x.index_select(axis, torch.arange(whole, device=x.device) * own // whole)
    return x


def _firsts(own: int, whole: int, device: torch.device) -> Tensor | None:
    """For each of ``own`` pixels the first of ``whole`` that repeats it; ``None`` if none is repeated."""
    return None if own == whole else -(-(torch.arange(own, device=device) * whole) // own)


def _texts(values: Mapping[str, Any]) -> str:
    return ", ".join(f"{name!r}: {value}" for name, value in values.items())

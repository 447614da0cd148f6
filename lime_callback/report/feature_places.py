"""Finds where a view's features lie: spans of a wavelength axis, or regions of the probes' pictures."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import numpy as np

from lime_callback.figures.spectral_axis import WATER, SpectralAxis
from lime_callback.publishing.run_metadata import LARGEST
from lime_callback.report.base64_arrays import base64_shorts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from lime_callback.explaining.explanation import Explanation

_SPAN = re.compile(r"(\d+(?:\.\d+)?)-(\d+(?:\.\d+)?) nm")


def spectral_places(explanation: Explanation, wavelengths: Sequence[float] | None) -> dict[str, Any]:
    """Return the axis of a spectral view as plain values.

    Args:
        explanation: an explanation of the view, whose features are the same groups of channels in every probe.
        wavelengths: the channels' wavelengths in nm, or ``None``.

    Returns:
        ``nanometres``: whether positions are wavelengths; ``low`` and ``high``: the ends of the axis; ``gaps``: the
        two ends of each stretch without a channel; ``water``: those of water bands with channels; ``cells``: two ends
        and a feature each; ``order``: the channels by position; ``middles``: the position of each of the ordered
        channels.
    """
    labels = explanation.features.canonical[0, :, 0, 0].numpy()
    axis = SpectralAxis.of(wavelengths if wavelengths and len(wavelengths) == len(labels) else None, len(labels))
    cells: list[list[Any]] = []
    for left, right, label in zip(axis.left.tolist(), axis.right.tolist(), labels[axis.order].tolist(), strict=True):
        if cells and cells[-1][2] == label and left - cells[-1][1] <= 1e-6:
            cells[-1][1] = right
        else:
            cells.append([left, right, label])
    low, high = axis.limits
    kept = [[round(left, 3), round(right, 3), label] for left, right, label in cells if label >= 0]
    return {"nanometres": axis.nanometres, "low": low, "high": high, **_hatched(axis), "cells": kept,
            "order": axis.order.tolist(), "middles": np.round((axis.left + axis.right) / 2, 2).tolist()}  # fmt: skip


def _hatched(axis: SpectralAxis) -> dict[str, list[tuple[float, float]]]:
    """Return the stretches of an axis without a channel, and the water bands that have channels."""
    empty = axis.left[1:] - axis.right[:-1] > 1e-6
    gaps = list(zip(axis.right[:-1][empty].tolist(), axis.left[1:][empty].tolist(), strict=True))
    low, high = axis.limits
    water = [(max(a, low), min(b, high)) for a, b in WATER if axis.nanometres and a < high and b > low]
    return {"gaps": gaps, "water": [rest for span in water for rest in _without(span, gaps)]}


def _without(span: tuple[float, float], gaps: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Return the parts of a span outside of gaps, which are in ascending order."""
    start, end = span
    rest = []
    for a, b in gaps:
        if b <= start or a >= end:
            continue
        rest.append((start, a))
        start = b
    return [(a, b) for a, b in [*rest, (start, end)] if a < b]


def named_places(names: Sequence[str], wavelengths: Sequence[float] | None = None) -> dict[str, Any] | None:
    """Return the axis of features whose names are wavelengths, such as ``"400-488 nm"``; ``None`` for other names.

    Args:
        names: the features' names.
        wavelengths: the channels' wavelengths in nm, if they are known: features end where there is no channel.
    """
    spans = [_SPAN.fullmatch(name) for name in names]
    cells = [[float(span[1]), float(span[2]), i] for i, span in enumerate(spans) if span is not None]
    if len(cells) < len(names) or not cells or any(a >= b for a, b, _ in cells):
        return None
    hatched: dict[str, Any] = {"gaps": [], "water": []}
    if wavelengths:
        hatched = _hatched(SpectralAxis.of(wavelengths, len(wavelengths)))
        cells = [[a, b, label] for left, right, label in cells for a, b in _without((left, right), hatched["gaps"])]
    return {"nanometres": True, "low": min(c[0] for c in cells), "high": max(c[1] for c in cells), **hatched,
            "cells": sorted(cells)}  # fmt: skip


def spatial_places(explanation: Explanation) -> dict[str, Any]:
    """Return the regions of a view that tells pixels apart, as plain values.

    A region is a set of pixels with the same features. In cubes a pixel's channels belong to several features, each of
    which has a share in the region.

    Returns:
        ``width`` and ``height``: the map's size in pixels; ``shares``: for each region pairs of a feature and its
        share, from 0 to 1; ``runs``: for each probe, or once for all, pairs of a length and a region, row by row, as
        16-bit numbers in base64. Region 0 is never hidden.
    """
    mask = explanation.features.canonical
    height, width = explanation.features.layout.canonical(_like(explanation)).shape[2:]
    part = min(1.0, LARGEST / max(height, width))
    rows, columns = (_sampled(size, max(1, round(size * part))) for size in (height, width))
    sampled: NDArray[Any] = mask.expand(-1, -1, height, width)[:, :, rows][..., columns].numpy()
    stacks = sampled.transpose(0, 2, 3, 1).reshape(-1, sampled.shape[1])
    kinds, regions = np.unique(stacks, axis=0, return_inverse=True)
    hidden = np.asarray((kinds < 0).all(1))
    order = np.argsort(~hidden, kind="stable")  # the region that is never hidden comes first and gets the number 0
    number = np.empty(len(kinds), np.int64)
    number[order] = np.arange(len(kinds)) + (0 if hidden.any() else 1)
    shares: list[list[list[float]]] = [[], *(_shares(kinds[i]) for i in order if not hidden[i])]
    maps = number[regions.reshape(-1)].reshape(len(sampled), -1)
    return {
        "width": len(columns),
        "height": len(rows),
        "shares": shares,
        "runs": [base64_shorts(_runs(region_map)) for region_map in maps],
    }


def _like(explanation: Explanation) -> Any:
    import torch

    return torch.empty((1, *explanation.shape), device="meta")


def _sampled(size: int, kept: int) -> NDArray[np.integer[Any]]:
    """Return which ``kept`` of ``size`` rows or columns a map keeps, so that it is as large as the probe's picture."""
    return np.asarray((np.arange(kept) + 0.5) * size / kept, dtype=np.int64)


def _shares(stack: NDArray[Any]) -> list[list[float]]:
    labels, counts = np.unique(stack[stack >= 0], return_counts=True)
    return [[int(f), round(float(n) / len(stack), 4)] for f, n in zip(labels, counts, strict=True)]


def _runs(regions: NDArray[np.integer[Any]]) -> NDArray[np.integer[Any]]:
    """Encode a row of regions as runs ``[n, 2]``: how many pixels in a row, at most 65535, and their region."""
    start = np.append(0, np.flatnonzero(np.diff(regions)) + 1)
    length = np.diff(np.append(start, len(regions)))
    pieces = [(min(65535, n - i), regions[s]) for s, n in zip(start, length, strict=True) for i in range(0, n, 65535)]
    return np.array(pieces)

"""Where a view's features lie: spans of a wavelength axis, or regions of the probes' pictures."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import numpy as np

from lime_callback.publishing.run_metadata import LARGEST
from lime_callback.report.base64_arrays import base64_shorts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from lime_callback.explaining.explanation import Explanation

_SPAN = re.compile(r"(\d+(?:\.\d+)?)-(\d+(?:\.\d+)?) nm")


def spectral_places(explanation: Explanation, wavelengths: Sequence[float] | None) -> dict[str, Any]:
    """The axis of a spectral view.

    Args:
        explanation: the view's; its mask tells channels apart, and pixels not.
        wavelengths: the channels' wavelengths in nm, or ``None``.

    Returns:
        ``nanometres``, ``low``, ``high``, ``gaps`` (from and to), ``cells`` (from, to, and the feature there), and the
        ``order`` of the channels with the ``middles`` where they then lie.
    """
    from lime_callback.figures.spectral_axis import SpectralAxis

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
    return {"nanometres": axis.nanometres, "low": low, "high": high, "gaps": axis.gaps, "cells": kept,
            "order": axis.order.tolist(), "middles": np.round((axis.left + axis.right) / 2, 2).tolist()}  # fmt: skip


def named_places(names: Sequence[str]) -> dict[str, Any] | None:
    """The axis of features that are called by their wavelengths, such as ``"400-488 nm"``; ``None`` for others."""
    found = [_SPAN.fullmatch(name) for name in names]
    cells = [[float(one[1]), float(one[2]), i] for i, one in enumerate(found) if one is not None]
    if len(cells) < len(names) or not cells or any(a >= b for a, b, _ in cells):
        return None
    return {"nanometres": True, "low": min(c[0] for c in cells), "high": max(c[1] for c in cells), "gaps": [],
            "cells": sorted(cells)}  # fmt: skip


def spatial_places(explanation: Explanation) -> dict[str, Any]:
    """The regions of a view that tells pixels apart.

    A region is a set of pixels with the same features; in cubes, whose channels belong to several, each has its share.

    Returns:
        ``width``, ``height``; for each region the ``shares`` of features (feature, share); for each probe, or once for
        all, its ``runs``: length and region, row by row, as 16-bit numbers; region 0 is never hidden.
    """
    mask = explanation.features.canonical
    height, width = explanation.features.layout.canonical(_like(explanation)).shape[2:]
    part = min(1.0, LARGEST / max(height, width))
    rows, columns = (_sampled(size, max(1, round(size * part))) for size in (height, width))
    sampled: NDArray[Any] = mask.expand(-1, -1, height, width)[:, :, rows][..., columns].numpy()
    stacks = sampled.transpose(0, 2, 3, 1).reshape(-1, sampled.shape[1])
    kinds, regions = np.unique(stacks, axis=0, return_inverse=True)
    hidden = np.asarray((kinds < 0).all(1))
    order = np.argsort(~hidden, kind="stable")  # what is never hidden comes first, and gets the number 0
    number = np.empty(len(kinds), np.int64)
    number[order] = np.arange(len(kinds)) + (0 if hidden.any() else 1)
    shares: list[list[list[float]]] = [[], *(_shares(kinds[i]) for i in order if not hidden[i])]
    maps = number[regions.reshape(-1)].reshape(len(sampled), -1)
    return {
        "width": len(columns),
        "height": len(rows),
        "shares": shares,
        "runs": [base64_shorts(_runs(one)) for one in maps],
    }


def _like(explanation: Explanation) -> Any:
    import torch

    return torch.empty((1, *explanation.shape), device="meta")


def _sampled(size: int, kept: int) -> NDArray[np.integer[Any]]:
    """Which rows or columns a map keeps, to be as large as the picture it lies on."""
    return np.asarray((np.arange(kept) + 0.5) * size / kept, dtype=np.int64)


def _shares(stack: NDArray[Any]) -> list[list[float]]:
    labels, counts = np.unique(stack[stack >= 0], return_counts=True)
    return [[int(f), round(float(n) / len(stack), 4)] for f, n in zip(labels, counts, strict=True)]


def _runs(regions: NDArray[np.integer[Any]]) -> NDArray[np.integer[Any]]:
    """How often a region stands behind each other, and which: ``[n, 2]``."""
    start = np.append(0, np.flatnonzero(np.diff(regions)) + 1)
    length = np.diff(np.append(start, len(regions)))
    pieces = [(min(65535, n - i), regions[s]) for s, n in zip(start, length, strict=True) for i in range(0, n, 65535)]
    return np.array(pieces)

"""Segments of large pictures: found on a reduced picture, with borders that are drawn anew at full resolution.

The time of segmentation grows with the number of pixels, and the segments of a picture do not depend on its size: only
their borders do. Pictures, ``valid`` and labels are as in :mod:`lime_callback.views.segmentation`.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Picture = NDArray[np.float64]
    Labels = NDArray[np.int64]
    Valid = NDArray[np.bool_]

_LARGE = 512**2  # pixels; a picture of more is reduced
_REDUCED, _OF_SEGMENT = 256**2, 400  # pixels that are left at least: of the picture, and of a segment on average
_LEAST_SIDE = 16  # pixels that are left at least along each side


def reduction(height: int, width: int, n_segments: int) -> int:
    """The side of the blocks of pixels that become one pixel; 1 where a picture is small enough as it is."""
    if height * width <= _LARGE:
        return 1
    side = math.isqrt(height * width // max(_REDUCED, _OF_SEGMENT * n_segments))
    return max(1, min(side, min(height, width) // _LEAST_SIDE))


def reduced(picture: Picture, valid: Valid, side: int) -> tuple[Picture, Valid]:
    """The means of blocks of ``side`` x ``side`` pixels, over those that are valid, and which blocks hold any."""
    height, width = valid.shape
    beyond = (0, -height % side), (0, -width % side)
    weights = _blocks(np.pad(valid, beyond)[..., None].astype(np.float64), side)
    sums = _blocks(np.pad(picture * valid[..., None], (*beyond, (0, 0))), side)
    return sums / np.maximum(weights, 1), weights[..., 0] > 0


def _blocks(values: Picture, side: int) -> Picture:
    """Sums of blocks, ``[H / side, W / side, K]``."""
    height, width, channels = values.shape
    sums: Picture = values.reshape(height // side, side, width // side, side, channels).sum((1, 3))
    return sums


def refined(labels: Labels, picture: Picture, valid: Valid, side: int) -> Labels:
    """Draw the borders of a reduced picture's segments where the picture itself has edges.

    A watershed floods what lies within a block of a border from the segments' insides, so that borders move by a block
    at most, and every segment stays in one piece where ``valid`` lets it.

    Args:
        labels: of the reduced picture, ``[H / side, W / side]``.
        picture: ``[H, W, 3]``.
        valid: ``[H, W]``.
        side: of the blocks.
    """
    from scipy.ndimage import maximum_filter, minimum_filter

    height, width = valid.shape
    coarse = np.where(valid, labels.repeat(side, 0).repeat(side, 1)[:height, :width], -1) + 1  # 0: not valid
    window = 2 * side + 1
    inside = maximum_filter(coarse, window) == minimum_filter(coarse, window)
    kept = np.zeros(int(coarse.max()) + 1, dtype=bool)
    kept[coarse[inside]] = True
    markers = np.where(inside | ~kept[coarse], coarse, 0)  # a segment without an inside stays as it is
    edges = _edges(picture, valid)
    flooded = _flood(edges, markers, valid)
    flooded = _flood(edges, np.where(_strays(flooded), 0, flooded), valid)
    return np.where(flooded > 0, flooded, coarse) - 1


def _edges(picture: Picture, valid: Valid) -> NDArray[np.float64]:
    """How much each pixel differs from its valid neighbours, ``[H, W]``."""
    edges = np.zeros(valid.shape)
    # The second time along the other axis, into the same array.
    for values, counts, sums in ((picture, valid, edges), (picture.swapaxes(0, 1), valid.T, edges.T)):
        step = np.abs(np.diff(values, axis=0)).sum(-1) * (counts[1:] & counts[:-1])
        sums[1:] += step
        sums[:-1] += step
    return edges


def _flood(edges: NDArray[np.float64], markers: Labels, valid: Valid) -> Labels:
    """Markers above 0, grown over the valid pixels until they meet at edges; 0 where none comes."""
    from scipy.ndimage import binary_dilation
    from skimage import segmentation

    watershed: Callable[..., Any] = segmentation.watershed  # it carries no types
    empty = valid & (markers == 0)
    near = valid & binary_dilation(empty)  # of the markers only the rim, since all else would only take time
    flooded: Labels = watershed(edges, np.where(near, markers, 0), mask=near)
    return np.where(empty, flooded, markers)


def _strays(labels: Labels) -> Valid:
    """Which pixels lie in pieces of a segment other than its largest."""
    from skimage import measure

    find: Callable[..., Labels] = measure.label  # it carries no types
    pieces = find(labels, connectivity=1)
    sizes = np.bincount(pieces.ravel())
    of_piece = np.zeros(len(sizes), dtype=np.int64)
    of_piece[pieces] = labels
    order = np.argsort(sizes, kind="stable")
    largest = np.zeros(int(labels.max()) + 1, dtype=np.int64)
    largest[of_piece[order]] = order  # the last one that is written is the largest
    strays: Valid = (largest[labels] != pieces) & (labels > 0)
    return strays

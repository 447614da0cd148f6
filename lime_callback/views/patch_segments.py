"""Groups of the patches that a vision transformer sees as tokens: squares, or superpixels on the grid of patches.

Patches are int64 ``[H, W]``, the number of each pixel's patch, counted row by row; below 0 for pixels of none, which
are in no group.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from lime_callback.views.segmentation import grid, segment

if TYPE_CHECKING:
    from lime_callback.views.segmentation import Labels, Picture, Valid


def square_groups(patches: Tensor, n_segments: int) -> Tensor:
    """Near-square groups of whole patches, int64 ``[H, W]``; at most ``n_segments`` of them."""
    return _spread(patches, grid(*_grid_size(patches), n_segments))


def picture_groups(patches: Tensor, picture: Picture, valid: Valid, n_segments: int) -> Labels:
    """Connected groups of whole patches that look alike: SLIC of a picture in which a pixel is a patch's mean colour.

    Args:
        patches: the patches.
        picture: ``[H, W, 3]``.
        valid: ``[H, W]``; patches without a valid pixel are in no group.
        n_segments: about so many groups, never more; each patch is its own where there are no more than that.

    Returns:
        The groups, ``[H, W]``, also of those pixels of a group's patches that are not valid.
    """
    size = _grid_size(patches)
    numbers = patches.numpy()
    counted = valid & (numbers >= 0)
    pixels = np.bincount(numbers[counted], minlength=size[0] * size[1])
    sums = [np.bincount(numbers[counted], picture[counted, plane], size[0] * size[1]) for plane in range(3)]
    colours = (np.stack(sums, -1) / np.maximum(pixels, 1)[:, None]).reshape(*size, 3)
    inside = (pixels > 0).reshape(size)
    if inside.sum() <= n_segments:
        groups = np.where(inside, np.arange(inside.size).reshape(size), -1)
    else:
        groups = segment("slic", colours, inside, n_segments)
    return _spread(patches, torch.from_numpy(groups)).numpy()


def _grid_size(patches: Tensor) -> tuple[int, int]:
    """How many rows and columns of patches there are."""
    first = torch.where(patches < 0, patches.amax() + 1, patches).amin(1)
    columns = max(1, int((patches.amax(1) - first).amax()) + 1)
    return -(-(int(patches.amax()) + 1) // columns), columns


def _spread(patches: Tensor, groups: Tensor) -> Tensor:
    """The group of each pixel's patch, ``[H, W]``, for groups ``[rows, columns]``."""
    return torch.where(patches < 0, -1, groups.flatten()[patches.clamp(min=0)])

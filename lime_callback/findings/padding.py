"""Finds padding in pictures: pixels at their borders that all have one and the same value.

Letters: ``N`` pictures, ``C`` channels.
"""

from __future__ import annotations

import torch
from torch import Tensor

_OFTEN, _LARGE = 0.4, 0.02  # of the pictures have it, and so much of their pixels is padding


def padded_pixels(planes: Tensor) -> Tensor | None:
    """Where pictures are padded, bool ``[N, 1, H, W]``; ``None`` where they are not, or are so all alike.

    Args:
        planes: the pictures, ``[N, C, H, W]``.
    """
    height, width = planes.shape[2:]
    if height * width == 1:
        return None
    corners = planes[:, :, [0, 0, -1, -1], [0, -1, 0, -1]].mT.reshape(-1, planes.shape[1])  # [4 N, C]
    values, counts = torch.unique(corners, dim=0, return_counts=True)
    padded: Tensor = (planes == values[int(counts.argmax())].view(1, -1, 1, 1)).all(1, keepdim=True)
    large = padded.float().mean((1, 2, 3)) >= _LARGE
    if float(large.float().mean()) < _OFTEN or bool((padded == padded[:1]).all()):
        return None
    return padded

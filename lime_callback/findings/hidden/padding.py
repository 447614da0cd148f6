"""Finds padding in pictures, pixels at their borders that all have one and the same value, and asks what it tells.

Letters: ``N`` pictures, ``C`` channels, ``K`` outputs.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

_NEAREST = 3  # pictures, and those that are padded as much alike
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


def told_by_padding(padding: Tensor, outputs: Tensor, *, classes: bool) -> tuple[float, float]:
    """Say how well a picture's answer is told by the pictures that are padded most alike.

    Args:
        padding: pixels that only fill pictures up, bool ``[N, 1, H, W]``.
        outputs: the model's, ``[N, K]``.
        classes: whether the largest output is the answer; else each output is.

    Returns:
        Of classes, how often the most frequent answer of the pictures that are padded most alike is the picture's own,
        above what the most frequent of all would be, as a part of what is left above that; of values the largest
        correlation of any output with the mean of these pictures'. And the probability of that, told padding nothing.
    """
    from scipy.stats import binom, pearsonr

    flat = padding.flatten(1).double()
    apart = flat @ (1 - flat).T
    apart = apart + apart.T  # pixels in which one is padded and the other is not
    apart.fill_diagonal_(math.inf)
    nearest = (apart <= apart.topk(_NEAREST, largest=False).values[:, -1:]).double()
    if classes:
        answers = outputs.argmax(1)
        one_hot = torch.nn.functional.one_hot(answers, outputs.shape[1]).double()
        hits = int(((nearest @ one_hot).argmax(1) == answers).sum())
        usual = float(one_hot.mean(0).max())
        told = (hits / len(answers) - usual) / max(1 - usual, 1e-12)
        return told, float(binom.sf(hits - 1, len(answers), usual))
    means = (nearest @ outputs.double()) / nearest.sum(1, keepdim=True)
    found = []
    for own, beside in zip(outputs.double().T, means.T, strict=True):
        if float(own.std()) > 0 and float(beside.std()) > 0:
            result = pearsonr(own.numpy(), beside.numpy(), alternative="greater")
            found.append((float(result.statistic), min(1.0, outputs.shape[1] * float(result.pvalue))))
    return max(found, default=(0.0, 1.0))

"""Similarity of two explanations' coefficients, as pure functions.

Letters: ``B`` inputs, ``T`` targets, ``d`` features. Coefficients are ``[B, T, d]``; ``present`` says which features an
input has, bool ``[B or 1, d]``, and absent features have coefficient 0. All results are ``[B, T]``.
"""

from __future__ import annotations

import torch
from torch import Tensor


def cosine_distance(a: Tensor, b: Tensor) -> Tensor:
    """``1 - cos(a, b)`` of vectors ``[..., d]``; 0 for two zero vectors, 1 for a zero vector and another."""
    # Half the squared distance of the unit vectors: the same, and exactly 0 for equal vectors.
    zero = (a == 0).all(-1) ^ (b == 0).all(-1)
    return torch.where(zero, 1.0, (unit(a) - unit(b)).square().sum(-1) / 2)


def unit(a: Tensor) -> Tensor:
    """Scale vectors ``[..., d]`` to length 1; zero vectors stay zero."""
    scaled = a / _largest(a)
    length: Tensor = torch.linalg.vector_norm(scaled, dim=-1, keepdim=True)
    return scaled / length.clamp(min=1)


def _largest(a: Tensor) -> Tensor:
    """The largest absolute value ``[..., 1]``, or 1 for a zero vector; dividing by it keeps squares in range."""
    largest = a.abs().amax(-1, keepdim=True)
    return torch.where(largest > 0, largest, 1.0)


def rank_correlation(a: Tensor, b: Tensor, present: Tensor) -> Tensor:
    """Spearman's rank correlation, from -1 to 1, over the features present.

    1 if all coefficients are equal in both explanations, 0 if they are in one alone.
    """
    ranks = [_ranks(part, present) for part in (a, b)]
    still = [rank.square().sum(-1) == 0 for rank in ranks]
    correlation = (unit(ranks[0]) * unit(ranks[1])).sum(-1)
    return torch.where(still[0] & still[1], 1.0, correlation)


def _ranks(a: Tensor, present: Tensor) -> Tensor:
    """Centred ranks, 0 for absent features; equal values share their mean rank."""
    among = present.unsqueeze(1).to(a.dtype)
    above = ((a.unsqueeze(-1) > a.unsqueeze(-2)) * among.unsqueeze(-2)).sum(-1)
    below = ((a.unsqueeze(-1) < a.unsqueeze(-2)) * among.unsqueeze(-2)).sum(-1)
    return (above - below) * among


def top_overlap(a: Tensor, b: Tensor, present: Tensor, k: int) -> Tensor:
    """Share of the k features of largest absolute coefficient that both have, from 0 to 1; 1 without any feature."""
    hidden = ~present.unsqueeze(1)
    k = min(k, a.shape[-1])
    sets = []
    for part in (a, b):
        size = part.abs().masked_fill(hidden, -1.0)
        order = size.argsort(dim=-1, descending=True, stable=True)[..., :k]
        sets.append(torch.zeros_like(size).scatter_(-1, order, 1.0).masked_fill(hidden, 0.0))
    shared: Tensor = (sets[0] * sets[1]).sum(-1)
    count = present.sum(-1).clamp(max=k).unsqueeze(-1)
    return torch.where(count > 0, shared / count.clamp(min=1), 1.0)


def sign_changes(a: Tensor, b: Tensor, present: Tensor) -> Tensor:
    """Share of the present features whose coefficients have different signs, from 0 to 1."""
    changed: Tensor = ((a.sign() != b.sign()) & present.unsqueeze(1)).sum(-1)
    return changed / present.sum(-1).clamp(min=1).unsqueeze(-1)


def norm_change(a: Tensor, b: Tensor) -> Tensor:
    """``(|b| - |a|) / max(|a|, |b|)``: from -1 (vanished) over 0 (as long) to 1 (new)."""
    scale = _largest(torch.cat([a, b], dim=-1))
    before, after = (torch.linalg.vector_norm(part / scale, dim=-1) for part in (a, b))
    longer: Tensor = torch.maximum(before, after)
    return torch.where(longer > 0, (after - before) / longer, 0.0)


def map_similarity(a: Tensor, b: Tensor) -> Tensor:
    """Structural similarity of two attribution maps ``[..., H, W]``, from -1 to 1; 1 for equal maps.

    The window is 7 pixels wide, or as wide as a smaller map allows.

    Raises:
        ValueError: if the maps are smaller than 3 x 3 pixels, or of different shapes.

    References:
        Wang, Bovik, Sheikh and Simoncelli, "Image Quality Assessment: From Error Visibility to Structural Similarity",
        IEEE Transactions on Image Processing 13 (2004).
    """
    from torchmetrics.functional.image import structural_similarity_index_measure

    if a.shape != b.shape or a.ndim < 2 or min(a.shape[-2:]) < 3:
        raise ValueError(
            "`a` and `b` should be maps [..., H, W] of the same shape, at least 3 x 3. Found shapes "
            f"{tuple(a.shape)} and {tuple(b.shape)}."
        )
    window = min(7, *(size - 1 + size % 2 for size in a.shape[-2:]))
    flat = [part.reshape(-1, 1, *a.shape[-2:]) for part in (a, b)]
    # Maps have no range of their own: each pair takes the larger of its two spans.
    span = torch.stack([part.amax((1, 2, 3)) - part.amin((1, 2, 3)) for part in flat]).amax(0)
    scale = torch.where(span > 0, span, 1.0).view(-1, 1, 1, 1)
    similarity = structural_similarity_index_measure(
        flat[0] / scale, flat[1] / scale, gaussian_kernel=False, kernel_size=window, data_range=1.0, reduction="none"
    )
    return torch.as_tensor(similarity).reshape(a.shape[:-2])

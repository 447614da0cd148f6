"""Similarity of two explanations' coefficients, as pure functions.

Letters: ``B`` inputs, ``T`` targets, ``d`` features. Coefficients are ``[B, T, d]``; ``present`` says which features an
input has, bool ``[B or 1, d]``, and absent features have coefficient 0. All results are ``[B, T]``.
"""

from __future__ import annotations

import math

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
    among = present.unsqueeze(1).expand(a.shape)
    ordered = a.masked_fill(~among, math.inf).sort(-1).values  # absent ones come last
    a = a.contiguous()
    below = torch.searchsorted(ordered, a)
    above = among.sum(-1, keepdim=True) - torch.searchsorted(ordered, a, right=True)
    return (below - above) * among.to(a.dtype)


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


def map_similarity(a: Tensor, b: Tensor, regions: Tensor) -> Tensor:
    """Structural similarity (SSIM) of two attribution maps, from -1 to 1; 1 for equal maps.

    A map has one value in each region, so maps are never built: all that counts of a window are the shares of the
    regions in it. A window is 7 pixels wide, or as wide as a smaller map allows. Along an axis with more than 64 places
    for it, 64 evenly spaced ones stand for all.

    Args:
        a: a value for each of ``R`` regions, ``[B, T, R]``.
        b: those of the other map.
        regions: each pixel's region, int64 ``[B or 1, H, W]`` from 0 to ``R - 1``.

    Raises:
        ValueError: if the regions are smaller than 3 x 3 pixels, or the shapes do not fit.

    References:
        Wang, Bovik, Sheikh and Simoncelli, "Image Quality Assessment: From Error Visibility to Structural Similarity",
        IEEE Transactions on Image Processing 13 (2004).
    """
    if a.shape != b.shape or a.ndim != 3 or regions.ndim != 3 or min(regions.shape[1:]) < 3:
        raise ValueError(
            "`a` and `b` should be values [B, T, R] of the same shape, and `regions` [B or 1, H, W] at least 3 x 3. "
            f"Found shapes {tuple(a.shape)}, {tuple(b.shape)} and {tuple(regions.shape)}."
        )
    seen = torch.stack([torch.bincount(one.flatten(), minlength=a.shape[-1]) > 0 for one in regions])
    a, b = (part.double() * seen.unsqueeze(1) for part in (a, b))
    # Maps have no range of their own: each pair takes the larger of its two spans.
    unseen = torch.where(seen, 0.0, math.inf).unsqueeze(1)
    span = torch.maximum(*((part - unseen).amax(-1) - (part + unseen).amin(-1) for part in (a, b)))
    scale = torch.where(span > 0, span, 1.0).unsqueeze(-1)
    a, b = a / scale, b / scale
    shares = [_window_shares(one, a.shape[-1]) for one in regions]
    shares = shares if len(shares) > 1 else shares * len(a)
    moments = torch.stack([a, b, a * a, b * b, a * b], 1).flatten(1, 2)  # [B, 5 T, R]
    means = torch.stack([torch.sparse.mm(share, one.mT) for share, one in zip(shares, moments, strict=True)])
    mean_a, mean_b, square_a, square_b, product = means.mT.chunk(5, 1)  # [B, T, windows] each
    varied = (square_a - mean_a**2).clamp(min=0) + (square_b - mean_b**2).clamp(min=0)
    alike = (2 * mean_a * mean_b + _OF_MEANS) / (mean_a**2 + mean_b**2 + _OF_MEANS)
    structure = (2 * (product - mean_a * mean_b) + _OF_SPREADS) / (varied + _OF_SPREADS)
    similarity: Tensor = (alike * structure).mean(-1)
    return similarity


_OF_MEANS, _OF_SPREADS = 0.01**2, 0.03**2  # SSIM's constants, which keep it steady where both maps are even
_WINDOW, _PLACES = 7, 64


def _window_shares(regions: Tensor, count: int) -> Tensor:
    """The share that each of ``count`` regions ``[H, W]`` has of each window, sparse float64 ``[windows, count]``."""
    window = min(_WINDOW, *(size - 1 + size % 2 for size in regions.shape))
    last = [size - window for size in regions.shape]
    starts = [torch.linspace(0, end, min(end + 1, _PLACES)).round().long() for end in last]
    y, x = (start.unsqueeze(-1) + torch.arange(window) for start in starts)
    inside = regions[y[:, None, :, None], x[None, :, None, :]].flatten(0, 1).flatten(1)  # [windows, pixels]
    number = torch.arange(len(inside)).unsqueeze(-1).expand_as(inside)
    places = torch.stack([number.flatten(), inside.flatten()])
    share = torch.full((inside.numel(),), 1 / inside.shape[1], dtype=torch.float64)
    return torch.sparse_coo_tensor(places, share, (len(inside), count), check_invariants=True).coalesce()

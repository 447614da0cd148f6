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


def map_similarity(a: Tensor, b: Tensor, areas: Tensor) -> Tensor:
    """Lin's concordance of two maps' pixels: 1 for equal maps, about 0 for unrelated ones, at most 0 for opposite ones.

    SSIM averages over windows, and its constants make two windows alike in which hardly anything is: of a map that is
    flat but for a few regions, most windows. Where the windows count by how far their pixels lie from the maps' means,
    and not all alike, SSIM's comparisons of level and of structure become this concordance. It needs no windows, since
    a map has one value in each region.

    Args:
        a: a value for each of ``R`` regions, ``[B, T, R]``.
        b: those of the other map.
        areas: how many pixels each region has, ``[B or 1, R]``; 0 for regions that an input does not have.

    References:
        Lin, "A Concordance Correlation Coefficient to Evaluate Reproducibility", Biometrics 45 (1989). Wang, Bovik,
        Sheikh and Simoncelli, "Image Quality Assessment: From Error Visibility to Structural Similarity", IEEE
        Transactions on Image Processing 13 (2004); Wang and Li, "Information Content Weighting for Perceptual Image
        Quality Assessment", ibid. 20 (2011).
    """
    weights = areas.double().unsqueeze(1)
    weights = weights / weights.sum(-1, keepdim=True).clamp(min=1)
    scale = torch.maximum(_largest(a.double() * (weights > 0)), _largest(b.double() * (weights > 0)))
    a, b = (part.double() / scale * (weights > 0) for part in (a, b))
    means = [(weights * part).sum(-1, keepdim=True) for part in (a, b)]
    a, b = a - means[0], b - means[1]
    together = 2 * (weights * a * b).sum(-1)
    apart = (weights * a * a).sum(-1) + (weights * b * b).sum(-1) + (means[0] - means[1]).squeeze(-1) ** 2
    return torch.where(apart > 0, together / torch.where(apart > 0, apart, 1.0), 1.0)

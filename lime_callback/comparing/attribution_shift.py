"""Shifts: how much of the attribution went elsewhere between two explanations, how much longer and how much turned.

A feature's share is its coefficient by the explanation's attribution, the sum of the coefficients' sizes without what
noise adds to them. Shares do not change where a model's outputs are multiplied by a number; their sizes sum to 1 but
for noise. What noise does to their changes is known from the influences of the groups of rows, so that it can be taken
out: where both explanations have the same rows, it cancels, and an unchanged model has shifts of 0, exactly.

Letters: ``B`` inputs, ``T`` targets, ``d`` features, ``G`` groups of rows that were drawn together.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from lime_callback.explaining.effects import effects, magnitudes

if TYPE_CHECKING:
    from lime_callback.explaining.explanation import Explanation

LONGEST = 20.0
"""Largest ``scale`` to either side: a million times as long, or of attributions of which one is nothing."""

# The size of what is nothing but noise of standard deviation 1 is sqrt(2 / pi) on average. A bump of this height and of
# the form exp(-z²) has the same average there, and takes nothing from a change that stands out of its noise.
_SIZE = math.sqrt(2 / math.pi)
_BUMP = _SIZE * math.sqrt(3)
_SPREAD = 1 - 4 / math.pi / math.sqrt(3) + 6 / math.pi / math.sqrt(5)  # variance of a size less the bump, of mere noise


@dataclass(frozen=True, eq=False)
class Shares:
    """Each feature's share of one explanation's attribution, and what noise does to it.

    Attributes:
        values: signed shares ``[B, T, d]``; all 0 where there is no attribution beyond noise.
        influences: of the groups of rows on them, ``[B, G, T, d]``.
        total: the attribution, in the output's unit, ``[B, T]``.
    """

    values: Tensor
    influences: Tensor
    total: Tensor

    @classmethod
    def of(cls, explanation: Explanation, influences: Tensor) -> Shares:
        """Take the shares of an explanation.

        Args:
            explanation: of which they are.
            influences: of the groups on its coefficients ``[B, G, T, d]``; 0 where they are not known.
        """
        b, e = (one.to(influences.dtype) for one in (explanation.coefficients, explanation.standard_error))
        size = b.abs()
        total = magnitudes(b, e).sum(-1)
        there = total > 0
        safe = torch.where(there, total, 1.0).unsqueeze(-1)
        values = torch.where(there.unsqueeze(-1), b / safe, 0.0)
        # Derivative of each size that counts, which is |b| - e² / |b| above e and 0 below.
        known = torch.where(e.isfinite(), e, 0.0)
        slope = torch.where(size > known, 1 + known.square() / size.square().clamp(min=_tiny(b)), 0.0) * b.sign()
        of_total = (influences * slope.unsqueeze(1)).sum(-1, keepdim=True)
        moved = (influences - values.unsqueeze(1) * of_total) / safe.unsqueeze(1)
        return cls(values, torch.where(there[:, None, :, None], moved, 0.0), total)


@dataclass(frozen=True, eq=False)
class Shift:
    """How the attribution shifted.

    Attributes:
        change: of each feature's share, ``[B, T, d]``.
        error: its standard error, likewise.
        moved: share of the attribution that went elsewhere, without the bias of noise, ``[B, T]``; below 0 where noise
            happened to be small, and 1 where only one of the two has any attribution.
        moved_error: its standard error, from the perturbations, ``[B, T]``, whose noise is estimated itself.
        apart: the same share with the bias, ``[B, T]``: where noise hides changes it is too large, never too small.
        scale: binary logarithm of how many times longer the attribution became, ``[B, T]``: 0 as long, 1 twice.
        flipped: share of the attribution whose sign turned, ``[B, T]``.
    """

    change: Tensor
    error: Tensor
    moved: Tensor
    moved_error: Tensor
    apart: Tensor
    scale: Tensor
    flipped: Tensor


def shift(
    before: Explanation, after: Explanation, influences: tuple[Tensor, Tensor], *, shared: bool, known: Tensor,
    critical: Tensor, freedom: Tensor,
) -> Shift:  # fmt: skip
    """Measure the shift from one explanation to another of the same inputs, features and targets.

    Args:
        before: the earlier one.
        after: the later one.
        influences: of the groups of rows on the coefficients of each, ``[B, G, T, d]``; 0 where they are not known.
        shared: whether the groups are the same in both, so that their noise cancels.
        critical: how many standard errors from 0 a coefficient has a sign that is believed, ``[B]``.
        freedom: degrees of freedom of the coefficients' errors, ``[B]``.
        known: whether the coefficients' errors are known, bool ``[B, T, d]``; the shift's are infinite where not.
    """
    a, b = (Shares.of(one, part) for one, part in zip((before, after), influences, strict=True))
    change = b.values - a.values
    if shared:
        error = (b.influences - a.influences).square().sum(1).sqrt()
    else:
        error = (a.influences.square().sum(1) + b.influences.square().sum(1)).sqrt()
    one_alone = (a.total > 0) ^ (b.total > 0)
    moved = torch.where(one_alone, 1.0, without_noise(change, error).sum(-1) / 2)
    # The features' noise, and that of its own estimate, which all features share.
    share = 1 / freedom.clamp(min=1).to(error)[:, None]
    noise = _SPREAD * error.square().sum(-1) + share * (error * _SIZE).sum(-1).square()
    error = torch.where(known, error, math.inf)
    apart = torch.where(one_alone, 1.0, change.abs().sum(-1) / 2)
    dtype = before.coefficients.dtype
    return Shift(
        change.to(dtype),
        error.to(dtype),
        moved.to(dtype),
        torch.where(known.all(-1), noise.sqrt() / 2, math.inf).to(dtype),
        apart.to(dtype),
        scale(a.total, b.total).to(dtype),
        flipped(before, after, critical).to(dtype),
    )


def without_noise(change: Tensor, error: Tensor) -> Tensor:
    """Sizes of changes that are 0 on average where nothing but noise has changed, in the shape of ``change``.

    Negative where a change is smaller than its noise, so that means and sums over many of them are not biased. A change
    of about its standard error counts too little, one of three counts in full.

    Args:
        change: estimates.
        error: their standard errors.
    """
    size = change.abs()
    noise = torch.where(error > 0, _BUMP * error * torch.exp(-(size / error.clamp(min=_tiny(error))).square()), 0.0)
    return size - noise


def scale(before: Tensor, after: Tensor) -> Tensor:
    """Binary logarithm of how many times larger attributions became; 0 if both are nothing, at most ``LONGEST``."""
    found = after.log2() - before.log2()
    return torch.where((before == 0) & (after == 0), 0.0, found).clamp(-LONGEST, LONGEST)


def flipped(before: Explanation, after: Explanation, critical: Tensor) -> Tensor:
    """Share of the attribution whose sign turned, from 0 to 1, ``[B, T]``.

    A feature counts if both of its coefficients differ from 0 beyond their noise and their signs differ; it counts as
    the mean of its two shares.

    Args:
        before: the earlier explanation.
        after: the later one.
        critical: how many standard errors from 0 a coefficient has a sign that is believed, ``[B]``.
    """
    told = torch.ones_like(before.coefficients, dtype=torch.bool)
    for one in (before, after):
        told &= one.coefficients.abs() > critical.to(one.coefficients)[:, None, None] * one.standard_error
    turned = told & (before.coefficients.sign() != after.coefficients.sign())
    size = (effects(before.coefficients, before.standard_error).abs()) / 2
    size = size + effects(after.coefficients, after.standard_error).abs() / 2
    return torch.where(turned, size, 0.0).sum(-1)


def _tiny(values: Tensor) -> float:
    return torch.finfo(values.dtype).tiny

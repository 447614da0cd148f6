"""Shifts between two explanations: how much of the attribution moved, grew, and changed its sign.

A feature's share is its coefficient divided by the explanation's attribution, which is the sum of the coefficients'
sizes without their noise (:func:`~lime_callback.explaining.effects.magnitudes`). Shares stay the same if a model's
outputs are multiplied by a number; their sizes sum to 1 but for noise. The influences of the groups of rows tell the
noise in the shares' changes, which is subtracted. If both explanations have the same rows, it cancels: an unchanged
model has shifts of exactly 0.

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
"""Largest absolute ``scale``: a million times as long, or one attribution is 0."""

# Noise z of standard deviation 1 has E|z| = sqrt(2 / pi). The bump c exp(-z²) with c = sqrt(3) E|z| has the same mean,
# and subtracts nothing from a change that is much larger than its noise.
_SIZE = math.sqrt(2 / math.pi)
_BUMP = _SIZE * math.sqrt(3)
_SPREAD = 1 - 4 / math.pi / math.sqrt(3) + 6 / math.pi / math.sqrt(5)  # variance of |z| - c exp(-z²)


@dataclass(frozen=True, eq=False)
class Shares:
    """Each feature's share of one explanation's attribution, and the influences on it.

    Attributes:
        values: signed shares ``[B, T, d]``; all 0 if there is no attribution beyond noise.
        influences: how far each group of rows moves the shares, ``[B, G, T, d]``.
        total: the attribution, in the output's unit, ``[B, T]``.
    """

    values: Tensor
    influences: Tensor
    total: Tensor

    @classmethod
    def of(cls, explanation: Explanation, influences: Tensor) -> Shares:
        """Take the shares of an explanation.

        Args:
            explanation: the explanation.
            influences: how far each group of rows moves its coefficients, ``[B, G, T, d]``; 0 where unknown.
        """
        b, e = (part.to(influences.dtype) for part in (explanation.coefficients, explanation.standard_error))
        size = b.abs()
        total = magnitudes(b, e).sum(-1)
        has_attribution = total > 0
        safe = torch.where(has_attribution, total, 1.0).unsqueeze(-1)
        values = torch.where(has_attribution.unsqueeze(-1), b / safe, 0.0)
        # Derivative of each magnitude, which is |b| - e² / |b| for |b| > e, and 0 below.
        known = torch.where(e.isfinite(), e, 0.0)
        slope = torch.where(size > known, 1 + known.square() / size.square().clamp(min=_tiny(b)), 0.0) * b.sign()
        of_total = (influences * slope.unsqueeze(1)).sum(-1, keepdim=True)
        moved = (influences - values.unsqueeze(1) * of_total) / safe.unsqueeze(1)
        return cls(values, torch.where(has_attribution[:, None, :, None], moved, 0.0), total)


@dataclass(frozen=True, eq=False)
class Shift:
    """How the attribution shifted.

    Attributes:
        change: change of each feature's share, ``[B, T, d]``.
        error: its standard error, ``[B, T, d]``.
        moved: share of the attribution that moved to other features, without the bias of noise, ``[B, T]``; below 0 if
            the noise happened to be small, at most 1, and 1 if only one of the two explanations has any attribution.
        moved_error: its standard error from the perturbations, ``[B, T]``.
        apart: the same share with the bias, ``[B, T]``: too large where noise hides changes, never too small.
        scale: ``log2(total after / total before)`` of the attributions, ``[B, T]``.
        flipped: share of the attribution whose sign changed, ``[B, T]``.
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
        before: the earlier explanation.
        after: the later one.
        influences: how far each group of rows moves the coefficients of each, ``[B, G, T, d]``; 0 where unknown.
        shared: whether both have the same groups, so that their noise cancels.
        known: whether the coefficients' errors are known, bool ``[B, T, d]``; the shift's are infinite where not.
        critical: number of standard errors beyond which a coefficient's sign is believed, ``[B]``.
        freedom: the coefficients' errors' degrees of freedom, ``[B]``.
    """
    a, b = (Shares.of(each, part) for each, part in zip((before, after), influences, strict=True))
    change = b.values - a.values
    if shared:
        error = (b.influences - a.influences).square().sum(1).sqrt()
    else:
        error = (a.influences.square().sum(1) + b.influences.square().sum(1)).sqrt()
    one_alone = (a.total > 0) ^ (b.total > 0)
    # Shares that lie far from 0 sum to more than 1, since a total is taken without its noise and they are not.
    moved = torch.where(one_alone, 1.0, without_noise(change, error).sum(-1) / 2).clamp(max=1)
    # The features' own noise, and that of the estimated errors, which all features share.
    share = 1 / freedom.clamp(min=1).to(error)[:, None]
    noise = _SPREAD * error.square().sum(-1) + share * (error * _SIZE).sum(-1).square()
    error = torch.where(known, error, math.inf)
    apart = torch.where(one_alone, 1.0, change.abs().sum(-1) / 2).clamp(max=1)
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
    """Sizes of changes, 0 on average for pure noise, in the shape of ``change``: ``|x| - c e exp(-(x / e)²)``.

    A size is negative if the change is smaller than its noise, which leaves sums and means over many changes without
    bias. A change of one standard error counts too little, a change of three counts in full.

    Args:
        change: estimates ``x``.
        error: their standard errors ``e``.
    """
    size = change.abs()
    noise = torch.where(error > 0, _BUMP * error * torch.exp(-(size / error.clamp(min=_tiny(error))).square()), 0.0)
    return size - noise


def scale(before: Tensor, after: Tensor) -> Tensor:
    """``log2(after / before)`` of attributions, from ``-LONGEST`` to ``LONGEST``; 0 if both are 0."""
    growth = after.log2() - before.log2()
    return torch.where((before == 0) & (after == 0), 0.0, growth).clamp(-LONGEST, LONGEST)


def flipped(before: Explanation, after: Explanation, critical: Tensor) -> Tensor:
    """Share of the attribution whose sign changed, from 0 to 1, ``[B, T]``.

    A feature counts, with the mean of its two shares, if its coefficients have different signs and both differ from 0
    by more than ``critical`` standard errors.

    Args:
        before: the earlier explanation.
        after: the later one.
        critical: number of standard errors beyond which a coefficient's sign is believed, ``[B]``.
    """
    believed = torch.ones_like(before.coefficients, dtype=torch.bool)
    for each in (before, after):
        believed &= each.coefficients.abs() > critical.to(each.coefficients)[:, None, None] * each.standard_error
    turned = believed & (before.coefficients.sign() != after.coefficients.sign())
    size = (effects(before.coefficients, before.standard_error).abs()) / 2
    size = size + effects(after.coefficients, after.standard_error).abs() / 2
    return torch.where(turned, size, 0.0).sum(-1)


def _tiny(values: Tensor) -> float:
    return torch.finfo(values.dtype).tiny

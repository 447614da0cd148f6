"""Effects: each feature's signed share of its explanation's attribution, comparable between probes and epochs.

Letters: ``B`` inputs, ``T`` targets, ``d`` features.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor


def magnitudes(coefficients: Tensor, errors: Tensor) -> Tensor:
    """Sizes of coefficients without their noise, ``[..., d]``: ``max(0, |b| - e² / |b|)``.

    The absolute value of a noisy zero has a mean above zero, so that many unused features would add up to much. An
    unknown (infinite) error counts as 0.

    Args:
        coefficients: ``[..., d]``.
        errors: their standard errors ``[..., d]``.

    References:
        Breiman, "Better Subset Regression Using the Nonnegative Garrote", Technometrics 37 (1995).
    """
    size = coefficients.abs()
    noise = torch.where(errors.isfinite(), errors, 0.0).square()
    return (size - noise / size.clamp(min=torch.finfo(size.dtype).tiny)).clamp(min=0)


def balanced_sizes(coefficients: Tensor, errors: Tensor) -> tuple[Tensor, Tensor]:
    """Sizes whose sums have no bias from noise, and their derivatives by the coefficients, both ``[..., d]``.

    A size is ``|b| - 2 √2 e φ(z)`` with ``z = b / e`` and the normal density ``φ``. Its mean is 0 if the coefficient is
    0, so that a single size may be negative: use it for sums over sets of features. If a coefficient is not much larger
    than its error, the size is too small, by half an error at most.

    Args:
        coefficients: ``b``, ``[..., d]``.
        errors: their standard errors ``e``, ``[..., d]``; an unknown (infinite) error counts as 0.
    """
    noise = torch.where(errors.isfinite(), errors, 0.0)
    z = coefficients.abs() / noise.clamp(min=torch.finfo(noise.dtype).tiny)
    density = torch.exp(-z.square() / 2) * 2 / math.sqrt(math.pi)  # 2 √2 φ(z)
    return coefficients.abs() - noise * density, coefficients.sign() * (1 + (z * density).nan_to_num(0.0))


def effects(coefficients: Tensor, errors: Tensor) -> Tensor:
    """Each coefficient's signed share of the attribution, ``[..., d]``.

    Absolute values sum to 1, or are all 0 if no coefficient is larger than its error.

    Args:
        coefficients: ``[..., d]``.
        errors: their standard errors ``[..., d]``.
    """
    size = magnitudes(coefficients, errors)
    total = size.sum(-1, keepdim=True)
    return torch.where(total > 0, coefficients.sign() * size / torch.where(total > 0, total, 1.0), 0.0)

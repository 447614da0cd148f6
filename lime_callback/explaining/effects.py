"""Effects: a feature's signed share of its explanation's attribution, the one unit that compares probes and epochs.

Letters: ``B`` inputs, ``T`` targets, ``d`` features.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor


def magnitudes(coefficients: Tensor, errors: Tensor) -> Tensor:
    """Sizes of coefficients without what their noise adds, ``[..., d]``: ``|b| (1 - e² / b²)``, or 0 if that is less.

    The absolute value of a noisy zero is not zero on average, so that many features that are not used would add up to
    much. An error that is unknown (infinite) takes nothing away.

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
    """Sizes whose sums noise does not raise, and how they follow their coefficients, both ``[..., d]``.

    With ``z = b / e`` and the normal density ``φ`` a size is ``|b| - 2 √2 e φ(z)``. It is 0 on average where the
    coefficient is 0, and so may be negative: it is made for sums over sets of features. It is too small where a
    coefficient is not much more than its error, by half an error at most.

    Args:
        coefficients: ``[..., d]``.
        errors: their standard errors ``[..., d]``; one that is unknown (infinite) takes nothing away.
    """
    noise = torch.where(errors.isfinite(), errors, 0.0)
    z = coefficients.abs() / noise.clamp(min=torch.finfo(noise.dtype).tiny)
    density = torch.exp(-z.square() / 2) * 2 / math.sqrt(math.pi)  # 2 √2 φ(z)
    return coefficients.abs() - noise * density, coefficients.sign() * (1 + (z * density).nan_to_num(0.0))


def effects(coefficients: Tensor, errors: Tensor) -> Tensor:
    """Each coefficient's signed share of the attribution, ``[..., d]``.

    Absolute values sum to 1, or are all 0 where no coefficient is larger than its error.

    Args:
        coefficients: ``[..., d]``.
        errors: their standard errors ``[..., d]``.
    """
    size = magnitudes(coefficients, errors)
    total = size.sum(-1, keepdim=True)
    return torch.where(total > 0, coefficients.sign() * size / torch.where(total > 0, total, 1.0), 0.0)

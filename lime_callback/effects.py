"""Effects: a feature's signed share of its explanation's attribution, the one unit that compares probes and epochs.

Letters: ``B`` inputs, ``T`` targets, ``d`` features.
"""

from __future__ import annotations

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

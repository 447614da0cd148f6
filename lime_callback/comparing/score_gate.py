"""The gate: decides which explanations count, because their surrogates predict the model well enough.

Letters: ``B`` inputs, ``T`` targets, ``n`` perturbations, ``d`` features.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from lime_callback.explaining.explanation import Explanation


def is_informative(explanation: Explanation) -> Tensor:
    """Return which surrogates have a coefficient other than 0, and enough rows to know errors, bool ``[B, T]``."""
    known = (explanation.freedom > 0).unsqueeze(1)
    return known & ~(explanation.coefficients == 0).all(-1)


def passes_gate(explanation: Explanation, gate: float | None) -> Tensor:
    """Return which inputs and targets count in means, lines and drift, bool ``[B, T]``.

    Args:
        explanation: the explanation.
        gate: the lowest score of a surrogate that counts; degenerate surrogates do not count. ``None`` counts all.
    """
    if gate is None:
        return torch.ones_like(explanation.score, dtype=torch.bool)
    return is_informative(explanation) & (explanation.score >= gate)

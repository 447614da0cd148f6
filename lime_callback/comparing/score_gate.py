"""The gate: which explanations count, since their surrogate predicts the model well enough.

Letters: ``B`` inputs, ``T`` targets, ``n`` perturbations, ``d`` features.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from lime_callback.explaining.explanation import Explanation


def is_informative(explanation: Explanation) -> Tensor:
    """Which surrogates have a coefficient that is not 0, and rows enough to know their errors, bool ``[B, T]``."""
    known = (explanation.freedom > 0).unsqueeze(1)
    return known & ~(explanation.coefficients == 0).all(-1)


def passes_gate(explanation: Explanation, gate: float | None) -> Tensor:
    """Which inputs and targets count in means, lines and drift, bool ``[B, T]``.

    Args:
        explanation: the explanation.
        gate: lowest score of a surrogate that counts; degenerate ones never do. ``None``: all count.
    """
    if gate is None:
        return torch.ones_like(explanation.score, dtype=torch.bool)
    return is_informative(explanation) & (explanation.score >= gate)

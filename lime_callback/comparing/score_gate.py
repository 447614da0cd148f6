"""Which explanations count: those whose surrogate describes the model, and what is known of their errors.

Letters: ``B`` inputs, ``T`` targets, ``n`` perturbations, ``d`` features.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from lime_callback.explaining.explanation import Explanation


def is_informative(explanation: Explanation) -> Tensor:
    """Which surrogates have something to describe, and rows enough to do so, bool ``[B, T]``."""
    known = (explanation.freedom > 0).unsqueeze(1)
    return known & ~(explanation.coefficients == 0).all(-1)


def passes_gate(explanation: Explanation, gate: float | None) -> Tensor:
    """Which explanations enter means, lines and drift, bool ``[B, T]``.

    Args:
        explanation: of which they are.
        gate: surrogates with a lower score do not count, nor do degenerate ones; ``None``: all do.
    """
    if gate is None:
        return torch.ones_like(explanation.score, dtype=torch.bool)
    return is_informative(explanation) & (explanation.score >= gate)

"""Which explanations count: those whose surrogate describes the model, and what is known of their errors.

Letters: ``B`` inputs, ``T`` targets, ``n`` perturbations, ``d`` features.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from lime_callback.conclusions import too_few

if TYPE_CHECKING:
    from lime_callback.explanation import Explanation


def described(explanation: Explanation) -> Tensor:
    """Which surrogates have something to describe, and rows enough to do so, bool ``[B, T]``.

    The others are degenerate: their score says nothing, be it 0 of an output that does not vary, or close to 1 of a fit
    with hardly a row more than features.
    """
    several = explanation.features.present.sum(1).expand(len(explanation.score)).tolist()
    few = torch.tensor([too_few(explanation.n_perturbations, d) for d in several])
    found = ~few.to(explanation.score.device).unsqueeze(1).expand(explanation.score.shape)
    return found & ~(explanation.coefficients == 0).all(-1)


def counted(explanation: Explanation, gate: float | None) -> Tensor:
    """Which explanations enter means, lines and drift, bool ``[B, T]``.

    Args:
        explanation: of which they are.
        gate: surrogates with a lower score do not count, nor do degenerate ones; ``None``: all do.
    """
    if gate is None:
        return torch.ones_like(explanation.score, dtype=torch.bool)
    return described(explanation) & (explanation.score >= gate)


def freedom_of(explanation: Explanation) -> Tensor:
    """Degrees of freedom of each input's standard errors, float64 ``[B]`` on the CPU; 0 where there are none."""
    known = getattr(explanation, "freedom", None)
    if known is not None:
        return torch.as_tensor(known).double().cpu()
    group = explanation.samples.group if explanation.samples is not None else 1
    groups = -(-explanation.n_perturbations // group)
    features = explanation.features.present.sum(1).expand(len(explanation.score)).double().cpu()
    return (groups - features - 1).clamp(min=1)

"""Drift as a torchmetrics metric, which reduces over inputs and over processes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torchmetrics import Metric

from lime_callback.comparing.drift import MEASURES, compare, mean_over_inputs

if TYPE_CHECKING:
    from lime_callback.explaining.explanation import Explanation


class ExplanationDrift(Metric):
    """Means of the measures between pairs of explanations, over all inputs that pass the gate.

    An input's targets that pass the gate are averaged first.

    Args:
        gate: lowest score of an explanation that counts; ``None`` keeps all.
        **kwargs: arguments of :class:`torchmetrics.Metric`.
    """

    full_state_update = False
    higher_is_better = False
    sums: Tensor
    count: Tensor

    def __init__(self, gate: float | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.gate = gate
        self.add_state("sums", torch.zeros(len(MEASURES), dtype=torch.float64), dist_reduce_fx="sum")
        self.add_state("count", torch.zeros((), dtype=torch.float64), dist_reduce_fx="sum")

    def update(self, before: Explanation, after: Explanation) -> None:
        """Add a pair of explanations of the same inputs.

        Raises:
            ValueError: if they cannot be compared; the message says why.
        """
        drift = compare(before, after, self.gate)
        among = drift.kept.any(1)
        # Targets of one input depend on each other: an input counts once.
        values = torch.stack([mean_over_inputs(getattr(drift, name), drift.kept).mean for name in MEASURES])
        self.sums += (values * among.sum()).to(self.sums)
        self.count += among.sum().to(self.count)

    def compute(self) -> dict[str, Tensor]:
        """Each measure's mean, named as in `Drift`; NaN if nothing passed the gate."""
        return dict(zip(MEASURES, self.sums / self.count, strict=True))

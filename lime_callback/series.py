"""What has been over the epochs of a run, small enough for a checkpoint: lines and rows for the pictures.

Letters: ``E`` explained epochs, ``T`` targets, ``d`` features; means are over the probes.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

    from lime_callback.explanation import Explanation

# More rows than this cannot be told apart in a picture; then every second one is dropped.
_LONGEST = 240


@dataclass
class Series:
    """Values of the explained epochs, one behind the other.

    Attributes:
        epochs: epochs trained at each of them.
        scores: mean R².
        drifts: mean drift against the one before; NaN where there is nothing to compare.
        floors: what noise alone would have made of it; NaN likewise.
        coefficients: mean coefficients ``[T, d]``.
        errors: their standard errors ``[T, d]``.
        effects: mean effects, shares of the attribution, ``[T, d]``.
        longest: the largest mean coefficient with its 95 % interval so far: axes as long do not shrink during a run.
        settled: epochs trained when drift last came within its noise, and stayed there; -1 while it is outside.
    """

    epochs: list[float] = field(default_factory=list)
    scores: list[float] = field(default_factory=list)
    drifts: list[float] = field(default_factory=list)
    floors: list[float] = field(default_factory=list)
    coefficients: list[Tensor] = field(default_factory=list)
    errors: list[Tensor] = field(default_factory=list)
    effects: list[Tensor] = field(default_factory=list)
    longest: float = 0.0
    settled: float = -1.0

    def add(
        self, explanation: Explanation, epochs: float, values: Mapping[str, float], step: Mapping[str, float] | None
    ) -> None:
        """Add an epoch.

        Args:
            explanation: of this epoch.
            epochs: trained so far.
            values: its metrics.
            step: drift against the epoch before, see :meth:`~lime_callback.drift.Drift.mean`; ``None`` if unknown.
        """
        if len(self.epochs) >= _LONGEST:
            for name in _LISTS:
                setattr(self, name, getattr(self, name)[::2])
        self.epochs.append(epochs)
        self.scores.append(values["score"])
        self.drifts.append(float("nan") if step is None else values["drift"])
        self.floors.append(float("nan") if step is None else step["noise_floor"])
        count = len(explanation.score)
        self.coefficients.append(explanation.coefficients.mean(0))
        self.errors.append(explanation.standard_error.square().sum(0).sqrt() / count)
        self.effects.append(explanation.effects.mean(0))
        ends = self.coefficients[-1].abs() + 1.96 * self.errors[-1].nan_to_num(0.0, 0.0)
        self.longest = max(self.longest, float(ends.nan_to_num(0.0, 0.0).max()))
        if step is not None:
            within = step["drift"] <= step["noise_floor"]
            self.settled = (self.settled if self.settled >= 0 else epochs) if within else -1.0

    def state(self) -> dict[str, Any]:
        """Lists, tensors and numbers alone, for a checkpoint."""
        stacked = {name: torch.stack(getattr(self, name)) if getattr(self, name) else None for name in _TENSORS}
        plain = {name: list(getattr(self, name)) for name in _LISTS if name not in _TENSORS}
        return {**plain, **stacked, "longest": self.longest, "settled": self.settled}

    @classmethod
    def of_state(cls, state: Mapping[str, Any]) -> Series:
        """The inverse of :meth:`state`."""
        lists = {name: list(state[name]) if state[name] is not None else [] for name in _LISTS}
        return cls(**lists, longest=state.get("longest", 0.0), settled=state["settled"])


_TENSORS = ("coefficients", "errors", "effects")
_LISTS = ("epochs", "scores", "drifts", "floors", *_TENSORS)

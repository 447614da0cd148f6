"""What has been over the epochs of a run, small enough for a checkpoint: lines and rows for the pictures.

Letters: ``E`` explained epochs, ``T`` targets, ``d`` features; means are over the probes that count.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from lime_callback.surrogates.confidence_intervals import critical_value, mean_over_probes, skewed_interval

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lime_callback.explaining.explanation import Explanation
    from lime_callback.surrogates.confidence_intervals import MeanOverProbes

# More rows than this cannot be told apart in a picture; then every second one is dropped.
_LONGEST = 240


@dataclass
class EpochSeries:
    """Values of the explained epochs, one behind the other.

    Attributes:
        epochs: epochs trained at each of them.
        scores: mean R².
        moves: mean share of the attribution that moved since the one before; NaN where there is nothing to compare.
        coefficients: mean coefficients ``[T, d]`` of the probes that count; NaN where none does.
        errors: their standard errors ``[T, d]`` from the spread over the probes.
        noises: their standard errors ``[T, d]`` from the perturbations alone.
        halves: half of their 95 % intervals, over the probes, ``[T, d]``; of a single probe from the perturbations;
            infinite where nothing is known.
        effects: mean effects, signed shares of the attribution, ``[T, d]``.
        effect_halves: half of their 95 % intervals over the probes, ``[T, d]``; of a single probe from the
            perturbations; infinite where nothing is known.
        sizes: mean absolute effects, which say what counts most, ``[T, d]``.
        size_lows: lower ends of their 95 % intervals over the probes, ``[T, d]``; NaN where nothing is known.
        size_highs: upper ends, ``[T, d]``.
        largest: the largest mean size so far: axes as long do not shrink during a run.
        settled: epochs trained since which nothing that matters has moved; -1 while something does.
    """

    epochs: list[float] = field(default_factory=list)
    scores: list[float] = field(default_factory=list)
    moves: list[float] = field(default_factory=list)
    coefficients: list[Tensor] = field(default_factory=list)
    errors: list[Tensor] = field(default_factory=list)
    noises: list[Tensor] = field(default_factory=list)
    halves: list[Tensor] = field(default_factory=list)
    effects: list[Tensor] = field(default_factory=list)
    effect_halves: list[Tensor] = field(default_factory=list)
    sizes: list[Tensor] = field(default_factory=list)
    size_lows: list[Tensor] = field(default_factory=list)
    size_highs: list[Tensor] = field(default_factory=list)
    largest: float = 0.0
    settled: float = -1.0

    def add(
        self, explanation: Explanation, epochs: float, values: Mapping[str, float], step: Mapping[str, float] | None,
        counts: Tensor | None = None,
    ) -> None:  # fmt: skip
        """Add an epoch.

        Args:
            explanation: of this epoch.
            epochs: trained so far.
            values: its metrics.
            step: drift against the epoch before, see :meth:`~lime_callback.comparing.Drift.mean`; ``None`` if unknown.
            counts: which explanations enter the means, bool ``[P, T]``; ``None``: all.
        """
        if len(self.epochs) >= _LONGEST:
            for name in _LISTS:
                setattr(self, name, getattr(self, name)[::2])
        self.epochs.append(epochs)
        self.scores.append(values["score"])
        self.moves.append(float("nan") if step is None else values.get("moved", float("nan")))
        means = means_over_probes(explanation, counts)
        for name in _TENSORS:
            getattr(self, name).append(getattr(means, name))
        self.largest = max(self.largest, float(means.sizes.nan_to_num(0.0).max()))

    def state(self) -> dict[str, Any]:
        """Lists, tensors and numbers alone, for a checkpoint."""
        stacked = {name: torch.stack(getattr(self, name)) if getattr(self, name) else None for name in _TENSORS}
        plain = {name: list(getattr(self, name)) for name in _LISTS if name not in _TENSORS}
        return {**plain, **stacked, "largest": self.largest, "settled": self.settled}

    @classmethod
    def of_state(cls, state: Mapping[str, Any]) -> EpochSeries:
        """The inverse of :meth:`state`, also of earlier versions, which knew no errors or intervals over the probes."""
        lists = {name: list(state[name]) if state.get(name) is not None else [] for name in _LISTS}
        if "noises" not in state:
            lists["noises"] = lists["errors"]
            lists["errors"] = [torch.full_like(noise, torch.inf) for noise in lists["noises"]]
            lists["halves"] = list(lists["errors"])
            lists["sizes"] = [effect.abs() for effect in lists["effects"]]
        lists["moves"] = lists["moves"] or [float("nan")] * len(lists["epochs"])
        if "effect_halves" not in state:
            lists["effect_halves"] = [torch.full_like(effect, torch.inf) for effect in lists["effects"]]
            lists["size_lows"] = [torch.full_like(size, torch.nan) for size in lists["sizes"]]
            lists["size_highs"] = list(lists["size_lows"])
        largest = max((float(sizes.nan_to_num(0.0).max()) for sizes in lists["sizes"]), default=0.0)
        return cls(**lists, largest=state.get("largest", largest), settled=state["settled"])


@dataclass(frozen=True, eq=False)
class Means:
    """Means over the probes, see :class:`EpochSeries`; all ``[T, d]``."""

    coefficients: Tensor
    errors: Tensor
    noises: Tensor
    halves: Tensor
    effects: Tensor
    effect_halves: Tensor
    sizes: Tensor
    size_lows: Tensor
    size_highs: Tensor


def means_over_probes(explanation: Explanation, counts: Tensor | None = None) -> Means:
    """The means of an explanation over its probes, with their intervals.

    Args:
        explanation: of the probes.
        counts: which of them enter, bool ``[P, T]``; ``None``: all. Features that a probe does not have do not.
    """
    b, e = explanation.coefficients, explanation.standard_error
    among = explanation.features.present.to(b.device).unsqueeze(1).expand(b.shape)
    among = among if counts is None else among & counts.unsqueeze(-1)
    coefficient = mean_over_probes(b, e, among)
    effects, effect_errors = explanation.effects, explanation.effect_errors
    effect, size = (mean_over_probes(part, effect_errors, among) for part in (effects, effects.abs()))
    # A single probe has no spread: its own interval is all that can be said, and of this probe alone.
    alone = critical_value(explanation.freedom.double().cpu()).to(b)[:, None]
    half, effect_half = (
        (part.half_width() if len(b) > 1 else part.noise * alone).to(b.dtype) for part in (coefficient, effect)
    )
    low, high = _size_interval(effects.abs(), size, among)
    some = coefficient.probes > 0
    mean, effect_mean, size_mean = (torch.where(some, part.mean, torch.nan) for part in (coefficient, effect, size))
    return Means(mean, coefficient.error, coefficient.noise, half, effect_mean, effect_half, size_mean, low, high)


def _size_interval(sizes: Tensor, mean: MeanOverProbes, among: Tensor) -> tuple[Tensor, Tensor]:
    """The 95 % interval of the mean size over the probes, which lies in no less than 0; NaN for fewer than 3 probes.

    Args:
        sizes: absolute effects ``[P, T, d]``.
        mean: their mean over the probes.
        among: which of them count, bool ``[P, T, d]``.
    """
    count = mean.probes.to(sizes.dtype)
    deviations = torch.where(among, sizes - mean.mean, 0.0)
    spread = (deviations.square().sum(0) / (count - 1).clamp(min=1)).sqrt()
    skewness = deviations.pow(3).sum(0) / count.clamp(min=1) / spread.pow(3).clamp(min=torch.finfo(sizes.dtype).tiny)
    low, high = skewed_interval(mean.mean, spread, skewness, count.clamp(min=2))
    known = (count > 2) & (spread > 0)
    low, high = (torch.where(known, end.to(sizes.dtype), torch.nan).clamp(min=0) for end in (low, high))
    return low, high


_TENSORS = tuple(part.name for part in fields(Means))
_LISTS = ("epochs", "scores", "moves", *_TENSORS)

"""Drift: how far two explanations of the same inputs lie apart, and how much of that is the perturbations' noise.

If both explanations have the same design, their fits share noise, which cancels: an unchanged model has drift exactly
0. If the designs differ, the noise of both adds up.

Letters: ``B`` inputs, ``T`` targets, ``d`` features, ``G`` groups of rows that were drawn together.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import Tensor

from lime_callback.checks.arguments import check_gate
from lime_callback.checks.numbers import check_number
from lime_callback.comparing.attribution_shift import Shift, shift
from lime_callback.comparing.coefficient_similarity import (
    cosine_distance,
    norm_change,
    rank_correlation,
    sign_changes,
    top_overlap,
)
from lime_callback.comparing.perturbation_noise import PerturbationNoise
from lime_callback.comparing.same_question import check_explanation, difference
from lime_callback.comparing.score_gate import passes_gate
from lime_callback.comparing.significance import discoveries, p_values, p_values_beyond
from lime_callback.surrogates.confidence_intervals import MeanOverProbes, critical_value, mean_over_probes

if TYPE_CHECKING:
    from lime_callback.explaining.explanation import Explanation

TOP = 5
LEVEL = 0.05
RELEVANT = 0.05
"""Default for the smallest change that matters, as a share of the attribution."""
MEASURES = (
    "cosine",
    "noise_floor",
    "drift",
    "rank_correlation",
    "top_overlap",
    "sign_changes",
    "norm_change",
    "changed",
    "moved",
    "scale",
    "flipped",
)


@dataclass(frozen=True, eq=False)
class Drift:
    """How far two explanations lie apart.

    Attributes:
        cosine: cosine distance of the estimated coefficients, from 0 to 2, ``[B, T]``.
        noise_floor: mean of ``cosine`` if the model had not changed, ``[B, T]``.
        drift: cosine distance without the bias of noise, ``[B, T]``; below 0 if the noise happened to be small.
        rank_correlation: Spearman's, from -1 to 1, ``[B, T]``.
        top_overlap: share of the five features of largest absolute coefficient that both have, ``[B, T]``.
        sign_changes: share of the features whose coefficient changed its sign, ``[B, T]``.
        norm_change: growth of the coefficients' length as a share of the longer, from -1 to 1, ``[B, T]``.
        change: change of each coefficient, ``[B, T, d]``.
        change_error: its standard error, ``[B, T, d]``; from paired residuals if the designs are the same.
        p_value: the p value of each change, ``[B, T, d]``; 1 for features that an input does not have.
        shift: how the attribution shifted, see :class:`~lime_callback.comparing.Shift`.
        relevant_p: p value of each feature's share having changed by more than ``relevant_change``, ``[B, T, d]``.
        kept: whether both explanations pass the gate, bool ``[B, T]``.
        present: which features an input has, bool ``[B, d]``.
    """

    cosine: Tensor
    noise_floor: Tensor
    drift: Tensor
    rank_correlation: Tensor
    top_overlap: Tensor
    sign_changes: Tensor
    norm_change: Tensor
    change: Tensor
    change_error: Tensor
    p_value: Tensor
    shift: Shift
    relevant_p: Tensor
    kept: Tensor
    present: Tensor

    def significant(self, level: float = LEVEL, correction: Literal["fdr", "none"] = "fdr") -> Tensor:
        """Which coefficients changed, bool ``[B, T, d]``.

        Args:
            level: with ``"fdr"`` the expected share of unchanged coefficients among those called changed, else the
                probability that an unchanged coefficient is called changed.
            correction: ``"fdr"`` (Benjamini and Hochberg, over the features of each explanation) or ``"none"``.

        Raises:
            ValueError: if the level does not lie between 0 and 1.
        """
        return discoveries(self.p_value, level, correction) & self.present.unsqueeze(1)

    @property
    def changed(self) -> Tensor:
        """Share of the features that changed by more than what matters, ``[B, T]``.

        These are the features whose share of the attribution changed by significantly more than ``relevant_change``, at
        a false discovery rate of 0.05.
        """
        changed = discoveries(self.relevant_p, LEVEL, "fdr") & self.present.unsqueeze(1)
        return changed.sum(-1) / self.present.sum(-1).clamp(min=1).unsqueeze(-1)

    @property
    def moved(self) -> Tensor:
        """Share of the attribution that moved to other features, see :class:`~lime_callback.comparing.Shift`."""
        return self.shift.moved

    @property
    def scale(self) -> Tensor:
        """``log2(total after / total before)`` of the attributions, ``[B, T]``."""
        return self.shift.scale

    @property
    def flipped(self) -> Tensor:
        """Share of the attribution whose sign changed, ``[B, T]``."""
        return self.shift.flipped

    def mean(self) -> dict[str, float] | None:
        """Each measure's mean over the inputs that pass the gate; ``None`` if none does.

        An input's targets that pass the gate are averaged first.
        """
        if not bool(self.kept.any()):
            return None
        return {name: float(mean_over_inputs(getattr(self, name), self.kept).mean) for name in MEASURES}

    def moved_bound(self, level: float = 0.95) -> float:
        """Upper bound of the mean share that moved, over inputs such as these; infinite if none passes the gate.

        The bound comes from the spread over the inputs, and for a single input from the perturbations' noise. It keeps
        the bias by which noise makes changes look larger: its correction would also shrink changes that noise hides.

        Args:
            level: probability that the mean is smaller, between 0.5 and 1.

        Raises:
            ValueError: if the level does not lie between 0.5 and 1.
        """
        if not 0.5 < level < 1:
            raise ValueError(f"`level` should lie between 0.5 and 1. Found `level = {level}`.")
        apart = mean_over_inputs(self.shift.apart, self.kept, self.shift.moved_error)
        probes = int(apart.probes)
        if not probes:
            return math.inf
        level = 2 * level - 1  # of an interval whose upper side alone counts
        width = apart.half_width(level) if probes > 1 else critical_value(math.inf, level) * apart.noise
        return float(apart.mean + width)


def mean_over_inputs(values: Tensor, kept: Tensor, errors: Tensor | None = None) -> MeanOverProbes:
    """Average values over the inputs; each input's targets, which depend on each other, are averaged first.

    Args:
        values: the values, ``[B, T]``.
        kept: whether a value counts, bool ``[B, T]``.
        errors: the values' standard errors, ``[B, T]``; ``None``: 0. An input's errors are averaged, as if its targets
            shared one noise.
    """
    count = kept.sum(1).clamp(min=1)
    parts = (values, torch.zeros_like(values) if errors is None else errors)
    means = [torch.where(kept, part.double(), 0.0).sum(1) / count for part in parts]
    return mean_over_probes(means[0], means[1], kept.any(1))


def compare(
    before: Explanation, after: Explanation, gate: float | None = None, relevant_change: float = RELEVANT
) -> Drift:
    """Compare two explanations of the same inputs, features and targets.

    Args:
        before: the earlier explanation, or a reference.
        after: the later one.
        gate: lowest score of an explanation that ``Drift.kept`` keeps; ``None`` keeps all.
        relevant_change: the smallest change of a feature's share of the attribution that matters, from 0 to below 1.

    Raises:
        ValueError: if the explanations differ in inputs, features or targets, or were made without their samples (the
            message says in which), ``gate`` is not a bound of R², or ``relevant_change`` is not a share.
        TypeError: if ``before`` or ``after`` is not an explanation, or ``relevant_change`` is not a number.
    """
    check_comparable(before, after)
    gate, relevant_change = check_gate(gate), check_relevant_change(relevant_change)
    after = after.to(before.coefficients.device)
    present = after.features.present.expand(len(after.score), -1)
    a, b = before.coefficients, after.coefficients
    noise = PerturbationNoise.of(before, after)
    known = before.standard_error.isfinite() & after.standard_error.isfinite()
    freedom = torch.minimum(before.freedom.double().cpu(), after.freedom.double().cpu())
    shifted = shift(
        before, after, (noise.before, noise.after),
        shared=noise.shared, known=known, critical=critical_value(freedom).to(a.device), freedom=freedom,
    )  # fmt: skip
    error = torch.where(known, noise.change_error.to(a.dtype), math.inf)
    # Exhaustive rows have no noise, but they do have rounding errors, which must not count as changes.
    rounding = 64 * torch.finfo(a.dtype).eps * torch.maximum(a.abs(), b.abs()).amax(-1, keepdim=True)
    return Drift(
        cosine=cosine_distance(a, b),
        noise_floor=noise.floor(a, b),
        drift=noise.corrected(a, b),
        rank_correlation=rank_correlation(a, b, present),
        top_overlap=top_overlap(a, b, present, TOP),
        sign_changes=sign_changes(a, b, present),
        norm_change=norm_change(a, b),
        change=b - a,
        change_error=error,
        p_value=p_values(b - a, torch.maximum(error, rounding), noise.freedom),
        shift=shifted,
        relevant_p=p_values_beyond(shifted.change, shifted.error, relevant_change, freedom[:, None, None]),
        kept=passes_gate(before, gate) & passes_gate(after, gate),
        present=present,
    )


def check_relevant_change(value: Any) -> float:
    """Return the share of the attribution below which no change matters, checked.

    Raises:
        ValueError: if ``value`` is not at least 0 and below 1.
        TypeError: if ``value`` is not a number.
    """
    share = float(check_number("relevant_change", value, least=0))
    if share >= 1:
        raise ValueError(
            "`relevant_change` should be a share of the attribution, from 0 to below 1, such as 0.05. Found "
            f"`relevant_change = {value!r}`."
        )
    return share


def check_comparable(before: Explanation, after: Explanation) -> None:
    """Check that two explanations answer the same question.

    Raises:
        ValueError: if they do not; the message says in what they differ.
        TypeError: if ``before`` or ``after`` is not an explanation.
    """
    check_explanation("before", before)
    check_explanation("after", after)
    differs = difference(before, after)
    if differs:
        raise ValueError(f"Explanations can be compared if they differ in nothing but the model. Found {differs}.")

"""Drift: how far two explanations of the same inputs lie apart, and how much of that is sampling noise.

Two explanations on the same design are compared row by row: the noise that their fits share cancels, and an unchanged
model has drift 0, exactly. Explanations on different designs can be compared too; their noise then adds up.

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
"""Smallest change that matters, as a share of the attribution, if not said otherwise."""
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
        cosine: cosine distance of the coefficients as they were found, from 0 to 2, ``[B, T]``.
        noise_floor: what ``cosine`` would be on average if the model had not changed, ``[B, T]``.
        drift: cosine distance less the bias that noise gives it, ``[B, T]``; below 0 where noise happened to be small.
        rank_correlation: Spearman's, from -1 to 1, ``[B, T]``.
        top_overlap: share of the five features of largest absolute coefficient that both have, ``[B, T]``.
        sign_changes: share of the features whose coefficient changed its sign, ``[B, T]``.
        norm_change: growth of the coefficients' length as a share of the longer, from -1 to 1, ``[B, T]``.
        change: of each coefficient, ``[B, T, d]``.
        change_error: its standard error, ``[B, T, d]``: from paired residuals where the designs are the same.
        p_value: of each change, ``[B, T, d]``; 1 for features that an input does not have.
        shift: how the attribution shifted, see :class:`~lime_callback.comparing.Shift`.
        relevant_p: of each share of the attribution whether it changed by more than what matters, ``[B, T, d]``.
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
            level: with ``"fdr"`` the share of false ones among those that are called changed, else the probability to
                call one changed that is not.
            correction: ``"fdr"`` (Benjamini and Hochberg, over the features of each explanation) or ``"none"``.

        Raises:
            ValueError: if the level does not lie between 0 and 1.
        """
        return discoveries(self.p_value, level, correction) & self.present.unsqueeze(1)

    @property
    def changed(self) -> Tensor:
        """Share of the features that changed by more than what matters, ``[B, T]``.

        A feature's share of the attribution has to have changed by significantly more than ``relevant_change`` (false
        discovery rate 0.05).
        """
        found = discoveries(self.relevant_p, LEVEL, "fdr") & self.present.unsqueeze(1)
        return found.sum(-1) / self.present.sum(-1).clamp(min=1).unsqueeze(-1)

    @property
    def moved(self) -> Tensor:
        """Share of the attribution that went elsewhere, ``[B, T]``, see :class:`~lime_callback.comparing.Shift`."""
        return self.shift.moved

    @property
    def scale(self) -> Tensor:
        """Binary logarithm of how many times longer the attribution became, ``[B, T]``."""
        return self.shift.scale

    @property
    def flipped(self) -> Tensor:
        """Share of the attribution whose sign turned, ``[B, T]``."""
        return self.shift.flipped

    def mean(self) -> dict[str, float] | None:
        """Each measure's mean over the inputs that pass the gate; ``None`` if none does.

        Of an input the targets that pass it are averaged first.
        """
        if not bool(self.kept.any()):
            return None
        return {name: float(mean_over_inputs(getattr(self, name), self.kept).mean) for name in MEASURES}

    def moved_bound(self, level: float = 0.95) -> float:
        """Upper bound of what moved on average over inputs such as these; infinite if none passes the gate.

        It comes from the spread over the inputs, and for a single one from the perturbations' noise. That noise makes
        changes look larger is not taken out, because it is taken out of changes that noise hides as well.

        Args:
            level: probability that less moved; between 0.5 and 1.

        Raises:
            ValueError: if the level does not lie between 0.5 and 1.
        """
        if not 0.5 < level < 1:
            raise ValueError(f"`level` should lie between 0.5 and 1. Found `level = {level}`.")
        found = mean_over_inputs(self.shift.apart, self.kept, self.shift.moved_error)
        probes = int(found.probes)
        if not probes:
            return math.inf
        level = 2 * level - 1  # of an interval of which one side counts
        width = found.half_width(level) if probes > 1 else critical_value(math.inf, level) * found.noise
        return float(found.mean + width)


def mean_over_inputs(values: Tensor, kept: Tensor, errors: Tensor | None = None) -> MeanOverProbes:
    """The mean over inputs of values ``[B, T]``, where targets of one input, which depend on each other, count as one.

    Args:
        values: ``[B, T]``.
        kept: which of them count, bool ``[B, T]``.
        errors: standard errors of the values, ``[B, T]``; ``None``: 0. Those of one input are averaged, as if they were
            of one noise.
    """
    count = kept.sum(1).clamp(min=1)
    parts = [torch.zeros_like(values) if one is None else one for one in (values, errors)]
    means = [torch.where(kept, one.double(), 0.0).sum(1) / count for one in parts]
    return mean_over_probes(means[0], means[1], kept.any(1))


def compare(
    before: Explanation, after: Explanation, gate: float | None = None, relevant_change: float = RELEVANT
) -> Drift:
    """Compare two explanations of the same inputs, features and targets.

    Args:
        before: the earlier one, or a reference.
        after: the later one.
        gate: explanations with a lower score are not to be relied on, see ``Drift.kept``; ``None`` keeps all.
        relevant_change: the smallest change of a feature's share of the attribution that matters, from 0 to below 1.

    Raises:
        ValueError: if they differ in inputs, features or targets, or were made without their samples; the message says
            in which. Or if the gate is no bound of R², or the smallest change no share.
        TypeError: if one is no explanation, or the smallest change no number.
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
    # Where all rows there are were taken, there is no noise, but rounding is no change either.
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
    """A share of the attribution below which no change matters.

    Raises:
        ValueError: if it does not lie from 0 to below 1.
        TypeError: if it is no number.
    """
    found = float(check_number("relevant_change", value, least=0))
    if found >= 1:
        raise ValueError(
            "`relevant_change` should be a share of the attribution, from 0 to below 1, such as 0.05. Found "
            f"`relevant_change = {value!r}`."
        )
    return found


def check_comparable(before: Explanation, after: Explanation) -> None:
    """Check that two explanations answer the same question.

    Raises:
        ValueError: if they do not; it says what differs.
        TypeError: if one is no explanation.
    """
    for argument, one in (("before", before), ("after", after)):
        check_explanation(argument, one)
    found = difference(before, after)
    if found:
        raise ValueError(f"Explanations can be compared if they differ in nothing but the model. Found {found}.")

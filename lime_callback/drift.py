"""Drift: how far two explanations of the same inputs lie apart, and how much of that is sampling noise.

Two explanations on the same design are compared row by row: the noise that their fits share cancels, and an unchanged
model has drift 0, exactly. Explanations on different designs can be compared too; their noise then adds up.

Letters: ``B`` inputs, ``T`` targets, ``d`` features, ``G`` groups of rows that were drawn together.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import torch
from torch import Tensor

from lime_callback.arguments import check_gate
from lime_callback.comparable import check_explanation, difference
from lime_callback.measures import cosine_distance, norm_change, rank_correlation, sign_changes, top_overlap
from lime_callback.significance import discoveries, p_values
from lime_callback.surrogates import coefficient_influences

if TYPE_CHECKING:
    from lime_callback.explanation import Explanation, Samples

TOP = 5
LEVEL = 0.05
MEASURES = (
    "cosine",
    "noise_floor",
    "drift",
    "rank_correlation",
    "top_overlap",
    "sign_changes",
    "norm_change",
    "changed",
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
        """Share of the features whose change is significant, false discovery rate 0.05, ``[B, T]``."""
        return self.significant().sum(-1) / self.present.sum(-1).clamp(min=1).unsqueeze(-1)

    def mean(self) -> dict[str, float] | None:
        """Each measure's mean over the inputs and targets that pass the gate; ``None`` if none does."""
        if not bool(self.kept.any()):
            return None
        return {name: float(getattr(self, name)[self.kept].double().mean()) for name in MEASURES}


def compare(before: Explanation, after: Explanation, gate: float | None = None) -> Drift:
    """Compare two explanations of the same inputs, features and targets.

    Args:
        before: the earlier one, or a reference.
        after: the later one.
        gate: explanations with a lower score are not to be relied on, see ``Drift.kept``; ``None`` keeps all.

    Raises:
        ValueError: if they differ in inputs, features or targets, or were made without their samples; the message says
            in which. Or if the gate is no bound of R².
        TypeError: if one is no explanation.
    """
    check_comparable(before, after)
    gate = check_gate(gate)
    after = after.to(before.coefficients.device)
    present = after.features.present.expand(len(after.score), -1)
    a, b = before.coefficients, after.coefficients
    noise = _Noise.of(before, after)
    error = noise.change_error.to(a.dtype)
    # Where all rows there are were taken, there is no noise, but rounding is no change either.
    rounding = 64 * torch.finfo(a.dtype).eps * torch.maximum(a.abs(), b.abs()).amax(-1, keepdim=True)
    bound = float("-inf") if gate is None else gate
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
        kept=(before.score >= bound) & (after.score >= bound),
        present=present,
    )


@dataclass(frozen=True, eq=False)
class _Noise:
    """Influences of the groups of rows on two explanations' coefficients, ``[B, G, T, d]`` each.

    ``shared`` says whether the groups are the same in both, so that noise cancels; if not, it is independent.
    """

    before: Tensor
    after: Tensor
    shared: bool
    freedom: int

    @classmethod
    def of(cls, before: Explanation, after: Explanation) -> _Noise:
        one, other = before.samples, after.samples
        if one is None or other is None:
            raise ValueError("Explanations can be compared if they have their `samples`. Found one without them.")
        a, b = coefficient_influences(before.coefficients, one), coefficient_influences(after.coefficients, other)
        freedom = min(a.shape[1], b.shape[1]) - len(before.features) - 1
        return cls(a, b, shared=_same_design(one, other), freedom=max(1, freedom))

    def _sum(self, before: Tensor, after: Tensor) -> Tensor:
        """Squares of the differences where rows are shared, else squares of both, summed over the groups."""
        if self.shared:
            return (after - before).square().sum(1)
        return before.square().sum(1) + after.square().sum(1)

    @property
    def change_error(self) -> Tensor:
        """Standard error of each coefficient's change, ``[B, T, d]``."""
        return self._sum(self.before, self.after).sqrt()

    def floor(self, a: Tensor, b: Tensor) -> Tensor:
        """Half the expected squared distance that noise puts between the unit vectors, ``[B, T]``."""
        floor = self._sum(_turn(a, self.before), _turn(b, self.after)).sum(-1) / 2
        return floor.to(a.dtype)

    def corrected(self, a: Tensor, b: Tensor) -> Tensor:
        """Cosine distance from estimates of the product and the lengths that noise does not bias, ``[B, T]``."""
        wide = self.before.dtype
        x, y = a.to(wide), b.to(wide)
        # With few rows the noise is itself known too badly to take out more than a part of it.
        part = min(1.0, self.freedom / (2 * x.shape[-1]))
        squares = torch.stack([x.square().sum(-1), y.square().sum(-1)])
        noise = torch.stack([self.before.square().sum((1, -1)), self.after.square().sum((1, -1))])
        # Where noise is most of the length there is nothing to correct with; the estimate then stays cautious.
        parts = (0.75 * squares / noise.clamp(min=torch.finfo(wide).tiny)).clamp(max=part)
        product = (x * y).sum(-1)
        if self.shared:
            # The same part of all three, so that the drift of an unchanged model stays 0.
            parts = parts.amin(0)
            product = product - parts * (self.before * self.after).sum((1, -1))
        lengths = squares - parts * noise
        joint = (lengths[0] * lengths[1]).sqrt()
        found = 1 - product / joint
        usable = joint > torch.finfo(wide).tiny
        return torch.where(usable, found, cosine_distance(x, y)).to(a.dtype)


def _turn(a: Tensor, influences: Tensor) -> Tensor:
    """What influences [B, G, T, d] do to the unit vector of coefficients [B, T, d]."""
    a = a.to(influences.dtype).unsqueeze(1)
    length = torch.linalg.vector_norm(a, dim=-1, keepdim=True)
    u = a / length.clamp(min=torch.finfo(a.dtype).tiny)
    turned = (influences - (influences * u).sum(-1, keepdim=True) * u) / length
    return torch.where(length > 0, turned, 0.0)


def _same_design(one: Samples, other: Samples) -> bool:
    return (
        one.design.shape == other.design.shape
        and torch.equal(one.design, other.design.to(one.design.device))
        and torch.equal(one.weights, other.weights.to(one.weights.device))
    )


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

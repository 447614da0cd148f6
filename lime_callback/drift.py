"""Drift: how far two explanations of the same inputs lie apart, and how much of that is sampling noise.

Letters: ``B`` inputs, ``T`` targets, ``d`` features. Two explanations on the same design are compared row by row: what
their fits share cancels, and an unchanged model has drift 0, exactly.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from lime_callback.explanation import Explanation

TOP = 5


@dataclass(frozen=True, eq=False)
class Drift:
    """How far two explanations lie apart, each ``[B, T]``.

    Attributes:
        cosine: cosine distance of the coefficients, from 0 (same direction) to 2 (opposite).
        rank_correlation: Spearman's, of the coefficients, from -1 to 1.
        top_overlap: share of the five features of largest absolute coefficient that both have.
    """

    cosine: Tensor
    rank_correlation: Tensor
    top_overlap: Tensor

    def mean(self) -> dict[str, float]:
        """Each measure's mean over inputs and targets."""
        return {field.name: float(getattr(self, field.name).double().mean()) for field in fields(self)}


def compare(before: Explanation, after: Explanation) -> Drift:
    """Compare two explanations of the same inputs, features and targets.

    Raises:
        ValueError: if they differ in inputs, features or targets; the message says in which.
    """
    check_comparable(before, after)
    present = after.features.present
    a, b = before.coefficients, after.coefficients
    return Drift(
        cosine=cosine_distance(a, b),
        rank_correlation=rank_correlation(a, b, present),
        top_overlap=top_overlap(a, b, present, TOP),
    )


def check_comparable(before: Explanation, after: Explanation) -> None:
    """Raise a ``ValueError`` if two explanations do not answer the same question."""
    for what, a, b in (
        ("names of features", before.features.names, after.features.names),
        ("shapes of one input", before.shape, after.shape),
        ("numbers of inputs and targets", tuple(before.targets.shape), tuple(after.targets.shape)),
    ):
        if a != b:
            raise ValueError(
                f"Explanations can be compared if they agree in all but the model. Found different {what}: {a} and {b}."
            )
    for what, one, other in (
        ("targets", before.targets, after.targets),
        ("feature masks", before.features.mask, after.features.mask),
    ):
        if one.shape != other.shape or not torch.equal(one, other.to(one.device)):
            raise ValueError(
                f"Explanations can be compared if they agree in all but the model. Found different {what}."
            )


def cosine_distance(a: Tensor, b: Tensor) -> Tensor:
    """Take 1 less the cosine of ``[..., d]`` vectors: 0 of two zero vectors, 1 of a zero vector and another."""
    # Half the squared distance of the unit vectors: the same, and exactly 0 for equal vectors.
    zero = (a.norm(dim=-1) == 0) ^ (b.norm(dim=-1) == 0)
    return torch.where(zero, 1.0, (unit(a) - unit(b)).square().sum(-1) / 2)


def unit(a: Tensor) -> Tensor:
    """``[..., d]`` vectors of length 1; zero vectors stay zero."""
    length: Tensor = torch.linalg.vector_norm(a, dim=-1, keepdim=True)
    return a / length.clamp(min=torch.finfo(a.dtype).tiny)


def rank_correlation(a: Tensor, b: Tensor, present: Tensor) -> Tensor:
    """Spearman's rank correlation of ``[B, T, d]`` coefficients, over the features present, bool ``[B or 1, d]``.

    1 if there is nothing to tell apart in either, 0 if only in one.
    """
    ranks = [_ranks(part, present) for part in (a, b)]
    still = [rank.square().sum(-1) == 0 for rank in ranks]
    correlation = (unit(ranks[0]) * unit(ranks[1])).sum(-1)
    return torch.where(still[0] & still[1], 1.0, correlation)


def _ranks(a: Tensor, present: Tensor) -> Tensor:
    """Centred ranks, equal values sharing their mean rank; 0 where a feature is not present."""
    among = present.unsqueeze(1).to(a.dtype)
    above = ((a.unsqueeze(-1) > a.unsqueeze(-2)) * among.unsqueeze(-2)).sum(-1)
    below = ((a.unsqueeze(-1) < a.unsqueeze(-2)) * among.unsqueeze(-2)).sum(-1)
    return (above - below) * among


def top_overlap(a: Tensor, b: Tensor, present: Tensor, k: int) -> Tensor:
    """Share of the k features of largest absolute coefficient that ``[B, T, d]`` coefficients have in common."""
    hidden = ~present.unsqueeze(1)
    k = min(k, a.shape[-1])
    sets = []
    for part in (a, b):
        size = part.abs().masked_fill(hidden, -1.0)
        order = size.argsort(dim=-1, descending=True, stable=True)[..., :k]
        sets.append(torch.zeros_like(size).scatter_(-1, order, 1.0).masked_fill(hidden, 0.0))
    shared: Tensor = (sets[0] * sets[1]).sum(-1)
    return shared / present.sum(-1).clamp(max=k).unsqueeze(-1)

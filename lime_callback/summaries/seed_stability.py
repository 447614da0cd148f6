"""Stability: measures how far explanations agree that differ in their perturbations alone.

Letters: ``S`` explanations, ``B`` inputs, ``T`` targets, ``d`` features.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from lime_callback.checks.numbers import check_count
from lime_callback.comparing.coefficient_similarity import cosine_distance, rank_correlation, top_overlap
from lime_callback.comparing.same_question import check_explanation, difference

if TYPE_CHECKING:
    from collections.abc import Iterable

    from lime_callback.explaining.explanation import Explanation

MEASURES = ("cosine", "rank_correlation", "top_overlap")


@dataclass(frozen=True, eq=False)
class Stability:
    """The agreement between each two of S explanations; 1 on the diagonal.

    Attributes:
        cosine: cosine of the coefficients, from -1 to 1, ``[S, S, B, T]``.
        rank_correlation: Spearman's rank correlation, from -1 to 1, ``[S, S, B, T]``.
        top_overlap: share of the k features of largest absolute coefficient that both have, ``[S, S, B, T]``.
        k: number of features in ``top_overlap``.
    """

    cosine: Tensor
    rank_correlation: Tensor
    top_overlap: Tensor
    k: int

    def mean(self) -> dict[str, float]:
        """Each measure's mean over the pairs, inputs and targets."""
        return {name: float(self._pairs(name).mean()) for name in MEASURES}

    def least(self) -> dict[str, float]:
        """Each measure's least value over the pairs, inputs and targets."""
        return {name: float(self._pairs(name).min()) for name in MEASURES}

    def of(self, b: int, t: int) -> Stability:
        """The agreement for input ``b`` and target ``t`` alone, with B = T = 1."""
        values = {name: getattr(self, name)[:, :, b : b + 1, t : t + 1] for name in MEASURES}
        return replace(self, **values)

    def __str__(self) -> str:
        """The means in one line, with the least values."""
        mean, least = self.mean(), self.least()
        names = {"cosine": "cosine", "rank_correlation": "rank correlation", "top_overlap": f"top-{self.k} overlap"}
        return ", ".join(f"{label} {mean[name]:.2f} (least {least[name]:.2f})" for name, label in names.items())

    def _pairs(self, name: str) -> Tensor:
        """A measure for each pair of different explanations, ``[P, B, T]``."""
        values: Tensor = getattr(self, name)
        first, second = torch.triu_indices(len(values), len(values), offset=1, device=values.device)
        return values[first, second]


def stability(explanations: Iterable[Explanation], k: int = 5) -> Stability:
    """Compare every two explanations, for example of several seeds.

    ``stability([explain(model, x, features, target, seed=seed) for seed in range(5)])`` says how far an explanation
    depends on its random perturbations. A callback's explanations have the same seed at every epoch; compare those of
    two callbacks with different ``seed``.

    Args:
        explanations: at least two explanations of the same inputs, features and targets.
        k: number of features in the top-k overlap, at least 1.

    Raises:
        ValueError: if there are fewer than two, or they differ in inputs, features or targets; the message says in
            which.
        TypeError: if ``explanations`` holds something other than explanations.
    """
    members = [check_explanation("explanations", member) for member in explanations]
    k = check_count("k", k)
    if len(members) < 2:
        raise ValueError(f"`explanations` should be at least two. Found {len(members)}.")
    first = members[0]
    for number, other in enumerate(members[1:], start=1):
        differs_in = difference(first, other)
        if differs_in:
            raise ValueError(
                f"`explanations` should be of the same inputs, features and targets. Found in explanation {number} "
                f"{differs_in}."
            )
    coefficients = [member.coefficients.to(first.coefficients.device) for member in members]
    present = first.features.present.expand(len(first.score), -1)
    cosine, ranks, overlap = (first.score.new_ones(len(members), len(members), *first.score.shape) for _ in MEASURES)
    for i, a in enumerate(coefficients):
        for j, b in enumerate(coefficients[:i]):
            cosine[i, j] = cosine[j, i] = 1 - cosine_distance(a, b)
            ranks[i, j] = ranks[j, i] = rank_correlation(a, b, present)
            overlap[i, j] = overlap[j, i] = top_overlap(a, b, present, k)
    return Stability(cosine, ranks, overlap, k)

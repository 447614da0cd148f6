"""The perturbations' noise in two explanations: how far it moves them apart, and distances without it.

Letters: ``B`` inputs, ``T`` targets, ``d`` features, ``G`` groups of rows that were drawn together.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from lime_callback.comparing.coefficient_similarity import cosine_distance

if TYPE_CHECKING:
    from lime_callback.explaining.explanation import Explanation
    from lime_callback.surrogates.fitted_rows import Samples


@dataclass(frozen=True, eq=False)
class PerturbationNoise:
    """The noise of two explanations.

    Attributes:
        before: how far each group of rows moves the earlier one's coefficients, ``[B, G, T, d]``.
        after: likewise for the later one.
        shared: whether both have the same groups, so that noise cancels; if not, it is independent.
        freedom: degrees of freedom of the noise's size.
    """

    before: Tensor
    after: Tensor
    shared: bool
    freedom: int

    @classmethod
    def of(cls, before: Explanation, after: Explanation) -> PerturbationNoise:
        """The noise of two explanations of the same inputs, features and targets.

        Raises:
            ValueError: if one was made without its samples.
        """
        if before.samples is None or after.samples is None:
            raise ValueError("Explanations can be compared if they have their `samples`. Found one without them.")
        a, b = (
            # If the rows are too few for an error, no noise is known that could be subtracted.
            torch.where(e.standard_error.isfinite().unsqueeze(1), e.influences, 0.0)
            for e in (before, after)
        )
        freedom = min(a.shape[1], b.shape[1]) - len(before.features) - 1
        return cls(a, b, shared=_same_design(before.samples, after.samples), freedom=max(1, freedom))

    def _sum(self, before: Tensor, after: Tensor) -> Tensor:
        """``Σ (after - before)²`` over the groups if they are shared, else ``Σ before² + Σ after²``."""
        if self.shared:
            return (after - before).square().sum(1)
        return before.square().sum(1) + after.square().sum(1)

    @property
    def change_error(self) -> Tensor:
        """Standard error of each coefficient's change, ``[B, T, d]``."""
        return self._sum(self.before, self.after).sqrt()

    def floor(self, a: Tensor, b: Tensor) -> Tensor:
        """Half the expected squared distance of the unit vectors of ``a`` and ``b`` from noise alone, ``[B, T]``."""
        floor = self._sum(_turn(a, self.before), _turn(b, self.after)).sum(-1) / 2
        return floor.to(a.dtype)

    def corrected(self, a: Tensor, b: Tensor) -> Tensor:
        """Cosine distance of ``a`` and ``b``, from unbiased estimates of their product and lengths, ``[B, T]``."""
        wide = self.before.dtype
        x, y = a.to(wide), b.to(wide)
        # Few rows know the noise too badly to subtract more than a part of it.
        part = self.freedom / (self.freedom + 2)
        squares = torch.stack([x.square().sum(-1), y.square().sum(-1)])
        noise = torch.stack([self.before.square().sum((1, -1)), self.after.square().sum((1, -1))])
        # If noise is most of the length, only a part is subtracted, which keeps the estimate cautious.
        parts = (0.75 * squares / noise.clamp(min=torch.finfo(wide).tiny)).clamp(max=part)
        product = (x * y).sum(-1)
        if self.shared:
            # The same part of product and lengths keeps the drift of an unchanged model at 0.
            parts = parts.amin(0)
            product = product - parts * (self.before * self.after).sum((1, -1))
        lengths = squares - parts * noise
        joint = (lengths[0] * lengths[1]).sqrt()
        distance = 1 - product / joint
        usable = joint > torch.finfo(wide).tiny
        return torch.where(usable, distance, cosine_distance(x, y)).to(a.dtype)


def _turn(a: Tensor, influences: Tensor) -> Tensor:
    """How influences ``[B, G, T, d]`` move the unit vector of coefficients ``[B, T, d]``."""
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

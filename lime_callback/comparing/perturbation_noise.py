"""Computes how far the perturbations' noise moves two explanations apart, and distances without that noise.

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
        before: how far each group of rows moves the earlier explanation's coefficients, ``[B, G, T, d]``.
        after: how far each group of rows moves the later explanation's coefficients, ``[B, G, T, d]``.
        shared: whether both have the same groups, so that their noise cancels; otherwise it is independent.
        freedom: the degrees of freedom of the noise's size.
    """

    before: Tensor
    after: Tensor
    shared: bool
    freedom: int

    @classmethod
    def of(cls, before: Explanation, after: Explanation) -> PerturbationNoise:
        """Compute the noise of two explanations of the same inputs, features and targets.

        Raises:
            ValueError: if an explanation was made without its samples.
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
        """Return ``E|a/|a| - b/|b||² / 2`` from noise alone, ``[B, T]``, for coefficients ``[B, T, d]``."""
        floor = self._sum(_turn(a, self.before), _turn(b, self.after)).sum(-1) / 2
        return floor.to(a.dtype)

    def corrected(self, a: Tensor, b: Tensor) -> Tensor:
        """Return the cosine distance of ``a`` and ``b`` [B, T, d] without the bias of noise, ``[B, T]``.

        It is computed from unbiased estimates of the product and the lengths.
        """
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
    """Return how influences ``[B, G, T, d]`` move the unit vector of coefficients ``a`` [B, T, d]."""
    a = a.to(influences.dtype).unsqueeze(1)
    length = torch.linalg.vector_norm(a, dim=-1, keepdim=True)
    u = a / length.clamp(min=torch.finfo(a.dtype).tiny)
    turned = (influences - (influences * u).sum(-1, keepdim=True) * u) / length
    return torch.where(length > 0, turned, 0.0)


def _same_design(first: Samples, second: Samples) -> bool:
    """Whether both have the same rows, and weights that agree but for rounding, by which machines differ."""
    return (
        first.design.shape == second.design.shape
        and torch.equal(first.design, second.design.to(first.design.device))
        and torch.allclose(first.weights, second.weights.to(first.weights), rtol=1e-4)
    )

"""The noise of a weighted linear fit whose residuals differ in size and depend on each other within groups of rows.

What a surrogate leaves of the model, the interactions between features, is its noise. It is neither of one size nor
independent where rows are drawn together, such as a row and its complement. Each group of rows therefore gets the
influence that it has on the coefficients; the sum of their squares is the cluster-robust variance (CR2; HC2 where a
group is one row). Two fits on the same rows have influences of the same groups, and so a covariance.

Letters: ``B`` problems, ``n`` rows in ``G`` groups, ``d`` features, ``T`` targets. ``x`` [B, n, d] are rows less their
weighted mean, times the root of the weight; ``e`` [B, n, T] residuals, times the root of the weight; ``u`` [B, n] is
the intercept's direction, of length 1; ``gram`` [B, d, d] is ``xᵀx`` plus the penalty. All but ``e`` may have size 1 in
place of B, where the problems share a design.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


class Leverage:
    """What the rows have of a least-squares fit, whatever the target.

    Args:
        x: weighted, centred rows ``[B, n, d]``.
        u: the intercept's direction ``[B, n]``.
        gram: Gram matrix ``[B, d, d]``.
        group: rows that depend on each other.

    References:
        Bell and McCaffrey, "Bias Reduction in Standard Errors for Linear Regression with Multi-Stage Samples", Survey
        Methodology 28 (2002): residuals are scaled by ``(I - H)^(-1/2)``, which makes the variance unbiased where the
        noise is of one size.
    """

    def __init__(self, x: Tensor, u: Tensor, gram: Tensor, group: int) -> None:
        self.group, self.missing = group, -x.shape[1] % group
        x, u = self._grouped(x, u.unsqueeze(-1))
        # Without a check, for which a device would wait: a penalised matrix has an inverse.
        factor, _ = torch.linalg.cholesky_ex(gram)
        self.m = torch.cholesky_solve(x.flatten(1, 2).mT, factor).mT.reshape(len(gram), -1, group, x.shape[-1])
        values, self.vectors = torch.linalg.eigh(self.m @ x.mT + u @ u.mT)
        # A row that alone decides a coefficient has leverage 1, and its noise cannot be known: it is kept finite.
        self.scale = (1 - values).clamp(min=1e-9).rsqrt().unsqueeze(-1)

    def adjusted(self, e: Tensor) -> Tensor:
        """Residuals ``[B, n, T]`` of the size that the noise has, ``[B, G, group, T]``; the last group may be short."""
        (e,) = self._grouped(e)
        found: Tensor = self.vectors @ (self.scale * (self.vectors.mT @ e))
        return found

    def influences(self, adjusted: Tensor) -> Tensor:
        """How far each group of rows moves the coefficients, ``[B, G, T, d]``, by adjusted residuals."""
        return torch.einsum("bgid,bgit->bgtd", self.m, adjusted)

    def standard_errors(self, adjusted: Tensor) -> Tensor:
        """Standard errors ``[B, T, d]`` of the coefficients, by adjusted residuals."""
        # One target at a time: the influences of all of them would not fit beside each other.
        each = (self.influences(adjusted[..., t : t + 1]).square().sum(1) for t in range(adjusted.shape[-1]))
        return torch.cat(list(each), 1).sqrt()

    def _grouped(self, *parts: Tensor) -> list[Tensor]:
        padded = (F.pad(part, (0, 0, 0, self.missing)) for part in parts)
        return [part.reshape(len(part), -1, self.group, part.shape[-1]) for part in padded]


def effective_groups(weights: Tensor, group: int) -> Tensor:
    """How many groups of rows of equal weight would tell as much, ``[B]``: ``(Σ w)² / Σ w²`` over the groups' weights.

    Args:
        weights: of the rows, ``[B, n]``.
        group: rows that depend on each other.

    References:
        Kish, "Survey Sampling", Wiley 1965, for the effective sample size.
    """
    of_groups = F.pad(weights, (0, -weights.shape[1] % group)).view(len(weights), -1, group).sum(-1)
    found: Tensor = of_groups.sum(1).square() / of_groups.square().sum(1)
    return found

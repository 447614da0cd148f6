"""Cluster-robust standard errors (CR2) of weighted linear fits, and the influences that they are made of.

A surrogate's noise is what it leaves of the model: the interactions between features. Its size differs between rows,
and rows that are drawn together, such as a row and its complement, share it. The influence of a group of rows is how
far it moves the coefficients; the sum of the squared influences is the variance (CR2; HC2 if a group is one row). Two
fits on the same rows have influences of the same groups, which give their covariance.

This is written by hand: statsmodels has no CR2, tells no influences, and fits one target at a time on the CPU.

Letters: ``B`` problems, ``n`` rows in ``G`` groups, ``d`` features, ``T`` targets. ``x`` [B, n, d] are rows minus their
weighted mean, times the root of the weight; ``e`` [B, n, T] residuals, times the root of the weight; ``u`` [B, n] is
the intercept's direction, of length 1; ``m`` [B, n, d] is ``x (xᵀx + penalty)⁻¹``: how each row's output enters each
coefficient. All but ``e`` may have size 1 in place of B if the problems share a design.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


class Leverage:
    """The part of the errors that depends on the rows alone, and so is shared by all targets.

    Args:
        x: weighted, centred rows ``[B, n, d]``.
        u: the intercept's direction ``[B, n]``.
        m: how each row's output enters each coefficient, ``[B, n, d]``.
        group: number of neighbouring rows that were drawn together.

    References:
        Bell and McCaffrey, "Bias Reduction in Standard Errors for Linear Regression with Multi-Stage Samples", Survey
        Methodology 28 (2002): residuals are scaled by ``(I - H)^(-1/2)``, which makes the variance unbiased where the
        noise is of one size.
    """

    def __init__(self, x: Tensor, u: Tensor, m: Tensor, group: int) -> None:
        self.group, self.missing = group, -x.shape[1] % group
        x, u, self.m = self._grouped(x, u.unsqueeze(-1), m)
        values, self.vectors = torch.linalg.eigh(self.m @ x.mT + u @ u.mT)
        # A row that alone decides a coefficient has leverage 1 and an unknown noise; the clamp keeps it finite.
        self.scale = (1 - values).clamp(min=1e-9).rsqrt().unsqueeze(-1)

    def adjusted(self, e: Tensor) -> Tensor:
        """Scale residuals ``[B, n, T]`` to the noise's size, ``[B, G, group, T]``; zeros fill the last group."""
        (e,) = self._grouped(e)
        adjusted: Tensor = self.vectors @ (self.scale * (self.vectors.mT @ e))
        return adjusted

    def influences(self, adjusted: Tensor) -> Tensor:
        """How far each group of rows moves the coefficients, ``[B, G, T, d]``, given adjusted residuals."""
        return torch.einsum("bgid,bgit->bgtd", self.m, adjusted)

    def standard_errors(self, adjusted: Tensor) -> Tensor:
        """Standard errors ``[B, T, d]`` of the coefficients, given adjusted residuals."""
        # One target at a time: the influences of many targets do not fit into memory together.
        each = (self.influences(adjusted[..., t : t + 1]).square().sum(1) for t in range(adjusted.shape[-1]))
        return torch.cat(list(each), 1).sqrt()

    def _grouped(self, *parts: Tensor) -> list[Tensor]:
        padded = (F.pad(part, (0, 0, 0, self.missing)) for part in parts)
        return [part.reshape(len(part), -1, self.group, part.shape[-1]) for part in padded]


def effective_groups(weights: Tensor, group: int) -> Tensor:
    """Effective number of groups, ``[B]``: ``(Σ w)² / Σ w²`` over the groups' weights ``w``.

    Args:
        weights: the rows' weights, ``[B, n]``.
        group: number of neighbouring rows that were drawn together.

    References:
        Kish, "Survey Sampling", Wiley 1965, for the effective sample size.
    """
    of_groups = F.pad(weights, (0, -weights.shape[1] % group)).view(len(weights), -1, group).sum(-1)
    effective: Tensor = of_groups.sum(1).square() / of_groups.square().sum(1)
    return effective

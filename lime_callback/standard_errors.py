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


def influences(x: Tensor, u: Tensor, e: Tensor, gram: Tensor, group: int) -> Tensor:
    """How far each group of rows moves the coefficients, ``[B, G, T, d]``; the last group may be short.

    Args:
        x: weighted, centred rows ``[B, n, d]``.
        u: the intercept's direction ``[B, n]``.
        e: weighted residuals ``[B, n, T]``.
        gram: penalised Gram matrix ``[B, d, d]``.
        group: rows that depend on each other.

    References:
        Bell and McCaffrey, "Bias Reduction in Standard Errors for Linear Regression with Multi-Stage Samples", Survey
        Methodology 28 (2002): residuals are scaled by ``(I - H)^(-1/2)``, which makes the variance unbiased where the
        noise is of one size.
    """
    missing = -x.shape[1] % group
    x, e, u = (F.pad(part, (0, 0, 0, missing)) for part in (x, e, u.unsqueeze(-1)))
    m = torch.linalg.solve(gram, x.mT).mT
    x, m, e, u = (part.unflatten(1, (-1, group)) for part in (x, m, e, u))
    values, vectors = torch.linalg.eigh(m @ x.mT + u @ u.mT)
    # A row that alone decides a coefficient has leverage 1, and its noise cannot be known: it is kept finite.
    scale = (1 - values).clamp(min=1e-9).rsqrt().unsqueeze(-1)
    adjusted = vectors @ (scale * (vectors.mT @ e))
    return torch.einsum("bgid,bgit->bgtd", m, adjusted)


def standard_errors(x: Tensor, u: Tensor, e: Tensor, gram: Tensor, group: int) -> Tensor:
    """Standard errors ``[B, T, d]`` of the coefficients, see :func:`influences`."""
    # One target at a time: the influences of all of them would not fit beside each other.
    return torch.cat(
        [influences(x, u, e[..., t : t + 1], gram, group).square().sum(1) for t in range(e.shape[-1])], 1
    ).sqrt()

"""Standard errors of a weighted linear fit whose noise differs from row to row and depends within groups of rows.

The noise of a surrogate is what the linear model leaves of the true model: interactions. It is neither of one size nor
independent where rows are drawn together, such as a row and its complement. The estimator is the cluster-robust
sandwich with leave-one-group-out residuals (CR3; HC3 where a group is one row).

Letters: ``x`` [B, n, d] rows less their weighted mean, times the root of the weight; ``e`` [B, n, T] residuals, times
the root of the weight; ``u`` [B, n] the intercept's direction, of length 1; ``gram`` [B, d, d] is ``xᵀx`` plus the
penalty. All but ``e`` may have size 1 in place of B, where the problems share a design.
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
        Cameron and Miller, "A Practitioner's Guide to Cluster-Robust Inference", Journal of Human Resources 50 (2015),
        section VI.B.
    """
    missing = -x.shape[1] % group
    x, e, u = (F.pad(part, (0, 0, 0, missing)) for part in (x, e, u.unsqueeze(-1)))
    m = torch.linalg.solve(gram, x.mT).mT
    x, m, e, u = (part.unflatten(1, (-1, group)) for part in (x, m, e, u))
    hat = m @ x.mT + u @ u.mT
    # A row that alone decides a coefficient has leverage 1: its left-out residual is unknown, and is kept finite here.
    identity = (1 + 1e-9) * torch.eye(group, dtype=x.dtype, device=x.device)
    left_out = torch.linalg.solve(identity - hat, e)
    return torch.einsum("bgid,bgit->bgtd", m, left_out)


def standard_errors(x: Tensor, u: Tensor, e: Tensor, gram: Tensor, group: int) -> Tensor:
    """Standard errors ``[B, T, d]`` of the coefficients, see :func:`influences`."""
    # One target at a time: the influences of all of them would not fit beside each other.
    return torch.cat(
        [influences(x, u, e[..., t : t + 1], gram, group).square().sum(1) for t in range(e.shape[-1])], 1
    ).sqrt()

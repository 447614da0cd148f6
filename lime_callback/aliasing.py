"""How much of the noise reaches a linear fit's coefficients, on these very rows.

What the influences of rows say of the errors holds for rows drawn at random. In an orthogonal array few interactions of
three features pass for a feature by itself, so that the coefficients get less of that noise than the residuals show.
How much less follows from the rows alone.

Letters: ``B`` designs, ``n`` rows, ``d`` features; ``x`` are +1 and -1 for on and off, one row of each pair.
"""

from __future__ import annotations

import torch
from torch import Tensor

from lime_callback.kernels import wide

# How much of the noise is taken for interactions of three features; all others count as if rows were random. Measured
# on trained models: 0.6 to 1, see `benchmarks/calibration.py`.
_SHARE = 0.8
# In a whole array each row's part of the sums is the same, so that of many rows some are enough.
_MOST_ROWS, _CHUNK = 512, 64


def variance_share(design: Tensor, group: int) -> Tensor:
    """The variance of the coefficients as a share of what influences of the rows state, ``[B]``.

    Interactions of three features, all of the same variance, are taken for most of what the linear model leaves. That
    is for pairs of complements; other rows count as random: 1. Where the rows are all that there are, the share is 0.

    Args:
        design: bool ``[B, n, d]``; features that are off in every row do not count.
        group: rows that were drawn together; 2 for pairs of complements.
    """
    dtype = wide(design.device)
    if group != 2:
        return torch.ones(len(design), dtype=dtype, device=design.device)
    return torch.stack([_of_pairs(rows[::2], rows.any(0), dtype) for rows in design])


def _of_pairs(rows: Tensor, present: Tensor, dtype: torch.dtype) -> Tensor:
    x = torch.where(rows, 1.0, -1.0).to(dtype) * present
    n, d = len(x), present.sum()
    gram = x.T @ x + torch.diag_embed((~present).to(dtype) + 1e-6)
    # Rows of the fit's hat matrix, and of the matrix that turns noise into coefficients, as products with x.
    inverse = torch.linalg.inv_ex(gram)[0]
    hat, squared = x @ inverse, x @ inverse @ inverse
    moved = left = alike = torch.zeros((), dtype=dtype, device=x.device)
    some = torch.linspace(0, n - 1, min(n, _MOST_ROWS), device=x.device).long()
    for part in torch.split(some, _CHUNK):
        common = x[part] @ x.T
        alike = alike + (common.abs() == d).sum()  # the same row, or its complement
        covariance = _third(common, d)  # of the sums of all interactions of three features
        moved = moved + ((squared[part] @ x.T) * covariance).sum()
        left = left + ((hat[part] @ x.T) * covariance).sum()
    moved, left, alike = (total * (n / len(some)) for total in (moved, left, alike))
    residual = n * _third(d.to(dtype), d) - left
    stated = residual / (n - d).clamp(min=1) * (inverse.diagonal() * present).sum()
    share = (moved / stated.clamp(min=torch.finfo(dtype).tiny)).clamp(min=0)
    share = torch.where((n >= d + 2) & (d >= 3), 1 - _SHARE + _SHARE * share, 1.0)
    # Once all rows there are, each once, nothing is left to chance.
    return torch.where((alike == n) & (2 * n == 2.0**d), 0.0, share)


def _third(common: Tensor, d: Tensor) -> Tensor:
    """Sum over all sets of three of d features of the product of two rows' entries, given the rows' inner product."""
    return (common**3 - (3 * d - 2) * common) / 6

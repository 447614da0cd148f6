"""How well a surrogate predicts rows that it was not fitted to.

R² of the rows that were fitted grows with the number of features, also where there is nothing but noise. What counts is
R² of fresh rows. For least squares it follows from the residuals, and for penalties from how far they bend that fit.
Other surrogates are fitted again without some rows.

Letters: ``B`` problems, ``n`` rows in ``G`` groups, ``d`` features, ``T`` targets.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from lime_callback.surrogates.standard_errors import effective_groups

if TYPE_CHECKING:
    from collections.abc import Callable

    from lime_callback.surrogates.fitted_rows import Samples

_FOLDS = 5
# Groups of rows beyond the number of features: fewer would tell too little of the noise to judge a fit by.
_LEAST_FREEDOM, _LEAST_SHARE = 20, 0.2


def least_freedom(features: Tensor) -> Tensor:
    """Degrees of freedom from which on errors and scores are known well enough, in the shape of ``features``."""
    return (_LEAST_SHARE * features).clamp(min=_LEAST_FREEDOM)


def score_of_residuals(adjusted: Tensor, wrong: Tensor, samples: Samples) -> Tensor:
    """R² that fresh rows would give, ``[B, T]``: their noise, and what is wrong with the coefficients.

    Args:
        adjusted: residuals of least squares of the noise's size, ``[B, G, group, T]``, of
            :meth:`~lime_callback.surrogates.standard_errors.Leverage.adjusted`.
        wrong: squared error of each coefficient, ``[B, T, d]``, see :func:`squared_errors`.
        samples: that were fitted.
    """
    share = (samples.weights / samples.weights.sum(1, keepdim=True)).unsqueeze(-1)
    z, y = samples.design.to(share.dtype), samples.outputs.to(share.dtype)
    of_features = (share * z).sum(1) * (1 - (share * z).sum(1))  # variance of what is 0 or 1
    rows = effective_groups(samples.weights, 1).unsqueeze(-1)
    noise = adjusted.square().sum((1, 2)) / samples.weights.sum(1, keepdim=True)
    missed = noise * (1 + 1 / rows) + (wrong * of_features.unsqueeze(1)).sum(-1)
    return 1 - missed / _variance(share, y, rows)


def squared_errors(moved: Tensor, errors: Tensor, kept: Tensor) -> Tensor:
    """Unbiased estimate of the squared errors of coefficients that a penalty bends away from least squares.

    Args:
        moved: how far they were bent, ``[B, T, d]``.
        errors: standard errors of the least-squares coefficients, ``[B, T, d]``.
        kept: how far a coefficient follows when its least-squares one moves, from 0 to 1; 1 where there is no penalty.

    References:
        Stein, "Estimation of the Mean of a Multivariate Normal Distribution", Annals of Statistics 9 (1981).
    """
    return moved.square() + (2 * kept - 1) * errors.square()


def score_of_left_out_rows(line: Callable[[Samples], tuple[Tensor, Tensor]], samples: Samples) -> Tensor:
    """R² of rows that were left out, ``[B, T]``: each fifth of the groups is predicted by a fit to the others.

    A single group has no others, and is predicted by its own mean: 0.

    Args:
        line: gives coefficients ``[B, d, T]`` and intercept ``[B, 1, T]`` for some rows.
        samples: all rows.
    """
    group = torch.arange(samples.design.shape[1]) // samples.group
    fold = group % _FOLDS  # rows come in random order
    folds = min(_FOLDS, int(group[-1]) + 1)
    if folds == 1:
        return torch.zeros_like(samples.outputs[:, 0], dtype=samples.weights.dtype)
    share = (samples.weights / samples.weights.sum(1, keepdim=True)).unsqueeze(-1)
    y = samples.outputs.to(share.dtype)
    wrong = torch.zeros_like(y[:, 0])
    for number in range(folds):
        # Numbers rather than a mask, whose size a device would have to tell.
        fitted, left = (one.nonzero().flatten().to(y.device) for one in (fold != number, fold == number))
        beta, intercept = line(_rows(samples, fitted))
        predicted = samples.design[:, left].to(share.dtype) @ beta + intercept
        wrong = wrong + (share[:, left] * (y[:, left] - predicted).square()).sum(1)
    return 1 - wrong / _variance(share, y, effective_groups(samples.weights, 1).unsqueeze(-1))


def _variance(share: Tensor, y: Tensor, rows: Tensor) -> Tensor:
    """Of outputs ``[B, n, T]``, without the bias of few rows; above 0."""
    mean = (share * y).sum(1, keepdim=True)
    found = (share * (y - mean).square()).sum(1) * rows / (rows - 1).clamp(min=1)
    return found.clamp(min=torch.finfo(y.dtype).tiny)


def _rows(samples: Samples, which: Tensor) -> Samples:
    """Some rows, by their numbers."""
    parts = {name: getattr(samples, name)[:, which] for name in ("design", "weights", "outputs")}
    return replace(samples, **parts)

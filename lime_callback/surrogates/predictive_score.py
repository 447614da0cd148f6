"""How well a surrogate predicts rows that it was not fitted to.

R² of the fitted rows grows with the number of features, even if the outputs are pure noise. The score is R² of fresh
rows. For least squares it follows from the residuals; for a penalty also from the squared errors of the coefficients
that it moves. Other surrogates are fitted again, each time without some of the rows.

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
# Least number of groups of rows beyond the number d of features, absolute and as a share of d, to know the noise.
_LEAST_FREEDOM, _LEAST_SHARE = 20, 0.2


def least_freedom(features: Tensor) -> Tensor:
    """Least degrees of freedom that errors and scores need, in the shape of ``features``."""
    return (_LEAST_SHARE * features).clamp(min=_LEAST_FREEDOM)


def score_of_residuals(adjusted: Tensor, wrong: Tensor, samples: Samples, x: Tensor | None = None) -> Tensor:
    """R² of fresh rows, ``[B, T]``: ``1 - (noise + error) / variance``, where the coefficients' errors make ``error``.

    Args:
        adjusted: least-squares residuals scaled to the noise's size, ``[B, G, group, T]``, see
            :meth:`~lime_callback.surrogates.standard_errors.Leverage.adjusted`.
        wrong: squared error of each coefficient, ``[B, T, d]``, see :func:`squared_errors`.
        samples: the data that was fitted.
        x: the rows as the fit had them, weighted, ``[B or 1, n, d]``, if these are no centred ones.
    """
    share = (samples.weights / samples.weights.sum(1, keepdim=True)).unsqueeze(-1)
    z, y = samples.design.to(share.dtype), samples.outputs.to(share.dtype)
    if x is None:
        of_features = (share * z).sum(1) * (1 - (share * z).sum(1))  # p (1 - p), the variance of a binary feature
    else:
        of_features = x.square().sum(1) / samples.weights.sum(1, keepdim=True)
    rows = effective_groups(samples.weights, 1).unsqueeze(-1)
    noise = adjusted.square().sum((1, 2)) / samples.weights.sum(1, keepdim=True)
    missed = noise * (1 + 1 / rows) + (wrong * of_features.unsqueeze(1)).sum(-1)
    return 1 - missed / _variance(share, y, rows)


def squared_errors(moved: Tensor, errors: Tensor, kept: Tensor) -> Tensor:
    """Unbiased estimate of the squared errors of penalised coefficients: ``(b - b₀)² + (2 kept - 1) e²``.

    Args:
        moved: ``b - b₀``, how far the penalty moved each coefficient from least squares, ``[B, T, d]``.
        errors: ``e``, standard errors of the least-squares coefficients, ``[B, T, d]``.
        kept: derivative of a coefficient by its least-squares coefficient, from 0 to 1; 1 without a penalty.

    References:
        Stein, "Estimation of the Mean of a Multivariate Normal Distribution", Annals of Statistics 9 (1981).
    """
    return moved.square() + (2 * kept - 1) * errors.square()


def score_of_left_out_rows(line: Callable[[Samples], tuple[Tensor, Tensor]], samples: Samples) -> Tensor:
    """R² of rows left out, ``[B, T]``: a fit to the other groups predicts each fifth of them.

    It is 0 if there is only one group.

    Args:
        line: fits some rows, and returns coefficients ``[B, d, T]`` and intercept ``[B, 1, T]``.
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
        # Indices rather than a mask, whose size the host would have to read from the device.
        fitted, left = (which.nonzero().flatten().to(y.device) for which in (fold != number, fold == number))
        beta, intercept = line(_rows(samples, fitted))
        predicted = samples.design[:, left].to(share.dtype) @ beta + intercept
        wrong = wrong + (share[:, left] * (y[:, left] - predicted).square()).sum(1)
    return 1 - wrong / _variance(share, y, effective_groups(samples.weights, 1).unsqueeze(-1))


def _variance(share: Tensor, y: Tensor, rows: Tensor) -> Tensor:
    """The unbiased weighted variance of outputs ``[B, n, T]``, above 0."""
    mean = (share * y).sum(1, keepdim=True)
    variance = (share * (y - mean).square()).sum(1) * rows / (rows - 1).clamp(min=1)
    return variance.clamp(min=torch.finfo(y.dtype).tiny)


def _rows(samples: Samples, which: Tensor) -> Samples:
    """The rows of these indices."""
    parts = {name: getattr(samples, name)[:, which] for name in ("design", "weights", "outputs")}
    return replace(samples, **parts)

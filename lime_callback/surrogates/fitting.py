"""Fits of surrogates: coefficients, and what is known of them.

Letters: ``B`` problems, ``n`` rows, ``d`` features, ``T`` targets.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor

from lime_callback.sampling.designs import is_exhaustive
from lime_callback.surrogates.averaged_rows import averaged
from lime_callback.surrogates.linear_models import centred_problem, least_squares, penalised_gram
from lime_callback.surrogates.predictive_score import (
    least_freedom,
    score_of_left_out_rows,
    score_of_residuals,
    squared_errors,
)
from lime_callback.surrogates.standard_errors import Leverage, effective_groups

if TYPE_CHECKING:
    from lime_callback.surrogates.fitted_rows import Samples
    from lime_callback.surrogates.linear_models import Problem, Surrogate


class Fit(NamedTuple):
    """What a surrogate found."""

    coefficients: Tensor  # [B, T, d]
    standard_error: Tensor  # [B, T, d], infinite where the rows do not tell it: too few, or an output that never varied
    intercept: Tensor  # [B, T]
    score: Tensor  # [B, T], R² of rows that were left out of the fit; at most 0 where the rows do not suffice
    fit_score: Tensor  # [B, T], weighted R² of the rows that were fitted
    spread: Tensor  # [B, T], weighted standard deviation of the outputs
    constant: Tensor  # bool [B, T], the output does not vary
    freedom: Tensor  # [B or 1], degrees of freedom of the errors; 0 where the rows do not suffice
    effective_rows: Tensor  # [B or 1], how many rows of equal weight would tell as much


def fit(surrogate: Surrogate, samples: Samples) -> Fit:
    """Fit a surrogate for every input and target.

    Errors are those of the least-squares fit. A surrogate that shrinks is off from that by what can be seen, which is
    added in squares, so that the interval around a shrunk coefficient holds the true one.

    Args:
        surrogate: the linear model.
        samples: design, weights and outputs; scores and errors are those of averaged rows, where rows are averaged.

    Returns:
        Coefficients with errors and scores, in float64 where the device has it.
    """
    with torch.autocast(samples.outputs.device.type, enabled=False):
        samples = averaged(samples)
        problem = centred_problem(samples)
        beta = surrogate.solve(problem)
        unshrunk = least_squares(problem, problem.weights.new_zeros(1, 1)) if surrogate.shrinks else beta
        leverage = Leverage(problem.x, problem.direction, penalised_gram(problem.gram), samples.group)
        adjusted = leverage.adjusted(problem.y - problem.x @ unshrunk)
        errors = leverage.standard_errors(adjusted)
        freedom, exhaustive = degrees_of_freedom(problem, samples)
        errors = torch.where(exhaustive[:, None, None], 0.0, errors)
        spread, left = problem.y.square().sum(1), (problem.y - problem.x @ beta).square().sum(1)
        constant = _is_constant(samples.outputs)
        fit_score = 1 - left / spread.clamp(min=torch.finfo(spread.dtype).tiny)
        moved = (beta - unshrunk).mT
        kept = surrogate.kept(problem, beta) if surrogate.shrinks else beta.new_ones(1, 1, 1)
        if kept is None:
            score = score_of_left_out_rows(lambda part: _line(surrogate, part), samples)
        else:
            score = score_of_residuals(adjusted, squared_errors(moved, errors, kept.mT), samples)
        score = torch.where(exhaustive[:, None], fit_score, score.minimum(fit_score))
        enough = freedom[:, None] > 0
        score, fit_score = (torch.where(constant, 0.0, one) for one in (score, fit_score))
        errors = (errors.square() + moved.square()).sqrt()
        # Rows in which an output never varied say nothing of how far it varies in others.
        known = enough & (~constant | exhaustive[:, None])
        return Fit(
            coefficients=torch.where(constant.unsqueeze(-1), 0.0, beta.mT),
            standard_error=torch.where(known.unsqueeze(-1), errors, math.inf),
            intercept=(problem.y_mean - problem.z_mean @ beta).squeeze(1),
            score=torch.where(enough, score, score.nan_to_num(0.0).clamp(max=0)).clamp(min=_LEAST_SCORE),
            fit_score=fit_score,
            spread=(spread / problem.weights.sum(-1, keepdim=True)).sqrt(),
            constant=constant,
            freedom=freedom,
            effective_rows=effective_groups(samples.weights, 1),
        )


# A fit that is worse than this is no use, and how much worse it is says nothing.
_LEAST_SCORE = -1.0


def degrees_of_freedom(problem: Problem, samples: Samples) -> tuple[Tensor, Tensor]:
    """Degrees of freedom of the errors ``[B or 1]``, and whether the rows are all that there are, bool ``[B or 1]``.

    Freedom is 0 where the rows do not suffice, and infinite where nothing is left to chance.
    """
    present = samples.design.any(1).sum(1)
    spare = effective_groups(samples.weights, samples.group) - present - 1
    rank = torch.linalg.matrix_rank(problem.gram, hermitian=True)
    enough = (spare >= least_freedom(present)) & (rank >= present)
    exhaustive = _is_exhaustive(samples)
    return torch.where(exhaustive, math.inf, torch.where(enough, spare, 0.0)), exhaustive


def _line(surrogate: Surrogate, samples: Samples) -> tuple[Tensor, Tensor]:
    """Coefficients ``[B, d, T]`` and intercept ``[B, 1, T]`` of some rows."""
    problem = centred_problem(samples)
    beta = surrogate.solve(problem)
    return beta, problem.y_mean - problem.z_mean @ beta


def coefficient_influences(coefficients: Tensor, samples: Samples) -> Tensor:
    """How far each group of rows moves each coefficient, ``[B, G, T, d]``.

    See :mod:`lime_callback.surrogates.standard_errors`.

    Args:
        coefficients: of the fit, ``[B, T, d]``.
        samples: that were fitted.
    """
    samples = averaged(samples)
    problem = centred_problem(samples)
    residuals = problem.y - problem.x @ coefficients.to(problem.x.dtype).mT
    leverage = Leverage(problem.x, problem.direction, penalised_gram(problem.gram), samples.group)
    found = leverage.influences(leverage.adjusted(residuals))
    return torch.where(_is_exhaustive(samples)[:, None, None, None], 0.0, found)


def _is_exhaustive(samples: Samples) -> Tensor:
    """Whether nothing is left to chance, bool ``[B or 1]``."""
    return is_exhaustive(samples.design) & (not samples.chance)


def _is_constant(outputs: Tensor) -> Tensor:
    """Whether an output varies by no more than its rounding, bool ``[B, T]``."""
    rounding = 4 * torch.finfo(outputs.dtype).eps * outputs.abs().amax(1)
    return outputs.amax(1) - outputs.amin(1) <= rounding

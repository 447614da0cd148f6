"""Fits a surrogate to all inputs and targets: coefficients, their standard errors, and scores.

Letters: ``B`` problems, ``n`` rows, ``d`` features, ``T`` targets.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor

from lime_callback.checks import extension_points
from lime_callback.sampling.designs import is_exhaustive
from lime_callback.surrogates.averaged_rows import averaged
from lime_callback.surrogates.efficient import posed_problem
from lime_callback.surrogates.linear_models import centred_problem
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
    """A fitted surrogate for every input and target."""

    coefficients: Tensor  # [B, T, d]
    standard_error: Tensor  # [B, T, d], infinite if the rows are too few, or the output never varied
    intercept: Tensor  # [B, T]
    score: Tensor  # [B, T], R² of rows left out of the fit; at most 0 if the rows are too few
    fit_score: Tensor  # [B, T], weighted R² of the rows that were fitted
    spread: Tensor  # [B, T], weighted standard deviation of the outputs
    constant: Tensor  # bool [B, T], whether the output does not vary
    freedom: Tensor  # [B or 1], the errors' degrees of freedom; 0 if the rows are too few
    effective_rows: Tensor  # [B or 1], number of rows of equal weight that would tell as much


def fit(surrogate: Surrogate, samples: Samples) -> Fit:
    """Fit a surrogate for every input and target.

    The error of a coefficient is ``sqrt(e² + (b - b₀)²)``, with ``e`` the standard error of the least-squares
    coefficient ``b₀``: the interval around a shrunk coefficient ``b`` then holds the true one.

    Args:
        surrogate: the linear model.
        samples: design, weights and outputs; rows that are asked several times are averaged first.

    Returns:
        Coefficients with errors and scores, in float64 where the device has it.
    """
    with torch.autocast(samples.outputs.device.type, enabled=False):
        samples = averaged(samples)
        problem = posed_problem(samples)
        beta = extension_points.coefficients(surrogate, surrogate.solve(problem), tuple(problem.cross.shape))
        unshrunk = problem.least_squares() if surrogate.shrinks else beta
        leverage = Leverage(problem.x, problem.direction, problem.solution(), samples.group)
        adjusted = leverage.adjusted(problem.y - problem.x @ unshrunk)
        errors = leverage.standard_errors(adjusted)
        freedom, exhaustive = degrees_of_freedom(problem, samples)
        errors = torch.where(exhaustive[:, None, None], 0.0, errors)
        outputs = centred_problem(samples).y if samples.efficient else problem.y
        spread, left = outputs.square().sum(1), (problem.y - problem.x @ beta).square().sum(1)
        constant = _is_constant(samples.outputs)
        fit_score = 1 - left / spread.clamp(min=torch.finfo(spread.dtype).tiny)
        moved = (beta - unshrunk).mT
        kept = surrogate.kept(problem, beta) if surrogate.shrinks else beta.new_ones(1, 1, 1)
        if kept is not None:
            kept = extension_points.coefficients(surrogate, kept, tuple(beta.shape), "kept")
        if kept is None:
            score = score_of_left_out_rows(lambda part: _line(surrogate, part), samples)
        else:
            wrong = squared_errors(moved, errors, kept.mT)
            score = score_of_residuals(adjusted, wrong, samples, problem.x if samples.efficient else None)
        score = torch.where(exhaustive[:, None], fit_score, score.minimum(fit_score))
        enough = freedom[:, None] > 0
        score, fit_score = (torch.where(constant, 0.0, r_squared) for r_squared in (score, fit_score))
        errors = (errors.square() + moved.square()).sqrt()
        # An output that never varied in these rows may still vary in others.
        known = enough & (~constant | exhaustive[:, None])
        beta = beta if problem.shift is None else beta + problem.shift
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


# Scores below this one are cut: how much worse than useless a fit is says nothing.
_LEAST_SCORE = -1.0


def degrees_of_freedom(problem: Problem, samples: Samples) -> tuple[Tensor, Tensor]:
    """The errors' degrees of freedom ``[B or 1]``, and whether the rows are exhaustive, bool ``[B or 1]``.

    Freedom is 0 if the rows are too few, and infinite if they are exhaustive: all on/off rows, so that nothing is left
    to chance.
    """
    present = samples.design.any(1).sum(1)
    spare = effective_groups(samples.weights, samples.group) - present - 1
    enough = (spare >= least_freedom(present)) & (problem.rank >= present)
    exhaustive = _is_exhaustive(samples)
    return torch.where(exhaustive, math.inf, torch.where(enough, spare, 0.0)), exhaustive


def _line(surrogate: Surrogate, samples: Samples) -> tuple[Tensor, Tensor]:
    """Fit some rows alone: coefficients ``[B, d, T]`` and intercept ``[B, 1, T]``."""
    problem = centred_problem(samples)
    beta = surrogate.solve(problem)
    return beta, problem.y_mean - problem.z_mean @ beta


def coefficient_influences(coefficients: Tensor, samples: Samples) -> Tensor:
    """How far each group of rows moves each coefficient, ``[B, G, T, d]``.

    See :mod:`lime_callback.surrogates.standard_errors`.

    Args:
        coefficients: the fit's coefficients, ``[B, T, d]``.
        samples: the data that was fitted.
    """
    samples = averaged(samples)
    problem = posed_problem(samples)
    residuals = problem.y - problem.x @ coefficients.to(problem.x.dtype).mT
    leverage = Leverage(problem.x, problem.direction, problem.solution(), samples.group)
    influences = leverage.influences(leverage.adjusted(residuals))
    return torch.where(_is_exhaustive(samples)[:, None, None, None], 0.0, influences)


def _is_exhaustive(samples: Samples) -> Tensor:
    """Whether the rows are all on/off rows, and outputs depend on these alone, bool ``[B or 1]``."""
    return is_exhaustive(samples.design) & (not samples.chance)


def _is_constant(outputs: Tensor) -> Tensor:
    """Whether an output varies by no more than its rounding, bool ``[B, T]``."""
    rounding = 4 * torch.finfo(outputs.dtype).eps * outputs.abs().amax(1)
    return outputs.amax(1) - outputs.amin(1) <= rounding

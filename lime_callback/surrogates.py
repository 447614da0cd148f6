"""Surrogates: weighted linear models, fitted to all inputs and targets at once on the device.

Letters: ``B`` problems, ``n`` rows, ``d`` features, ``T`` targets. A problem is centred, so that the intercept is out
of the way, and its rows are scaled by the root of their weight. Where all problems share one design, what depends on
the design alone has size 1 in place of B and is computed once. Everything is float64 (float32 on devices without it),
also under autocast.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import torch
from torch import Tensor

from lime_callback.aliasing import variance_share
from lime_callback.quantities import check_number, checked_count
from lime_callback.spelling import resolve
from lime_callback.standard_errors import influences, standard_errors

if TYPE_CHECKING:
    from collections.abc import Callable

    from lime_callback.explanation import Samples


class Problem(NamedTuple):
    """Centred and weighted least-squares problems."""

    x: Tensor  # [B or 1, n, d] rows less their weighted mean, times the root of the weight
    y: Tensor  # [B, n, T] outputs, likewise
    weights: Tensor  # [B or 1, n]
    gram: Tensor  # [B or 1, d, d]
    cross: Tensor  # [B, d, T]
    direction: Tensor  # [B or 1, n] of the intercept, of length 1
    z_mean: Tensor  # [B or 1, 1, d]
    y_mean: Tensor  # [B, 1, T]


class Fit(NamedTuple):
    """What a surrogate found."""

    coefficients: Tensor  # [B, T, d]
    standard_error: Tensor  # [B, T, d]
    intercept: Tensor  # [B, T]
    score: Tensor  # [B, T], weighted R²
    constant: Tensor  # bool [B, T], the output does not vary
    rank: Tensor  # [B or 1], how many features the design can tell apart


class Surrogate(ABC):
    """A linear model and its penalty."""

    @property
    def l2(self) -> float:
        """What is added to the Gram matrix's diagonal, for the standard errors."""
        return 0.0

    @abstractmethod
    def solve(self, problem: Problem) -> Tensor:
        """Coefficients ``[B, d, T]``."""


@dataclass(frozen=True)
class Ridge(Surrogate):
    """Least squares with a squared penalty: ``Σ w (y - Xβ - β₀)² + alpha ‖β‖²``, as scikit-learn's ``Ridge``.

    The default does no more than keep the solution unique: LIME's own 1.0 takes some 3 % off every coefficient at n =
    256.

    Args:
        alpha: strength of the penalty, at least 0.

    Raises:
        ValueError: if ``alpha`` is negative or infinite.
        TypeError: if it is no number.
    """

    alpha: float = 1e-6

    def __post_init__(self) -> None:
        check_number("alpha", self.alpha, least=0)

    @property
    def l2(self) -> float:
        """See :class:`Surrogate`."""
        return self.alpha

    def solve(self, problem: Problem) -> Tensor:
        """See :class:`Surrogate`."""
        factor, _ = torch.linalg.cholesky_ex(penalised(problem.gram, self.alpha))
        return torch.cholesky_solve(problem.cross, factor)


@dataclass(frozen=True)
class Lasso(Surrogate):
    """Least squares with an absolute penalty: ``Σ w (y - Xβ - β₀)² / (2 Σ w) + alpha ‖β‖₁``, as scikit-learn's.

    Solved by the accelerated proximal gradient method with restarts, for all problems at once. The standard errors are
    those of the fit without the penalty: they say how uncertain a coefficient is, also one that was set to 0.

    Args:
        alpha: strength of the penalty, above 0, in units of the output.
        tolerance: the largest violation of the optimality conditions, as a share of the largest ``|Xᵀy| / Σw``.
        max_iterations: after which the last is taken. On the CPU fewer do, once the tolerance is met; elsewhere so many
            are always made, since to look would make the device wait.

    Raises:
        ValueError: if ``alpha`` or ``tolerance`` is not above 0 and finite, or ``max_iterations`` is below 1.
        TypeError: if one is no number.

    References:
        Beck and Teboulle, SIAM Journal on Imaging Sciences 2 (2009), for the method; O'Donoghue and Candès, Foundations
        of Computational Mathematics 15 (2015), for the restarts.
    """

    alpha: float = 1e-3
    tolerance: float = 1e-9
    max_iterations: int = 5000

    def __post_init__(self) -> None:
        for name in ("alpha", "tolerance"):
            check_number(name, getattr(self, name), above=0)
        checked_count("max_iterations", self.max_iterations)

    def solve(self, problem: Problem) -> Tensor:
        """See :class:`Surrogate`."""
        total = problem.weights.sum(-1)[:, None, None]
        gram, cross = problem.gram / total, problem.cross / total
        step = 1 / torch.linalg.matrix_norm(gram, ord=2).clamp(min=1e-30)[:, None, None]
        scale = cross.abs().amax((1, 2), keepdim=True).clamp(min=1e-30)
        tolerance = max(self.tolerance, 10 * torch.finfo(cross.dtype).eps) * scale
        beta = ahead = torch.zeros_like(cross)
        momentum = cross.new_ones(len(cross), 1, cross.shape[2])
        for iteration in range(self.max_iterations):
            proposal = ahead - step * (gram @ ahead - cross)
            new = proposal.sign() * (proposal.abs() - self.alpha * step).clamp(min=0)
            restart = ((ahead - new) * (new - beta)).sum(1, keepdim=True) > 0
            previous = torch.where(restart, 1.0, momentum)
            momentum = (1 + (1 + 4 * previous**2).sqrt()) / 2
            ahead = new + torch.where(restart, 0.0, (previous - 1) / momentum) * (new - beta)
            beta = new
            if iteration % 20 == 19 and _is_free_to_read(cross):
                # Asked in this way, outputs that are not finite, which is told later, hold nothing up.
                wrong = self._violation(gram @ beta - cross, beta) > tolerance
                if not bool(wrong.any()):
                    break
        return beta

    def _violation(self, gradient: Tensor, beta: Tensor) -> Tensor:
        """How far each coefficient is from optimal: the distance of 0 to the objective's subgradient."""
        active = (gradient + self.alpha * beta.sign()).abs()
        return torch.where(beta == 0, (gradient.abs() - self.alpha).clamp(min=0), active)


def _is_free_to_read(values: Tensor) -> bool:
    """Whether a value can be looked at without waiting for a device."""
    return values.device.type == "cpu"


def penalised(gram: Tensor, alpha: float) -> Tensor:
    """Add ``alpha`` to the Gram matrix's diagonal, and as much as features that never vary need to do no harm."""
    diagonal = gram.diagonal(dim1=-2, dim2=-1)
    tiny = 1e-10 if gram.dtype == torch.float64 else 1e-6
    extra = alpha + tiny * diagonal.mean(-1, keepdim=True) + torch.finfo(gram.dtype).tiny ** 0.5
    return gram + torch.diag_embed(extra.expand_as(diagonal))


def fit(surrogate: Surrogate, samples: Samples) -> Fit:
    """Fit a surrogate for every input and target.

    Args:
        surrogate: the linear model.
        samples: design, weights and outputs.

    Returns:
        Coefficients with errors and scores, in float64 where the device has it.
    """
    with torch.autocast(samples.outputs.device.type, enabled=False):
        problem = centred(samples)
        beta = surrogate.solve(problem)
        residuals = problem.y - problem.x @ beta
        spread, left = problem.y.square().sum(1), residuals.square().sum(1)
        constant = _is_constant(samples.outputs)
        score = torch.where(constant, 0.0, 1 - left / spread.clamp(min=torch.finfo(spread.dtype).tiny))
        gram = penalised(problem.gram, surrogate.l2)
        errors = standard_errors(problem.x, problem.direction, residuals, gram, samples.group)
        errors = errors * variance_share(samples.design, samples.group).sqrt()[:, None, None]
        intercept = (problem.y_mean - problem.z_mean @ beta).squeeze(1)
        rank = torch.linalg.matrix_rank(problem.gram, hermitian=True)
    return Fit(beta.mT, errors, intercept, score, constant, rank)


def centred(samples: Samples) -> Problem:
    """The least-squares problems of the samples, without their means and weighted."""
    z, y = samples.design.to(samples.weights.dtype), samples.outputs.to(samples.weights.dtype)
    weights = samples.weights.unsqueeze(-1)
    share = weights / weights.sum(1, keepdim=True)
    z_mean, y_mean = (share * z).sum(1, keepdim=True), (share * y).sum(1, keepdim=True)
    x, y = weights.sqrt() * (z - z_mean), weights.sqrt() * (y - y_mean)
    return Problem(x, y, samples.weights, x.mT @ x, x.mT @ y, share.sqrt().squeeze(-1), z_mean, y_mean)


def coefficient_influences(coefficients: Tensor, samples: Samples) -> Tensor:
    """How far each group of rows moves each coefficient, ``[B, G, T, d]``: see :mod:`lime_callback.standard_errors`.

    Args:
        coefficients: of the fit, ``[B, T, d]``.
        samples: that were fitted.
    """
    problem = centred(samples)
    residuals = problem.y - problem.x @ coefficients.to(problem.x.dtype).mT
    gram = penalised(problem.gram, samples.penalty)
    found = influences(problem.x, problem.direction, residuals, gram, samples.group)
    return found * variance_share(samples.design, samples.group).sqrt()[:, None, None, None]


def _is_constant(outputs: Tensor) -> Tensor:
    """Whether an output varies by no more than its rounding, bool ``[B, T]``."""
    rounding = 4 * torch.finfo(outputs.dtype).eps * outputs.abs().amax(1)
    return outputs.amax(1) - outputs.amin(1) <= rounding


SurrogateName = Literal["ridge", "lasso"]
SURROGATES: dict[str, Callable[[], Surrogate]] = {"ridge": Ridge, "lasso": Lasso}


def resolve_surrogate(value: Any) -> Surrogate:
    """A surrogate of its name, a scikit-learn linear regressor, or a :class:`Surrogate`.

    Raises:
        ValueError: if the name is unknown.
        TypeError: if it is none of these.
    """
    if hasattr(value, "fit") and hasattr(value, "get_params") and not isinstance(value, type):
        from lime_callback.sklearn_surrogate import SklearnSurrogate

        return SklearnSurrogate(value)
    return resolve("surrogate", value, SURROGATES, Surrogate)

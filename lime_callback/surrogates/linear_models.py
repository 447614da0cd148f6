"""Surrogates: weighted linear models, fitted to all inputs and targets at once on the device.

Letters: ``B`` problems, ``n`` rows, ``d`` features, ``T`` targets. A problem is centred, which removes the intercept,
and its rows are multiplied by the root of their weight. If all problems share one design, tensors that depend on the
design alone have size 1 in place of B. Everything is float64 (float32 on devices without it), also under autocast.

With fewer rows than features, everything is computed from the kernel matrix ``x xᵀ``, n x n, instead of the Gram matrix
``xᵀ x``, d x d: ``(xᵀx + c I)⁻¹ xᵀ = xᵀ (xxᵀ + c I)⁻¹``.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, ClassVar

import torch
from torch import Tensor

from lime_callback.checks.arguments import check_flag
from lime_callback.checks.numbers import check_count, check_number

if TYPE_CHECKING:
    from lime_callback.surrogates.fitted_rows import Samples


@dataclass(frozen=True, eq=False)
class Problem:
    """Centred and weighted least-squares problems.

    Args:
        x: rows minus their weighted mean, times the root of the weight, ``[B or 1, n, d]``.
        y: outputs, likewise, ``[B, n, T]``.
        weights: ``[B or 1, n]``.
        direction: the intercept's direction, of length 1, ``[B or 1, n]``.
        z_mean: ``[B or 1, 1, d]``.
        y_mean: ``[B, 1, T]``.
        shift: what is added to the solved coefficients, ``[B, d, T]``, see :mod:`lime_callback.surrogates.efficient`.
        silent: a row of output 0 that keeps the solution unique, ``[B or 1, 1, d]``; ``None``: none is needed.
    """

    x: Tensor
    y: Tensor
    weights: Tensor
    direction: Tensor
    z_mean: Tensor
    y_mean: Tensor
    shift: Tensor | None = None
    silent: Tensor | None = None

    @cached_property
    def gram(self) -> Tensor:
        """The Gram matrix ``xᵀx``, ``[B or 1, d, d]``: large where there are thousands of features."""
        return self._rows.mT @ self._rows

    @cached_property
    def cross(self) -> Tensor:
        """``xᵀy``, ``[B, d, T]``."""
        return self.x.mT @ self.y

    @property
    def _rows(self) -> Tensor:
        return self.x if self.silent is None else torch.cat([self.x, self.silent], 1)

    @property
    def _is_wide(self) -> bool:
        _, n, d = self.x.shape
        return n < d

    def least_squares(self, penalty: Tensor | float = 0.0) -> Tensor:
        """Coefficients ``[B, d, T]`` of least squares with ``penalty`` ``[B or 1, 1]`` times their squares."""
        if not self._is_wide:
            return torch.cholesky_solve(self.cross, self._factor(penalty))
        inverse = self._inverse_kernel(penalty)[:, :, : self.y.shape[1]]  # a silent row's output is 0
        coefficients: Tensor = self._rows.mT @ (inverse @ self.y)
        return coefficients

    def solution(self, penalty: Tensor | float = 0.0) -> Tensor:
        """How each row's output enters each coefficient of :meth:`least_squares`, ``[B or 1, n, d]``."""
        if not self._is_wide:
            return torch.cholesky_solve(self.x.mT, self._factor(penalty)).mT
        solution: Tensor = self._inverse_kernel(penalty)[:, : self.x.shape[1]] @ self._rows
        return solution

    @property
    def rank(self) -> Tensor:
        """The number of directions that the rows tell apart, ``[B or 1]``."""
        rank: Tensor = (
            self._told_apart.sum(-1) if self._is_wide else torch.linalg.matrix_rank(self.gram, hermitian=True)
        )
        return rank

    def _factor(self, penalty: Tensor | float) -> Tensor:
        """The Cholesky factor of the Gram matrix with a penalty on its diagonal."""
        diagonal = self.gram.diagonal(dim1=-2, dim2=-1)
        extra = penalty + _least_penalty(diagonal.mean(-1, keepdim=True))
        # Without a check, for which the host would wait: a penalised matrix has an inverse.
        factor: Tensor = torch.linalg.cholesky_ex(self.gram + torch.diag_embed(extra.expand_as(diagonal))).L
        return factor

    @cached_property
    def _spectrum(self) -> tuple[Tensor, Tensor]:
        """Eigenvalues ``[B or 1, n]`` and eigenvectors of the kernel matrix."""
        values, vectors = torch.linalg.eigh(self._rows @ self._rows.mT)
        return values, vectors

    @property
    def _told_apart(self) -> Tensor:
        """Which eigenvalues are above rounding, by the bound for the Gram matrix's rank, ``[B or 1, n]``."""
        values, _ = self._spectrum
        rounding = self.x.shape[-1] * torch.finfo(values.dtype).eps
        above: Tensor = values > rounding * values[:, -1:]
        return above

    def _inverse_kernel(self, penalty: Tensor | float) -> Tensor:
        """The inverse of the kernel matrix with a penalty on its diagonal, ``[B or 1, n, n]``.

        Where the rows tell nothing apart it is 0: features have no part in these directions but by rounding, which a
        small penalty's inverse would enlarge.
        """
        values, vectors = self._spectrum
        # The trace is the Gram matrix's, too.
        extra = penalty + _least_penalty(values.sum(-1, keepdim=True) / self.x.shape[-1])
        inverse = torch.where(self._told_apart, 1 / (values + extra), 0.0)
        kernel: Tensor = (vectors * inverse.unsqueeze(-2)) @ vectors.mT
        return kernel


def _least_penalty(diagonal: Tensor) -> Tensor:
    """A little on the Gram matrix's diagonal, of that mean, keeps it regular if a feature never varies."""
    share = 1e-10 if diagonal.dtype == torch.float64 else 1e-6
    least: Tensor = diagonal * share + float(torch.finfo(diagonal.dtype).tiny) ** 0.5
    return least


class Surrogate(ABC):
    """A linear model and its penalty: a surrogate of one's own overrides :meth:`solve`.

    What it returns is checked. ``docs/extending.md`` has an example.

    Attributes:
        efficient: whether the fit goes through the outputs of the first two rows, everything on and everything off, so
            that coefficients add up to their difference; see :mod:`lime_callback.surrogates.efficient`.
    """

    efficient: ClassVar[bool] = False

    @property
    def shrinks(self) -> bool:
        """Whether the penalty moves coefficients away from least squares by more than rounding."""
        return True

    @abstractmethod
    def solve(self, problem: Problem) -> Tensor:
        """Coefficients ``[B, d, T]``, finite, on the problem's device.

        They minimise ``‖y - x b‖²`` and whatever the model adds to it. All problems are solved at once.
        """

    def kept(self, problem: Problem, beta: Tensor) -> Tensor | None:
        """Derivative of each coefficient by its least-squares coefficient, from 0 to 1, ``[B or 1, d, T or 1]``.

        ``None`` if it has no closed form; the score then takes fits to parts of the rows.

        Args:
            problem: the solved problem.
            beta: its coefficients ``[B, d, T]``.
        """
        return None


@dataclass(frozen=True)
class Ridge(Surrogate):
    """Least squares with a squared penalty: ``Σ w (y - Xβ - β₀)² / Σ w + alpha ‖β‖²``.

    The division by ``Σ w`` makes the penalty mean the same under every kernel and for every number of perturbations.
    The default only keeps the solution unique.

    Args:
        alpha: strength of the penalty, at least 0.
        absolute: whether to minimise ``Σ w (y - Xβ - β₀)² + alpha ‖β‖²`` instead, as scikit-learn's ``Ridge`` and
            ``lime`` do; small weights then make the penalty stronger.

    Raises:
        ValueError: if ``alpha`` is negative or infinite.
        TypeError: if it is no number, or ``absolute`` is neither true nor false.
    """

    alpha: float = 1e-8
    absolute: bool = False

    def __post_init__(self) -> None:
        check_number("alpha", self.alpha, least=0)
        check_flag("absolute", self.absolute)

    @property
    def shrinks(self) -> bool:
        """See :class:`Surrogate`; a relative penalty takes the share ``4 alpha`` off a coefficient."""
        return (self.absolute and self.alpha > 0) or self.alpha > _NO_PENALTY

    def solve(self, problem: Problem) -> Tensor:
        """See :class:`Surrogate`."""
        return problem.least_squares(self._penalty(problem))

    def kept(self, problem: Problem, beta: Tensor) -> Tensor:
        """See :meth:`Surrogate.kept`."""
        return (problem.solution(self._penalty(problem)) * problem.x).sum(1).unsqueeze(-1)

    def _penalty(self, problem: Problem) -> Tensor:
        total = problem.weights.sum(-1, keepdim=True)
        return self.alpha * (torch.ones_like(total) if self.absolute else total)


@dataclass(frozen=True)
class Lasso(Surrogate):
    """Least squares with an absolute penalty: ``Σ w (y - Xβ - β₀)² / (2 Σ w) + alpha ‖β‖₁``, as scikit-learn's.

    The accelerated proximal gradient method with restarts solves all problems at once. It is written by hand since
    scikit-learn solves one target after another, on the CPU.

    Args:
        alpha: strength of the penalty, above 0, in units of the output.
        tolerance: largest violation of the optimality conditions, as a share of the largest ``|Xᵀy| / Σw``.
        max_iterations: number of iterations. On the CPU they end once the tolerance is met; elsewhere all are made,
            since a look at the violation would make the host wait for the device.

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
        object.__setattr__(self, "max_iterations", check_count("max_iterations", self.max_iterations))

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
                # NaN is above nothing: outputs that are not finite, for which an error is raised later, end the loop.
                wrong = self._violation(gram @ beta - cross, beta) > tolerance
                if not bool(wrong.any()):
                    break
        return beta

    def kept(self, problem: Problem, beta: Tensor) -> Tensor:
        """See :meth:`Surrogate.kept`: the penalty moves coefficients that are not 0 by a constant.

        References:
            Zou, Hastie and Tibshirani, "On the Degrees of Freedom of the Lasso", Annals of Statistics 35 (2007).
        """
        return (beta != 0).to(beta.dtype)

    def _violation(self, gradient: Tensor, beta: Tensor) -> Tensor:
        """How far each coefficient is from optimal: the distance of 0 to the objective's subgradient."""
        active = (gradient + self.alpha * beta.sign()).abs()
        return torch.where(beta == 0, (gradient.abs() - self.alpha).clamp(min=0), active)


def _is_free_to_read(values: Tensor) -> bool:
    """Whether a value can be looked at without waiting for a device."""
    return values.device.type == "cpu"


# A relative penalty of at most this takes less than a thousandth off a coefficient.
_NO_PENALTY = 1e-4


def centred_problem(samples: Samples) -> Problem:
    """Centre and weight the rows of the samples."""
    z, y = samples.design.to(samples.weights.dtype), samples.outputs.to(samples.weights.dtype)
    weights = samples.weights.unsqueeze(-1)
    share = weights / weights.sum(1, keepdim=True)
    z_mean, y_mean = (share * z).sum(1, keepdim=True), (share * y).sum(1, keepdim=True)
    x, y = weights.sqrt() * (z - z_mean), weights.sqrt() * (y - y_mean)
    return Problem(x, y, samples.weights, share.sqrt().squeeze(-1), z_mean, y_mean)

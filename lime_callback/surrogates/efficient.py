"""The efficient fit of KernelSHAP: least squares through the outputs with everything on and with everything off.

Coefficients add up to the difference of both outputs. Let ``f1`` be the first row's output, with all ``c`` present
features on, ``f0`` that of the second, with none, and ``1`` the vector of the present features. With

    b = g + (f1 - f0) 1 / c,    sum(g) = 0,

the fit of ``y - f0 - (f1 - f0) <z, 1> / c`` by ``z g`` is an ordinary one without an intercept, on rows ``z`` less
their part along 1. So errors and scores are those of any other fit; both outputs are known, and have no error.

Letters: ``B`` problems, ``n`` rows, ``d`` features, ``T`` targets.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import torch

from lime_callback.surrogates.linear_models import Problem, Surrogate, centred_problem

if TYPE_CHECKING:
    from torch import Tensor

    from lime_callback.surrogates.fitted_rows import Samples


@dataclass(frozen=True)
class Efficient(Surrogate):
    """Least squares whose coefficients add up to the output of the input, less that with everything hidden.

    It needs a design whose first two rows are everything on and everything off, such as
    :class:`~lime_callback.sampling.Coalitions`. With that and :class:`~lime_callback.sampling.ShapleyKernel` it is
    KernelSHAP. Intervals and the score are of the perturbations' noise, as those of every surrogate; where all
    coalitions were asked, coefficients are Shapley values and have no error.

    References:
        Lundberg and Lee, "A Unified Approach to Interpreting Model Predictions", NeurIPS 2017.
    """

    efficient: ClassVar[bool] = True

    @property
    def shrinks(self) -> bool:
        """See :class:`~lime_callback.surrogates.Surrogate`: there is no penalty."""
        return False

    def solve(self, problem: Problem) -> Tensor:
        """See :class:`~lime_callback.surrogates.Surrogate`."""
        return problem.least_squares()


def posed_problem(samples: Samples) -> Problem:
    """The least-squares problem of the samples: centred, or through the outputs of the first two rows."""
    return _tied_problem(samples) if samples.efficient else centred_problem(samples)


def _tied_problem(samples: Samples) -> Problem:
    z, y = samples.design.to(samples.weights.dtype), samples.outputs.to(samples.weights.dtype)
    root = samples.weights.sqrt().unsqueeze(-1)
    present, nothing = z[:, :1], y[:, 1:2]
    count = present.sum(-1, keepdim=True).clamp(min=1)
    whole = y[:, :1] - nothing
    size = z.sum(-1, keepdim=True) / count
    x, rest = root * (z - size * present), root * (y - nothing - size * whole)
    # No row tells anything along the vector of ones, and nothing is asked there; this keeps the solution unique.
    scale = x.square().sum(1).mean(-1)[:, None, None]
    return Problem(
        x=x,
        y=rest,
        weights=samples.weights,
        direction=torch.zeros_like(samples.weights),
        z_mean=torch.zeros_like(present),
        y_mean=nothing,
        shift=present.mT / count @ whole,
        silent=(scale / count).sqrt() * present,
    )

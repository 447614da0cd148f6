"""Any scikit-learn linear regressor as a surrogate; it fits one input and target after another, on the CPU."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from lime_callback.surrogates.linear_models import Problem, Surrogate

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, eq=False)
class SklearnSurrogate(Surrogate):
    """Fits clones of a scikit-learn estimator; the estimator itself is never fitted.

    Estimators that take sample weights receive them. Others receive rows multiplied by the root of the weight, which is
    the same for a squared loss.

    Args:
        estimator: a linear regressor that has the parameter ``fit_intercept``, and ``coef_`` after its fit.

    Raises:
        TypeError: if the estimator is no linear regressor.
    """

    estimator: Any

    def __post_init__(self) -> None:
        if "fit_intercept" not in self.estimator.get_params():
            raise TypeError(
                "`surrogate` should be a linear regressor of scikit-learn, such as `LinearRegression()`. Found a "
                f"{type(self.estimator).__name__}, which has no `fit_intercept`."
            )
        if hasattr(self.estimator, "decision_function"):
            raise TypeError(
                "`surrogate` should be a linear regressor of scikit-learn, such as `LinearRegression()`. Found a "
                f"{type(self.estimator).__name__}, which is a classifier; outputs are numbers, not classes."
            )

    @property
    def shrinks(self) -> bool:
        """See :class:`~lime_callback.surrogates.Surrogate`: true of all but plain least squares."""
        from sklearn.linear_model import LinearRegression

        return type(self.estimator) is not LinearRegression or bool(self.estimator.positive)

    def solve(self, problem: Problem) -> Tensor:
        """See :class:`~lime_callback.surrogates.Surrogate`."""
        from sklearn.base import clone
        from sklearn.utils.validation import has_fit_parameter

        weighted = has_fit_parameter(self.estimator, "sample_weight")
        parts = (problem.x, problem.y, problem.weights)
        x, y, weights = (part.expand(len(problem.y), *part.shape[1:]).cpu().double().numpy() for part in parts)
        root = np.sqrt(weights)[..., None]
        if weighted:
            x, y = x / root, y / root
        beta = np.empty(problem.cross.shape)
        for b in range(len(x)):
            for t in range(y.shape[-1]):
                model = clone(self.estimator)
                if weighted:
                    model.fit(x[b], y[b, :, t], sample_weight=weights[b])
                else:
                    # The rows are centred already, and scaled rows must not be centred again.
                    model.set_params(fit_intercept=False).fit(x[b], y[b, :, t])
                beta[b, :, t] = np.asarray(model.coef_).reshape(-1)
        return torch.from_numpy(beta).to(problem.cross)

"""Surrogates: the linear models, their errors and their scores.

Begin with :mod:`~lime_callback.surrogates.linear_models`, the models, and :mod:`~lime_callback.surrogates.fitting`,
which fits them. :mod:`~lime_callback.surrogates.standard_errors` has the coefficients' errors,
:mod:`~lime_callback.surrogates.predictive_score` the R² of rows left out.
"""

from typing import TYPE_CHECKING

from lime_callback.checks.lazy_names import lazily

if TYPE_CHECKING:
    from lime_callback.surrogates.efficient import Efficient
    from lime_callback.surrogates.fitted_rows import Samples
    from lime_callback.surrogates.linear_models import Lasso, Problem, Ridge, Surrogate
    from lime_callback.surrogates.sklearn_regressor import SklearnSurrogate

__all__ = ["Efficient", "Lasso", "Problem", "Ridge", "Samples", "SklearnSurrogate", "Surrogate"]

__getattr__, __dir__ = lazily(
    __name__,
    {
        "linear_models": ["Lasso", "Problem", "Ridge", "Surrogate"],
        "sklearn_regressor": ["SklearnSurrogate"],
        "fitted_rows": ["Samples"],
        "efficient": ["Efficient"],
    },
)

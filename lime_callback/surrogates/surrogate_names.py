"""Surrogates by their names: those of this package, and any linear regressor of scikit-learn."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from lime_callback.checks.strategy_names import resolve
from lime_callback.surrogates.linear_models import Lasso, Ridge, Surrogate

if TYPE_CHECKING:
    from collections.abc import Callable

SurrogateName = Literal["ridge", "lasso"]
SURROGATES: dict[str, Callable[[], Surrogate]] = {"ridge": Ridge, "lasso": Lasso}


def resolve_surrogate(value: Any) -> Surrogate:
    """A surrogate of its name, a scikit-learn linear regressor, or a :class:`Surrogate`.

    Raises:
        ValueError: if the name is unknown.
        TypeError: if it is none of these.
    """
    if hasattr(value, "fit") and hasattr(value, "get_params") and not isinstance(value, type):
        from lime_callback.surrogates.sklearn_regressor import SklearnSurrogate

        return SklearnSurrogate(value)
    return resolve("surrogate", value, SURROGATES, Surrogate)

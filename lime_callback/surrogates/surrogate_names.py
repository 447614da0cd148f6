"""Turns a user's ``surrogate`` into a surrogate: a name, a scikit-learn regressor, or a surrogate itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from lime_callback.checks.strategy_names import resolve_strategy
from lime_callback.surrogates.linear_models import Lasso, Ridge, Surrogate

if TYPE_CHECKING:
    from collections.abc import Callable

SurrogateName = Literal["ridge", "lasso"]
SURROGATES: dict[str, Callable[[], Surrogate]] = {"ridge": Ridge, "lasso": Lasso}


def resolve_surrogate(value: Any) -> Surrogate:
    """The surrogate of a name, of a scikit-learn linear regressor, or of a :class:`Surrogate`, which is returned.

    Raises:
        ValueError: if the name is unknown.
        TypeError: if ``value`` is none of these.
    """
    if hasattr(value, "fit") and hasattr(value, "get_params") and not isinstance(value, type):
        from lime_callback.surrogates.sklearn_regressor import SklearnSurrogate

        return SklearnSurrogate(value)
    return resolve_strategy("surrogate", value, SURROGATES, Surrogate)

"""Strategies may be given as an object or by name; this turns either into the object, or into a clear error."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar, cast

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

S = TypeVar("S")


def resolve_strategy(
    argument: str, value: Any, known: Mapping[str, Callable[[], S]], kind: type, besides: str = ""
) -> S:
    """The strategy that ``value`` names or is.

    Args:
        argument: name of the user's argument, for the error.
        value: one of the known names, or an instance of ``kind``.
        known: makes each strategy by its name.
        kind: base class of the strategies.
        besides: what else the argument takes, for the error.

    Raises:
        ValueError: if the name is unknown.
        TypeError: if ``value`` is neither a name nor of this kind.
    """
    if isinstance(value, kind):
        return cast("S", value)
    names = ", ".join([*map(repr, known), *([besides] if besides else [])])
    if isinstance(value, str):
        if value in known:
            return known[value]()
        raise ValueError(
            f"`{argument}` should be one of {names}, or a {kind.__name__}. Found `{argument} = {value!r}`."
        )
    found = (
        f"the class {value.__name__}; make an object of it" if isinstance(value, type) else f"a {type(value).__name__}"
    )
    raise TypeError(
        f"`{argument}` should be one of {names}, or an object of a class that derives from {kind.__name__}. Found "
        f"{found}."
    )

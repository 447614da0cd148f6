"""Checks of arguments: each returns the value in the form in which it is used, or says what is wrong with it."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lime_callback.views.base import View


def check_count(argument: str, value: Any, least: int) -> int:
    """A whole number of at least ``least``.

    Raises:
        ValueError: if ``value`` is none.
    """
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise ValueError(f"`{argument}` should be a whole number of at least {least}. Found `{argument} = {value!r}`.")
    return value


def check_one_of(argument: str, value: Any, known: Sequence[str]) -> Any:
    """One of the known names.

    Raises:
        ValueError: if ``value`` is none of them.
    """
    if value not in known:
        names = ", ".join(map(repr, known))
        raise ValueError(f"`{argument}` should be one of {names}. Found `{argument} = {value!r}`.")
    return value


def check_wavelengths(value: Any) -> tuple[float, ...] | None:
    """Wavelengths in nm, or ``None``.

    Raises:
        TypeError: if ``value`` is no sequence of numbers.
        ValueError: if one is not finite and above 0, or all look like micrometres.
    """
    if value is None:
        return None
    try:
        wavelengths = tuple(float(one) for one in value)
    except (TypeError, ValueError):
        raise TypeError(
            f"`wavelengths` should be a sequence of numbers in nm, one for each channel. Found {value!r}."
        ) from None
    wrong = [one for one in wavelengths if not (math.isfinite(one) and one > 0)]
    if wrong or not wavelengths:
        raise ValueError(
            f"`wavelengths` should be finite and above 0, one for each channel. Found {wrong or 'none at all'}."
        )
    if max(wavelengths) < 100:
        raise ValueError(
            f"`wavelengths` should be in nm. Found values up to {max(wavelengths)}, which look like micrometres; "
            f"multiply "
            "them by 1000."
        )
    return wavelengths


def check_views(value: Any, default: Sequence[View]) -> tuple[View, ...]:
    """Views with different names; the default for ``None``.

    Raises:
        TypeError: if ``value`` is no view and no sequence of views.
        ValueError: if there is none, or two have the same name.
    """
    from lime_callback.views.base import View

    views = tuple(default) if value is None else (value,) if isinstance(value, View) else value
    if not isinstance(views, Sequence) or isinstance(views, str) or not all(isinstance(view, View) for view in views):
        raise TypeError(
            f"`views` should be a view or several, such as `[Superpixels(), Superbands()]`. Found `views = {value!r}`."
        )
    if not views:
        raise ValueError("`views` should hold at least one view. Found an empty sequence; `None` takes the default.")
    twice = [name for name, number in Counter(view.name for view in views).items() if number > 1]
    if twice:
        raise ValueError(
            f"`views` should have different names. Found {twice} more than once; pass `name=` to the views."
        )
    for view in views:
        check_name("name", view.name)
    return tuple(views)


def check_name(argument: str, value: Any) -> str:
    """A name that can be a part of a metric's name and of a path.

    Raises:
        ValueError: if it is empty, or holds anything but letters, digits, spaces, ``-``, ``_`` and ``.``.
    """
    allowed = isinstance(value, str) and value.strip(" .") and all(c.isalnum() or c in " -_." for c in value)
    if not allowed:
        raise ValueError(
            f"`{argument}` should be a name of letters, digits, spaces, '-', '_' and '.'. Found `{argument} = "
            f"{value!r}`."
        )
    return str(value)


def check_gate(value: Any) -> float | None:
    """A bound of R², at most 1, or ``None``.

    Raises:
        ValueError: if it is neither.
    """
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool) and value <= 1
    if value is not None and not is_number:
        raise ValueError(f"`gate` should be a bound of R², at most 1, or None. Found `gate = {value!r}`.")
    return None if value is None else float(value)


def check_target(value: Any) -> Any:
    """``"predicted"``, ``"label"``, ``"all"``, an index from 0 on, or a list of different ones.

    Raises:
        ValueError: if it is none of these.
    """
    indices = [value] if isinstance(value, int) else value
    is_list = isinstance(indices, (list, tuple)) and indices and len(set(indices)) == len(indices)
    if (
        value in ("predicted", "label", "all")
        if isinstance(value, str)
        else is_list and all(isinstance(one, int) and not isinstance(one, bool) and one >= 0 for one in indices)
    ):
        return value
    raise ValueError(
        "`target` should be 'predicted', 'label', 'all', the index of an output, from 0 on, or a list of different "
        "indices. "
        f"Found `target = {value!r}`."
    )

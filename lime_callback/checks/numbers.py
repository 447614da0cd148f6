"""Checks of numbers, which several arguments share: each returns the number, or says what is wrong with it."""

from __future__ import annotations

import math
import operator
from collections.abc import Mapping, Set
from numbers import Real
from typing import Any


def checked_count(argument: str, value: Any) -> int:
    """``value`` as an int of at least 1.

    Raises:
        TypeError: if it is no whole number.
        ValueError: if it is below 1.
    """
    try:
        if isinstance(value, bool):
            raise TypeError
        count = operator.index(value)
    except TypeError:
        raise TypeError(f"`{argument}` should be a whole number. Found `{argument} = {value!r}`.") from None
    if count < 1:
        raise ValueError(f"`{argument}` should be at least 1. Found `{argument} = {count}`.")
    return count


def is_number(value: Any) -> bool:
    """Whether a value is a real number; ``True`` and ``False`` are none."""
    return isinstance(value, Real) and not isinstance(value, bool)


def check_number(
    argument: str, value: Any, *, above: float = -math.inf, least: float = -math.inf, hint: str = ""
) -> float:
    """A finite number above ``above`` and of at least ``least``.

    Args:
        argument: name of the user's argument, for the errors.
        value: what the user gave.
        above: where the range begins, not included.
        least: where it begins, included.
        hint: said after an infinite number or NaN, on how to mend it.

    Raises:
        TypeError: if ``value`` is no number.
        ValueError: if it is out of range, infinite or NaN.
    """
    if not is_number(value):
        raise TypeError(f"`{argument}` should be a number. Found `{argument} = {value!r}`.")
    bounds = [f"above {above:g}"] * (above > -math.inf) + [f"at least {least:g}"] * (least > -math.inf)
    if bounds and not (value > above and value >= least):
        raise ValueError(f"`{argument}` should be {' and '.join(bounds)}. Found `{argument} = {value}`.")
    if not -math.inf < value < math.inf:
        raise ValueError(f"`{argument}` should be finite. Found `{argument} = {value}`{hint and f'; {hint}'}.")
    return float(value)


def check_numbers(argument: str, value: Any) -> tuple[float, ...]:
    """A sequence, array or tensor of numbers, as floats.

    Args:
        argument: name of the user's argument, for the error.
        value: what the user gave.

    Raises:
        TypeError: if it is no such thing, or has no order, or holds anything but numbers.
    """
    values = value.tolist() if hasattr(value, "tolist") else value
    try:
        if isinstance(values, (str, bytes, Mapping, Set)):
            raise TypeError
        values = [one.item() if hasattr(one, "item") else one for one in values]
        if not all(map(is_number, values)):
            raise TypeError
    except (TypeError, ValueError, RuntimeError):
        raise TypeError(
            f"`{argument}` should be a sequence of numbers in nm, one wavelength for each channel. Found {value!r}; "
            f"pass for example `{argument}=[450.0, 550.0, 650.0]`."
        ) from None
    return tuple(map(float, values))

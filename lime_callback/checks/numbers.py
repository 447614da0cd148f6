"""Checks of numbers, which several arguments share: each returns the number, or says what is wrong with it."""

from __future__ import annotations

import math
import operator
from collections.abc import Mapping, Sequence, Set
from numbers import Real
from typing import Any


def whole_number(value: Any) -> int | None:
    """``value`` as an int where its type is integral, as those of Python and numpy are; else ``None``, as for bools."""
    if isinstance(value, bool) or getattr(value, "ndim", 0) > 0:
        return None  # a tensor of one element has an index, too, but stands for a list
    try:
        return operator.index(value)
    except TypeError:
        return None


def check_count(argument: str, value: Any, least: int = 1, other: str = "") -> int:
    """``value`` as an int of at least ``least``.

    Args:
        argument: name of the user's argument, for the errors.
        value: what the user gave.
        least: the smallest that is taken.
        other: what the argument may be besides, for the errors, such as ``"'auto', or "``.

    Raises:
        TypeError: if it is no whole number.
        ValueError: if it is below ``least``.
    """
    count = whole_number(value)
    if count is None or count < least:
        kind = TypeError if count is None else ValueError
        raise kind(f"`{argument}` should be {other}a whole number of at least {least}. Found `{argument} = {value!r}`.")
    return count


def check_indices(argument: str, value: Any, what: str) -> tuple[int, ...]:
    """One whole number from 0 on, or a sequence of these, as a tuple.

    Args:
        argument: name of the user's argument, for the errors.
        value: what the user gave.
        what: what the argument should be, for the errors.

    Raises:
        TypeError: if ``value`` is neither a whole number nor a sequence of whole numbers.
        ValueError: if there is none, or one is below 0.
    """
    values = value if isinstance(value, Sequence) and not isinstance(value, (str, bytes)) else [value]
    indices = [whole_number(each) for each in values]
    known = [index for index in indices if index is not None]
    if len(known) < len(indices) or not known or min(known) < 0:
        kind = TypeError if len(known) < len(indices) else ValueError
        raise kind(f"`{argument}` should be {what}. Found `{argument} = {value!r}`.")
    return tuple(known)


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
        values = [entry.item() if hasattr(entry, "item") else entry for entry in values]
        if not all(map(is_number, values)):
            raise TypeError
    except (TypeError, ValueError, RuntimeError):
        raise TypeError(
            f"`{argument}` should be a sequence of numbers in nm, one wavelength for each channel. Found {value!r}; "
            f"pass for example `{argument}=[450.0, 550.0, 650.0]`."
        ) from None
    return tuple(map(float, values))

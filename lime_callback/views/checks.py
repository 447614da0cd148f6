"""Checks that several views share: names, counts and wavelengths. Wavelengths are in nanometres throughout."""

from __future__ import annotations

import math
import operator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lime_callback.layout import Layout

_MICROMETRES_BELOW = 100  # no optical sensor has all its bands below 100 nm


def check_name(name: Any) -> None:
    """Raise if ``name`` is not a text that can stand in a metric's name.

    Raises:
        TypeError: if it is no string.
        ValueError: if it is empty or holds a slash.
    """
    if not isinstance(name, str):
        raise TypeError(f"`name` should be a string. Found a {type(name).__name__}.")
    if not name.strip() or "/" in name:
        raise ValueError(
            f"`name` should hold at least one letter and no slash; it becomes a part of metric names. Found `name = "
            f"{name!r}`."
        )


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


def checked_wavelengths(wavelengths: Any, argument: str = "wavelengths") -> tuple[float, ...]:
    """Wavelengths as a tuple of floats, in the order they came.

    Args:
        wavelengths: a sequence, array or tensor of numbers, in nm.
        argument: name of the user's argument, for the errors.

    Raises:
        TypeError: if they are no sequence of numbers.
        ValueError: if there are none, if one is not finite or not above 0, or if they look like micrometres.
    """
    values = wavelengths.tolist() if hasattr(wavelengths, "tolist") else wavelengths
    try:
        if isinstance(values, (str, bytes)):
            raise TypeError
        numbers = tuple(float(value) for value in values)
    except (TypeError, ValueError):
        raise TypeError(
            f"`{argument}` should be a sequence of numbers, one wavelength in nm for each channel. Found "
            f"{wavelengths!r}."
        ) from None
    if not numbers:
        raise ValueError(f"`{argument}` should hold one wavelength for each channel. Found none.")
    wrong = [number for number in numbers if not (math.isfinite(number) and number > 0)]
    if wrong:
        raise ValueError(f"`{argument}` should be finite and above 0, in nm. Found {wrong[:3]}.")
    if max(numbers) < _MICROMETRES_BELOW:
        raise ValueError(
            f"`{argument}` should be in nanometres. Found values from {min(numbers):g} to {max(numbers):g}, which look "
            f"like micrometres; multiply them by 1000."
        )
    return numbers


def fitting_wavelengths(
    own: Sequence[float] | None, given: Sequence[float] | None, channels: int, layout: Layout
) -> tuple[float, ...] | None:
    """The wavelengths that hold for inputs of ``channels`` channels: the view's own before those given to the callback.

    Raises:
        ValueError: if their number is not that of the channels, or they are wrong in themselves.
    """
    wavelengths = given if own is None else own
    if wavelengths is None:
        return None
    numbers = checked_wavelengths(wavelengths)
    if len(numbers) != channels:
        hint = (
            f"check `layout = {layout.axes!r}` if the channels lie on another axis"
            if "C" in layout.axes
            else f"`layout = {layout.axes!r}` names no channel axis; the layout of a spectrum is 'C'"
        )
        raise ValueError(
            f"`wavelengths` should hold one value for each of the {channels} channels. Found {len(numbers)} "
            f"wavelengths; {hint}."
        )
    return numbers

"""Checks that several views share: names, counts and wavelengths. Wavelengths are in nanometres throughout."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from torch import Tensor

from lime_callback.checks.numbers import check_numbers

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lime_callback.views.layout import Layout

MICROMETRES_BELOW = 100  # no optical sensor has all its bands below 100 nm


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


def check_inputs(inputs: Any, layout: Layout) -> None:
    """Raise if ``inputs`` are not what ``layout`` describes.

    Raises:
        TypeError: if they are no tensor.
        ValueError: if their shape does not fit, or is empty.
    """
    if not isinstance(inputs, Tensor):
        raise TypeError(f"`inputs` should be a tensor [B, *dims]. Found a {type(inputs).__name__}.")
    layout.check(tuple(inputs.shape))
    if inputs.numel() == 0:
        raise ValueError(f"`inputs` should have shape [B, *dims] and not be empty. Found shape {tuple(inputs.shape)}.")


def checked_wavelengths(wavelengths: Any, argument: str = "wavelengths") -> tuple[float, ...]:
    """Wavelengths as a tuple of floats, in the order they came.

    Args:
        wavelengths: a sequence, array or tensor of numbers, in nm.
        argument: name of the user's argument, for the errors.

    Raises:
        TypeError: if they are no sequence of numbers.
        ValueError: if there are none, if one is not finite or not above 0, or if they look like micrometres.
    """
    numbers = check_numbers(argument, wavelengths)
    if not numbers:
        raise ValueError(f"`{argument}` should hold one wavelength for each channel. Found none.")
    wrong = [number for number in numbers if not (math.isfinite(number) and number > 0)]
    if wrong:
        raise ValueError(f"`{argument}` should be finite and above 0, in nm. Found {wrong[:3]}.")
    if max(numbers) < MICROMETRES_BELOW:
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

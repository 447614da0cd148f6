"""Wavelengths: in nm once they are checked, whatever unit they came in."""

from __future__ import annotations

import math
from collections.abc import Mapping
from itertools import pairwise
from typing import Any

from lime_callback.checks.numbers import check_numbers

MICROMETRES_BELOW = 100  # nm; no optical sensor has all its bands below
_THERMAL_FROM = 3000  # nm; the numbers of visible light in ångström, and of infrared light in wavenumbers, begin there

_TO_NM = {
    "nm": lambda value: value,
    "um": lambda value: 1000 * value,
    "angstrom": lambda value: value / 10,
    "cm-1": lambda value: 1e7 / value,
}


class Nanometres(tuple[float, ...]):
    """Wavelengths in nm that have been checked, so that no one has to guess their unit again."""

    __slots__ = ()

    def __reduce__(self) -> tuple[Any, ...]:
        """As a plain tuple, which any reader of a file knows."""
        return tuple, (list(self),)


def check_wavelengths(value: Any) -> tuple[float, ...] | None:
    """Wavelengths in nm, in the order they came, or ``None``.

    Args:
        value: a sequence, array or tensor of numbers in nm; a dictionary of one, which names their unit:
            ``{"um": values}``, ``{"angstrom": values}``, ``{"cm-1": values}`` or ``{"nm": values}``; or ``None``.

    Raises:
        TypeError: if ``value`` is no sequence of numbers.
        ValueError: if there are none, one is not finite and above 0, all look like another unit where none is named, or
            the unit is unknown.
    """
    if value is None or isinstance(value, Nanometres):
        return value
    unit = None
    if isinstance(value, Mapping):
        units = list(value)
        if len(units) != 1 or units[0] not in _TO_NM:
            raise ValueError(
                f"`wavelengths` should be in one of the units {', '.join(map(repr, _TO_NM))}, such as "
                f"{{'um': [0.45, 0.55, 0.65]}}. Found the units {units}."
            )
        unit, value = units[0], value[units[0]]
    wavelengths = check_numbers("wavelengths", value)
    if not wavelengths:
        raise ValueError("`wavelengths` should hold one wavelength for each channel. Found none at all.")
    wrong = [number for number in wavelengths if not (math.isfinite(number) and number > 0)]
    if wrong:
        raise ValueError(f"`wavelengths` should be finite and above 0, in nm. Found {wrong[:3]}.")
    if unit is None:
        _check_looks_like_nm(wavelengths)
    return Nanometres(map(_TO_NM[unit or "nm"], wavelengths))


def _check_looks_like_nm(wavelengths: tuple[float, ...]) -> None:
    """Raise a ``ValueError`` for numbers that a sensor has rather in another unit.

    Numbers from 3000 on are the visible light's in ångström; few sensors have such bands alone, which are thermal ones.
    Wavenumbers fall, as spectrometers list them, from thousands on.
    """
    low, high = min(wavelengths), max(wavelengths)
    found = f"Found values from {low:g} to {high:g}, which look like"
    if high < MICROMETRES_BELOW:
        raise ValueError(
            f"`wavelengths` should be in nm. {found} micrometres; multiply them by 1000, or name their unit, "
            "`wavelengths={'um': values}`."
        )
    falling = len(wavelengths) > 2 and all(a > b for a, b in pairwise(wavelengths))
    if low >= _THERMAL_FROM or (falling and high >= _THERMAL_FROM):
        first, second = ("cm-1", "angstrom") if falling else ("angstrom", "cm-1")
        words = {"cm-1": "wavenumbers in cm⁻¹", "angstrom": "ångström"}
        raise ValueError(
            f"`wavelengths` should be in nm. {found} {words[first]}; name their unit, `wavelengths={{{first!r}: "
            f"values}}`, or {{{second!r}: values}}, or {{'nm': values}} if they are in nm indeed."
        )

"""Reads the groups of channels that a user names, and finds their channels on a sensor.

A group is a union of parts: intervals of wavelengths, single wavelengths, channel numbers. :func:`parse_group` reads a
group and checks whatever needs no data; :meth:`Group.pick` finds its channels on a sensor.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lime_callback.checks.numbers import whole_number
from lime_callback.checks.wavelengths import MICROMETRES_BELOW
from lime_callback.views.channels.named_bands import bands_of
from lime_callback.views.channels.parts import Interval, Nearest, Numbers, Part, Picked

if TYPE_CHECKING:
    from collections.abc import Sequence

_FORMS = (
    "a band or index name such as 'R' or 'NDVI', a list of names, a list of wavelengths in nm [462.08, 465.27], a "
    "range of wavelengths (400.0, 500.0) or {'from': 400, 'to': 500}, or a list, range or slice of channel numbers"
)


@dataclass(frozen=True)
class Group:
    """A union of parts under a name.

    Attributes:
        name: the name that the user gave; empty if :meth:`label` shall derive one from the parts.
        parts: the parts.
    """

    name: str
    parts: tuple[Part, ...]

    def label(self, count: int) -> str:
        """Return the group's name, given or derived for a sensor of ``count`` channels."""
        return self.name or "+".join(dict.fromkeys(part.label(count) for part in self.parts))

    def pick(self, wavelengths: Sequence[float] | None, count: int) -> Picked:
        """Find the group's channels on a sensor of ``count`` channels, with wavelengths in nm or ``None``.

        Raises:
            ValueError: if a part needs wavelengths and ``wavelengths`` is ``None``, or a channel number is not below
                ``count``.
        """
        if wavelengths is None and any(part.needs_wavelengths for part in self.parts):
            raise ValueError(
                f"`bands` names {self.label(count)!r} by wavelength. Found no wavelengths; pass `wavelengths=` to the "
                f"callback or to the view, one in nm for each channel, or name channels by number."
            )
        picked = Picked()
        for part in self.parts:
            part.pick(wavelengths or (), count, picked)
        return picked


def parse_group(spec: Any, name: str = "") -> Group:
    """Read one group.

    Args:
        spec: the channels by name, list, range or slice, see :class:`~lime_callback.views.Superbands`.
        name: the group's name; empty derives one.

    Raises:
        ValueError: if a name is unknown, a number can be neither a wavelength in nm nor a channel, the group is empty,
            or the group mixes wavelengths and channel numbers.
        TypeError: if ``spec`` is of a type that cannot name channels.
    """
    parts = tuple(_parts(spec))
    if not name and isinstance(spec, str):
        name = spec
    elif not name and _is_list(spec) and all(isinstance(item, str) for item in spec):
        name = "+".join(dict.fromkeys(spec))
    return Group(name, parts)


def _parts(spec: Any) -> Iterable[Part]:
    spec = spec.tolist() if hasattr(spec, "tolist") else spec
    if isinstance(spec, str):
        return [Interval(band.low, band.high, band.name) for band in bands_of(spec)]
    if isinstance(spec, Mapping):
        return [_interval(*_ends(spec))]
    if isinstance(spec, slice):
        return [Numbers(_slice(spec))]
    if _is_number(spec):
        return [_numbers([spec])]
    if not _is_list(spec):
        raise TypeError(f"`bands` should hold {_FORMS}. Found {spec!r}, a {type(spec).__name__}.")
    items = [item.tolist() if hasattr(item, "tolist") else item for item in spec]
    if not items:
        raise ValueError(f"`bands` should hold groups of at least one channel. Found the empty group {spec!r}.")
    if not any(_is_number(item) for item in items):
        if all(_is_wavelengths(item) for item in items):
            return _nested(items)
        return [part for item in items for part in _parts(item)]
    if isinstance(spec, tuple):
        if len(items) != 2 or not all(isinstance(item, float) for item in items):
            raise ValueError(
                f"`bands` takes a tuple of two floats as a range of wavelengths, such as (400.0, 500.0). Found "
                f"{spec!r}; write single wavelengths [462.08, 465.27] and channel numbers [0, 1] as lists."
            )
        return [_interval(*items)]
    return [_numbers(items)]


def _is_wavelengths(item: Any) -> bool:
    return isinstance(item, list) and bool(item) and all(isinstance(value, float) for value in item)


def _nested(items: list[list[float]]) -> Iterable[Part]:
    """Read lists of wavelengths within a list: pairs are ranges, since YAML has no tuples.

    Raises:
        ValueError: if a list is no pair, so that single wavelengths may be meant.
    """
    if not all(len(item) == 2 for item in items):
        raise ValueError(
            f"`bands` takes lists of wavelengths within a list as ranges in nm where all are pairs, such as "
            f"[[1350.0, 1430.0], [1800.0, 1950.0]]. Found {items!r}; write single wavelengths as one list "
            f"[462.08, 465.27], and ranges as tuples or {{'from': 400, 'to': 500}}."
        )
    return [_interval(*item) for item in items]


def _numbers(items: list[Any]) -> Part:
    """Read numbers as wavelengths in nm if all are floats, as channels if all are whole numbers."""
    if all(isinstance(item, float) for item in items):
        wrong = [item for item in items if not (math.isfinite(item) and item > 0)]
        if wrong:
            raise ValueError(f"`bands` should hold wavelengths that are finite and above 0, in nm. Found {wrong[0]}.")
        _check_unit(max(items))
        return Nearest(tuple(items))
    if any(whole_number(item) is None for item in items):
        raise ValueError(
            f"`bands` takes whole numbers as channels and numbers with a decimal point as wavelengths in nm, not both "
            f"in one group. Found {items!r}; write a whole wavelength as 460.0."
        )
    if min(items) < 0:
        raise ValueError(f"`bands` should hold channel numbers of 0 or above. Found {min(items)}.")
    return Numbers(tuple(items))


def _slice(spec: slice) -> slice:
    ends = (spec.start, spec.stop, spec.step)
    if any(end is not None and whole_number(end) is None for end in ends) or spec.step == 0:
        raise ValueError(
            f"`bands` takes a slice of channel numbers, with a step other than 0. Found {spec!r}; write a range of "
            f"wavelengths as (400.0, 500.0)."
        )
    return spec


def _check_unit(highest: float) -> None:
    if highest < MICROMETRES_BELOW:
        raise ValueError(
            f"`bands` should hold wavelengths in nm. Found values up to {highest:g}, which look like micrometres; "
            f"multiply them by 1000."
        )


def _ends(spec: Mapping[Any, Any]) -> tuple[Any, Any]:
    if set(spec) != {"from", "to"}:
        raise ValueError(f"`bands` takes a range of wavelengths as {{'from': 400, 'to': 500}}. Found {dict(spec)!r}.")
    return spec["from"], spec["to"]


def _interval(*ends: Any) -> Interval:
    low, high = (end.tolist() if hasattr(end, "tolist") else end for end in ends)
    if not (_is_number(low) and _is_number(high) and 0 < low < high < math.inf):
        raise ValueError(
            f"`bands` should hold ranges of wavelengths in nm that start above 0 and below their end. Found {low!r} to "
            f"{high!r}."
        )
    _check_unit(high)
    return Interval(float(low), float(high))


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _is_list(value: Any) -> bool:
    return isinstance(value, (list, tuple, range))

"""The ways to name channels: intervals of wavelengths, single wavelengths, numbers.

A sensor is described by the wavelength in nm of each channel, in the order of the channels, and by their count.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from itertools import pairwise
from statistics import median
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass
class Picked:
    """The channels of a group, and what is to be said about how they were found.

    Attributes:
        channels: channel numbers, in the order of the parts; a channel may stand twice.
        missing: parts of which the sensor has no channel.
        warnings: for the user to look at.
        notes: for the log.
    """

    channels: list[int] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


class Part(ABC):
    """Some channels, in one of the ways to name them."""

    needs_wavelengths = True

    @abstractmethod
    def label(self, count: int) -> str:
        """A short name, for a sensor of ``count`` channels."""

    @abstractmethod
    def pick(self, wavelengths: Sequence[float], count: int, picked: Picked) -> None:
        """Add the channels of a sensor of ``count`` channels to ``picked``."""


@dataclass(frozen=True)
class Interval(Part):
    """Every channel from ``low`` to ``high`` nm, both included; ``name`` is that of the band, if it has one."""

    low: float
    high: float
    name: str = ""

    def label(self, count: int) -> str:
        """See :class:`Part`."""
        return self.name or f"{self.low:g}-{self.high:g} nm"

    def pick(self, wavelengths: Sequence[float], count: int, picked: Picked) -> None:
        """See :class:`Part`."""
        found = [channel for channel, nm in enumerate(wavelengths) if self.low <= nm <= self.high]
        picked.channels += found
        if not found:
            picked.missing.append(f"{self.name} ({self.low:g}-{self.high:g} nm)" if self.name else self.label(count))


@dataclass(frozen=True)
class Nearest(Part):
    """The channel nearest to each of some wavelengths, in nm."""

    wavelengths: tuple[float, ...]

    def label(self, count: int) -> str:
        """See :class:`Part`."""
        return f"{_shortened([f'{nm:g}' for nm in self.wavelengths])} nm"

    def pick(self, wavelengths: Sequence[float], count: int, picked: Picked) -> None:
        """See :class:`Part`."""
        nearest = [min(range(count), key=lambda channel: abs(wavelengths[channel] - nm)) for nm in self.wavelengths]
        picked.channels += nearest
        found = list(zip(self.wavelengths, nearest, strict=True))
        away = [abs(wavelengths[channel] - nm) for nm, channel in found]
        far = sum(
            distance > _spacing(wavelengths, channel) / 2 for distance, channel in zip(away, nearest, strict=True)
        )
        nm, channel = found[away.index(max(away))]
        message = (
            f"of {len(found)} single wavelength{'s' * (len(found) > 1)}, {nm:g} nm lies farthest from its nearest "
            f"band, {max(away):.4g} nm from channel {channel} at {wavelengths[channel]:g} nm"
        )
        if far:
            picked.warnings.append(f"{message}; {far} lie{'s' * (far == 1)} farther than half the band spacing there.")
        else:
            picked.notes.append(f"{message}.")


@dataclass(frozen=True)
class Numbers(Part):
    """Channels by number, from 0."""

    numbers: tuple[int, ...] | slice
    needs_wavelengths = False

    def label(self, count: int) -> str:
        """See :class:`Part`."""
        return channels_label(range(count)[self.numbers] if isinstance(self.numbers, slice) else self.numbers)

    def pick(self, wavelengths: Sequence[float], count: int, picked: Picked) -> None:
        """See :class:`Part`.

        Raises:
            ValueError: if there is no channel of such a number.
        """
        if isinstance(self.numbers, slice):
            picked.channels += range(count)[self.numbers]
            return
        beyond = [number for number in self.numbers if number >= count]
        if beyond:
            raise ValueError(
                f"`bands` should name channels from 0 to {count - 1}. Found channel {beyond[0]}; numbers with a "
                f"decimal point are wavelengths."
            )
        picked.channels += self.numbers


def channels_label(channels: Sequence[int]) -> str:
    """``"channel 3"``, ``"channels 0-9"``, or ``"channels 0, 4, 7"``."""
    if len(channels) == 1:
        return f"channel {channels[0]}"
    if not channels:
        return "no channels"  # a slice beyond the sensor's last
    ordered = sorted(set(channels))
    if len(ordered) > 1 and ordered[-1] - ordered[0] == len(ordered) - 1:
        return f"channels {ordered[0]}-{ordered[-1]}"
    return f"channels {_shortened([str(channel) for channel in channels])}"


def _shortened(items: Sequence[str]) -> str:
    return ", ".join(items) if len(items) <= 3 else f"{items[0]} … {items[-1]} ({len(items)})"


def _spacing(wavelengths: Sequence[float], channel: int) -> float:
    """The usual distance between neighbouring bands around a channel, in nm; 0 for a single band.

    The median of the four nearest gaps, so that one gap of dropped bands does not make the spacing look wide.
    """
    ordered = sorted(wavelengths)
    position = ordered.index(wavelengths[channel])
    around = ordered[max(0, position - 2) : position + 3]
    return median(b - a for a, b in pairwise(around)) if len(around) > 1 else 0.0

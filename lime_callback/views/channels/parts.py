"""Three ways to name channels: intervals of wavelengths, single wavelengths, channel numbers.

A sensor is given by its channels' wavelengths in nm, in the order of the channels, and by the number of channels.
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
    """The channels found for a group, and texts about how they were found.

    Attributes:
        channels: channel numbers, in the order of the parts; a channel may occur twice.
        missing: the names of parts for which the sensor has no channel.
        warnings: texts that the user should read.
        notes: texts for the log.
    """

    channels: list[int] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


class Part(ABC):
    """Channels named in one way; each subclass is a way."""

    needs_wavelengths = True

    @abstractmethod
    def label(self, count: int) -> str:
        """Return a short name, for a sensor of ``count`` channels."""

    @abstractmethod
    def pick(self, wavelengths: Sequence[float], count: int, picked: Picked) -> None:
        """Add this part's channels on a sensor to ``picked``, with texts about what was missing or far.

        Args:
            wavelengths: the channels' wavelengths in nm; empty if they are unknown.
            count: the number of channels.
            picked: the result of the group so far.
        """


@dataclass(frozen=True)
class Interval(Part):
    """Every channel from ``low`` to ``high`` nm, both included; ``name`` is the band's name, or empty."""

    low: float
    high: float
    name: str = ""

    def label(self, count: int) -> str:
        """See :class:`Part`."""
        return self.name or f"{self.low:g}-{self.high:g} nm"

    def pick(self, wavelengths: Sequence[float], count: int, picked: Picked) -> None:
        """See :class:`Part`."""
        inside = [channel for channel, nm in enumerate(wavelengths) if self.low <= nm <= self.high]
        picked.channels += inside
        if not inside:
            picked.missing.append(f"{self.name} ({self.low:g}-{self.high:g} nm)" if self.name else self.label(count))


@dataclass(frozen=True)
class Nearest(Part):
    """For each of the given wavelengths, in nm, the channel that lies nearest."""

    wavelengths: tuple[float, ...]

    def label(self, count: int) -> str:
        """See :class:`Part`."""
        return f"{_shortened([f'{nm:g}' for nm in self.wavelengths])} nm"

    def pick(self, wavelengths: Sequence[float], count: int, picked: Picked) -> None:
        """See :class:`Part`."""
        nearest = [min(range(count), key=lambda channel: abs(wavelengths[channel] - nm)) for nm in self.wavelengths]
        pairs = [pair for pair in zip(self.wavelengths, nearest, strict=True) if not _is_beyond(wavelengths, *pair)]
        picked.missing += [f"{nm:g} nm" for nm in self.wavelengths if nm not in [inside for inside, _ in pairs]]
        if not pairs:
            return
        nearest = [channel for _, channel in pairs]
        picked.channels += nearest
        away = [abs(wavelengths[channel] - nm) for nm, channel in pairs]
        far = sum(
            distance > _spacing(wavelengths, channel) / 2 for distance, channel in zip(away, nearest, strict=True)
        )
        nm, channel = pairs[away.index(max(away))]
        message = (
            f"of {len(pairs)} single wavelength{'s' * (len(pairs) > 1)}, {nm:g} nm lies farthest from its nearest "
            f"band, {max(away):.4g} nm from channel {channel} at {wavelengths[channel]:g} nm"
        )
        if far:
            picked.warnings.append(f"{message}; {far} lie{'s' * (far == 1)} farther than half the band spacing there.")
        else:
            picked.notes.append(f"{message}.")


@dataclass(frozen=True)
class Numbers(Part):
    """Channels by their numbers, counted from 0."""

    numbers: tuple[int, ...] | slice
    needs_wavelengths = False

    def label(self, count: int) -> str:
        """See :class:`Part`."""
        return channels_label(range(count)[self.numbers] if isinstance(self.numbers, slice) else self.numbers)

    def pick(self, wavelengths: Sequence[float], count: int, picked: Picked) -> None:
        """See :class:`Part`.

        Raises:
            ValueError: if a number is not below ``count``, or all numbers could be wavelengths of the sensor as well.
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
        if wavelengths and all(min(wavelengths) <= number <= max(wavelengths) for number in self.numbers):
            first = self.numbers[0]
            raise ValueError(
                f"`bands` should say whether {first} is a channel or a wavelength: channel {first} lies at "
                f"{wavelengths[first]:g} nm, and the sensor has a channel near {first} nm, too. Found "
                f"{list(self.numbers)}; write wavelengths as {float(first)}, and these channels by their wavelengths, "
                f"such as {float(wavelengths[first])}."
            )
        picked.channels += self.numbers


def channels_label(channels: Sequence[int]) -> str:
    """Return a name such as ``"channel 3"``, ``"channels 0-9"``, or ``"channels 0, 4, 7"``."""
    if len(channels) == 1:
        return f"channel {channels[0]}"
    if not channels:
        return "no channels"  # of a slice that starts beyond the last channel
    ordered = sorted(set(channels))
    if len(ordered) > 1 and ordered[-1] - ordered[0] == len(ordered) - 1:
        return f"channels {ordered[0]}-{ordered[-1]}"
    return f"channels {_shortened([str(channel) for channel in channels])}"


def _shortened(items: Sequence[str]) -> str:
    return ", ".join(items) if len(items) <= 3 else f"{items[0]} … {items[-1]} ({len(items)})"


def _is_beyond(wavelengths: Sequence[float], nm: float, nearest: int) -> bool:
    """Whether a wavelength lies outside of the sensor, farther from its last channel than twice the spacing there."""
    outside = not min(wavelengths) <= nm <= max(wavelengths)
    return outside and abs(wavelengths[nearest] - nm) > 2 * max(_spacing(wavelengths, nearest), 1.0)


def _spacing(wavelengths: Sequence[float], channel: int) -> float:
    """Return the median of the four gaps nearest to a channel, in nm; 0 if the sensor has a single channel.

    The median does not see a single wide gap, which dropped bands leave.
    """
    ordered = sorted(wavelengths)
    position = ordered.index(wavelengths[channel])
    around = ordered[max(0, position - 2) : position + 3]
    return median(b - a for a, b in pairwise(around)) if len(around) > 1 else 0.0

"""The horizontal axis of every spectral figure, wavelength in nm or the channel's number, and superbands' places on it.

Channels are cells from ``left`` to ``right`` in ascending order. A jump in the wavelengths leaves a gap, which no line
crosses. Gaps are hatched, like the two bands in which water in the atmosphere absorbs the light.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.ticker import MaxNLocator

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

WATER = ((1350.0, 1430.0), (1800.0, 1950.0))  # nm
_JUMP = 2.5  # a step that is longer than this many median steps leaves a gap
VISIBLE = (380.0, 440.0, 490.0, 510.0, 580.0, 645.0, 750.0)
_RED = (0.35, 0.25, 0.0, 0.0, 0.95, 0.90, 0.35)
_GREEN = (0.0, 0.0, 0.80, 0.85, 0.90, 0.0, 0.0)
_BLUE = (0.40, 0.95, 0.95, 0.0, 0.0, 0.0, 0.0)


def spectrum_colours(wavelengths: NDArray[np.floating[Any]]) -> NDArray[np.floating[Any]]:
    """Return the colour of light at each wavelength (nm, ``[n]``) as RGB from 0 to 1, ``[n, 3]``."""
    return np.stack([np.interp(wavelengths, VISIBLE, part) for part in (_RED, _GREEN, _BLUE)], axis=-1)


@dataclass(frozen=True, eq=False)
class SpectralAxis:
    """Where each channel lies on the axis.

    Attributes:
        order: the channels' numbers by ascending position, ``[C]``.
        left: where each of the ordered channels begins, ``[C]``.
        right: where each of the ordered channels ends, ``[C]``.
        nanometres: whether positions are wavelengths in nm; otherwise they are channel numbers.
    """

    order: NDArray[np.integer[Any]]
    left: NDArray[np.floating[Any]]
    right: NDArray[np.floating[Any]]
    nanometres: bool

    @classmethod
    def of(cls, wavelengths: Sequence[float] | None, channels: int) -> SpectralAxis:
        """Return the axis of ``channels`` channels, by number if ``wavelengths`` is ``None``.

        Raises:
            ValueError: if ``wavelengths`` does not hold one finite value for each channel.
        """
        if wavelengths is None:
            centre = np.arange(channels, dtype=np.float64)
            return cls(np.arange(channels), centre - 0.5, centre + 0.5, nanometres=False)
        centre = np.asarray(wavelengths, dtype=np.float64)
        if centre.shape != (channels,) or not np.isfinite(centre).all():
            raise ValueError(
                f"`wavelengths` should hold one finite wavelength in nm for each of the {channels} channels. "
                f"Found shape {centre.shape}, of which {int(np.isfinite(centre).sum())} are finite."
            )
        order = np.argsort(centre, kind="stable")
        centre = centre[order]
        step = np.diff(centre)
        usual = float(np.median(step[step > 0])) if (step > 0).any() else 10.0
        half = np.where(step > _JUMP * usual, usual, step) / 2
        ends = usual / 2
        return cls(order, centre - np.append(ends, half), centre + np.append(half, ends), nanometres=True)

    @property
    def limits(self) -> tuple[float, float]:
        """The positions at which the axis begins and ends."""
        return float(self.left[0]), float(self.right[-1])

    @property
    def gaps(self) -> list[tuple[float, float]]:
        """Begin and end of each stretch without a channel or in a water band, merged, in ascending order."""
        low, high = self.limits
        jump = self.left[1:] - self.right[:-1] > 1e-6
        spans = list(zip(self.right[:-1][jump].tolist(), self.left[1:][jump].tolist(), strict=True))
        if self.nanometres:
            spans += [(max(a, low), min(b, high)) for a, b in WATER if a < high and b > low]
        merged: list[tuple[float, float]] = []
        for a, b in sorted(spans):
            if merged and a <= merged[-1][1]:
                merged[-1] = (merged[-1][0], max(b, merged[-1][1]))
            else:
                merged.append((a, b))
        return merged

    def steps(self, values: NDArray[Any]) -> tuple[NDArray[np.floating[Any]], NDArray[np.floating[Any]]]:
        """Return x and y of a step line through ``values`` [C], given in the inputs' channel order; NaN parts gaps."""
        x = np.stack([self.left, self.right], axis=1).ravel()
        y = np.repeat(np.asarray(values, dtype=np.float64)[self.order], 2)
        at = 2 * (np.flatnonzero(self.left[1:] - self.right[:-1] > 1e-6) + 1)
        return np.insert(x, at, x[at - 1] if len(at) else 0.0), np.insert(y, at, np.nan)

    def runs(self, *values: NDArray[Any]) -> tuple[NDArray[np.integer[Any]], NDArray[np.floating[Any]]]:
        """Find runs of neighbouring channels with equal values; return each run's first channel and its middle."""
        by_position = np.stack([np.asarray(v, dtype=np.float64)[self.order] for v in values])
        same = (by_position[:, 1:] == by_position[:, :-1]).all(axis=0) & (self.left[1:] - self.right[:-1] <= 1e-6)
        start = np.append(0, np.flatnonzero(~same) + 1)
        end = np.append(start[1:], len(self.order)) - 1
        return self.order[start], (self.left[start] + self.right[end]) / 2

    def channels_at(self, positions: NDArray[np.floating[Any]]) -> NDArray[np.integer[Any]]:
        """Return the number of the channel at each position; -1 in a gap."""
        cell = np.clip(np.searchsorted(self.left, positions, side="right") - 1, 0, len(self.left) - 1)
        inside = (positions >= self.left[cell]) & (positions <= self.right[cell])
        return np.where(inside, self.order[cell], -1)

    def visible(self) -> tuple[NDArray[np.floating[Any]], NDArray[np.floating[Any]]]:
        """Return edges ``[n + 1]`` and colours ``[n, 3]`` of the visible spectrum as far as the axis shows it."""
        low, high = self.limits
        if not self.nanometres or low >= VISIBLE[-1] or high <= VISIBLE[0]:
            return np.zeros(1), np.zeros((0, 3))
        edges = np.linspace(max(low, VISIBLE[0]), min(high, VISIBLE[-1]), 49)
        return edges, spectrum_colours((edges[1:] + edges[:-1]) / 2)

    def ticks(self, width: float) -> list[float]:
        """Return round positions whose numbers fit beside each other on an axis of ``width`` pixels."""
        low, high = self.limits
        most = max(int(width / 55), 1)
        ticks = MaxNLocator(most, steps=[1, 2, 2.5, 5, 10], integer=not self.nanometres).tick_values(low, high)
        return [float(tick) for tick in ticks if low <= tick <= high]

    @property
    def name(self) -> str:
        """What the positions are, with their unit."""
        return "wavelength (nm)" if self.nanometres else "channel"


@dataclass(frozen=True, eq=False)
class SuperbandSpans:
    """A view's superbands and where they lie on the axis.

    Attributes:
        names: the groups' names, d.
        axis: where the channels lie; only meaningful if ``known``.
        labels: each channel's group, in ascending order of position, ``[C]``; a channel below 0 has no group.
        order: the groups' numbers in spectral order, by the mean position of their channels; ``not_included`` is last.
        known: whether the groups' channels are known.
    """

    names: tuple[str, ...]
    axis: SpectralAxis
    labels: NDArray[np.integer[Any]]
    order: NDArray[np.integer[Any]]
    known: bool

    @classmethod
    def of(
        cls, names: Sequence[str], channels: NDArray[np.integer[Any]] | None, wavelengths: Sequence[float] | None
    ) -> SuperbandSpans:
        """Return the spans of the groups.

        Args:
            names: the groups' names, d.
            channels: each channel's group, ``[C]``; ``None`` if unknown: the names then are in spectral order.
            wavelengths: the channels' wavelengths in nm; ``None`` takes channel numbers.

        Raises:
            ValueError: if a label has no name, or the wavelengths do not fit the channels.
        """
        labels_given = np.asarray(channels if channels is not None else np.arange(len(names)))
        if labels_given.ndim != 1 or labels_given.size == 0 or labels_given.max() >= len(names):
            raise ValueError(
                f"`channels` should hold one label for each channel, shape [C], each below the number of names, "
                f"{len(names)}. Found shape {labels_given.shape} with labels up to {labels_given.max(initial=-1)}."
            )
        axis = SpectralAxis.of(wavelengths if channels is not None else None, len(labels_given))
        labels = labels_given[axis.order]
        centre = (axis.left + axis.right) / 2
        where = [np.flatnonzero(labels == i) for i in range(len(names))]
        mean = [centre[at].mean() if len(at) else np.inf for at in where]
        mean = [np.inf if name == "not_included" else m for name, m in zip(names, mean, strict=True)]
        return cls(tuple(names), axis, labels, np.argsort(mean, kind="stable"), channels is not None)

    def pieces(self) -> list[tuple[int, float, float]]:
        """Return the group, the begin and the end of each run of neighbouring channels of one group.

        A run ends where wavelengths jump, so that no piece covers wavelengths without a channel.
        """
        breaks = (np.diff(self.labels) != 0) | (self.axis.left[1:] - self.axis.right[:-1] > 1e-6)
        start = np.append(0, np.flatnonzero(breaks) + 1)
        end = np.append(start[1:], len(self.labels)) - 1
        return [
            (int(self.labels[a]), float(self.axis.left[a]), float(self.axis.right[b]))
            for a, b in zip(start, end, strict=True)
            if self.labels[a] >= 0
        ]

    @property
    def are_spans(self) -> bool:
        """Whether each group is one stretch of the axis: then groups can stand side by side on it."""
        if not self.known or "not_included" in self.names:
            return False
        inside = self.labels[self.labels >= 0]
        runs = 1 + int((np.diff(inside) != 0).sum())
        return runs == len(self.names) == len(set(inside.tolist()))

"""The horizontal axis of every spectral figure: wavelength in nm, or the channel's number.

Channels are cells from ``left`` to ``right`` in ascending order. A jump in the wavelengths leaves a gap, which no line
crosses. Gaps are hatched, like the two bands in which water in the atmosphere absorbs the light.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.ticker import MaxNLocator

from lime_callback.figures import style

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
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

    def dress(self, axes: Axes, *, labelled: bool = True, strip: float = 0.045) -> None:
        """Hatch the gaps, draw the visible spectrum along the bottom, and label the axis.

        Args:
            axes: the axes to change.
            labelled: whether the axis gets numbers and a name.
            strip: the height of the visible spectrum, as a share of the axes' height.
        """
        for low, high in self.gaps:
            axes.axvspan(low, high, facecolor=style.GAP, edgecolor=style.GAP_HATCH, hatch="////", lw=0, zorder=0)
        low, high = self.limits
        if self.nanometres and low < VISIBLE[-1] and high > VISIBLE[0]:
            edges = np.linspace(max(low, VISIBLE[0]), min(high, VISIBLE[-1]), 65)
            middle = (edges[1:] + edges[:-1]) / 2
            axes.pcolormesh(
                edges,
                [0, strip],
                spectrum_colours(middle)[None],
                transform=axes.get_xaxis_transform(),
                zorder=4,
                clip_on=False,
            )
        axes.set_xlim(low, high)
        axes.xaxis.set_major_locator(MaxNLocator(8, steps=[1, 2, 2.5, 5, 10], integer=not self.nanometres))
        axes.tick_params(axis="x", labelbottom=labelled)
        if labelled:
            axes.set_xlabel("wavelength (nm)" if self.nanometres else "channel", labelpad=2)
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:.0f}")

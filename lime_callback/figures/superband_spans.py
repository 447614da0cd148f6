"""Computes which wavelengths each superband covers, and the order in which superbands are drawn."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from lime_callback.figures import style
from lime_callback.figures.spectral_axis import SpectralAxis

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from numpy.typing import NDArray

_CHART = 1070.0  # pixels that a chart with a wavelength axis is wide


@dataclass(frozen=True, eq=False)
class SuperbandSpans:
    """A view's superbands and where they lie on the axis.

    Attributes:
        names: the groups' names, d.
        axis: where the channels lie; only meaningful if ``known``.
        labels: each channel's group, in ascending order of position, ``[C]``; a channel below 0 has no group.
        order: the groups' numbers in spectral order, by the mean position of their channels; ``not_included`` is last.
        left: where each group begins, ``[d]``; NaN if it has no channel.
        width: the distance from a group's begin to its end, ``[d]``.
        known: whether the groups' channels are known.
    """

    names: tuple[str, ...]
    axis: SpectralAxis
    labels: NDArray[np.integer[Any]]
    order: NDArray[np.integer[Any]]
    left: NDArray[np.floating[Any]]
    width: NDArray[np.floating[Any]]
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
        left = np.array([axis.left[at[0]] if len(at) else np.nan for at in where])
        right = np.array([axis.right[at[-1]] if len(at) else np.nan for at in where])
        return cls(
            tuple(names), axis, labels, np.argsort(mean, kind="stable"), left, right - left, channels is not None
        )

    def in_spans(self, points: float) -> bool:
        """Return whether each group is one span of wavelengths, with room for its name in ``points`` beside the next.

        This needs wavelengths, a channel in every group, and no group ``not_included``.
        """
        if not self.known or not self.axis.nanometres or np.isnan(self.left).any() or "not_included" in self.names:
            return False
        inside = self.labels[self.labels >= 0]
        runs = 1 + int((np.diff(inside) != 0).sum())
        low, high = self.axis.limits
        centres = np.sort(self.left + self.width / 2)
        room = np.diff(centres).min(initial=high - low) * _CHART / (high - low)
        return runs == len(self.names) and room >= 1.2 * points * style.DPI / 72

    def cover(self, axes: Axes, order: NDArray[np.integer[Any]]) -> None:
        """Draw the positions that each group covers, a row for each group of ``order``."""
        row = {int(group): i for i, group in enumerate(order)}
        grey = [i for i, group in row.items() if self.names[i] == "not_included"]
        at = np.array([row.get(int(label), -1) for label in self.labels])
        for hidden, colour in ((False, style.INK), (True, style.NEUTRAL)):
            kept = (at >= 0) & (np.isin(self.labels, grey) == hidden)
            if kept.any():
                least = (self.axis.limits[1] - self.axis.limits[0]) / 140  # so that a single channel stays visible
                middle, half = (self.axis.left + self.axis.right) / 2, (self.axis.right - self.axis.left) / 2
                half = np.maximum(1.04 * half, least / 2)
                axes.hlines(at[kept], (middle - half)[kept], (middle + half)[kept], color=colour, lw=5, zorder=3)
        self.axis.dress(axes, strip=5 / max(19 * len(order), 60))
        axes.set_ylim(len(order) - 0.4, -0.6)
        axes.set_yticks(range(len(order)), [""] * len(order))
        axes.tick_params(axis="y", length=0)
        axes.grid(axis="y", color=style.GRID, lw=0.6)
        axes.set_axisbelow(True)

"""Which wavelengths each superband covers, and in which order superbands are drawn."""

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

_CHART = 1070.0  # width of a chart with a wavelength axis


@dataclass(frozen=True, eq=False)
class SuperbandSpans:
    """The superbands of a view.

    Attributes:
        names: of the d groups.
        axis: of the channels; only meaningful where ``known``.
        labels: the group of each channel in ascending order of position, ``[C]``, below 0: of none.
        order: the groups in spectral order, by the mean position of their channels, ``not_included`` last.
        left: where each group begins, ``[d]``, NaN where it has no channel.
        width: how far it reaches, ``[d]``.
        known: the channels of the groups are known.
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
        """Spans of ``channels``, each channel's label; without channels the order of the names is the spectral order.

        Raises:
            ValueError: if a label has no name, or the wavelengths do not fit the channels.
        """
        found = np.asarray(channels if channels is not None else np.arange(len(names)))
        if found.ndim != 1 or found.size == 0 or found.max() >= len(names):
            raise ValueError(
                f"`channels` should hold one label for each channel, shape [C], each below the number of names, "
                f"{len(names)}. Found shape {found.shape} with labels up to {found.max(initial=-1)}."
            )
        axis = SpectralAxis.of(wavelengths if channels is not None else None, len(found))
        labels = found[axis.order]
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
        """Whether each group is one span of wavelengths, and wide enough for its name to stand below it."""
        if not self.known or not self.axis.nanometres or np.isnan(self.left).any() or "not_included" in self.names:
            return False
        inside = self.labels[self.labels >= 0]
        runs = 1 + int((np.diff(inside) != 0).sum())
        low, high = self.axis.limits
        centres = np.sort(self.left + self.width / 2)
        room = np.diff(centres).min(initial=high - low) * _CHART / (high - low)
        return runs == len(self.names) and room >= 1.2 * points * style.DPI / 72

    def cover(self, axes: Axes, order: NDArray[np.integer[Any]]) -> None:
        """Draw which positions each group covers, one row a group."""
        row = {int(group): i for i, group in enumerate(order)}
        grey = [i for i, group in row.items() if self.names[i] == "not_included"]
        at = np.array([row.get(int(label), -1) for label in self.labels])
        for hidden, colour in ((False, style.INK), (True, style.NEUTRAL)):
            kept = (at >= 0) & (np.isin(self.labels, grey) == hidden)
            if kept.any():
                least = (self.axis.limits[1] - self.axis.limits[0]) / 140  # a single channel stays visible
                middle, half = (self.axis.left + self.axis.right) / 2, (self.axis.right - self.axis.left) / 2
                half = np.maximum(1.04 * half, least / 2)
                axes.hlines(at[kept], (middle - half)[kept], (middle + half)[kept], color=colour, lw=5, zorder=3)
        self.axis.dress(axes, strip=5 / max(19 * len(order), 60))
        axes.set_ylim(len(order) - 0.4, -0.6)
        axes.set_yticks(range(len(order)), [""] * len(order))
        axes.tick_params(axis="y", length=0)
        axes.grid(axis="y", color=style.GRID, lw=0.6)
        axes.set_axisbelow(True)

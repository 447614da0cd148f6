"""Draws charts straight onto a page: rectangles, lines and dots in pixels, each kind as a single artist.

An axes takes longer to create and to draw than all marks of a small chart, and a page holds many small charts.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from matplotlib.collections import LineCollection, PolyCollection
from matplotlib.colors import to_rgb
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from lime_callback.figures import colour_scale, style

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.figure import Figure
    from numpy.typing import ArrayLike, NDArray

    from lime_callback.figures.spectral_axis import SpectralAxis


class Frame(NamedTuple):
    """A chart's place on the page in pixels, and the values at its edges.

    Attributes:
        left: pixels from the page's left edge.
        top: pixels from the page's top edge.
        width: in pixels.
        height: in pixels.
        across: the values at the left and the right edge.
        upright: the values at the lower and the upper edge.
    """

    left: float
    top: float
    width: float
    height: float
    across: tuple[float, float] = (0.0, 1.0)
    upright: tuple[float, float] = (0.0, 1.0)

    def x(self, values: ArrayLike) -> NDArray[np.floating[Any]]:
        """Return where values lie across the page, in pixels: on the edges if beyond them, nowhere if not finite."""
        low, high = self.across
        share = np.clip((colour_scale.finite(values) - low) / (high - low), 0, 1)
        return np.asarray(self.left + self.width * share)

    def y(self, values: ArrayLike) -> NDArray[np.floating[Any]]:
        """Return where values lie down the page, in pixels: on the edges if beyond them, nowhere if not finite."""
        low, high = self.upright
        share = np.clip((high - colour_scale.finite(values)) / (high - low), 0, 1)
        return np.asarray(self.top + self.height * share)


@dataclass(eq=False)
class Canvas:
    """Collects marks and draws them, the lower layers first.

    Args:
        figure: the page.
    """

    figure: Figure
    _polygons: dict[int, list[tuple[NDArray[Any], Any]]] = field(default_factory=lambda: defaultdict(list), init=False)
    _lines: dict[tuple[int, float], list[tuple[NDArray[Any], Any]]] = field(
        default_factory=lambda: defaultdict(list), init=False
    )
    _marks: dict[tuple[str, str, float, int], list[NDArray[Any]]] = field(
        default_factory=lambda: defaultdict(list), init=False
    )

    def rectangles(
        self, left: ArrayLike, top: ArrayLike, right: ArrayLike, bottom: ArrayLike, colours: Any, layer: int = 2
    ) -> None:
        """Fill rectangles ``[n]`` with one colour or ``n``; those with an edge that is not finite are left out."""
        edges = np.stack(
            np.broadcast_arrays(*(np.atleast_1d(np.asarray(e, float)) for e in (left, top, right, bottom)))
        )
        known = np.isfinite(edges).all(0)
        left, top, right, bottom = edges[:, known]
        corners = np.stack([np.stack([left, right, right, left]), np.stack([top, top, bottom, bottom])]).transpose(
            2, 1, 0
        )
        self._polygons[layer] += zip(corners, _each(colours, known), strict=True)

    def lines(self, x: ArrayLike, y: ArrayLike, colours: Any, *, width: float = 1.0, layer: int = 3) -> None:
        """Draw lines from ``x[:, 0], y[:, 0]`` to ``x[:, 1], y[:, 1]``; those with an unknown end are left out."""
        ends = np.stack(np.broadcast_arrays(*(np.atleast_2d(np.asarray(e, float)) for e in (x, y))), -1)
        known = np.isfinite(ends).all((1, 2))
        self._lines[layer, width] += zip(ends[known], _each(colours, known), strict=True)

    def hollow(self, x: ArrayLike, y: ArrayLike, layer: int = 5) -> None:
        """Draw lines that are seen on every colour, also by people who see few: ink with paper inside."""
        self.lines(x, y, style.INK, width=3.0, layer=layer)
        self.lines(x, y, style.PAPER, width=1.4, layer=layer + 1)

    def polyline(self, x: ArrayLike, y: ArrayLike, colour: Any, *, width: float = 1.0, layer: int = 3) -> None:
        """Draw a line through points ``[n]``; a point that is not finite parts it."""
        points = np.stack([np.asarray(x, float), np.asarray(y, float)], -1)
        known = np.isfinite(points).all(-1)
        breaks = np.flatnonzero(np.diff(known.astype(int))) + 1
        for part, inside in zip(np.split(points, breaks), np.split(known, breaks), strict=True):
            if len(part) > 1 and inside[0]:
                self._lines[layer, width].append((part, to_rgb(colour)))

    def marks(self, x: ArrayLike, y: ArrayLike, marker: str, colour: str, size: float, layer: int = 6) -> None:
        """Draw one kind of mark at points ``[n]``, with a thin edge of paper around each."""
        points = np.stack([np.asarray(x, float).ravel(), np.asarray(y, float).ravel()])
        self._marks[marker, colour, size, layer].append(points[:, np.isfinite(points).all(0)])

    def hatched(self, left: float, top: float, right: float, bottom: float) -> None:
        """Fill a rectangle with the hatch of wavelengths without a channel."""
        self.rectangles(left, top, right, bottom, style.GAP, layer=0)
        # Lines at 45 degrees, 7 pixels apart on the whole page, cut to the rectangle.
        for start in np.arange(7 * np.ceil((left + top) / 7), right + bottom, 7):
            x = np.clip([start - bottom, start - top], left, right)
            self.lines([x], [start - x], style.GAP_HATCH, width=0.6, layer=0)

    def draw(self) -> None:
        """Draw what was collected."""
        at, add = style.pixels(self.figure), self.figure.add_artist
        for layer, polygons in self._polygons.items():
            shapes, colours = zip(*polygons, strict=True) if polygons else ((), ())
            add(PolyCollection(shapes, facecolors=colours, edgecolors="none", snap=True, zorder=layer, transform=at))
        for (layer, width), lines in self._lines.items():
            shapes, colours = zip(*lines, strict=True) if lines else ((), ())
            add(LineCollection(shapes, colors=colours, linewidths=width, zorder=layer, transform=at, capstyle="butt"))
        for (marker, colour, size, layer), points in self._marks.items():
            x, y = np.concatenate(points, axis=1)
            look: dict[str, Any] = {"marker": marker, "ms": size, "mfc": colour, "mec": style.PAPER, "mew": 0.6}
            add(Line2D(x, y, ls="none", zorder=layer, transform=at, **look))

    def value_grid(self, frame: Frame, ticks: Sequence[float], *, upright: bool) -> None:
        """Draw a grid line at each tick, ink at zero, and the ticks' numbers outside of the frame."""
        for tick in ticks:
            at = float((frame.y if upright else frame.x)(tick))
            x = [[frame.left, frame.left + frame.width]] if upright else [[at, at]]
            y = [[at, at]] if upright else [[frame.top, frame.top + frame.height]]
            zero = tick == 0
            self.lines(x, y, style.INK if zero else style.GRID, width=0.8, layer=4 if zero else 1)
            if upright:
                style.write(
                    self.figure,
                    frame.left - 5,
                    at,
                    style.number(tick),
                    ha="right",
                    va="center_baseline",
                    colour=style.INK,
                )
            else:
                style.write(self.figure, at, frame.top + frame.height + 3, style.number(tick), ha="center")

    def spectral_axis(self, frame: Frame, axis: SpectralAxis, *, labelled: bool, strip: float = 5.0) -> None:
        """Hatch gaps, draw the visible spectrum along the lower edge, and write the ticks if ``labelled``."""
        bottom = frame.top + frame.height
        for low, high in axis.gaps:
            left, right = frame.x([low, high])
            self.hatched(float(left), frame.top, float(right), bottom)
        edges, colours = axis.visible()
        if strip and len(colours):
            x = frame.x(edges)
            self.rectangles(x[:-1], bottom - strip, x[1:], bottom, colours, layer=5)
        self.lines([[frame.left, frame.left + frame.width]], [[bottom, bottom]], style.NEUTRAL, width=0.8, layer=4)
        if labelled:
            for tick in axis.ticks(frame.width):
                at = float(frame.x(tick))
                self.lines([[at, at]], [[bottom, bottom + 3]], style.NEUTRAL, width=0.8)
                style.write(self.figure, at, bottom + 5, f"{tick:.0f}", ha="center")
            style.write(
                self.figure, frame.left + frame.width / 2, bottom + 5 + style.LINE, axis.name, ha="center",
                colour=style.MUTED,
            )  # fmt: skip

    def epoch_axes(self, frame: Frame, epochs: Sequence[float]) -> None:
        """Draw grid and numbers of a value axis on the left, and the epochs below."""
        values = MaxNLocator(5, steps=[1, 2, 5, 10]).tick_values(*frame.upright)
        self.value_grid(frame, [float(v) for v in values if frame.upright[0] <= v <= frame.upright[1]], upright=True)
        bottom, middle = frame.top + frame.height, frame.left + frame.width / 2
        self.lines([[frame.left, frame.left + frame.width]], [[bottom, bottom]], style.NEUTRAL, width=0.8)
        ticks = MaxNLocator(8, integer=True, min_n_ticks=1).tick_values(*frame.across) if len(epochs) > 1 else epochs
        for tick in ticks:
            if frame.across[0] <= tick <= frame.across[1]:
                style.write(self.figure, float(frame.x(tick)), bottom + 5, style.number(tick), ha="center")
        style.write(self.figure, middle, bottom + 5 + style.LINE, "epoch", ha="center", colour=style.MUTED)


def signed_ticks(reach: float, width: float = 1000.0) -> list[float]:
    """Return the round ticks from ``-reach`` to ``reach``: zero and a few on each side, as ``width`` pixels allow."""
    ticks = MaxNLocator(4, steps=[1, 2, 5, 10], symmetric=True).tick_values(-reach, reach)
    inside = [float(tick) for tick in ticks if abs(tick) <= 1.0001 * reach]
    widest = max((style.text_width(style.number(tick)) for tick in inside), default=0.0)
    return inside if len(inside) * (widest + 6) <= width else [inside[0], 0.0, inside[-1]]


def _each(colours: Any, known: NDArray[np.bool_]) -> list[Any]:
    if isinstance(colours, str):
        return [to_rgb(colours)] * int(known.sum())
    return [c for c, keep in zip(np.asarray(colours), known, strict=True) if keep]

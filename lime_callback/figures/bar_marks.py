"""Draws the marks of a bar chart: bars with whiskers, a dot for each probe, spans, names, and the value axis.

Letters: ``P`` probes, ``d`` bars. A bar covers ``start`` to ``start + thick`` across its length, ``[d]`` each.
``upright`` bars stand on the horizontal axis; the others are rows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.collections import PolyCollection
from matplotlib.ticker import FuncFormatter

from lime_callback.figures import colour_scale, style

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    from lime_callback.figures.colour_scale import KeyEntry


def name_rows(axes: Axes, names: Sequence[str], width: float, rows: int) -> None:
    """Write the names on the left of the rows, as texts: labels of ticks take several times as long to draw."""
    left = -5 / axes.bbox.width
    for row, name in enumerate(names):
        text = style.fit(name, width, points=style.SMALL)
        axes.text(
            left, row, text, size=style.SMALL, ha="right", va="center_baseline", transform=axes.get_yaxis_transform()
        )
    axes.set_yticks([])
    axes.set_ylim(rows - 0.4, -0.6)
    axes.spines["left"].set_visible(False)


def bars(
    axes: Axes,
    start: NDArray[Any],
    thick: Any,
    values: NDArray[Any],
    half: NDArray[Any],
    grey: NDArray[np.bool_],
    *,
    upright: bool,
) -> None:
    """Draw bars from zero to ``values`` [d], with whiskers of ``half`` [d] where these are finite."""
    thick = np.broadcast_to(thick, start.shape)
    colour = colour_scale.sign_colours(values, np.abs(values) > half, grey)
    across, none = np.stack([start, start, start + thick, start + thick], 1), np.zeros_like(values)
    along = np.stack([none, values, values, none], 1)
    corners = np.stack([across, along] if upright else [along, across], 2)
    drawn = PolyCollection(
        list(corners), facecolors=colour, edgecolors=style.PAPER, linewidths=0.5, snap=True, zorder=2
    )
    axes.add_collection(drawn, autolim=False)
    known = np.isfinite(half)
    middle = (start + thick / 2)[known]
    ends = values[known] - half[known], values[known] + half[known]
    if upright:
        axes.vlines(middle, *ends, color=style.INK, lw=1.2, zorder=4)
        axes.axhline(0, color=style.INK, lw=0.7, zorder=3)
    else:
        axes.hlines(middle, *ends, color=style.INK, lw=1.2, zorder=4)
        axes.axvline(0, color=style.INK, lw=0.7, zorder=3)


def dots(axes: Axes, start: NDArray[Any], thick: Any, values: NDArray[Any], reach: float, *, upright: bool) -> None:
    """Draw a dot for each probe's value ``[P, d]``, side by side over a bar; a triangle if it lies beyond ``reach``."""
    across = start + np.broadcast_to(thick, start.shape) * np.linspace(0.15, 0.85, len(values))[:, None]
    at = np.clip(values, -reach, reach)
    known = np.isfinite(values)
    above, below = known & (values > reach), known & (values < -reach)
    # Dots lie over the strip of the visible spectrum, and the end of the axis does not cut them off.
    look: dict[str, Any] = {"color": style.MUTED, "edgecolors": style.PAPER, "lw": 0.5, "zorder": 5, "clip_on": False}
    for which, marker, area in (
        (known & ~above & ~below, "o", 11),
        (above, "^" if upright else ">", 26),
        (below, "v" if upright else "<", 26),
    ):
        x, y = (across, at) if upright else (at, across)
        if which.any():
            axes.scatter(x[which], y[which], s=area, marker=marker, **look)


def spans(
    axes: Axes, start: NDArray[Any], thick: Any, values: NDArray[Any], spread: NDArray[Any], *, upright: bool
) -> None:
    """Draw a grey span of ``values ± spread`` [d] over each bar, narrower than the bar, so that both ends show."""
    known = np.isfinite(spread)
    thick = np.broadcast_to(thick, start.shape)[known]
    draw = axes.bar if upright else axes.barh
    draw(
        start[known] + thick / 4, 2 * spread[known], thick / 2, (values - spread)[known],
        align="edge", linewidth=0, zorder=2.5, **colour_scale.SPAN,
    )  # fmt: skip


def value_axis(axes: Axes, reach: float, quantity: str, *, upright: bool, labelled: bool = True) -> None:
    """Set the axis of the values from ``-reach`` to ``reach``, with ticks, grid and, if ``labelled``, its name."""
    axis = axes.yaxis if upright else axes.xaxis
    (axes.set_ylim if upright else axes.set_xlim)(-reach, reach)
    axis.set_major_locator(style.signed_ticks())
    axis.set_major_formatter(FuncFormatter(style.number))
    axis.grid(color=style.GRID, lw=0.6, zorder=0)
    axes.set_axisbelow(True)
    if labelled:
        room = axes.bbox.height if upright else axes.bbox.width
        whole = style.text_width(style.clean(quantity)) < room
        axis.set_label_text(style.fit(quantity if whole else colour_scale.without_unit(quantity), room))
        axis.labelpad = 2


def first_entry(first: tuple[str, Any] | None) -> list[KeyEntry]:
    """Return the key's entry for the earlier explanation; no entry if ``first`` is ``None``."""
    return [] if first is None else [("line", style.FIRST, style.clean(first[0]))]


def first_marks(axes: Axes, start: NDArray[Any], thick: Any, values: NDArray[Any], *, upright: bool) -> None:
    """Draw a line across each bar at its value ``[d]`` in the earlier explanation."""
    draw = axes.hlines if upright else axes.vlines
    draw(values, start, start + thick, color=style.FIRST, lw=1.6, zorder=5)

"""The one diverging scale: blue lowers the output, orange raises it, white is zero.

Blue and orange stay apart where red and green do not. The limit is handed in by the caller, who keeps it the same over
a run, so that a colour means the same coefficient at every epoch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.colors import LinearSegmentedColormap, to_rgb

from lime_callback.figures import style

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

DIVERGING = LinearSegmentedColormap.from_list("lime", style.SCALE, N=511)
COEFFICIENT = "coefficient (change of the output)"
SPAN: dict[str, Any] = {"color": style.INK, "alpha": 0.2}
"""How much inputs differ, around their mean; on paper it looks like ``style.FAINT``."""
_BAR = 300  # width of the colour bar


def symmetric(limit: float) -> float:
    """The limit that is drawn: 1 where it is 0 or not finite, because nothing was found yet.

    Raises:
        ValueError: if the limit is below 0.
    """
    if limit < 0:
        raise ValueError(f"`limit` should be the largest absolute coefficient of the scale. Found `limit = {limit}`.")
    return float(limit) if np.isfinite(limit) and limit > 0 else 1.0


def largest(values: Sequence[NDArray[Any]]) -> float:
    """The largest finite absolute value, 0 where there is none."""
    return max((float(np.abs(v[np.isfinite(v)]).max(initial=0.0)) for v in map(np.asarray, values)), default=0.0)


def axis_end(limit: float, values: Sequence[NDArray[Any]]) -> float:
    """Half the length of an axis that shows ``limit`` and all of the values."""
    return 1.06 * max(symmetric(limit), largest(values))


def colours(values: NDArray[Any], limit: float) -> NDArray[np.floating[Any]]:
    """RGB from 0 to 1 for each value, ``[..., 3]``; white where a value is not finite."""
    values = np.nan_to_num(np.asarray(values, dtype=np.float64), nan=0.0, posinf=0.0, neginf=0.0)
    return np.asarray(DIVERGING(np.clip(0.5 + 0.5 * values / symmetric(limit), 0, 1)))[..., :3]


def pale(rgb: NDArray[Any]) -> NDArray[Any]:
    """The same colours under a veil, for what should not be relied on."""
    return np.asarray(0.35 * rgb + 0.65)


def sign_colours(values: NDArray[Any], sure: NDArray[np.bool_], grey: NDArray[np.bool_]) -> NDArray[np.floating[Any]]:
    """RGB of bars, ``[d, 3]``: by sign, light where the interval includes zero; greys where ``grey`` is true."""
    strong = np.where(values >= 0, style.PLUS, style.MINUS)
    light = np.where(values >= 0, style.PLUS_UNSURE, style.MINUS_UNSURE)
    plain = np.where(sure, style.NEUTRAL, style.NEUTRAL_UNSURE)
    return np.array([to_rgb(c) for c in np.where(grey, plain, np.where(sure, strong, light))]).reshape(-1, 3)


def known_halves(halves: NDArray[Any]) -> NDArray[np.floating[Any]]:
    """Half widths of intervals as float64, NaN where they are not finite."""
    halves = np.asarray(halves, dtype=np.float64)
    return np.where(np.isfinite(halves), halves, np.nan)


def sign_entries(known: bool = True) -> list[KeyEntry]:
    """What the colours of bars mean, for a key.

    Args:
        known: whether all bars have an interval; where one has none, the key says so of light bars.
    """
    light = "interval includes 0" if known else "interval includes 0, or unknown"
    return [
        ("patch", (style.MINUS, style.PLUS), "lowers / raises the output"),
        ("patch", (style.MINUS_UNSURE, style.PLUS_UNSURE), light),
    ]


def without_unit(quantity: str) -> str:
    """A quantity without its unit, for a short axis."""
    return style.clean(quantity.split(" (")[0])


def header(figure: Figure, caption: str, limit: float, values: Sequence[NDArray[Any]], quantity: str) -> None:
    """Caption on the left, the colour bar on the right; the bar is pointed where a value lies beyond the limit."""
    limit, found = symmetric(limit), largest(values)
    width, _ = style.size(figure)
    style.write(
        figure, style.MARGIN, 16, caption, points=style.HEADING, bold=True, width=width - _BAR - 4 * style.MARGIN
    )
    note = f"largest here {style.number(found)}" + (", beyond the scale" if found > limit * 1.0005 else "")
    style.write(figure, style.MARGIN, 42, note, colour=style.MUTED)
    left = width - _BAR - style.MARGIN - 8
    style.write(figure, left + _BAR / 2, 9, quantity, width=_BAR, ha="center", colour=style.MUTED)
    colour_bar(style.place(figure, left, 27, _BAR, 12), limit, clipped=found > limit * 1.0005)


def colour_bar(axes: Axes, limit: float, *, clipped: bool) -> None:
    """A horizontal bar from ``-limit`` to ``limit``, pointed at both ends where values are clipped."""
    ramp = DIVERGING(np.linspace(0, 1, 256))[None, :, :3]
    axes.imshow(ramp, extent=(-limit, limit, 0, 1), aspect="auto", interpolation="nearest")
    ticks = [-limit, -limit / 2, 0, limit / 2, limit]
    axes.set_xticks(ticks, [style.number(t) for t in ticks])
    axes.set_yticks([])
    axes.tick_params(length=2, pad=2)
    axes.spines[:].set_visible(False)
    if clipped:
        for end, step, colour in ((-limit, -1, DIVERGING(0.0)), (limit, 1, DIVERGING(1.0))):
            axes.fill([end, end + step * 0.05 * limit, end], [0, 0.5, 1], color=colour, clip_on=False, lw=0)
        axes.set_xlim(-limit, limit)


KeyEntry = tuple[str, str | tuple[str, str], str]
"""A line of a key: ``"patch"``, ``"line"``, ``"dot"`` or ``"hatch"``, its colour or two, and what it means."""


def draw_key(figure: Figure, entries: Sequence[KeyEntry], *, top: float = 42) -> None:
    """Say in one line what the marks mean; a text for which there is no room is cut in its middle."""
    axes = style.bare(style.place(figure, style.MARGIN, top, style.size(figure)[0] - 2 * style.MARGIN, 14))
    right = style.size(figure)[0] - 2 * style.MARGIN
    axes.set(xlim=(0, right), ylim=(0, 14))
    x = 0.0
    for kind, colour, text in entries:
        pair = (colour, colour) if isinstance(colour, str) else colour
        for i, one in enumerate(pair):
            span = [x + 9 * i, x + 9 * (i + 1)]
            if kind == "line":
                axes.plot(span, [7, 7], color=one, lw=1.3)
            elif kind == "dot":
                axes.plot([x + 9], [7], "o", ms=4, color=one, mew=0)
            else:
                hatch: dict[str, Any] = {"hatch": "////", "edgecolor": style.GAP_HATCH} if kind == "hatch" else {}
                axes.fill_between(span, 2, 12, facecolor=one, lw=0, **hatch)
        text = style.fit(text, right - x - 24, points=style.SMALL)
        axes.text(x + 24, 7, text, va="center", size=style.SMALL, color=style.MUTED)
        x += 24 + style.text_width(text, style.SMALL) + 18

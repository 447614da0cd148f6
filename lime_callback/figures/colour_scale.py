"""The diverging colour scale of all figures: blue lowers the output, orange raises it, white is zero.

People who cannot tell red from green can tell blue from orange. The caller passes the limit and keeps it the same over
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
"""Look of the span that shows how much inputs differ around their mean; on white it looks like ``style.FAINT``."""
_BAR = 300  # width of the colour bar in pixels


def symmetric(limit: float) -> float:
    """Return a limit that can be drawn: 1 if it is 0 or not finite, as it is before anything was explained.

    Raises:
        ValueError: if the limit is below 0.
    """
    if limit < 0:
        raise ValueError(f"`limit` should be the largest absolute coefficient of the scale. Found `limit = {limit}`.")
    return float(limit) if np.isfinite(limit) and limit > 0 else 1.0


def largest(values: Sequence[NDArray[Any]]) -> float:
    """Return the largest finite absolute value in all arrays; 0 if there is none."""
    return max((float(np.abs(v[np.isfinite(v)]).max(initial=0.0)) for v in map(np.asarray, values)), default=0.0)


def axis_end(limit: float, values: Sequence[NDArray[Any]]) -> float:
    """Return where an axis has to end so that it shows ``limit`` and all finite values, with 6 % of room."""
    return 1.06 * max(symmetric(limit), largest(values))


def colours(values: NDArray[Any], limit: float) -> NDArray[np.floating[Any]]:
    """Return each value's colour as RGB from 0 to 1, ``[..., 3]``; white if the value is not finite."""
    values = np.nan_to_num(np.asarray(values, dtype=np.float64), nan=0.0, posinf=0.0, neginf=0.0)
    return np.asarray(DIVERGING(np.clip(0.5 + 0.5 * values / symmetric(limit), 0, 1)))[..., :3]


def pale(rgb: NDArray[Any]) -> NDArray[Any]:
    """Return RGB from 0 to 1 mixed with white, for what should not be relied on."""
    return np.asarray(0.35 * rgb + 0.65)


def sign_colours(values: NDArray[Any], sure: NDArray[np.bool_], grey: NDArray[np.bool_]) -> NDArray[np.floating[Any]]:
    """Return the bars' RGB from 0 to 1, ``[d, 3]``.

    Args:
        values: the bars' lengths, ``[d]``; their sign decides between orange and blue.
        sure: whether a bar's interval excludes zero, ``[d]``; the other bars are light.
        grey: whether a bar is grey instead, ``[d]``.
    """
    strong = np.where(values >= 0, style.PLUS, style.MINUS)
    light = np.where(values >= 0, style.PLUS_UNSURE, style.MINUS_UNSURE)
    plain = np.where(sure, style.NEUTRAL, style.NEUTRAL_UNSURE)
    return np.array([to_rgb(c) for c in np.where(grey, plain, np.where(sure, strong, light))]).reshape(-1, 3)


def known_halves(halves: NDArray[Any]) -> NDArray[np.floating[Any]]:
    """Return half widths of intervals as float64, with NaN for those that are not finite."""
    halves = np.asarray(halves, dtype=np.float64)
    return np.where(np.isfinite(halves), halves, np.nan)


def sign_entries(known: bool = True) -> list[KeyEntry]:
    """Return the key's entries for the colours of bars.

    Args:
        known: whether all bars have an interval; if not, the key says that a light bar's may be unknown.
    """
    light = "interval includes 0" if known else "interval includes 0, or unknown"
    return [
        ("patch", (style.MINUS, style.PLUS), "lowers / raises the output"),
        ("patch", (style.MINUS_UNSURE, style.PLUS_UNSURE), light),
    ]


def without_unit(quantity: str) -> str:
    """Return a quantity's name without the unit in brackets, for a short axis."""
    return style.clean(quantity.split(" (")[0])


def header(
    figure: Figure, caption: str, limit: float, values: Sequence[NDArray[Any]], quantity: str, marks: str = ""
) -> None:
    """Write the caption on the left and draw the colour bar on the right, with pointed ends if a value exceeds it.

    Args:
        figure: the page.
        caption: the figure's heading.
        limit: the coefficient at the ends of the colour bar.
        values: what the figure shows in these colours.
        quantity: the values' name, with their unit in brackets.
        marks: what other marks of the figure mean, in one line.
    """
    limit, largest_here = symmetric(limit), largest(values)
    width, _ = style.size(figure)
    style.write(
        figure, style.MARGIN, 16, caption, points=style.HEADING, bold=True, width=width - _BAR - 4 * style.MARGIN
    )
    clipped = largest_here > limit * 1.0005
    beyond = f"up to {style.number(largest_here)}, beyond the scale" if clipped else ""
    note = " · ".join(filter(None, (marks, beyond)))
    room = width - _BAR - 4 * style.MARGIN
    style.write(figure, style.MARGIN, 42, note, colour=style.MUTED, points=style.SMALL, width=room)
    left = width - _BAR - style.MARGIN - 8
    style.write(figure, left + _BAR / 2, 9, quantity, width=_BAR, ha="center", colour=style.MUTED)
    colour_bar(style.place(figure, left, 27, _BAR, 12), limit, clipped=clipped)


def colour_bar(axes: Axes, limit: float, *, clipped: bool) -> None:
    """Draw a horizontal colour bar from ``-limit`` to ``limit``, pointed at both ends if values are ``clipped``."""
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
"""An entry of a key: the mark (``"patch"``, ``"line"``, ``"dot"`` or ``"hatch"``), its one or two colours, its text."""


def draw_key(figure: Figure, entries: Sequence[KeyEntry], *, top: float = 42) -> None:
    """Write what the marks mean in one line; a text for which there is no room is cut in its middle."""
    axes = style.bare(style.place(figure, style.MARGIN, top, style.size(figure)[0] - 2 * style.MARGIN, 14))
    right = style.size(figure)[0] - 2 * style.MARGIN
    axes.set(xlim=(0, right), ylim=(0, 14))
    x = 0.0
    for kind, colour, text in entries:
        pair = (colour, colour) if isinstance(colour, str) else colour
        for i, shade in enumerate(pair):
            span = [x + 9 * i, x + 9 * (i + 1)]
            if kind == "line":
                axes.plot(span, [7, 7], color=shade, lw=1.3)
            elif kind == "dot":
                axes.plot([x + 9], [7], "o", ms=4, color=shade, mew=0)
            else:
                hatch: dict[str, Any] = {"hatch": "////", "edgecolor": style.GAP_HATCH} if kind == "hatch" else {}
                axes.fill_between(span, 2, 12, facecolor=shade, lw=0, **hatch)
        text = style.fit(text, right - x - 24, points=style.SMALL)
        axes.text(x + 24, 7, text, va="center", size=style.SMALL, color=style.MUTED)
        x += 24 + style.text_width(text, style.SMALL) + 18

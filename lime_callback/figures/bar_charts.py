"""Bar charts of each probe's strongest features, with a small picture of where these lie.

Letters: ``m`` features of a panel.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from lime_callback.figures import colour_scale, style
from lime_callback.figures.canvas import Canvas, Frame, signed_ticks
from lime_callback.figures.heading import Heading, KeyEntry, sign_entries
from lime_callback.figures.overlays import draw_places, inner_box
from lime_callback.figures.panels import BarPanel, common_start, drawn_panels

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.figure import Figure
    from numpy.typing import NDArray

_ROW = 19  # pixels that a bar and its name are high
_COLUMN = 24  # pixels between panels
_BELOW = 32  # pixels under a chart, for its ticks
_LABEL = 150  # pixels that names take at most
_PICTURED = 3  # rows that a picture takes where there are no bars at all


@style.isolated
def feature_bars(
    panels: Sequence[BarPanel],
    *,
    top: int = 5,
    limit: float,
    caption: str = "",
    status: Sequence[str] = (),
    quantity: str = colour_scale.COEFFICIENT,
    first: tuple[str, Sequence[NDArray[np.floating[Any]]]] | None = None,
    together: bool = False,
) -> Figure:
    """Draw each probe's strongest features with 95 % intervals, and show where they lie.

    Args:
        panels: the panels, up to 16; one without names has its picture alone.
        top: how many features to draw for each: those with the largest absolute values.
        limit: the value at the ends of the axes, which reach further if a value does.
        caption: the figure's heading.
        status: short texts below the caption, which say how to take what is shown.
        quantity: the name of the values, with their unit in brackets.
        first: the name of an earlier explanation and each panel's values in it, drawn as a line across each bar.
        together: whether a panel's intervals hold for all its features at once; the key then says so. They should,
            because the features are drawn for being the strongest.

    Raises:
        ValueError: if there is no panel, ``top`` is below 1, or the limit is below 0.
    """
    if top < 1:
        raise ValueError(f"`top` should be at least 1. Found `top = {top}`.")
    panels, caption = drawn_panels(panels, caption)
    columns = min(len(panels), 2)
    cell = (style.ROOM + _COLUMN) / columns - _COLUMN
    rows = min(top, max(len(panel.names) for panel in panels)) or _PICTURED
    tall = rows * _ROW
    titles = style.title_lines([panel.title for panel in panels]) * style.LINE + 4
    step = titles + tall + _BELOW
    values = [panel.coefficients for panel in panels]
    reach = colour_scale.axis_end(limit, [*values, *(() if first is None else first[1])])
    key = _key(panels, first, together)
    longest = max((style.text_width(style.clean(name)) for panel in panels for name in panel.names), default=0.0)
    # Where names are too long, what all of them begin with goes first: what tells them apart should stay.
    start = common_start([name for panel in panels for name in panel.names]) if longest > _LABEL else ""
    if start:
        key.append(("", style.MUTED, f"names without “{start.strip()}”"))
    heading = Heading(caption, key, status=status)
    figure = style.page(heading.height + -(-len(panels) // columns) * step + 10)
    heading.draw(figure)
    canvas = Canvas(figure)
    longest = max((style.text_width(style.clean(n)) for p in panels for n in _without(p.names, start)), default=0.0)
    label = min(longest + 10, _LABEL)
    for i, panel in enumerate(panels):
        left, y = style.MARGIN + i % columns * (cell + _COLUMN), heading.height + i // columns * step
        style.write_title(figure, left, y, panel.title, cell)
        drawn = np.where(np.isfinite(panel.coefficients), panel.coefficients, 0.0)
        order = np.argsort(-np.abs(drawn), kind="stable")[:rows]
        seen = 0.0
        if panel.image is not None and panel.segments is not None:
            box = inner_box(panel.image, left, y + titles, max(tall, 60), max(tall, 60))
            numbers = [(panel.numbers or range(len(drawn)))[j] for j in order]
            names = _without([panel.names[j] for j in order], common_start(panel.names))
            draw_places(figure, panel.image, panel.segments, dict(zip(numbers, names, strict=True)), box)
            seen = max(tall, 60) + 10
        if not panel.names:
            continue
        names = _without([panel.names[j] for j in order], start)
        across = Frame(left + seen + label, y + titles, cell - seen - label, tall, (-reach, reach))
        labelled = i + columns >= len(panels)
        _rows(canvas, across, names, drawn[order], colour_scale.finite(panel.halves)[order])
        canvas.value_grid(across, signed_ticks(reach, across.width), upright=False)
        if first is not None:
            x, at = across.x(first[1][i][order]), across.top + _ROW * np.arange(len(order))
            canvas.hollow(np.stack([x, x], 1), np.stack([at + 1, at + _ROW - 2], 1))
        if labelled:
            style.write(
                figure, across.left + across.width / 2, y + titles + tall + 3 + style.LINE - 2,
                colour_scale.without_unit(quantity), ha="center", colour=style.MUTED, width=across.width,
            )  # fmt: skip
    canvas.draw()
    return figure


def _without(names: Sequence[str], start: str) -> list[str]:
    return [name.removeprefix(start) for name in names]


def _key(panels: Sequence[BarPanel], first: tuple[str, Any] | None, together: bool) -> list[KeyEntry]:
    known = all(np.isfinite(panel.halves).all() for panel in panels)
    interval = "95 % interval, of all features at once" if together else "95 % interval of each"
    earlier: list[KeyEntry] = [] if first is None else [("hollow", style.INK, style.clean(first[0]))]
    return [*sign_entries(known), ("line", style.INK, interval), *earlier]


def _rows(canvas: Canvas, frame: Frame, names: Sequence[str], values: NDArray[Any], halves: NDArray[Any]) -> None:
    """Draw a bar with its whisker for each value, and its name on the left."""
    top = frame.top + _ROW * np.arange(len(values))
    colours = colour_scale.sign_colours(values, np.abs(values) > halves)
    x, zero = frame.x(values), float(frame.x(0.0))
    canvas.rectangles(np.minimum(x, zero), top + 2, np.maximum(x, zero), top + _ROW - 3, colours)
    ends = np.stack([frame.x(values - halves), frame.x(values + halves)], 1)
    ends[~np.isfinite(halves)] = np.nan
    middle = top + _ROW / 2 - 0.5
    canvas.lines(ends, np.stack([middle, middle], 1), style.INK, width=1.4, layer=5)
    for name, y in zip(names, middle, strict=True):
        style.write(canvas.figure, frame.left - 6, y, style.fit(name, _LABEL), ha="right", va="center_baseline")

"""Draws superbands for :func:`lime_callback.figures.superband_effects`: the chart over the axis, the map, the rows.

Letters: ``P`` probes, ``T`` targets, ``d`` features.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from lime_callback.figures import colour_scale, style
from lime_callback.figures.canvas import Canvas, Frame, signed_ticks

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from lime_callback.figures.heading import Heading
    from lime_callback.figures.panels import ProbeRow
    from lime_callback.figures.spectral_axis import SuperbandSpans

_LABELS = 196  # pixels for the names on the left
_AXIS = 42  # pixels for the numbers and the name of the horizontal axis
_ROW = 16  # pixels that a row of the map, and a row of names, is high
_DOT = 6.0  # pixels
_LEADING = 3  # superbands that are named above the chart


@dataclass(frozen=True, eq=False)
class SuperbandValues:
    """What is drawn, see :func:`~lime_callback.figures.superband_effects`.

    Attributes:
        reach: the value at the ends of the axis.
        order: the groups that are drawn, in spectral order.
        probes: the map's rows; empty draws no map.
    """

    groups: SuperbandSpans
    sizes: NDArray[Any]
    means: NDArray[Any]
    halves: NDArray[Any]
    values: NDArray[Any] | None
    spread: NDArray[Any] | None
    first: NDArray[Any] | None
    reach: float
    order: NDArray[Any]
    probes: Sequence[ProbeRow]
    map_limit: float


def draw_across(data: SuperbandValues, heading: Heading, targets: Sequence[str]) -> Figure:
    """Draw for each target a chart over the spectral axis, and below it the map of its probes."""
    axis = data.groups.axis
    tall = {1: 190, 2: 130}.get(len(targets), 100)
    above = style.LINE + 12  # names of the leading superbands
    rows = sorted(range(len(data.probes)), key=lambda p: (_numbers_as_such(data.probes[p].group), p))
    starts = [i for i, p in enumerate(rows) if i == 0 or data.probes[p].group != data.probes[rows[i - 1]].group]
    map_tall = len(rows) * _ROW + 5 * max(len(starts) - 1, 0)
    titled = style.LINE + 4 if any(targets) else 0
    step = titled + above + tall + (14 + map_tall if rows else 0) + 20
    figure = style.page(heading.height + len(targets) * step - 20 + _AXIS + 6)
    heading.draw(figure)
    canvas = Canvas(figure)
    left, width = style.MARGIN + _LABELS, style.ROOM - _LABELS
    for t, target in enumerate(targets):
        top = heading.height + t * step
        if target:
            style.write(figure, style.MARGIN, top, target, points=style.TITLE, bold=True, width=style.ROOM)
        frame = Frame(left, top + titled + above, width, tall, axis.limits, (-data.reach, data.reach))
        canvas.value_grid(frame, signed_ticks(data.reach), upright=True)
        canvas.spectral_axis(frame, axis, labelled=t == len(targets) - 1 and not rows)
        chart, pieces = _Chart(canvas, frame, upright=True), data.groups.pieces()
        centres, widths = _centres(pieces, len(data.groups.names))
        for group, low, high in pieces:
            _size(chart, data, t, group, (float(frame.x(low)), float(frame.x(high))))
        for group in data.order.tolist():
            if np.isfinite(centres[group]):
                room = widths[group] * width / (axis.limits[1] - axis.limits[0]) / 2
                _marks(chart, data, t, group, float(frame.x(centres[group])), room)
        _name_leading(canvas, frame, data, t, centres)
        if rows:
            y = top + titled + above + tall + 14
            _draw_map(canvas, data, t, rows, starts, Frame(left, y, width, map_tall, axis.limits), pieces)
            if t == len(targets) - 1:
                canvas.spectral_axis(Frame(left, y + map_tall, width, 0.0, axis.limits), axis, labelled=True, strip=0)
    canvas.draw()
    return figure


def _draw_map(
    canvas: Canvas, data: SuperbandValues, t: int, rows: Sequence[int], starts: Sequence[int], frame: Frame,
    pieces: Sequence[tuple[int, float, float]],
) -> None:  # fmt: skip
    """Draw a row of cells for each probe, the probes of one group together, with their names on the left."""
    assert data.values is not None, "a map has values"
    y = frame.top
    groups = np.array([group for group, _, _ in pieces])
    low, high = (frame.x([piece[k] for piece in pieces]) for k in (1, 2))
    for i, probe in enumerate(rows):
        if i in starts and i > 0:
            y += 5
        value = data.values[probe, t][groups]
        middle = y + _ROW / 2
        if i in starts:
            style.write(
                canvas.figure, style.MARGIN, middle, data.probes[probe].group, va="center_baseline", bold=True,
                width=_LABELS - 82,
            )  # fmt: skip
        style.write(
            canvas.figure, frame.left - 6, middle, data.probes[probe].name, ha="right", va="center_baseline",
            width=70,
        )  # fmt: skip
        if np.isfinite(value).any():
            for begin, end in data.groups.axis.gaps:
                left, right = frame.x([begin, end]).tolist()
                canvas.hatched(left, y, right, y + _ROW)
            colours = colour_scale.colours(value, data.map_limit)
            canvas.rectangles(low, y, high, y + _ROW, colours, layer=2)
            canvas.lines(np.stack([high, high], 1), [[y, y + _ROW]] * len(high), style.GRID, width=0.6, layer=3)
        else:
            style.write(
                canvas.figure, frame.left + 8, middle, "poor fit: score below the gate", va="center_baseline",
                colour=style.MUTED,
            )  # fmt: skip
        canvas.lines([[frame.left, frame.left + frame.width]], [[y + _ROW, y + _ROW]], style.FAINT, width=0.6, layer=3)
        y += _ROW


def draw_rows(data: SuperbandValues, heading: Heading, targets: Sequence[str]) -> Figure:
    """Draw for each target a chart of rows, names on the left, and beside it what each group covers."""
    names = [style.fit(data.groups.names[i], _LABELS - 10) for i in data.order]
    label = max(style.text_width(name) for name in names) + 12
    cover = 170 if data.groups.known else 0
    row = _ROW + 3
    tall = max(len(names) * row, 40)
    titled = style.LINE + 4 if any(targets) or cover else 0
    step = titled + tall + _AXIS
    figure = style.page(heading.height + len(targets) * step + 6)
    heading.draw(figure)
    canvas = Canvas(figure)
    width = style.ROOM - label - (cover + 20 if cover else 0)
    for t, target in enumerate(targets):
        top = heading.height + t * step
        style.write(figure, style.MARGIN, top, target, points=style.TITLE, bold=True, width=label + width)
        frame = Frame(style.MARGIN + label, top + titled, width, tall, (-data.reach, data.reach), (0.0, 1.0))
        canvas.value_grid(frame, signed_ticks(data.reach, width), upright=False)
        chart = _Chart(canvas, frame, upright=False)
        for i, group in enumerate(data.order):
            y = frame.top + row * i
            middle = y + row / 2
            style.write(figure, frame.left - 6, middle, names[i], ha="right", va="center_baseline")
            _size(chart, data, t, int(group), (y + 2, y + row - 2))
            _marks(chart, data, t, int(group), middle, row / 2 - 2)
        if cover:
            at = Frame(style.WIDTH - style.MARGIN - cover, top + titled, cover, tall, data.groups.axis.limits)
            style.write(figure, at.left, top, "what each covers", points=style.TITLE, bold=True, width=cover)
            place = {int(group): i for i, group in enumerate(data.order)}
            for group, low, high in data.groups.pieces():
                if group in place:
                    y = at.top + row * place[group] + row / 2
                    a, b = at.x([low, high])
                    grey = data.groups.names[group] == "not_included"
                    colour = style.NEUTRAL if grey else style.INK
                    canvas.rectangles(a, y - 3, max(float(b), float(a) + 1.5), y + 3, colour)
            canvas.spectral_axis(at, data.groups.axis, labelled=t == len(targets) - 1, strip=0)
    canvas.draw()
    return figure


def _numbers_as_such(name: str) -> list[tuple[bool, int, str]]:
    """Return a key that sorts ``"class 2"`` before ``"class 10"``."""
    parts = re.split(r"(\d+)", name)
    return [(part.isdecimal(), int(part) if part.isdecimal() else 0, part) for part in parts]


def _centres(
    pieces: Sequence[tuple[int, float, float]], count: int
) -> tuple[NDArray[np.floating[Any]], NDArray[np.floating[Any]]]:
    """Return middle and width of each group's widest piece, ``[d]`` each; the middle is NaN without a channel."""
    centres, widths = np.full(count, np.nan), np.zeros(count)
    for group, low, high in pieces:
        if high - low > widths[group]:
            centres[group], widths[group] = (low + high) / 2, high - low
    return centres, widths


@dataclass(frozen=True)
class _Chart:
    """Draws onto a chart whose values run up the page (``upright``) or across it."""

    canvas: Canvas
    frame: Frame
    upright: bool

    def at(self, values: Any) -> NDArray[np.floating[Any]]:
        """Return where values lie, in pixels."""
        return self.frame.y(values) if self.upright else self.frame.x(values)

    def span(self, values: tuple[float, float], beside: tuple[float, float], colour: str, layer: int) -> None:
        """Fill the rectangle between two values, from one place beside the value axis to another."""
        low, high = np.sort(self.at(values))
        a, b = beside
        edges = (a, low, b, high) if self.upright else (low, a, high, b)
        self.canvas.rectangles(edges[0], edges[1], edges[2], edges[3], colour, layer)

    def line(self, values: tuple[float, float], beside: tuple[float, float], colour: str, layer: int) -> None:
        """Draw a line from a value to another, and from one place beside the value axis to another."""
        along, aside = [self.at(values)], [beside]
        x, y = (aside, along) if self.upright else (along, aside)
        self.canvas.lines(x, y, colour, width=1.4, layer=layer)

    def marks(self, values: Any, beside: Any, marker: str, colour: str, size: float, layer: int) -> None:
        """Draw one kind of mark at values, each at a place beside the value axis."""
        x, y = (beside, self.at(values)) if self.upright else (self.at(values), beside)
        self.canvas.marks(x, y, marker, colour, size, layer)


def _size(chart: _Chart, data: SuperbandValues, t: int, group: int, beside: tuple[float, float]) -> None:
    """Draw a group's mean size as a bar from zero, and that of the first explanation as a line."""
    chart.span(
        (0.0, float(data.sizes[t, group])), beside, style.SIZE_LEADING if group in _leading(data, t) else style.SIZE, 2
    )
    if data.first is not None:
        along, aside = [chart.at([data.first[t, group]] * 2)], [beside]
        chart.canvas.hollow(*((aside, along) if chart.upright else (along, aside)))


def _marks(chart: _Chart, data: SuperbandValues, t: int, group: int, middle: float, room: float) -> None:
    """Draw a group's probes as dots that do not overlap, and its signed mean with the interval."""
    if data.values is not None and len(data.values) > 1:
        value = np.asarray(data.values[:, t, group], dtype=np.float64)
        value = value[np.isfinite(value)]
        beside = middle + swarm(chart.at(value), _DOT * 0.9, max(room - _DOT / 2, 0))
        beyond = np.abs(value) > data.reach
        ends = ("^", "v") if chart.upright else (">", "<")
        for positive, colour, end in ((True, style.PLUS, ends[0]), (False, style.MINUS, ends[1])):
            side = (value >= 0) == positive
            chart.marks(value[side & ~beyond], beside[side & ~beyond], "o", colour, _DOT, 6)
            chart.marks(value[side & beyond], beside[side & beyond], end, colour, _DOT + 2, 6)
    mean, half = float(data.means[t, group]), float(data.halves[t, group])
    if data.spread is not None:
        deviation = float(data.spread[t, group])
        chart.span((mean - deviation, mean + deviation), (middle - 3, middle + 3), style.NEUTRAL, 3)
    chart.line((mean - half, mean + half), (middle, middle), style.INK, 7)
    chart.marks([mean], [middle], "D", style.INK, 6.0, 8)


def _leading(data: SuperbandValues, t: int) -> list[int]:
    """Return the groups with the largest mean sizes, the largest first."""
    sizes = np.nan_to_num(data.sizes[t])[data.order]
    return [int(data.order[i]) for i in np.argsort(-sizes, kind="stable")[:_LEADING] if sizes[i] > 0]


def _name_leading(canvas: Canvas, frame: Frame, data: SuperbandValues, t: int, centres: NDArray[Any]) -> None:
    """Write the names of the leading groups above the chart, each with a line down to its span."""
    leading = [group for group in _leading(data, t) if np.isfinite(centres[group])]
    room = min(150.0, frame.width / max(len(leading), 1) - 34)
    texts = [f"{rank + 1}. {style.fit(data.groups.names[g], room)}" for rank, g in enumerate(leading)]
    widths = [style.text_width(text) for text in texts]
    at = [float(frame.x(centres[g])) for g in leading]
    apart = max(widths, default=0.0) + 10
    lowest, highest = frame.left + apart / 2 - 5, frame.left + frame.width - apart / 2 + 5
    moved = [lowest + y for y in style.spread([x - lowest for x in at], apart, highest - lowest)]
    for text, x, group, target in zip(texts, moved, leading, at, strict=True):
        style.write(canvas.figure, x, frame.top - 12, text, ha="center", va="bottom")
        end = float(frame.y(data.sizes[t, group]))
        canvas.lines(
            [[x, target], [target, target]],
            [[frame.top - 11, frame.top - 2], [frame.top - 2, end]],
            style.NEUTRAL,
            width=0.8,
        )


def swarm(positions: NDArray[np.floating[Any]], apart: float, room: float) -> NDArray[np.floating[Any]]:
    """Return how far dots move aside so that none covers another, ``[n]``; those near the middle move least.

    Args:
        positions: where the dots lie along the axis, in pixels, ``[n]``.
        apart: a dot's size in pixels.
        room: pixels that a dot may move to either side.
    """
    aside = np.zeros(len(positions))
    steps = np.arange(0, room / apart + 1e-9)
    offers = np.unique(np.concatenate([steps, -steps])) * apart
    offers = offers[np.argsort(np.abs(offers), kind="stable")]
    order = np.argsort(np.abs(positions - np.median(positions)) if len(positions) else positions, kind="stable")
    for k, i in enumerate(order):
        placed = order[:k]
        near = placed[np.abs(positions[placed] - positions[i]) < apart]
        free = [offer for offer in offers if (np.abs(aside[near] - offer) >= 0.99 * apart).all()]
        aside[i] = free[0] if free else offers[-1]
    return aside

"""Charts over the epochs: what counts at each wavelength, each feature's size, the score, and the drift.

Letters: ``E`` explained epochs, ``C`` channels, ``d`` features.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from lime_callback.figures import colour_scale, style
from lime_callback.figures.canvas import Canvas, Frame
from lime_callback.figures.heading import SPECTRAL_GAP, ColourBar, Heading, KeyEntry
from lime_callback.figures.overlays import draw_array
from lime_callback.figures.spectral_axis import SpectralAxis

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from matplotlib.figure import Figure
    from numpy.typing import NDArray

_TICKS = 44  # pixels for the numbers of the vertical axis
_AXIS = 42  # pixels for the numbers and the name of the horizontal axis
_ROW, _LOWEST, _HIGHEST = 18, 90, 430  # pixels: height of an epoch in the waterfall, its least and largest height
_TALL = 300  # of the chart of sizes
_HISTORY = (334, 170)  # each of the charts of score and drift
_MARK = 6.0  # pixels of a mark on a line
_NAMES = 150  # pixels for the names of lines
_WHISKER = 9  # pixels between the intervals beside a chart


@style.isolated
def waterfall(
    epochs: Sequence[float],
    sizes: NDArray[np.floating[Any]],
    *,
    wavelengths: Sequence[float] | None,
    limit: float,
    target: str = "",
    pale: Sequence[bool] | None = None,
    caption: str = "",
    status: Sequence[str] = (),
    quantity: str = colour_scale.COEFFICIENT,
) -> Figure:
    """Draw how much each channel counts over the epochs, the newest at the bottom: the darker, the more.

    Args:
        epochs: the explained epochs, E.
        sizes: each channel's mean size, ``[E, C]``, from 0 on; a value that is not finite is drawn white.
        wavelengths: the channels' wavelengths in nm; ``None`` draws channel numbers.
        limit: the size at the end of the colour scale.
        target: the target's name; empty for none.
        pale: for each epoch whether its score is below the gate, E; ``None`` draws no epoch pale.
        caption: the figure's heading.
        status: short texts below the caption, which say how to take what is shown.
        quantity: the name of the values, with their unit in brackets.

    Raises:
        ValueError: if the shapes or the wavelengths do not fit, there is no epoch or channel, or ``limit`` is below 0.
    """
    shape = np.shape(sizes)
    if len(shape) != 2 or shape[0] != len(epochs) or 0 in shape:
        raise ValueError(f"`sizes` should have the shape [E, C] with E = {len(epochs)} `epochs`. Found shape {shape}.")
    if pale is not None and len(pale) != len(epochs):
        raise ValueError(f"`pale` should have a value for each of the {len(epochs)} epochs. Found {len(pale)}.")
    axis = SpectralAxis.of(wavelengths, shape[1])
    key: list[KeyEntry] = [("", style.MUTED, style.clean(target))] if target else []
    key.append(("", style.MUTED, "the darker, the more it counts"))
    if pale is not None and any(pale):
        key.append(("", style.MUTED, "pale rows: poor fit, score below the gate"))
    key += [SPECTRAL_GAP] * bool(axis.gaps)
    bar = ColourBar(colour_scale.symmetric(limit), quantity, colour_scale.largest([sizes]), signed=False)
    heading = Heading(caption, key, bar, status)
    tall = float(np.clip(_ROW * len(epochs), _LOWEST, _HIGHEST))
    figure = style.page(heading.height + 4 + tall + _AXIS)
    heading.draw(figure)
    canvas = Canvas(figure)
    frame = Frame(style.MARGIN + _TICKS, heading.height + 4, style.ROOM - _TICKS, tall, axis.limits, (len(epochs), 0.0))
    edges = np.linspace(*axis.limits, int(frame.width) + 1)
    channel = axis.channels_at((edges[1:] + edges[:-1]) / 2)
    rgb = colour_scale.size_colours(sizes, limit)[:, np.maximum(channel, 0)]
    if pale is not None:
        rgb = np.where(np.asarray(pale, dtype=bool)[:, None, None], colour_scale.pale(rgb), rgb)
    seen = np.broadcast_to((channel >= 0).astype(float)[None, :, None], (*rgb.shape[:2], 1))
    draw_array(figure, np.concatenate([rgb, seen], axis=-1), (frame.left, frame.top, frame.width, tall))
    canvas.spectral_axis(frame, axis, labelled=True, strip=0)
    between = max(1, -(-len(epochs) * 16 // int(tall)))
    for i in range(len(epochs) - 1, -1, -between):
        y = frame.top + (i + 0.5) * tall / len(epochs)
        style.write(figure, frame.left - 6, y, style.number(epochs[i]), ha="right", va="center_baseline")
    style.write(figure, 6, frame.top + tall / 2, "epoch", rotation=90, va="center", colour=style.MUTED)
    canvas.draw()
    return figure


@style.isolated
def effect_lines(
    epochs: Sequence[float],
    names: Sequence[str],
    sizes: NDArray[np.floating[Any]],
    low: NDArray[np.floating[Any]],
    high: NDArray[np.floating[Any]],
    *,
    top: int = 5,
    limit: float,
    target: str = "",
    caption: str = "",
    status: Sequence[str] = (),
    quantity: str = colour_scale.COEFFICIENT,
) -> Figure:
    """Draw how much each feature counts over the epochs, the strongest in colour with names and 95 % intervals.

    Args:
        epochs: the explained epochs, E.
        names: the features' names, d.
        sizes: the features' mean sizes over the probes, ``[E, d]``; NaN leaves a gap.
        low: lower ends of their 95 % intervals over the probes, ``[E, d]``; NaN if unknown.
        high: upper ends, ``[E, d]``.
        top: how many features are coloured and named, at most 8: the largest at the newest epoch.
        limit: the size at the end of the axis, which reaches further if a size does.
        target: the target's name; empty for none.
        caption: the figure's heading.
        status: short texts below the caption, which say how to take what is shown.
        quantity: the name of the values, with their unit in brackets.

    Raises:
        ValueError: if the shapes do not fit each other, there is no epoch or feature, or ``limit`` is below 0.
    """
    shape = (len(epochs), len(names))
    if any(np.shape(part) != shape for part in (sizes, low, high)) or 0 in shape:
        raise ValueError(
            f"`sizes`, `low` and `high` should have the shape [E, d] with E = {shape[0]} `epochs` and d = {shape[1]} "
            f"`names`. Found {np.shape(sizes)}, {np.shape(low)} and {np.shape(high)}."
        )
    sizes = np.where(np.isfinite(sizes), sizes, np.nan)
    chosen = np.argsort(-np.nan_to_num(sizes)[-1], kind="stable")[: min(max(top, 0), len(style.LINES))].tolist()
    ends = np.stack([np.asarray(part, dtype=np.float64)[-1, chosen] for part in (low, high)], 1)
    known = bool(np.isfinite(ends).all(1).any())
    others = len(names) - len(chosen)
    key: list[KeyEntry] = [("", style.MUTED, f"{quantity}{f', {style.clean(target)}' * bool(target)}")]
    over = "on the right: 95 % interval over the probes" if known else "no interval over the probes is known"
    key.append(("upright", style.INK, over) if known else ("", style.MUTED, over))
    key += [("line", style.FAINT, f"the other {others} features")] * bool(others)
    heading = Heading(caption, key, status=status)
    figure = style.page(heading.height + 4 + _TALL + _AXIS)
    heading.draw(figure)
    largest = max(colour_scale.symmetric(limit), colour_scale.largest([sizes]))
    reach = 1.06 * max(largest, min(colour_scale.largest([ends]), 1.6 * largest))  # the longest interval may be cut
    wide = style.ROOM - _TICKS - _NAMES - _WHISKER * (len(chosen) + 1)
    frame = Frame(style.MARGIN + _TICKS, heading.height + 4, wide, _TALL, _ends(epochs), (0.0, reach))
    canvas = Canvas(figure)
    canvas.epoch_axes(frame, epochs)
    named = {}
    for i in range(len(names)):
        if i not in chosen:
            _line(canvas, frame, epochs, sizes[:, i], style.FAINT, width=1.2, layer=3)
            continue
        rank = chosen.index(i)
        colour = style.LINES[rank]
        _line(canvas, frame, epochs, sizes[:, i], colour, width=2.0, layer=5, marker=style.MARKERS[rank])
        x, newest = frame.left + wide + _WHISKER * (rank + 1), float(frame.y(sizes[-1, i]))
        canvas.lines([[x, x]], [frame.y(ends[rank])], colour, width=1.6)
        canvas.marks([x], [newest], style.MARKERS[rank], colour, _MARK)
        if np.isfinite(newest):
            named[names[i]] = (newest, rank)
    _name_lines(canvas, frame, named)
    canvas.draw()
    return figure


@style.isolated
def history_lines(
    epochs: Sequence[float],
    score: Mapping[str, Sequence[float]],
    moved: Mapping[str, Sequence[float]],
    *,
    gate: float | None = None,
    relevant: float | None = None,
    caption: str = "",
    status: Sequence[str] = (),
) -> Figure:
    """Draw over the epochs how well the fits describe the model, and how much of the attribution moved.

    Args:
        epochs: the explained epochs, E.
        score: for each label E values of R² on rows that were left out of the fit; NaN leaves a gap.
        moved: for each label E shares of the attribution that moved since the epoch before; NaN leaves a gap.
        gate: the score below which a fit is not relied on, drawn as a line; ``None`` draws none.
        relevant: the share below which nothing that matters has moved, drawn as a line; ``None`` draws none.
        caption: the figure's heading.
        status: short texts below the caption, which say how to take what is shown.

    Raises:
        ValueError: if a line does not have E values.
    """
    _check(epochs, "score", score)
    _check(epochs, "moved", moved)
    labels = list(dict.fromkeys([*score, *moved]))
    look = {label: i % len(style.LINES) for i, label in enumerate(labels)}
    key: list[KeyEntry] = [("line", style.LINES[look[label]], style.clean(label)) for label in labels]
    key = key if len(labels) > 1 else []
    if gate is not None:
        key.append(("line", style.NEUTRAL, f"left: gate {style.number(gate)}, fits below are not relied on"))
    if relevant is not None:
        key.append(("line", style.NEUTRAL, f"right: what matters, {style.number(relevant)}"))
    heading, (wide, tall) = Heading(caption, key, status=status), _HISTORY
    figure = style.page(heading.height + style.LINE + 6 + tall + _AXIS)
    heading.draw(figure)
    canvas, top = Canvas(figure), heading.height + style.LINE + 6
    values = [v for line in score.values() for v in np.asarray(line, float) if np.isfinite(v)]
    lowest = min([0.0, *(max(v, -1.0) for v in values)])
    largest = colour_scale.largest([np.asarray(line, float) for line in moved.values()])
    # A few fixed ends make runs comparable by eye.
    spans = ((lowest * 1.04, 1.02), (0.0, next(end for end in (0.25, 0.5, 1.0, max(largest, 1.0)) if largest <= end)))
    titles = ("Fit of the explanation: R², best 1", "Share that moved since the epoch before")
    for i, (title, lines, span) in enumerate(zip(titles, (score, moved), spans, strict=True)):
        left = style.MARGIN + i * wide
        style.write(figure, left, heading.height, title, points=style.TITLE, bold=True, width=wide - 8)
        frame = Frame(left + _TICKS - 6, top, wide - _TICKS - 10, tall, _ends(epochs), span)
        canvas.epoch_axes(frame, epochs)
        level = (gate, relevant)[i]
        if level is not None and span[0] <= level <= span[1]:
            y = float(frame.y(level))
            canvas.lines([[frame.left, frame.left + frame.width]], [[y, y]], style.NEUTRAL, width=1.4)
        for label, line in lines.items():
            colour, marker = style.LINES[look[label]], style.MARKERS[look[label]]
            _line(canvas, frame, epochs, np.asarray(line, float), colour, width=2.0, layer=5, marker=marker)
        if not any(np.isfinite(np.asarray(line, float)).any() for line in lines.values()):
            middle = (frame.left + frame.width / 2, top + tall / 2)
            style.write(figure, *middle, "nothing to compare with yet", ha="center", colour=style.MUTED)
    canvas.draw()
    return figure


def _check(epochs: Sequence[float], argument: str, lines: Mapping[str, Sequence[float]]) -> None:
    for label, values in lines.items():
        if len(values) != len(epochs):
            raise ValueError(
                f"`{argument}` should have a value for each of the {len(epochs)} epochs. Found {len(values)} for "
                f"{label!r}; use NaN where there is none."
            )


def _ends(epochs: Sequence[float]) -> tuple[float, float]:
    low, high = (min(epochs), max(epochs)) if len(epochs) else (0.0, 1.0)
    return (low, high) if high > low else (low - 0.5, high + 0.5)


def _line(
    canvas: Canvas,
    frame: Frame,
    epochs: Sequence[float],
    values: NDArray[Any],
    colour: str,
    *,
    width: float,
    layer: int,
    marker: str = "o",
) -> None:
    """Draw a line, with a mark for each epoch while these are few, and for an epoch without neighbours."""
    x, y = frame.x(epochs), frame.y(values)
    canvas.polyline(x, y, colour, width=width, layer=layer)
    finite = np.isfinite(y)
    alone = finite & ~np.append(False, finite[:-1]) & ~np.append(finite[1:], False)
    marked = finite if len(y) <= 30 else alone
    if colour != style.FAINT or alone.any():
        canvas.marks(x[marked], y[marked], marker, colour, _MARK if colour != style.FAINT else 3.0, layer)


def _name_lines(canvas: Canvas, frame: Frame, ends: Mapping[str, tuple[float, int]]) -> None:
    """Write each line's name, behind its mark, where the line ends; move names apart that would overlap."""
    heights = [y - frame.top for y, _ in ends.values()]
    left = style.WIDTH - style.MARGIN - _NAMES + 14
    for (name, (_, rank)), y in zip(ends.items(), style.spread(heights, style.LINE - 1.0, frame.height), strict=True):
        at, colour = frame.top + y, style.LINES[rank]
        canvas.marks([left], [at], style.MARKERS[rank], colour, _MARK)
        style.write(canvas.figure, left + 10, at, name, width=_NAMES - 24, va="center_baseline", colour=colour)

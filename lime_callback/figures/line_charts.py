"""Line charts over the epochs: the score, the drift with its noise, and the coefficients with their intervals.

Letters: ``E`` explained epochs, ``d`` features.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.ticker import FuncFormatter, MaxNLocator

from lime_callback.figures import colour_scale, style

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

_WIDTH, _TALL, _TICKS, _LABELS = 480, 230, 46, 120


@style.isolated
def history_lines(
    epochs: Sequence[float],
    score: Mapping[str, Sequence[float]],
    drift: Mapping[str, Sequence[float]],
    *,
    noise_floor: Mapping[str, Sequence[float]] | None = None,
    gate: float | None = None,
    caption: str = "",
) -> Figure:
    """Draw the surrogates' score and the drift over the epochs.

    Args:
        epochs: the explained epochs, E.
        score: for each label E values of R² on rows that were left out of the fit; NaN leaves a gap.
        drift: for each label E values of the drift; NaN leaves a gap.
        noise_floor: for labels of ``drift`` the E drifts that noise alone would give, drawn as a shade from zero.
        gate: the score below which a surrogate is not relied on, drawn as a dashed line; ``None`` draws none.
        caption: the figure's heading.

    Raises:
        ValueError: if a line does not have E values.
    """
    _check(epochs, "score", score)
    _check(epochs, "drift", drift)
    _check(epochs, "noise_floor", noise_floor or {})
    cell = _TICKS + _WIDTH + _LABELS
    figure, top = style.page(2 * style.MARGIN + 2 * cell, style.HEADER + _TALL + 52), style.HEADER + 4
    style.write(figure, style.MARGIN, 14, caption, points=style.HEADING, bold=True, width=2 * cell)
    charts = [style.place(figure, style.MARGIN + _TICKS + i * cell, top, _WIDTH, _TALL) for i in (0, 1)]
    for i, title in enumerate(("score (R² of rows left out, best 1)", "drift")):
        shade = " (shaded: noise alone)" if i and noise_floor else ""
        style.write(figure, style.MARGIN + i * cell, 44, title + shade, points=style.TITLE, bold=True)
    labels = list(dict.fromkeys([*score, *drift]))
    colour = {label: style.LINES[i % len(style.LINES)] for i, label in enumerate(labels)}
    for label, floor in (noise_floor or {}).items():
        if label in drift:
            base = np.where(np.isfinite(floor), floor, np.nan)
            x, y = (np.asarray(epochs, float), base) if len(epochs) > 1 else (_around(epochs, 0.5), np.repeat(base, 2))
            charts[1].fill_between(x, 0, y, color=colour[label], alpha=0.16, lw=0)
    scores_drawn = [*_lines(charts[0], epochs, score, colour), 0.0]
    if not _lines(charts[1], epochs, drift, colour):
        note = "nothing to compare with yet"
        charts[1].text(0.5, 0.5, note, transform=charts[1].transAxes, ha="center", color=style.MUTED)
    charts[0].set_ylim(max(-1.0, min(scores_drawn)) * 1.04, 1.02)
    if gate is not None:
        charts[0].axhline(gate, color=style.NEUTRAL, lw=0.9, ls=(0, (4, 3)), zorder=1)
        charts[0].annotate(
            "gate",
            (1, gate),
            xycoords=("axes fraction", "data"),
            ha="right",
            va="bottom",
            color=style.MUTED,
            size=style.SMALL,
        )
    top_of_drift = colour_scale.largest(
        [*map(np.asarray, drift.values()), *map(np.asarray, (noise_floor or {}).values())]
    )
    charts[1].set_ylim(0, 1.08 * top_of_drift if top_of_drift > 0 else 1.0)
    for axes, lines in zip(charts, (score, drift), strict=True):
        _epoch_axis(axes, epochs)
        _name_lines(axes, lines, colour, _TALL)
    return figure


@style.isolated
def coefficient_lines(
    epochs: Sequence[float],
    names: Sequence[str],
    values: NDArray[np.floating[Any]],
    halves: NDArray[np.floating[Any]],
    *,
    top: int = 5,
    highlight: Sequence[str] | None = None,
    limit: float,
    target: str = "",
    caption: str = "",
    quantity: str = colour_scale.COEFFICIENT,
    over_probes: bool = False,
) -> Figure:
    """Draw each feature's coefficient over the epochs, the strongest in colour with names and 95 % intervals.

    Args:
        epochs: the explained epochs, E.
        names: the features' names, d.
        values: coefficients, ``[E, d]``; NaN leaves a gap.
        halves: half of the 95 % intervals, ``[E, d]``; a value that is not finite is unknown.
        top: how many features are coloured and named, at most 8: those with the largest absolute coefficients at the
            newest epoch.
        highlight: names of the features to colour instead, at most 8; ``None`` colours the ``top`` ones.
        limit: the coefficient at the ends of the axis, which reaches further if a coefficient does.
        target: the target's name.
        caption: the figure's heading.
        quantity: the name of the values, with their unit in brackets.
        over_probes: whether values are means over probes, with intervals over the probes; the note then says so.

    Raises:
        ValueError: if the shapes do not fit each other, there is no epoch or feature, ``highlight`` holds an unknown
            name, or ``limit`` is below 0.
    """
    shape = (len(epochs), len(names))
    if np.shape(values) != shape or np.shape(halves) != shape or 0 in shape:
        raise ValueError(
            f"`values` and `halves` should have the shape [E, d] with E = {shape[0]} `epochs` and d = {shape[1]} "
            f"`names`. Found {np.shape(values)} and {np.shape(halves)}."
        )
    unknown = [name for name in highlight or () if name not in names]
    if unknown:
        raise ValueError(
            f"`highlight` should hold names of features. Found {unknown}, which are not among {list(names)}."
        )
    values = np.where(np.isfinite(values), values, np.nan)
    size = np.nan_to_num(np.abs(values))[-1]
    strongest = np.argsort(-size, kind="stable")[: max(top, 0)].tolist()
    chosen = (strongest if highlight is None else [list(names).index(name) for name in highlight])[: len(style.LINES)]
    width, tall, labels = 760, 380, 200
    figure = style.page(2 * style.MARGIN + _TICKS + width + labels, style.HEADER + tall + 50)
    style.write(figure, style.MARGIN, 14, caption, points=style.HEADING, bold=True, width=width + labels)
    style.write(figure, style.MARGIN, 44, target, points=style.TITLE, bold=True, width=300)
    axes = style.place(figure, style.MARGIN + _TICKS, style.HEADER, width, tall)
    x = np.asarray(epochs, float) if len(epochs) > 1 else _around(epochs, 0.006)
    others = [i for i in range(len(names)) if i not in chosen]
    axes.plot(
        epochs, values[:, others], color=style.FAINT, lw=1.0, marker="o" if len(epochs) == 1 else None, ms=3, zorder=1
    )
    known = False
    for i, colour in zip(chosen, style.LINES, strict=False):
        half = colour_scale.known_halves(halves[:, i])
        known = known or bool(np.isfinite(half).any())
        low, high = (np.broadcast_to(end, x.shape) for end in (values[:, i] - half, values[:, i] + half))
        axes.fill_between(x, low, high, color=colour, alpha=0.18, lw=0, zorder=2)
    lines = {names[i]: values[:, i] for i in chosen}
    colours = dict(zip(lines, style.LINES, strict=False))
    _lines(axes, epochs, lines, colours)
    axes.axhline(0, color=style.INK, lw=0.7, zorder=1)
    reach = colour_scale.axis_end(limit, [values])
    axes.set_ylim(-reach, reach)
    axes.yaxis.set_major_formatter(FuncFormatter(style.number))
    axes.set_ylabel(style.fit(quantity, tall), labelpad=2)
    _epoch_axis(axes, epochs)
    _name_lines(axes, lines, colours, tall, width=labels - 16)
    over = " over the probes" if over_probes else ""
    note = (f"bands: 95 % interval{over}" if known else f"no interval{over} is known") + (
        f"; grey: the other {len(others)} features" if others else ""
    )
    style.write(figure, style.MARGIN + _TICKS + width, 46, note, ha="right", colour=style.MUTED)
    return figure


def _check(epochs: Sequence[float], argument: str, lines: Mapping[str, Sequence[float]]) -> None:
    for label, values in lines.items():
        if len(values) != len(epochs):
            raise ValueError(
                f"`{argument}` should have a value for each of the {len(epochs)} epochs. Found {len(values)} for "
                f"{label!r}; use NaN where there is none."
            )


def _around(epochs: Sequence[float], half: float) -> NDArray[np.floating[Any]]:
    """Return the two ends of a short stretch around a single epoch, so that a band has a width."""
    return np.asarray([epochs[0] - half, epochs[0] + half]) if len(epochs) else np.zeros(2)


def _lines(axes: Axes, epochs: Sequence[float], lines: Mapping[str, Any], colours: Mapping[str, str]) -> list[float]:
    """Draw the lines, with a mark for each epoch while these are few; return all finite values."""
    finite: list[float] = []
    for label, values in lines.items():
        y = np.asarray(values, dtype=np.float64)
        y = np.where(np.isfinite(y), y, np.nan)
        finite += y[np.isfinite(y)].tolist()
        alone = np.isfinite(y) & ~np.isfinite(np.append(np.nan, y[:-1])) & ~np.isfinite(np.append(y[1:], np.nan))
        marks = np.flatnonzero(np.isfinite(y) if len(y) <= 30 else alone).tolist()
        axes.plot(epochs, y, color=colours[label], lw=1.6, marker="o", ms=3.5, markevery=marks, zorder=3, clip_on=False)
    return finite


def _epoch_axis(axes: Axes, epochs: Sequence[float]) -> None:
    low, high = (min(epochs), max(epochs)) if len(epochs) else (0, 1)
    axes.set_xlim((low, high) if high > low else (low - 0.5, high + 0.5))
    axes.xaxis.set_major_locator(MaxNLocator(8, integer=True, min_n_ticks=1))
    axes.xaxis.set_major_formatter(FuncFormatter(style.number))
    axes.yaxis.set_major_formatter(FuncFormatter(style.number))
    axes.yaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 2.5, 5, 10]))
    axes.set_xlabel("epoch", labelpad=2)
    axes.grid(axis="y", color=style.GRID, lw=0.6)
    axes.set_axisbelow(True)


def _name_lines(
    axes: Axes, lines: Mapping[str, Any], colours: Mapping[str, str], tall: float, *, width: float = _LABELS - 14
) -> None:
    """Write each line's name where the line ends; move names apart that would overlap."""
    low, high = axes.get_ylim()
    ends = {}
    for label, values in lines.items():
        finite = np.asarray(values, dtype=np.float64)
        finite = finite[np.isfinite(finite)]
        if len(finite):
            ends[label] = float(np.clip((finite[-1] - low) / (high - low), 0, 1)) * tall
    for label, y in zip(ends, spread(list(ends.values()), 15.0, tall), strict=True):
        text = style.fit(label, width)
        axes.annotate(
            text, (1, y / tall), xycoords="axes fraction", xytext=(8, 0), textcoords="offset pixels", va="center",
            color=colours[label], size=style.TEXT, parse_math=False, annotation_clip=False,
        )  # fmt: skip


def spread(positions: Sequence[float], apart: float, highest: float) -> list[float]:
    """Return positions at least ``apart`` and, if they fit, at most ``highest``: one pass upwards, one downwards."""
    order = np.argsort(positions, kind="stable")
    moved = np.asarray(positions, dtype=np.float64)[order]
    for i in range(1, len(moved)):
        moved[i] = max(moved[i], moved[i - 1] + apart)
    for i in range(len(moved) - 1, -1, -1):
        moved[i] = min(moved[i], highest if i == len(moved) - 1 else moved[i + 1] - apart)
    result = np.empty_like(moved)
    result[order] = moved
    return [float(value) for value in result]

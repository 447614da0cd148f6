"""Bar charts: superbands averaged over the probes, and the strongest features of each probe.

Letters: ``P`` probes, ``T`` targets, ``d`` features, ``C`` channels.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.collections import PolyCollection
from matplotlib.ticker import FuncFormatter

from lime_callback.figures import again, scale, style
from lime_callback.figures.groups import Groups
from lime_callback.figures.panels import chosen

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

_TARGETS = 6
_ROWS = 40
_ROW = 19  # height of a bar with its name
_SIGNS: list[scale.Entry] = [
    ("patch", (style.MINUS, style.PLUS), "lowers / raises the output"),
    ("patch", (style.MINUS_UNSURE, style.PLUS_UNSURE), "interval includes 0"),
]


@style.isolated
def superband_bars(
    names: Sequence[str],
    coefficients: NDArray[np.floating[Any]],
    errors: NDArray[np.floating[Any]],
    *,
    targets: Sequence[str],
    channels: NDArray[np.integer[Any]] | None,
    wavelengths: Sequence[float] | None,
    limit: float,
    caption: str = "",
    quantity: str = scale.COEFFICIENT,
    spread: NDArray[np.floating[Any]] | None = None,
    first: tuple[str, NDArray[np.floating[Any]]] | None = None,
) -> Figure:
    """Draw each superband's coefficient, averaged over the probes, with the wavelengths that it covers.

    Where every group is one span of wavelengths the bars stand on the wavelength axis, as wide as their spans.
    Otherwise they are rows in spectral order, beside a chart of the wavelengths that each of them covers.
    ``not_included`` is grey and comes last. Whiskers are the 95 % interval of the mean, 1.96 times
    ``sqrt(sum of squared errors) / P``: they say how well the surrogates know it, not how much probes differ, which the
    dots show. Values that are not finite are left out. A ``spread`` is drawn as a grey span, for the mean of so many
    inputs that there is no dot for each.

    Args:
        names: of the features, d.
        coefficients: ``[P, T, d]``.
        errors: standard errors, ``[P, T, d]``.
        targets: names of the targets, T; the first 6 are drawn.
        channels: each channel's feature, ``[C]``; below 0: never hidden. ``None``: unknown, the names keep their order.
        wavelengths: of the channels, in nm; ``None``: channel numbers stand for them.
        limit: coefficient at the ends of the axes, which reach further where a coefficient does.
        caption: what is shown.
        quantity: what is shown instead of coefficients, with its unit in brackets.
        spread: how much inputs differ, ``[T, d]``, as their standard deviation; not finite: unknown.
        first: means of an earlier explanation, ``[T, d]``, drawn as a line across each bar, and what they are called.

    Raises:
        ValueError: if the shapes do not fit each other, there is no probe, or the limit is below 0.
    """
    shape = (len(coefficients), len(targets), len(names))
    if np.shape(coefficients) != shape or np.shape(errors) != shape or 0 in shape:
        raise ValueError(
            f"`coefficients` and `errors` should have the shape [P, T, d] with T = {len(targets)} `targets` and "
            f"d = {len(names)} `names`. Found {np.shape(coefficients)} and {np.shape(errors)}."
        )
    if spread is not None and np.shape(spread) != shape[1:]:
        raise ValueError(f"`spread` should have the shape [T, d], {shape[1:]}. Found {np.shape(spread)}.")
    if first is not None and np.shape(first[1]) != shape[1:]:
        raise ValueError(f"`first` should hold means [T, d], {shape[1:]}. Found {np.shape(first[1])}.")
    if len(targets) > _TARGETS:
        caption = f"{caption} · first {_TARGETS} of {len(targets)} targets shown".removeprefix(" · ")
        coefficients, errors, targets = coefficients[:, :_TARGETS], errors[:, :_TARGETS], targets[:_TARGETS]
    groups = Groups.of(names, channels, wavelengths)
    mean, half = _mean(coefficients, errors)
    reach = scale.reach(limit, [coefficients, *([] if first is None else [first[1]])])
    across = groups.in_spans(style.SMALL)
    order = groups.order if across else _strongest(groups.order, mean)
    if len(order) < len(names):
        caption = f"{caption} · strongest {_ROWS} of {len(names)} shown".removeprefix(" · ")
    grid = _across if across else _rows
    figure, charts = grid(groups, order, targets)
    width = style.size(figure)[0] - 2 * style.MARGIN
    style.write(figure, style.MARGIN, 16, caption, points=style.HEADING, bold=True, width=width)
    count = len(coefficients)
    whisker = "95 % interval of the mean (1.96 SE)" if count > 1 else "95 % interval (1.96 SE)"
    dots: list[scale.Entry] = [("dot", style.MUTED, f"each of {count} probes")] if count > 1 else []
    spans: list[scale.Entry] = [("patch", style.FAINT, "mean ± spread over the inputs")] if spread is not None else []
    scale.key(figure, [*_SIGNS, ("line", style.INK, whisker), *dots, *spans, *again.entry(first)])
    for t, axes in enumerate(charts):
        start, thick = (groups.left[order], groups.width[order]) if across else (np.arange(len(order)) - 0.38, 0.76)
        grey = np.array([names[i] == "not_included" for i in order])
        if spread is not None:
            _spans(axes, start, thick, mean[t][order], spread[t][order], upright=across)
        _bars(axes, start, thick, mean[t][order], half[t][order], coefficients[:, t][:, order], grey, upright=across)
        if first is not None:
            again.marks(axes, start, thick, first[1][t][order], upright=across)
        _value_axis(axes, reach, quantity, upright=across)
    return figure


@style.isolated
def feature_bars(
    panels: Sequence[tuple[str, Sequence[str], NDArray[np.floating[Any]], NDArray[np.floating[Any]]]],
    *,
    top: int = 10,
    limit: float,
    caption: str = "",
    quantity: str = scale.COEFFICIENT,
    first: tuple[str, Sequence[NDArray[np.floating[Any]]]] | None = None,
) -> Figure:
    """Draw the strongest features of each probe with their 95 % intervals, for views whose features differ by probe.

    Args:
        panels: title, names of the features, coefficients ``[d]`` and standard errors ``[d]``, for up to 16 probes.
        top: how many features of each.
        limit: coefficient at the ends of the axes, which reach further where a coefficient does.
        caption: what is shown.
        quantity: what is shown instead of coefficients, with its unit in brackets.
        first: each panel's coefficients in an earlier explanation, drawn as a line across each bar, and what they are
            called.

    Raises:
        ValueError: if there is no panel, ``top`` is below 1, or the limit is below 0.
    """
    if top < 1:
        raise ValueError(f"`top` should be at least 1. Found `top = {top}`.")
    panels, caption = chosen(panels, caption)
    columns = min(len(panels), 4 if len(panels) > 6 else 3 if len(panels) > 4 else 2)
    longest = max(
        (style.text_width(style.clean(n), style.SMALL) for _, names, _, _ in panels for n in names), default=0
    )
    label, chart = min(longest + 12, 185), {1: 520, 2: 420, 3: 230, 4: 165}[columns]
    cell = label + chart + style.MARGIN
    rows = min(top, max(len(names) for _, names, _, _ in panels))
    tall = rows * _ROW
    lines = -(-len(panels) // columns)
    width = max(style.MARGIN + columns * cell, 660)  # the key
    figure = style.page(width, style.HEADER + lines * (tall + style.LINE + 32) + 20)
    style.write(figure, style.MARGIN, 16, caption, points=style.HEADING, bold=True, width=width - 2 * style.MARGIN)
    scale.key(figure, [*_SIGNS, ("line", style.INK, "95 % interval (1.96 SE)"), *again.entry(first)])
    shown = [*(coefficients for _, _, coefficients, _ in panels), *(() if first is None else first[1])]
    reach = scale.reach(limit, shown)
    for i, (title, names, coefficients, errors) in enumerate(panels):
        left, y = style.MARGIN + i % columns * cell, style.HEADER + i // columns * (tall + style.LINE + 32)
        style.write(figure, left, y, title, points=style.TITLE, bold=True, width=cell - style.MARGIN)
        values = np.where(np.isfinite(coefficients), coefficients, 0.0)
        order = np.argsort(-np.abs(values), kind="stable")[:rows]
        axes = style.place(figure, left + label, y + style.LINE + 2, chart, tall)
        half = scale.half_interval(errors)[order]
        grey = np.zeros(len(order), dtype=bool)
        _bars(axes, np.arange(len(order)) - 0.38, 0.76, values[order], half, None, grey, upright=False)
        if first is not None:
            again.marks(axes, np.arange(len(order)) - 0.38, 0.76, first[1][i][order], upright=False)
        _name_rows(axes, [names[j] for j in order], label, rows)
        _value_axis(axes, reach, quantity, upright=False, labelled=i + columns >= len(panels))
    return figure


def _mean(coefficients: NDArray[Any], errors: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Mean over the probes that have a value, and half of its 95 % interval, each ``[T, d]``."""
    known = np.isfinite(coefficients)
    count = known.sum(axis=0)
    mean = np.where(known, coefficients, 0.0).sum(axis=0) / np.maximum(count, 1)
    variance = np.where(known, np.where(np.isfinite(errors), errors, np.nan) ** 2, 0.0).sum(axis=0)
    return mean, scale.half_interval(np.sqrt(variance) / np.maximum(count, 1))


def _strongest(order: NDArray[Any], mean: NDArray[Any]) -> NDArray[Any]:
    """The part of an order that can be read, by the largest mean of any target."""
    kept = np.sort(np.argsort(-np.abs(mean).max(axis=0)[order], kind="stable")[:_ROWS])
    return np.asarray(order[kept])


def _across(groups: Groups, order: NDArray[Any], targets: Sequence[str]) -> tuple[Figure, list[Axes]]:
    """Targets below each other, the wavelength axis at the bottom, the names above the first chart."""
    tall = {1: 300, 2: 190, 3: 150}.get(len(targets), 120)
    names = [style.fit(groups.names[i], 130, points=style.SMALL) for i in order]
    above = max(style.text_width(name, style.SMALL) for name in names) + 12
    step = tall + style.LINE + 14
    figure = style.page(1160, style.HEADER + above + len(targets) * step + 44)
    charts = []
    for t, target in enumerate(targets):
        y = style.HEADER + above + style.LINE + t * step
        axes = style.place(figure, style.MARGIN + 52, y, 1160 - 2 * style.MARGIN - 52, tall)
        style.write(
            figure, style.MARGIN, y - (style.LINE if t else above + 8), target, points=style.TITLE, bold=True, width=600
        )
        groups.axis.dress(axes, labelled=t == len(targets) - 1, strip=5 / tall)
        charts.append(axes)
    middle = groups.left[order] + groups.width[order] / 2
    for x, name in zip(middle, names, strict=True):
        charts[0].text(
            x, 1 + 7 / tall, name, transform=charts[0].get_xaxis_transform(), rotation=90, ha="center", size=style.SMALL
        )
    return figure, charts


def _rows(groups: Groups, order: NDArray[Any], targets: Sequence[str]) -> tuple[Figure, list[Axes]]:
    """Targets beside each other, the names on the left, what each group covers on the right."""
    names = [style.fit(groups.names[i], 190, points=style.SMALL) for i in order]
    label = max(style.text_width(name, style.SMALL) for name in names) + 10
    chart, cover = max(150.0, min(600.0, 900 / len(targets))), 280 if groups.known else 0
    width = 2 * style.MARGIN + label + len(targets) * (chart + style.MARGIN) + cover
    width = max(width, 860)  # the key
    tall = max(len(order) * _ROW, 60)
    top = style.HEADER + style.LINE + 4
    figure = style.page(width, top + tall + 46)
    charts = []
    for t, target in enumerate(targets):
        left = style.MARGIN + label + t * (chart + style.MARGIN)
        style.write(figure, left, style.HEADER, target, points=style.TITLE, bold=True, width=chart)
        charts.append(style.place(figure, left, top, chart, tall))
        _name_rows(charts[-1], names if t == 0 else [""] * len(order), label, len(order))
    if groups.known:
        left = style.MARGIN + label + len(targets) * (chart + style.MARGIN)
        style.write(figure, left, style.HEADER, "what each covers", points=style.TITLE, bold=True, width=cover)
        groups.cover(style.place(figure, left, top, cover, tall), order)
    return figure, charts


def _name_rows(axes: Axes, names: Sequence[str], width: float, rows: int) -> None:
    """Names on the left of the rows; not as labels of ticks, which take several times as long to draw."""
    left = -5 / axes.bbox.width
    for row, name in enumerate(names):
        text = style.fit(name, width, points=style.SMALL)
        axes.text(
            left, row, text, size=style.SMALL, ha="right", va="center_baseline", transform=axes.get_yaxis_transform()
        )
    axes.set_yticks([])
    axes.set_ylim(rows - 0.4, -0.6)
    axes.spines["left"].set_visible(False)


def _bars(
    axes: Axes,
    start: NDArray[Any],
    thick: Any,
    values: NDArray[Any],
    half: NDArray[Any],
    dots: NDArray[Any] | None,
    grey: NDArray[np.bool_],
    *,
    upright: bool,
) -> None:
    """Bars from zero with whiskers, and a dot for each probe, in the probes' order over the thickness of the bar."""
    thick = np.broadcast_to(thick, start.shape)
    colour = scale.sign_colours(values, np.abs(values) > half, grey)
    across, none = np.stack([start, start, start + thick, start + thick], 1), np.zeros_like(values)
    along = np.stack([none, values, values, none], 1)
    corners = np.stack([across, along] if upright else [along, across], 2)
    bars = PolyCollection(list(corners), facecolors=colour, edgecolors=style.PAPER, linewidths=0.5, snap=True, zorder=2)
    axes.add_collection(bars, autolim=False)
    known = np.isfinite(half)
    middle = (start + thick / 2)[known]
    ends = values[known] - half[known], values[known] + half[known]
    if upright:
        axes.vlines(middle, *ends, color=style.INK, lw=1.2, zorder=4)
        axes.axhline(0, color=style.INK, lw=0.7, zorder=3)
    else:
        axes.hlines(middle, *ends, color=style.INK, lw=1.2, zorder=4)
        axes.axvline(0, color=style.INK, lw=0.7, zorder=3)
    if dots is not None and len(dots) > 1:
        across = start + thick * np.linspace(0.15, 0.85, len(dots))[:, None]
        x, y = (across, dots) if upright else (dots, across)
        axes.scatter(x.ravel(), y.ravel(), s=11, color=style.MUTED, edgecolors=style.PAPER, lw=0.5, zorder=3)


def _spans(
    axes: Axes, start: NDArray[Any], thick: Any, values: NDArray[Any], spread: NDArray[Any], *, upright: bool
) -> None:
    """A grey span around each value, narrower than its bar and over it, so that both ends are seen."""
    known = np.isfinite(spread)
    thick = np.broadcast_to(thick, start.shape)[known]
    draw = axes.bar if upright else axes.barh
    draw(
        start[known] + thick / 4, 2 * spread[known], thick / 2, (values - spread)[known],
        align="edge", linewidth=0, zorder=2.5, **scale.SPAN,
    )  # fmt: skip


def _value_axis(axes: Axes, reach: float, quantity: str, *, upright: bool, labelled: bool = True) -> None:
    axis = axes.yaxis if upright else axes.xaxis
    (axes.set_ylim if upright else axes.set_xlim)(-reach, reach)
    axis.set_major_locator(style.signed_ticks())
    axis.set_major_formatter(FuncFormatter(style.number))
    axis.grid(color=style.GRID, lw=0.6, zorder=0)
    axes.set_axisbelow(True)
    if labelled:
        room = axes.bbox.height if upright else axes.bbox.width
        whole = style.text_width(style.clean(quantity)) < room
        axis.set_label_text(style.fit(quantity if whole else scale.short(quantity), room))
        axis.labelpad = 2

"""Bar charts: superbands averaged over the probes, and the strongest features of each probe.

Letters: ``P`` probes, ``T`` targets, ``d`` features, ``C`` channels.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from lime_callback.figures import bar_marks, colour_scale, style
from lime_callback.figures.panels import drawn_panels
from lime_callback.figures.superband_spans import SuperbandSpans

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

_TARGETS = 6
_ROWS = 40
_ROW = 19  # height of a bar with its name
_ROOM = 1.5  # for the probes around their mean: how much longer an axis is than the longest bar


@style.isolated
def superband_bars(
    names: Sequence[str],
    coefficients: NDArray[np.floating[Any]],
    halves: NDArray[np.floating[Any]],
    *,
    targets: Sequence[str],
    channels: NDArray[np.integer[Any]] | None,
    wavelengths: Sequence[float] | None,
    limit: float,
    caption: str = "",
    quantity: str = colour_scale.COEFFICIENT,
    spread: NDArray[np.floating[Any]] | None = None,
    first: tuple[str, NDArray[np.floating[Any]]] | None = None,
    sizes: NDArray[np.floating[Any]] | None = None,
) -> Figure:
    """Draw each superband's coefficient, averaged over the probes, with the wavelengths that it covers.

    Where every group is one span of wavelengths the bars stand on the wavelength axis, as wide as their spans.
    Otherwise they are rows in spectral order, beside a chart of the wavelengths that each of them covers.
    ``not_included`` is grey and comes last. A dot far beyond the bars, which would make all of them short, is a
    triangle at the end of the axis. Values that are not finite are left out. A ``spread`` is drawn as a grey span,
    for the mean of so many inputs that there is no dot for each.

    Args:
        names: of the features, d.
        coefficients: ``[P, T, d]``.
        halves: half of each mean's 95 % interval, ``[T, d]``, drawn as whiskers; not finite: unknown.
        targets: names of the targets, T; the first 6 are drawn.
        channels: each channel's feature, ``[C]``; below 0: never hidden. ``None``: unknown, the names keep their order.
        wavelengths: of the channels, in nm; ``None``: channel numbers stand for them.
        limit: the longest bar that there is room for; where one is longer, with its whisker, axes reach further.
        caption: what is shown.
        quantity: what is shown instead of coefficients, with its unit in brackets.
        spread: how much inputs differ, ``[T, d]``, as their standard deviation; not finite: unknown.
        first: means of an earlier explanation, ``[T, d]``, drawn as a line across each bar, and what they are called.
        sizes: what the bars are ranked by where there are too many to be read, ``[T, d]``; ``None``: their length.

    Raises:
        ValueError: if the shapes do not fit each other, there is no probe, or the limit is below 0.
    """
    shape = (len(coefficients), len(targets), len(names))
    if np.shape(coefficients) != shape or np.shape(halves) != shape[1:] or 0 in shape:
        raise ValueError(
            f"`coefficients` should have the shape [P, T, d] and `halves` the shape [T, d], with T = {len(targets)} "
            f"`targets` and d = {len(names)} `names`. Found {np.shape(coefficients)} and {np.shape(halves)}."
        )
    if spread is not None and np.shape(spread) != shape[1:]:
        raise ValueError(f"`spread` should have the shape [T, d], {shape[1:]}. Found {np.shape(spread)}.")
    if first is not None and np.shape(first[1]) != shape[1:]:
        raise ValueError(f"`first` should hold means [T, d], {shape[1:]}. Found {np.shape(first[1])}.")
    if len(targets) > _TARGETS:
        caption = f"{caption} · first {_TARGETS} of {len(targets)} targets shown".removeprefix(" · ")
        coefficients, halves, targets = coefficients[:, :_TARGETS], halves[:_TARGETS], targets[:_TARGETS]
        sizes = None if sizes is None else sizes[:_TARGETS]
    groups = SuperbandSpans.of(names, channels, wavelengths)
    mean, half = _mean(coefficients), colour_scale.known_halves(halves)
    count = len(coefficients)
    # Of few probes that differ an interval can be many times as long as the bars: it then goes on beyond the axis.
    whiskers = np.nan_to_num(half)
    if count > 1:
        whiskers = np.minimum(whiskers, colour_scale.largest([mean]))
    longest = [np.abs(mean) + whiskers, *([] if first is None else [first[1]])]
    reach = colour_scale.axis_end(limit, longest) * (_ROOM if count > 1 else 1.0)
    across = groups.in_spans(style.SMALL)
    order = groups.order if across else _strongest(groups.order, mean if sizes is None else sizes)
    if len(order) < len(names):
        caption = f"{caption} · strongest {_ROWS} of {len(names)} shown".removeprefix(" · ")
    grid = _across if across else _rows
    figure, charts = grid(groups, order, targets)
    width = style.size(figure)[0] - 2 * style.MARGIN
    style.write(figure, style.MARGIN, 16, caption, points=style.HEADING, bold=True, width=width)
    over = "probes" if count > 1 else "inputs"
    whisker = f"95 % interval over the {over}" if count > 1 or spread is not None else "95 % interval"
    beyond = (
        f" ({'▲' if across else '▶'} beyond the axis)"
        if colour_scale.largest([coefficients[:, :, order]]) > reach
        else ""
    )
    dots: list[colour_scale.KeyEntry] = [("dot", style.MUTED, f"each of {count} probes{beyond}")] if count > 1 else []
    spans: list[colour_scale.KeyEntry] = (
        [("patch", style.FAINT, "mean ± spread over the inputs")] if spread is not None else []
    )
    known = bool(np.isfinite(half[:, order]).all())
    colour_scale.draw_key(
        figure,
        [*colour_scale.sign_entries(known), ("line", style.INK, whisker), *dots, *spans, *bar_marks.first_entry(first)],
    )
    for t, axes in enumerate(charts):
        start, thick = (groups.left[order], groups.width[order]) if across else (np.arange(len(order)) - 0.38, 0.76)
        grey = np.array([names[i] == "not_included" for i in order])
        if spread is not None:
            bar_marks.spans(axes, start, thick, mean[t][order], spread[t][order], upright=across)
        bar_marks.bars(axes, start, thick, mean[t][order], half[t][order], grey, upright=across)
        if count > 1:
            bar_marks.dots(axes, start, thick, coefficients[:, t][:, order], reach, upright=across)
        if first is not None:
            bar_marks.first_marks(axes, start, thick, first[1][t][order], upright=across)
        bar_marks.value_axis(axes, reach, quantity, upright=across)
    return figure


@style.isolated
def feature_bars(
    panels: Sequence[tuple[str, Sequence[str], NDArray[np.floating[Any]], NDArray[np.floating[Any]]]],
    *,
    top: int = 10,
    limit: float,
    caption: str = "",
    quantity: str = colour_scale.COEFFICIENT,
    first: tuple[str, Sequence[NDArray[np.floating[Any]]]] | None = None,
    together: bool = False,
) -> Figure:
    """Draw the strongest features of each probe with their 95 % intervals, for views whose features differ by probe.

    Args:
        panels: title, names of the features, coefficients ``[d]`` and half of their 95 % intervals ``[d]``, for up to
            16 probes.
        top: how many features of each.
        limit: coefficient at the ends of the axes, which reach further where a coefficient does.
        caption: what is shown.
        quantity: what is shown instead of coefficients, with its unit in brackets.
        first: each panel's coefficients in an earlier explanation, drawn as a line across each bar, and what they are
            called.
        together: whether a panel's intervals hold for all of its features at once, as they should, because the
            strongest are drawn; the key says so.

    Raises:
        ValueError: if there is no panel, ``top`` is below 1, or the limit is below 0.
    """
    if top < 1:
        raise ValueError(f"`top` should be at least 1. Found `top = {top}`.")
    panels, caption = drawn_panels(panels, caption)
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
    interval = "95 % interval, of all features at once" if together else "95 % interval of each"
    known = all(np.isfinite(halves).all() for _, _, _, halves in panels)
    colour_scale.draw_key(
        figure, [*colour_scale.sign_entries(known), ("line", style.INK, interval), *bar_marks.first_entry(first)]
    )
    shown = [*(coefficients for _, _, coefficients, _ in panels), *(() if first is None else first[1])]
    reach = colour_scale.axis_end(limit, shown)
    for i, (title, names, coefficients, halves) in enumerate(panels):
        left, y = style.MARGIN + i % columns * cell, style.HEADER + i // columns * (tall + style.LINE + 32)
        style.write(figure, left, y, title, points=style.TITLE, bold=True, width=cell - style.MARGIN)
        values = np.where(np.isfinite(coefficients), coefficients, 0.0)
        order = np.argsort(-np.abs(values), kind="stable")[:rows]
        axes = style.place(figure, left + label, y + style.LINE + 2, chart, tall)
        half = colour_scale.known_halves(halves)[order]
        grey = np.zeros(len(order), dtype=bool)
        bar_marks.bars(axes, np.arange(len(order)) - 0.38, 0.76, values[order], half, grey, upright=False)
        if first is not None:
            bar_marks.first_marks(axes, np.arange(len(order)) - 0.38, 0.76, first[1][i][order], upright=False)
        bar_marks.name_rows(axes, [names[j] for j in order], label, rows)
        bar_marks.value_axis(axes, reach, quantity, upright=False, labelled=i + columns >= len(panels))
    return figure


def _mean(coefficients: NDArray[Any]) -> NDArray[Any]:
    """Mean over the probes that have a value, ``[T, d]``."""
    known = np.isfinite(coefficients)
    return np.asarray(np.where(known, coefficients, 0.0).sum(axis=0) / np.maximum(known.sum(axis=0), 1))


def _strongest(order: NDArray[Any], mean: NDArray[Any]) -> NDArray[Any]:
    """The part of an order that can be read, by the largest mean of any target."""
    kept = np.sort(np.argsort(-np.abs(mean).max(axis=0)[order], kind="stable")[:_ROWS])
    return np.asarray(order[kept])


def _across(groups: SuperbandSpans, order: NDArray[Any], targets: Sequence[str]) -> tuple[Figure, list[Axes]]:
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


def _rows(groups: SuperbandSpans, order: NDArray[Any], targets: Sequence[str]) -> tuple[Figure, list[Axes]]:
    """Targets beside each other, the names on the left, what each group covers on the right."""
    names = [style.fit(groups.names[i], 190, points=style.SMALL) for i in order]
    label = max(style.text_width(name, style.SMALL) for name in names) + 10
    chart, cover = max(150.0, min(600.0, 900 / len(targets))), 280 if groups.known else 0
    width = 2 * style.MARGIN + label + len(targets) * (chart + style.MARGIN) + cover
    width = max(width, 1000)  # the key
    tall = max(len(order) * _ROW, 60)
    top = style.HEADER + style.LINE + 4
    figure = style.page(width, top + tall + 46)
    charts = []
    for t, target in enumerate(targets):
        left = style.MARGIN + label + t * (chart + style.MARGIN)
        style.write(figure, left, style.HEADER, target, points=style.TITLE, bold=True, width=chart)
        charts.append(style.place(figure, left, top, chart, tall))
        bar_marks.name_rows(charts[-1], names if t == 0 else [""] * len(order), label, len(order))
    if groups.known:
        left = style.MARGIN + label + len(targets) * (chart + style.MARGIN)
        style.write(figure, left, style.HEADER, "what each covers", points=style.TITLE, bold=True, width=cover)
        groups.cover(style.place(figure, left, top, cover, tall), order)
    return figure, charts

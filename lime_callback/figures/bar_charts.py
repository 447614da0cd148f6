"""Bar charts: each superband's mean over the probes, and each probe's strongest features.

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
_ROW = 19  # pixels that a bar and its name are high
_ROOM = 1.5  # length of an axis divided by that of the longest bar: probes scatter around their mean


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
    """Draw each superband's mean coefficient over the probes, with the wavelengths that it covers.

    If every group is one span of wavelengths, the bars stand on the wavelength axis and are as wide as their spans.
    Otherwise the bars are rows in spectral order, beside a chart of the wavelengths that each group covers. The group
    ``not_included`` is grey and comes last. Each probe is a dot. A dot far beyond the bars becomes a triangle at the
    end of the axis, since a longer axis would make all bars short. Values that are not finite are left out.

    Args:
        names: the features' names, d.
        coefficients: each probe's coefficients, ``[P, T, d]``, in units of the output.
        halves: half of each mean's 95 % interval, ``[T, d]``, drawn as whiskers; a value that is not finite is unknown.
        targets: the targets' names, T; the first 6 are drawn.
        channels: each channel's feature, ``[C]``; a channel below 0 is never hidden. ``None`` if the channels are
            unknown; the names then keep their order.
        wavelengths: the channels' wavelengths in nm; ``None`` draws channel numbers.
        limit: the longest bar that surely fits; the axes reach further if a bar or a whisker is longer.
        caption: the figure's heading.
        quantity: the name of the values, with their unit in brackets.
        spread: standard deviation over the inputs, ``[T, d]``, drawn as a grey span around each mean, for means over
            so many inputs that a dot for each cannot be drawn; a value that is not finite is unknown.
        first: the name of an earlier explanation and its means ``[T, d]``, drawn as a line across each bar.
        sizes: the measure ``[T, d]`` whose 40 largest groups are drawn if there are more rows than that; ``None``
            takes the means' absolute values.

    Raises:
        ValueError: if the shapes do not fit each other, there is no probe, target or feature, or ``limit`` is below 0.
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
    # Few probes that differ give an interval many times as long as the bars. The axis does not grow for its sake.
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
    """Draw each probe's strongest features with 95 % intervals, for views that cut each probe into its own features.

    Args:
        panels: for each probe its title, its features' names, their coefficients ``[d]`` and half of their 95 %
            intervals ``[d]``; the first 16 are drawn.
        top: how many features each panel shows.
        limit: the coefficient at the ends of the axes, which reach further if a coefficient does.
        caption: the figure's heading.
        quantity: the name of the values, with their unit in brackets.
        first: the name of an earlier explanation and each panel's coefficients in it, drawn as a line across each bar.
        together: whether a panel's intervals hold for all its features at once; the key then says so. They should,
            because the features are drawn for being the strongest.

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
    title_lines = style.title_lines([title for title, *_ in panels], cell - style.MARGIN)
    titled = title_lines * style.LINE
    figure = style.page(width, style.HEADER + lines * (tall + titled + 32) + 20)
    style.write(figure, style.MARGIN, 16, caption, points=style.HEADING, bold=True, width=width - 2 * style.MARGIN)
    interval = "95 % interval, of all features at once" if together else "95 % interval of each"
    known = all(np.isfinite(halves).all() for _, _, _, halves in panels)
    colour_scale.draw_key(
        figure, [*colour_scale.sign_entries(known), ("line", style.INK, interval), *bar_marks.first_entry(first)]
    )
    shown = [*(coefficients for _, _, coefficients, _ in panels), *(() if first is None else first[1])]
    reach = colour_scale.axis_end(limit, shown)
    for i, (title, names, coefficients, halves) in enumerate(panels):
        left, y = style.MARGIN + i % columns * cell, style.HEADER + i // columns * (tall + titled + 32)
        style.write_title(figure, left, y, title, cell - style.MARGIN, title_lines)
        values = np.where(np.isfinite(coefficients), coefficients, 0.0)
        order = np.argsort(-np.abs(values), kind="stable")[:rows]
        axes = style.place(figure, left + label, y + titled + 2, chart, tall)
        half = colour_scale.known_halves(halves)[order]
        grey = np.zeros(len(order), dtype=bool)
        bar_marks.bars(axes, np.arange(len(order)) - 0.38, 0.76, values[order], half, grey, upright=False)
        if first is not None:
            bar_marks.first_marks(axes, np.arange(len(order)) - 0.38, 0.76, first[1][i][order], upright=False)
        bar_marks.name_rows(axes, [names[j] for j in order], label, rows)
        bar_marks.value_axis(axes, reach, quantity, upright=False, labelled=i + columns >= len(panels))
    return figure


def _mean(coefficients: NDArray[Any]) -> NDArray[Any]:
    """Average ``[P, T, d]`` over the probes whose value is finite, ``[T, d]``; 0 if there is none."""
    known = np.isfinite(coefficients)
    return np.asarray(np.where(known, coefficients, 0.0).sum(axis=0) / np.maximum(known.sum(axis=0), 1))


def _strongest(order: NDArray[Any], mean: NDArray[Any]) -> NDArray[Any]:
    """Keep the 40 groups of ``order`` with the largest absolute mean of any target, in the same order."""
    kept = np.sort(np.argsort(-np.abs(mean).max(axis=0)[order], kind="stable")[:_ROWS])
    return np.asarray(order[kept])


def _across(groups: SuperbandSpans, order: NDArray[Any], targets: Sequence[str]) -> tuple[Figure, list[Axes]]:
    """Place the targets below each other, the wavelength axis at the bottom, the names above the first chart."""
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
    """Place the targets beside each other, the names on the left, each group's wavelengths on the right."""
    names = [style.fit(groups.names[i], 190, points=style.SMALL) for i in order]
    label = max(style.text_width(name, style.SMALL) for name in names) + 10
    chart, cover = max(150.0, min(600.0, 900 / len(targets))), 280 if groups.known else 0
    width = 2 * style.MARGIN + label + len(targets) * (chart + style.MARGIN) + cover
    width = max(width, 1000)  # the key needs as much
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

"""Superbands: where sizes, means, probes and their map stand, and what is said of what is not drawn."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.colors import to_rgb
from pages import page, texts, written

from lime_callback import figures
from lime_callback.figures import ProbeRow, colour_scale, style
from lime_callback.figures.spectral_axis import SuperbandSpans
from lime_callback.figures.superband_charts import swarm

NM = [500.0, 600.0, 700.0, 800.0]
NAMES = ["a", "b", "c", "d"]
AT_WAVELENGTHS = {"channels": np.arange(4), "wavelengths": NM}
IN_ROWS = {"channels": None, "wavelengths": None}
both_ways = pytest.mark.parametrize("place", [AT_WAVELENGTHS, IN_ROWS], ids=["at wavelengths", "in rows"])


def superbands(values, names=NAMES, place=AT_WAVELENGTHS, *, targets=("t",), halves=0.2, **more):
    """The page and its charts of probes' values ``[P, T, d]``, or of means ``[T, d]`` without probes."""
    values = np.asarray(values, dtype=float)
    probes, finite = values.ndim == 3, np.where(np.isfinite(values), values, np.nan)
    sizes, means = (np.nanmean(part, axis=0) if probes else part for part in (np.abs(finite), finite))
    return page(
        figures.superband_effects, names, sizes, means, np.broadcast_to(halves, means.shape), targets=targets,
        **{"limit": 2.0, "values": values if probes else None} | place | more,
    )  # fmt: skip


def sized(chart):
    """Begin, end and size of each bar, in the order of their places."""
    bars = np.concatenate([chart.rectangles(style.SIZE), chart.rectangles(style.SIZE_LEADING)])
    bars = bars if chart.upright else bars[:, [1, 0, 3, 2]]
    assert np.allclose(bars[:, 1], 0, atol=1e-9)
    bars = bars[np.argsort(bars[:, 0] if chart.upright else -bars[:, 0])]
    return bars[:, [0, 2, 3]]


def along(chart, points):
    """The values of points in a chart, in the order of the superbands' places."""
    points = np.asarray(points)
    beside, value = (0, 1) if chart.upright else (1, 0)
    return points[np.argsort(points[:, beside] * (1 if chart.upright else -1), kind="stable"), value]


def ends(chart, colour):
    """Both values of each line of a colour that runs along the value axis."""
    value = 1 if chart.upright else 0
    lines = [line[:, value] for line in chart.lines(colour) if np.ptp(line[:, 1 - value]) < 1e-9]
    return sorted(sorted(line.tolist()) for line in lines)


VALUES = np.array([[[1.0, -5.0, 0.5, 3.0]], [[3.0, -7.0, -0.5, 3.2]]])


@both_ways
def test_bars_are_mean_sizes_and_diamonds_means_with_their_intervals(place):
    _, (chart, *_) = superbands(VALUES, place=place)
    np.testing.assert_allclose(sized(chart)[:, 2], [2.0, 6.0, 0.5, 3.1], atol=1e-6)
    means = [2.0, -6.0, 0.0, 3.1]
    np.testing.assert_allclose(along(chart, chart.marks("D")), means, atol=1e-6)
    intervals = [line for line in ends(chart, style.INK) if 0 < line[1] - line[0] < 1]
    np.testing.assert_allclose(intervals, sorted([m - 0.2, m + 0.2] for m in means), atol=1e-6)


@both_ways
def test_each_probe_is_a_dot_in_the_colour_of_its_sign(place):
    _, (chart, *_) = superbands(VALUES, place=place)
    value = 1 if chart.upright else 0
    for colour, sign in ((style.PLUS, 1), (style.MINUS, -1)):
        drawn = np.sort(chart.marks("o", colour)[:, value])
        np.testing.assert_allclose(drawn, np.sort(VALUES[np.sign(VALUES) == sign]), atol=1e-6)


@both_ways
def test_the_axis_is_symmetric_and_reaches_the_limit_and_further_if_a_bar_does(place):
    for scale, reach in ((1.0, 6.0), (0.01, 2.0)):
        figure, (chart, *_) = superbands(scale * VALUES, place=place, halves=0.0)
        low, high = chart.frame.upright if chart.upright else chart.frame.across
        assert -low == high
        assert reach <= high < 1.3 * reach
        assert [text for text, _ in chart.numbers()] == [style.number(value) for _, value in chart.numbers()]
        assert len(chart.numbers()) >= 3
        assert "beyond the axis" not in " ".join(texts(figure))


@both_ways
def test_a_probe_far_beyond_the_bars_does_not_make_them_short(place):
    values = np.full((8, 1, 4), 0.1)
    values[0], values[1], values[2] = 90.0, -90.0, np.inf  # the last is no number, and is left out
    sizes = np.full((1, 4), 0.1)
    figure, (chart, *_) = page(
        figures.superband_effects, NAMES, sizes, sizes, sizes, values=values, targets=["t"], limit=2.0, **place
    )
    value, reach = (1, chart.frame.upright[1]) if chart.upright else (0, chart.frame.across[1])
    assert 2.0 < reach <= 3 * 1.06 * 2.0
    above, below = ("^", "v") if chart.upright else (">", "<")
    assert chart.marks("o")[:, value] == pytest.approx([0.1] * 20)
    assert chart.marks(above, style.PLUS)[:, value] == pytest.approx([reach] * 4)
    assert chart.marks(below, style.MINUS)[:, value] == pytest.approx([-reach] * 4)
    assert f"each probe: lowers / raises, {'▲▼' if chart.upright else '◀▶'} beyond the axis" in texts(figure)


def test_no_triangle_is_said_to_be_there_for_a_bar_or_a_target_that_is_left_out():
    values = np.linspace(1.0, 2.0, 60)[None, None].repeat(2, 0)
    values[:, 0, 0] = 90.0, -90.0
    sizes = np.abs(values).mean(0)
    sizes[0, 0] = 0.5
    figure, _ = page(
        figures.superband_effects, [str(i) for i in range(60)], sizes, values.mean(0), 0 * sizes, values=values,
        targets=["t"], limit=1.0, **IN_ROWS,
    )  # fmt: skip
    assert "strongest 36 of 60 shown" in texts(figure)
    assert "each probe: lowers / raises" in texts(figure)
    targets = np.ones((2, 8, 4))
    targets[0, 7], targets[1, 7] = 50.0, -50.0
    figure, charts = superbands(targets, targets="abcdefgh", limit=1.0)
    assert "each probe: lowers / raises" in texts(figure)
    assert charts[0].frame.upright[1] < 2


@both_ways
def test_an_unknown_interval_is_not_drawn(place):
    figure, (chart, *_) = superbands(VALUES, place=place, halves=[0.2, np.inf, np.nan, 0.2])
    assert len([line for line in ends(chart, style.INK) if 0 < line[1] - line[0] < 1]) == 2
    assert len(chart.marks("D")) == 4
    assert "mean with sign, 95 % interval over the probes" in texts(figure)
    figure, _ = superbands(VALUES, place=place, halves=np.inf)
    assert "mean with sign, no interval is known" in texts(figure)


def test_the_key_says_over_what_means_are():
    assert "mean size over the probes: the larger, the more it counts" in texts(superbands(VALUES)[0])
    assert "mean size over the inputs: the larger, the more it counts" in texts(superbands(VALUES[0])[0])
    alone = texts(superbands(VALUES[:1])[0])
    assert {"size: the larger, the more it counts", "value with sign, 95 % interval"} <= set(alone)
    assert not any("mean" in text or "probes" in text for text in alone)


@both_ways
def test_the_spread_over_the_inputs_is_a_span_around_each_mean(place):
    figure, (chart, *_) = superbands(VALUES[0], place=place, spread=np.array([[1.0, np.nan, 0.5, 0.0]]))
    value = 1 if chart.upright else 0
    spans = np.sort(chart.rectangles(style.NEUTRAL)[:, [value, value + 2]], axis=0)
    np.testing.assert_allclose(spans, [[0.0, 1.0], [0.0, 2.0], [3.0, 3.0]], atol=1e-6)
    assert "mean ± spread over the inputs" in texts(figure)
    assert "mean ± spread over the inputs" not in texts(superbands(VALUES[0], place=place)[0])


@both_ways
def test_what_is_not_finite_is_left_out(place):
    values = np.array([[np.inf, np.nan, -np.inf, 1.0]])
    _, (chart, *_) = superbands(values, place=place, halves=np.abs(values), first=("epoch 1", values))
    assert sized(chart)[:, 2].tolist() == pytest.approx([1.0])
    assert along(chart, chart.marks("D")).tolist() == pytest.approx([1.0])
    _, (chart, *_) = superbands(np.stack([values, [[1.0, -1.0, 1.0, 1.0]]]), place=place)
    assert len(chart.marks("o")) == 5


def test_superbands_stand_at_their_wavelengths_and_not_where_there_is_no_channel():
    wavelengths = [400, 410, 420, 600, 610, 620, 1360, 1370]
    figure, (chart, *_) = superbands(
        VALUES[..., :3], NAMES[:3], {"channels": np.array([0, 0, 1, 1, 1, 1, 2, 2]), "wavelengths": wavelengths},
        probes=[ProbeRow("", "p"), ProbeRow("", "q")],
    )  # fmt: skip
    # The second is on both sides of a jump; the third lies in water vapour, which is hatched and drawn all the same.
    bars = sized(chart)
    np.testing.assert_allclose(bars, [[395, 415, 2], [415, 425, 6], [595, 625, 6], [1355, 1375, 0.5]], atol=1e-6)
    hatched = chart.rectangles(style.GAP)[:, [0, 2]]
    np.testing.assert_allclose(hatched, [[425, 595], [625, 1375]], atol=1e-6)
    # The map's cells stand under the bars, and its gaps are hatched as well.
    for row in range(2):
        _, cells, gaps = mapped(chart, row)
        np.testing.assert_allclose(cells, bars[:, :2], atol=1e-6)
        np.testing.assert_allclose(gaps, hatched, atol=1e-6)
    assert "no channel, or water vapour" in texts(figure)


def mapped(chart, row, groups_above=0):
    """The colours and the ends of the cells in a row of the map under a chart, and the ends of what is hatched."""
    line = chart.below(14 + 16 * row + 5 * groups_above, 16)
    tall = np.ptp(line.rectangles()[:, [1, 3]], axis=1) > 0.5
    every, colours = line.rectangles()[tall][:, [0, 2]], line.colours()[tall]
    hatched = np.isclose(colours, to_rgb(style.GAP)).all(1)
    return colours[~hatched], every[~hatched], every[hatched]


def test_the_map_has_a_row_for_each_probe_and_those_of_one_group_stand_together():
    values = np.array([[[0.3, -0.1, 0.0, 0.2]], [[-0.3, 0.1, 0.2, 0.0]], [[np.nan] * 4], [[0.1, 0.2, 0.3, -0.3]]])
    probes = [ProbeRow(group, f"probe {i}") for i, group in enumerate(("oat", "rye", "oat", "hop"))]
    figure, (chart, *_) = superbands(values, probes=probes, map_limit=0.3)
    places = {text: (x, y) for text, x, y in written(figure)}
    names = ["probe 3", "probe 0", "probe 2", "probe 1"]
    assert sorted(names, key=lambda name: places[name][1]) == names
    for group, first in (("hop", "probe 3"), ("oat", "probe 0"), ("rye", "probe 1")):
        assert places[group][1] == places[first][1]
    for row, (probe, above) in enumerate(((3, 0), (0, 1), (2, 1), (1, 2))):
        colours, cells, _ = mapped(chart, row, above)
        if probe == 2:
            assert len(cells) == 0
            continue
        np.testing.assert_allclose(cells[:, 0], [450, 550, 650, 750])
        np.testing.assert_allclose(colours, colour_scale.colours(values[probe, 0], 0.3))
    assert places["poor fit: score below the gate"][1] == places["probe 2"][1]


def test_without_probes_or_in_rows_there_is_no_map():
    named = [ProbeRow("", "probe 0"), ProbeRow("", "probe 1")]
    assert "probe 0" in texts(superbands(VALUES, probes=named)[0])
    assert "probe 0" not in texts(superbands(VALUES)[0])
    assert "probe 0" not in texts(superbands(VALUES, place=IN_ROWS, probes=named)[0])


def test_groups_in_rows_are_in_spectral_order_and_not_included_comes_last_in_grey():
    names, channels = ["far", "not_included", "near"], np.array([2, 1, 1, 0, 2])
    place = {"channels": channels, "wavelengths": [400.0, 500.0, 600.0, 800.0, 700.0]}
    figure, charts = superbands(VALUES[..., :3], names, place)
    rows = {text: y for text, x, y in written(figure) if text in names}
    assert sorted(rows, key=rows.get) == ["near", "far", "not_included"]
    np.testing.assert_allclose(sized(charts[0])[:, 2], [0.5, 2.0, 6.0])
    cover = charts[1]
    covered = cover.rectangles()[:, [0, 2]].tolist()
    assert [350.0, 450.0] in covered
    np.testing.assert_allclose(cover.rectangles(style.NEUTRAL)[:, [0, 2]], [[450, 650]])


def test_the_order_of_groups_follows_their_wavelengths():
    groups = SuperbandSpans.of(["far", "not_included", "near"], np.array([2, 1, 1, 0]), [400, 500, 600, 700])
    assert groups.order.tolist() == [2, 0, 1]
    assert not groups.are_spans
    descending = SuperbandSpans.of(["far", "near"], np.array([0, 0, 1, 1]), [700, 600, 500, 400])
    assert descending.order.tolist() == [1, 0]
    assert descending.are_spans
    assert SuperbandSpans.of(["a", "b"], np.array([0, 1]), None).are_spans
    assert not SuperbandSpans.of(["a", "b"], np.array([0, 1, 0, 1]), [400, 500, 600, 700]).are_spans
    assert not SuperbandSpans.of(["a", "b"], np.array([0, 0]), [400, 500]).are_spans
    assert not SuperbandSpans.of(["a", "b"], None, None).are_spans


def test_the_strongest_three_are_named_by_rank_over_their_places():
    figure, (chart, *_) = superbands(VALUES)
    places = {text: x for text, x, _ in written(figure)}
    assert {"1. b", "2. d", "3. a"} <= set(places)
    assert not any(text.endswith(". c") for text in places)
    for text, wavelength in (("1. b", 600.0), ("2. d", 800.0), ("3. a", 500.0)):
        assert places[text] == pytest.approx(float(chart.frame.x(wavelength)), abs=1)
    assert len(chart.rectangles(style.SIZE_LEADING)) == 3


def test_many_superbands_targets_and_probes_are_cut_and_counted():
    names = [f"b{i}" for i in range(60)]
    values = np.random.default_rng(0).normal(size=(20, 8, 60))
    targets = [f"t{i}" for i in range(8)]
    figure, _ = superbands(values, names, IN_ROWS, targets=targets)
    assert {"first 4 of 8 targets shown", "strongest 36 of 60 shown", "t3"} <= {
        text.rstrip(" ·") for text in texts(figure)
    }
    assert "t4" not in texts(figure)
    kept = np.argsort(-np.abs(values).mean(0)[:4].max(0))[:36]
    assert {f"b{i}" for i in kept} == set(texts(figure)) & set(names)
    probes = [ProbeRow("", f"probe {i}") for i in range(20)]
    figure, _ = superbands(values[..., :4], targets=targets, probes=probes)
    assert "first 16 of 20 probes in the map shown" in texts(figure)
    assert "probe 15" in texts(figure)
    assert "probe 16" not in texts(figure)


@given(
    st.lists(st.floats(0, 100), max_size=24).map(np.array), st.sampled_from([4.0, 5.4, 6.0]), st.floats(0, 60)
)  # fmt: skip
@settings(max_examples=300, deadline=None)
def test_dots_do_not_overlap_while_there_is_room_and_stay_within_it(positions, apart, room):
    aside = swarm(positions, apart, room)
    assert np.abs(aside).max(initial=0.0) <= room + 1e-6
    close = np.abs(positions[:, None] - positions) < apart
    places = 2 * int(room / apart + 1e-9) + 1
    for i, j in np.argwhere(np.triu(close, 1)):
        if close.sum(1).max() <= places:
            assert abs(aside[i] - aside[j]) >= 0.99 * apart - 1e-9
    np.testing.assert_array_equal(aside[close.sum(1) == 1], 0)


def test_dots_lie_within_their_superband_and_on_its_middle_when_alone():
    values = np.zeros((5, 1, 4))
    values[:, 0, 1], values[:, 0, 2] = [-2, -1, 0, 1, 2], [1, 1.001, 1.002, -1, -1.001]
    _, (chart, *_) = superbands(values, halves=np.nan)
    dots = chart.marks("o")
    aside = [np.sort(dots[np.abs(dots[:, 0] - middle) < 50, 0] - middle) for middle in (500, 600, 700, 800)]
    step = 5.4 / chart.frame.width * 400  # nm
    np.testing.assert_allclose(aside[0] / step, [-2, -1, 0, 1, 2], atol=1e-6)
    np.testing.assert_allclose(aside[1], 0, atol=1e-6)
    np.testing.assert_allclose(aside[2] / step, [-1, -1, 0, 0, 1], atol=1e-6)
    # Rows, and superbands that are as narrow as a dot, have no room beside the middle.
    _, (rows, *_) = superbands(values, place=IN_ROWS)
    assert len(np.unique(np.round(rows.marks("o")[:, 1], 6))) == 4
    many = np.zeros((5, 1, 100))
    _, (narrow, *_) = superbands(many, [str(i) for i in range(100)], {"channels": np.arange(100), "wavelengths": None})
    np.testing.assert_allclose(np.unique(np.round(narrow.marks("o")[:, 0], 6)), np.arange(100))

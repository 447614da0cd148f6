"""Charts over the epochs: where lines and cells stand, what is named, and what is left out."""

import numpy as np
import pytest
from matplotlib.image import BboxImage
from pages import page, texts, written

from lime_callback import figures
from lime_callback.figures import colour_scale, style

SIZES = np.array([[0.9, 0.0, 0.3], [0.1, 0.4, 0.8]])


def effects(sizes=SIZES, names="xyz", epochs=(1, 2), **more):
    sizes = np.asarray(sizes, dtype=float)
    return page(
        figures.effect_lines, epochs, list(names), sizes, more.pop("low", 0.8 * sizes), more.pop("high", 1.2 * sizes),
        **{"limit": 1.0} | more,
    )  # fmt: skip


def test_lines_stand_at_their_sizes_and_the_strongest_of_the_newest_epoch_are_coloured_and_named():
    figure, (chart,) = effects(top=2)
    for feature, colour in ((2, style.LINES[0]), (1, style.LINES[1]), (0, style.FAINT)):
        lines = [line for line in chart.lines(colour) if np.ptp(line[:, 0]) > 0.5]
        assert any(np.allclose(line, np.stack([[1, 2], SIZES[:, feature]], 1), atol=1e-6) for line in lines)
    assert {"z", "y"} <= set(texts(figure))
    assert "x" not in texts(figure)
    assert "the other 1 features" in texts(figure)
    # Names stand as high as their lines end.
    places = {text: y for text, _, y in written(figure)}
    assert places["z"] == pytest.approx(float(chart.frame.y(0.8)), abs=1)
    assert places["y"] == pytest.approx(float(chart.frame.y(0.4)), abs=1)
    assert not any("the other" in text for text in texts(effects(top=3)[0]))


def test_at_most_as_many_lines_are_named_as_there_are_colours():
    sizes = np.linspace(0.1, 1, 20)[None]
    figure, _ = effects(sizes, [f"f{i}" for i in range(20)], [3], top=20)
    named = [text for text in texts(figure) if text.startswith("f")]
    assert set(named) == {f"f{i}" for i in range(12, 20)}


def uprights(figure, chart, colour):
    """The ends of each upright line of a colour beside the chart."""
    beside = chart.below(-chart.frame.height, chart.frame.height)
    shift = chart.frame.width
    right = beside.frame._replace(left=beside.frame.left + shift + 2, width=90, upright=chart.frame.upright)
    lines = type(chart)(figure, right, None, True).lines(colour)
    return [np.sort(line[:, 1]) for line in lines if np.ptp(line[:, 0]) < 1e-9]


def test_intervals_stand_beside_the_lines_and_unknown_ones_are_not_drawn():
    figure, (chart,) = effects(top=2)
    np.testing.assert_allclose(uprights(figure, chart, style.LINES[0]), [[0.64, 0.96]], atol=1e-6)
    np.testing.assert_allclose(uprights(figure, chart, style.LINES[1]), [[0.32, 0.48]], atol=1e-6)
    assert "on the right: 95 % interval over the probes" in texts(figure)
    for unknown in (np.nan, np.inf):
        figure, (chart,) = effects(low=np.full((2, 3), unknown), high=np.full((2, 3), unknown))
        assert not any(uprights(figure, chart, colour) for colour in style.LINES)
        assert "no interval over the probes is known" in texts(figure)


def test_the_axis_begins_at_zero_and_reaches_limit_and_sizes():
    for sizes, reach in (([[0.1, 0.2]], 1.0), ([[0.1, 3.0]], 3.0)):
        _, (chart,) = effects(sizes, "ab", [1], low=np.zeros((1, 2)), high=np.zeros((1, 2)))
        assert chart.frame.upright == (0.0, pytest.approx(1.06 * reach))
        assert all(text == style.number(value) for text, value in chart.numbers())
        assert len(chart.numbers()) >= 2


def test_a_gap_parts_a_line_and_an_epoch_between_gaps_is_a_mark():
    sizes = np.array([[0.1], [np.nan], [0.3], [np.nan], [0.5], [0.6]])
    _, (chart,) = effects(sizes, "a", range(6))
    lines = [line for line in chart.lines(style.LINES[0]) if np.ptp(line[:, 0]) > 0.5 and line[0, 1] > 0.01]
    np.testing.assert_allclose(lines, [[[4, 0.5], [5, 0.6]]], atol=1e-6)
    marks = chart.marks("o")
    assert any(np.allclose(mark, [2, 0.3], atol=1e-6) for mark in marks)
    many = np.where(np.arange(60) % 20 == 10, 0.2, np.nan)[:, None]
    _, (chart,) = effects(many, "a", range(60))
    np.testing.assert_allclose(chart.marks("o")[:, 0], [10, 30, 50], atol=1e-6)


def history(score, moved, **more):
    count = len(next(iter(score.values())))
    return page(figures.history_lines, more.pop("epochs", range(count)), score, moved, **more)


def test_score_and_change_have_a_chart_each_and_labels_one_colour_and_mark_in_both():
    score, moved = {"a": [0.5, 0.7, 0.9], "b": [0.1, -0.2, 0.3]}, {"a": [np.nan, 0.2, 0.1], "b": [np.nan, 0.4, 0.05]}
    figure, (left, right) = history(score, moved)
    for chart, lines in ((left, score), (right, moved)):
        for label, colour, marker in zip(lines, style.LINES, style.MARKERS, strict=False):
            known = np.isfinite(lines[label])
            expected = np.stack([np.arange(3), lines[label]], 1)[known]
            assert any(line.shape == expected.shape and np.allclose(line, expected) for line in chart.lines(colour))
            np.testing.assert_allclose(chart.marks(marker, colour), expected, atol=1e-6)
        assert all(text == style.number(value) for text, value in chart.numbers())
    assert {"a", "b"} <= set(texts(figure))
    assert left.frame.upright[0] <= -0.2
    assert left.frame.upright[1] >= 1.0
    # A single view needs no key of its own.
    assert "a" not in texts(history({"a": [0.5]}, {"a": [0.1]})[0])


@pytest.mark.parametrize(("largest", "end"), [(0.0, 0.25), (0.2, 0.25), (0.3, 0.5), (0.51, 1.0), (1.0, 1.0)])
def test_change_has_one_of_few_axes_so_that_runs_can_be_compared_by_eye(largest, end):
    _, (_, right) = history({"a": [0.5, 0.7]}, {"a": [np.nan, largest]})
    assert right.frame.upright == (0.0, end)


def test_gate_and_what_matters_are_lines_where_they_are_and_said():
    figure, charts = history({"a": [0.5, 0.7]}, {"a": [np.nan, 0.2]}, gate=0.35, relevant=0.15)
    for chart, level in zip(charts, (0.35, 0.15), strict=True):
        across = [line for line in chart.lines(style.NEUTRAL) if line[0, 1] > 0.01]
        np.testing.assert_allclose(across, [[[0, level], [1, level]]], atol=1e-6)
    assert any("gate 0.35" in text for text in texts(figure))
    assert any("what matters, 0.15" in text for text in texts(figure))
    figure, charts = history({"a": [0.5, 0.7]}, {"a": [np.nan, 0.2]})
    assert not any(line[0, 1] > 0.01 for chart in charts for line in chart.lines(style.NEUTRAL))
    assert not any("gate" in text or "matters" in text for text in texts(figure))


def test_a_chart_without_any_value_says_so():
    assert "nothing to compare with yet" in texts(history({"a": [0.5]}, {"a": [np.nan]})[0])
    assert "nothing to compare with yet" not in texts(history({"a": [0.5]}, {"a": [0.1]})[0])


def waterfall(sizes, **more):
    sizes = np.asarray(sizes, dtype=float)
    figure, charts = page(
        figures.waterfall, more.pop("epochs", range(len(sizes))), sizes, **{"wavelengths": None, "limit": 1.0} | more
    )
    *_, picture = figure.findobj(BboxImage)
    return figure, charts[0], np.asarray(picture.get_array())


def test_a_cell_has_the_colour_of_its_size_at_its_channel_and_epoch():
    sizes = np.array([[0.1, 0.5, 1.0], [0.9, 0.0, np.nan], [np.inf, 2.0, 0.3]])
    figure, chart, cells = waterfall(sizes)
    assert cells.shape[0] == 3
    at = np.round(chart.frame.x([0, 1, 2]) - chart.frame.left).astype(int)
    np.testing.assert_allclose(cells[:, at, :3], colour_scale.size_colours(sizes, 1.0))
    np.testing.assert_array_equal(cells[2, at[0]], 1.0)  # what is not known is white
    assert "largest here 2, beyond the scale" in texts(figure)
    assert not any("beyond" in text for text in texts(waterfall(sizes[:2])[0]))
    # The newest epoch is at the bottom.
    rows = {text: y for text, x, y in written(figure) if x < chart.frame.left}
    assert rows["0"] < rows["1"] < rows["2"]


def test_larger_sizes_are_darker_and_no_size_has_the_colour_of_a_sign():
    rgb = colour_scale.size_colours(np.linspace(0, 1, 101), 1.0)
    assert (np.diff(rgb.sum(-1)) < 0).all()
    signed = colour_scale.colours(np.linspace(-1, 1, 401), 1.0)
    far = rgb[30:]  # paler ones are nearly white, as small values of either sign are
    assert np.abs(far[:, None] - signed).max(-1).min() > 0.08


def test_no_cell_is_drawn_where_there_is_no_channel():
    _, chart, cells = waterfall(np.full((2, 6), 0.5), wavelengths=[400, 410, 420, 600, 610, 620])
    x = np.linspace(*chart.frame.across, cells.shape[1] + 1)
    middle = (x[1:] + x[:-1]) / 2
    np.testing.assert_array_equal(cells[..., 3], np.broadcast_to((middle < 425) | (middle > 595), cells.shape[:2]))
    assert chart.rectangles(style.GAP)[:, [0, 2]].tolist() == [[pytest.approx(425), pytest.approx(595)]]
    _, chart, cells = waterfall(np.full((2, 20), 0.5), wavelengths=np.arange(1300, 1500, 10.0))
    np.testing.assert_array_equal(cells[..., 3], 1.0)  # channels in water vapour are drawn as all others are


def test_channels_of_the_waterfall_are_sorted_by_wavelength():
    _, chart, cells = waterfall([[0.1, 0.5, 1.0]], wavelengths=[500.0, 450.0, 400.0])
    at = np.round(chart.frame.x([400, 450, 500]) - chart.frame.left).astype(int)
    np.testing.assert_allclose(cells[0, at, :3], colour_scale.size_colours(np.array([1.0, 0.5, 0.1]), 1.0))


def test_pale_epochs_are_pale_and_said():
    sizes = np.full((2, 4), 0.5)
    figure, _, cells = waterfall(sizes, pale=[True, False])
    np.testing.assert_allclose(cells[0, 0, :3], colour_scale.pale(cells[1, 0, :3]))
    assert "pale rows: poor fit, score below the gate" in texts(figure)
    for none in ([False, False], None):
        figure, _, cells = waterfall(sizes, pale=none)
        np.testing.assert_array_equal(cells[0], cells[1])
        assert not any("pale" in text for text in texts(figure))


def test_one_epoch_alone_is_drawn():
    one = np.ones((1, 2))
    for figure in (
        figures.history_lines([3], {"a": [0.5]}, {"a": [0.1]}),
        effects(one, "ab", [3])[0],
        waterfall(one, epochs=[3])[0],
    ):
        assert "3" in texts(figure)
        assert "epoch" in texts(figure)
        assert len(np.unique(figures.render(figure).reshape(-1, 3), axis=0)) > 10


@pytest.mark.parametrize("count", [2, 3, 7, 100, 240])
def test_epochs_are_whole_numbers_with_room_between_them(count):
    epochs = [float(epoch) for epoch in range(1, count + 1)]
    ((figure, (chart, *_)), _) = effects(np.ones((count, 1)), "a", epochs), None
    bottom = chart.frame.top + chart.frame.height
    at = [(text, x) for text, x, y in written(figure) if abs(y - bottom - 5) < 1]
    assert len(at) >= 2
    for text, x in at:
        assert float(text) == pytest.approx(float(chart.below(0, 1).values(np.array([[x, bottom]]))[0, 0]), abs=1e-6)
        assert float(text) in epochs
    assert min(np.diff([x for _, x in at])) > 20


def test_values_that_are_not_finite_do_not_break_a_figure():
    bad = np.array([np.nan, np.inf, -np.inf, 1.0])
    figures.render(
        figures.effect_lines([0, 1], list("abcd"), np.stack([bad, bad]), *[np.stack([bad, bad])] * 2, limit=1.0)
    )
    figures.render(figures.waterfall([0], bad[None], wavelengths=None, limit=float("nan")))
    figures.render(figures.history_lines([0, 1], {"a": [np.nan, np.inf]}, {"a": [np.nan, np.nan]}, gate=0.5))

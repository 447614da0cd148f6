"""Bars of each probe's strongest features: their order, intervals and places."""

import numpy as np
import pytest
from pages import page, texts, written
from toys import shown

from lime_callback import figures
from lime_callback.figures import BarPanel, style

NAMES = [f"superpixel {i}" for i in range(9)]
VALUES = np.array([0.1, -0.9, 0.3, 0.0, 0.7, -0.2, 0.5, 0.05, -0.4])
STRONGEST = [1, 4, 6, 8, 2, 5, 0, 7, 3]


def panel(values=VALUES, halves=0.15, *, names=NAMES, title="probe 0", **more):
    return BarPanel(title, names, np.asarray(values), np.broadcast_to(halves, np.shape(values)), **more)


def bars(*panels, **more):
    return page(figures.feature_bars, panels, **{"limit": 1.0} | more)


def drawn(chart):
    """The value of each bar, from top to bottom; that of 0 has no extent."""
    found = chart.rectangles()
    found = found[np.argsort(-found[:, 1])]
    assert (np.isclose(found[:, 0], 0, atol=1e-9) | np.isclose(found[:, 2], 0, atol=1e-9)).all()
    return found[:, 0] + found[:, 2]


def test_the_strongest_features_come_first_with_their_names_and_values():
    figure, (chart,) = bars(panel(), top=4)
    np.testing.assert_allclose(drawn(chart), VALUES[STRONGEST[:4]], atol=1e-6)
    rows = {text: y for text, _, y in written(figure) if text in NAMES}
    assert sorted(rows, key=rows.get) == [NAMES[i] for i in STRONGEST[:4]]
    middles = chart.frame.top + chart.frame.height * (np.arange(4) + 0.5) / 4
    np.testing.assert_allclose(sorted(rows.values()), middles, atol=1)


def test_intervals_stand_over_their_bars_and_light_bars_include_zero():
    _, (chart,) = bars(panel(), top=9)
    whiskers = [np.sort(line[:, 0]) for line in chart.lines(style.INK) if np.ptp(line[:, 1]) < 1e-9]
    expected = np.stack([VALUES[STRONGEST] - 0.15, VALUES[STRONGEST] + 0.15], 1)
    np.testing.assert_allclose(whiskers, expected, atol=1e-6)
    light = [chart.rectangles(colour) for colour in (style.PLUS_UNSURE, style.MINUS_UNSURE)]
    assert [len(part) for part in light] == [3, 0]
    assert [len(chart.rectangles(colour)) for colour in (style.PLUS, style.MINUS)] == [3, 3]


def test_a_half_that_is_not_known_draws_no_interval_and_says_so():
    halves = np.array([0.2, np.inf, np.nan])
    figure, (chart,) = bars(panel([0.5, 0.4, 0.3], halves, names=list("abc")))
    assert len([line for line in chart.lines(style.INK) if np.ptp(line[:, 1]) < 1e-9]) == 1
    assert "interval includes 0, or unknown" in texts(figure)
    assert "interval includes 0" in texts(bars(panel())[0])


def test_the_key_says_for_how_many_features_intervals_hold():
    assert "95 % interval of each" in texts(bars(panel())[0])
    assert "95 % interval, of all features at once" in texts(bars(panel(), together=True)[0])


def test_all_panels_share_an_axis_that_shows_limit_values_and_first_values():
    for values, first, reach in ((0.5, None, 1.0), (-3.0, None, 3.0), (0.5, 7.0, 7.0)):
        then = None if first is None else ("epoch 1", [np.array([0.1]), np.array([first])])
        figure, charts = bars(panel([0.1], names=["a"]), panel([values], names=["a"]), first=then)
        for chart in charts:
            low, high = chart.frame.across
            assert -low == high == pytest.approx(1.06 * reach)
            assert all(text == style.number(value) for text, value in chart.numbers())
            assert len(chart.numbers()) >= 3
        assert "coefficient" in texts(figure)


def test_what_is_not_finite_is_drawn_as_zero():
    figure, (chart,) = bars(panel([np.nan, np.inf, -np.inf, 1.0], names=list("abcd")))
    np.testing.assert_allclose(drawn(chart), [1.0, 0, 0, 0], atol=1e-9)
    assert chart.frame.across[1] == pytest.approx(1.06)
    figures.render(figure)


def places():
    cells = np.arange(90) // 30
    return cells[:, None] * 3 + cells


def test_a_small_picture_shows_where_the_strongest_features_lie():
    image = np.random.default_rng(0).integers(0, 255, (90, 90, 3)).astype(np.uint8)
    figure, (chart,) = bars(panel(image=image, segments=places()), top=4)
    ((picture, place),) = shown(figure)
    assert picture.shape[0] <= 90
    width, height = style.size(figure)
    inside = {text: (x / width, 1 - y / height) for text, x, y in written(figure) if place.x0 < x / width < place.x1}
    for number in (str(i) for i in STRONGEST[:3]):
        row, column = divmod(int(number), 3)
        x = (inside[number][0] - place.x0) / place.width
        y = (place.y1 - inside[number][1]) / place.height
        assert abs(x - (column + 0.5) / 3) < 0.06
        assert abs(y - (row + 0.5) / 3) < 0.06
    assert place.x1 < chart.frame.left / width
    assert not shown(bars(panel())[0])


def test_numbers_of_features_in_the_picture_may_differ_from_their_rows():
    """As where an input lacks features that others have."""
    image = np.zeros((90, 90, 3), np.uint8)
    kept = [0, 4, 8]
    names = [f"superpixel n{i}" for i in kept]
    figure, _ = bars(panel([0.3, 0.2, -0.1], names=names, image=image, segments=places(), numbers=kept))
    ((_, place),) = shown(figure)
    width, height = style.size(figure)
    at = {text: (x / width, 1 - y / height) for text, x, y in written(figure)}
    assert at["n0"] == pytest.approx((place.x0 + place.width / 6, place.y1 - place.height / 6), abs=0.02)
    assert at["n8"] == pytest.approx((place.x0 + place.width * 5 / 6, place.y1 - place.height * 5 / 6), abs=0.02)


def test_names_in_the_picture_do_not_cover_each_other():
    image, segments = np.zeros((40, 40, 3), np.uint8), np.arange(40)[None].repeat(40, 0)
    names = [f"superpixel n{i}" for i in range(40)]
    figure, _ = bars(panel(np.linspace(1, 0.1, 40), names=names, image=image, segments=segments))
    assert "n0" in texts(figure)  # the strongest
    assert "n1" not in texts(figure)


@pytest.mark.parametrize("count", [1, 2, 5, 16])
def test_any_number_of_panels_is_drawn(count):
    figure, charts = bars(*(panel(title=f"probe {i}") for i in range(count)))
    assert len(charts) == count
    assert all(f"probe {i}" in texts(figure) for i in range(count))
    assert texts(figure).count("coefficient") == min(count, 2)


def test_more_than_sixteen_panels_are_cut_and_counted():
    figure, charts = bars(*(panel(title=f"probe {i}") for i in range(20)), caption="spatial")
    assert "spatial · first 16 of 20 shown" in texts(figure)
    assert len(charts) == 16


def test_names_that_are_too_long_keep_what_tells_them_apart():
    cubes = [f"superpixel {i}, channels {3 * c}-{3 * c + 2}" for i in range(10, 13) for c in range(3)]
    figure, _ = bars(panel(names=cubes), top=9)
    assert {name.removeprefix("superpixel ") for name in cubes} <= set(texts(figure))
    assert "names without “superpixel”" in texts(figure)
    assert not any("names without" in text for text in texts(bars(panel())[0]))

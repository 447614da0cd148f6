"""The first explanation stands among the present one, for dashboards that have dropped its picture."""

import numpy as np
import pytest
from pages import page, texts

from lime_callback.figures import BarPanel, feature_bars, render, style, superband_effects

VALUES = np.array([0.5, 0.2, 0.1])


def marks(chart):
    """The value of each line that stands for the first explanation, from left to right or from top to bottom."""
    value = 1 if chart.upright else 0
    lines = [line for line in chart.lines(style.PAPER) if np.ptp(line[:, value]) < 1e-9]
    beside = [line[:, 1 - value].mean() * (1 if chart.upright else -1) for line in lines]
    return [float(lines[i][0, value]) for i in np.argsort(beside)]


def centre(figure, chart, value):
    """The colour in the middle of the mark of a value that stands alone in its chart."""
    (line,) = [line for line in chart.lines(style.PAPER) if np.isclose(line[:, 1 if chart.upright else 0], value).all()]
    x, y = line[:, 0].mean(), line[0, 1] + 0.3 * (line[1, 1] - line[0, 1])
    x = x if not chart.upright else line[0, 0] + 0.3 * (line[1, 0] - line[0, 0])
    picture = render(figure)
    return picture[round(2 * float(chart.frame.y(y))) - 1, round(2 * float(chart.frame.x(x))) - 1].min()


def superbands(place, **settings):
    return page(
        superband_effects, ["a", "b", "c"], np.ones((1, 3)), np.zeros((1, 3)), np.full((1, 3), 0.1), targets=["t"],
        limit=1.0, **place, **settings,
    )  # fmt: skip


both_ways = pytest.mark.parametrize(
    "place",
    [{"channels": np.arange(3), "wavelengths": [450.0, 550.0, 650.0]}, {"channels": None, "wavelengths": None}],
    ids=["at wavelengths", "in rows"],
)


@both_ways
def test_what_is_not_known_of_the_first_explanation_has_no_mark(place):
    _, (chart, *_) = superbands(place, first=("epoch 1", np.array([[np.inf, 0.2, np.nan]])))
    assert marks(chart) == pytest.approx([0.2])


@both_ways
def test_superbands_have_a_mark_where_the_first_explanation_was(place):
    figure, (chart, *_) = superbands(place, first=("epoch 1", VALUES[None]))
    assert marks(chart) == pytest.approx(VALUES)
    assert "size at epoch 1" in texts(figure)
    assert min(centre(figure, chart, value) for value in VALUES) > 200  # hollow, as in the key
    figure, (chart, *_) = superbands(place)
    assert marks(chart) == []
    assert not any("epoch" in text for text in texts(figure))


def test_the_axis_reaches_what_the_first_explanation_was():
    _, (chart, *_) = superbands({"channels": None, "wavelengths": None}, first=("epoch 1", 5 * VALUES[None]))
    assert chart.frame.across[1] >= 2.5


def test_features_have_theirs_in_the_order_of_their_bars():
    then = np.array([0.5, -0.2, 0.1])
    panel = BarPanel("probe 0", ["a", "b", "c"], np.array([0.1, 0.3, 0.2]), np.full(3, 0.01))
    figure, (chart,) = page(feature_bars, [panel], limit=1.0, first=("epoch 1", [then]))
    assert marks(chart) == pytest.approx(then[[1, 2, 0]])
    assert "epoch 1" in texts(figure)
    assert min(centre(figure, chart, value) for value in then) > 200
    assert marks(page(feature_bars, [panel], limit=1.0)[1][0]) == []


def test_means_of_another_shape_are_refused():
    with pytest.raises(ValueError, match=r"should have the shape \[T, d\].*Found {'first': \(3,\)}"):
        superbands({"channels": None, "wavelengths": None}, first=("epoch 1", VALUES))

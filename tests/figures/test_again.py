"""The first explanation stands in the bars of the present one, for dashboards that have dropped its picture."""

import numpy as np
import pytest
from matplotlib.collections import LineCollection
from matplotlib.colors import to_rgba

from lime_callback.figures import feature_bars, style, superband_bars

VALUES = np.array([0.5, -0.2, 0.1])


def marks(figure):
    """The value of each line that stands for the first explanation, from left to right or from top to bottom."""
    found = []
    for axes in figure.axes:
        for lines in axes.findobj(LineCollection):
            if np.allclose(lines.get_edgecolor()[0], to_rgba(style.FIRST)):
                segments = np.array(lines.get_segments())  # [lines, 2 ends, x and y]
                across = int(np.ptp(segments[0, :, 0]) > 0)  # the axis along which a mark has no extent
                found += segments[:, 0, across].tolist()
    return found


def superbands(**settings):
    return superband_bars(
        ["a", "b", "c"], np.ones((2, 1, 3)), np.full((1, 3), 0.1), targets=["t"], channels=np.arange(3),
        wavelengths=[450.0, 550.0, 650.0], limit=1.0, **settings,
    )  # fmt: skip


def test_superbands_have_a_mark_where_the_first_explanation_was():
    assert marks(superbands(first=("epoch 1", VALUES[None]))) == pytest.approx(VALUES)
    assert marks(superbands()) == []


def test_features_have_theirs_in_the_order_of_their_bars():
    panel = ("probe 0", ["a", "b", "c"], np.array([0.1, 0.3, 0.2]), np.full(3, 0.01))
    figure = feature_bars([panel], limit=1.0, first=("epoch 1", [VALUES]))
    assert marks(figure) == pytest.approx(VALUES[[1, 2, 0]])


def test_means_of_another_shape_are_refused():
    with pytest.raises(ValueError, match=r"`first` should hold means \[T, d\], \(1, 3\). Found \(3,\)."):
        superbands(first=("epoch 1", VALUES))

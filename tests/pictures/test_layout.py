"""A view's pictures have the layout of the first epoch at all later ones: a dashboard's slider shows what changed."""

import numpy as np
import pytest
from pages import page
from toys import WAVELENGTHS, Samples, fit, shown

from lime_callback import LimeCallback, Superbands, Superpixels
from lime_callback.figures import style
from lime_callback.pictures.input_panels import size_limit
from lime_callback.publishing.drawing_process import DrawingProcess


@pytest.fixture
def requested(monkeypatch):
    """The pictures that a run asks for: for each explained epoch and view its requests, by their names."""
    asked, blank = [], np.full((8, 8, 3), 255, np.uint8)

    def draw(_, requests, *rest):
        asked.append(dict(requests))
        return dict.fromkeys(requests, blank)

    monkeypatch.setattr(DrawingProcess, "draw", draw)
    return asked


def layout(request):
    """Where a page's charts and pictures begin, and their places from there on, in pixels; with the page's size."""
    figure, charts = page(request)
    width, height = style.size(figure)
    pictures = [
        (box.x0 * width, (1 - box.y1) * height, box.width * width, box.height * height) for _, box in shown(figure)
    ]
    places = np.array([*(chart.frame[:4] for chart in charts), *pictures])
    top = places[:, 1].min()
    return top, np.round(np.vstack([places, [width, height, 0, 0]]) - [0, top, 0, 0], 2)


def test_panels_of_the_first_epoch_stand_as_at_all_later_ones(tmp_path, requested):
    """The heading above them has a line more or less where there is more or less to be said."""
    lime = LimeCallback(
        [Superpixels("grid", n_segments=4), Superbands(bands=3)], wavelengths=WAVELENGTHS, probes=3, n_perturbations=64,
        class_names=["rye", "oat", "hop"],
    )  # fmt: skip
    fit(tmp_path, lime, epochs=3, data=Samples(24))
    layouts = {}
    for epoch in requested:
        for name, request in epoch.items():
            layouts.setdefault(name, []).append(layout(request))
    assert len(layouts) >= 8
    for name, ((first_top, first_places), *later) in layouts.items():
        assert len(later) == 2
        for top, places in later:
            if not name.endswith("waterfall"):  # which has a row for each epoch
                np.testing.assert_array_equal(places, first_places, err_msg=name)
            lines = (top - first_top) / style.LINE
            assert lines == pytest.approx(round(lines)), name
            assert abs(lines) <= 2, name


def test_no_scale_of_effects_ends_beyond_1():
    """A feature that is all there is has the effect 1; four features alone asked for a scale up to 4 / 3 and more."""
    assert size_limit(0.2, features=3) == 1
    assert size_limit(0.99, features=20) == 1
    assert size_limit(0.05, features=20) == 0.2

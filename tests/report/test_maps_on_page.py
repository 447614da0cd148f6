"""Names on the page's maps, which are the same as those on the pictures."""

from dataclasses import dataclass

import pytest
import torch
from report_pages import opened
from toys import Classifier, fit

from lime_callback import LimeCallback
from lime_callback.report import read, write_page
from lime_callback.views import View


@dataclass(frozen=True)
class Halves(View):
    """The left and the right half of the first channels and of the others."""

    name: str = "halves"

    def cut(self, given):
        _, channels, _, width = given.images.shape
        right = torch.arange(width) * 2 // width
        sensor = torch.arange(channels) * 2 // channels
        labels = (2 * sensor[:, None, None] + right)[None]
        return given.labelled(labels, ["A left", "A right", "B left", "B right"])


@dataclass(frozen=True)
class Rings(View):
    """Rings around the middle."""

    name: str = "rings"

    def cut(self, given):
        height, width = given.images.shape[2:]
        y, x = torch.linspace(-1, 1, height).abs(), torch.linspace(-1, 1, width).abs()
        return given.labelled(
            (torch.maximum(y[:, None], x) * 3).long().clamp(max=2)[None, None], ["ring 1", "ring 2", "ring 3"]
        )


@pytest.fixture(scope="module")
def page(tmp_path_factory, browser):
    folder = tmp_path_factory.mktemp("maps")
    fit(folder, LimeCallback([Halves(), Rings()], n_perturbations=64, probes=3, pictures=False), model=Classifier)
    assert opened(browser, write_page([read(folder)], folder / "page.html")) == []
    return browser


def test_a_region_has_the_name_of_the_strongest_feature_there(page):
    for names, parts, effects in page.evaluate(
        "runs[0].views[0].who(0).map((_, s) => { const view = runs[0].views[0];"
        "return [namesOf(view, 0, s), view.maps.shares, view.effects(0, s)]; })"
    ):
        assert names
        for region, text in names:
            features = [f for f, _ in parts[region]]
            assert len(features) == 2
            strongest = max(features, key=lambda f: abs(effects[f]))
            assert (
                text == ("▲" if effects[strongest] > 0 else "▼") + ["A left", "A right", "B left", "B right"][strongest]
            )
    assert "where features overlap, the colour is the mean over channels" in page.inner_text("main")


def test_rings_have_numbers_and_no_place(page):
    names = page.evaluate("namesOf(runs[0].views[1], 0, 0)")
    assert names
    assert all(text[0] in "▲▼" and text[1:] in "123" for _, text in names)
    assert page.evaluate("[0, 1, 2].map((f) => placed(runs[0].views[1], 0, 0, f))") == [
        "ring 1, centre",
        "ring 2",
        "ring 3",
    ]
    x, y = page.evaluate("(({ x, y }) => [x, y])(placesOf(runs[0].views[1], 0)[3])")
    assert max(abs(x - 0.5), abs(y - 0.5)) > 0.7 / 2  # in the outermost ring itself, not at its inner border
    assert "number: which ring" in page.inner_text("main")

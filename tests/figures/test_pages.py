"""Pages: what holds for every figure, whatever it shows: size, texts that can be read, and nothing beyond the edge."""

import re
from pathlib import Path

import numpy as np
import pytest
from example_figures import FIGURES, UNUSUAL
from matplotlib.text import Text
from pages import boxes, texts

from lime_callback import figures, pictures
from lime_callback.figures import style
from lime_callback.figures.labels import Label

ALL = FIGURES | UNUSUAL


def long(text):
    return f"{text} {'and so on ' * 40}of {text}"


every_figure = pytest.mark.parametrize("name", ALL)
every_name = pytest.mark.parametrize("names", [str, long], ids=["usual", "long"])


def drawn(name, names=str):
    return ALL[name](names)


def overlapping(figure):
    """Pairs of texts that cover each other, by more than the room that letters have in their boxes."""
    left, top, right, bottom = boxes(figure).T
    across = np.minimum(right[:, None], right) - np.maximum(left[:, None], left)
    upright = np.minimum(bottom[:, None], bottom) - np.maximum(top[:, None], top)
    return [(texts(figure)[i], texts(figure)[j]) for i, j in np.argwhere(np.triu((across > 1) & (upright > 3), 1))]


@every_figure
@every_name
def test_pages_are_narrow_and_their_texts_can_be_read(name, names):
    figure = drawn(name, names)
    assert style.size(figure)[0] <= 700
    assert min(label.get_size() for label in figure.findobj(Label)) >= 12
    assert [text for text in figure.findobj(Text) if not isinstance(text, Label) and text.get_text()] == []


@pytest.mark.parametrize("name", FIGURES)
def test_the_full_form_has_twice_the_resolution(name):
    figure = drawn(name)
    compact, full = (figures.render(figure, scale) for scale in (1, 2))
    for picture in (compact, full):
        assert picture.dtype == np.uint8
        assert picture.shape[2] == 3
        assert len(np.unique(picture.reshape(-1, 3)[::7], axis=0)) > 10  # not blank
    assert compact.shape[1] <= 700
    height, width, _ = compact.shape
    assert np.abs(np.array(full.shape[:2]) - [2 * height, 2 * width]).max() <= 1
    np.testing.assert_array_equal(full, figures.render(drawn(name)))
    # Both show the same: reduced to the same size, they differ in the edges of letters and lines alone.
    wide = np.pad(full, ((0, 1), (0, 1), (0, 0)), mode="edge")[: 2 * height, : 2 * width]
    assert np.abs(wide.reshape(height, 2, width, 2, 3).mean((1, 3)) - compact).mean() < 10


@every_figure
@every_name
def test_texts_stay_on_the_page_and_do_not_cover_each_other(name, names):
    figure = drawn(name, names)
    left, top, right, bottom = boxes(figure).T
    width, height = style.size(figure)
    assert min(left.min(), top.min(), width - right.max(), height - bottom.max()) >= 0
    assert overlapping(figure) == []
    picture = figures.render(figure, 1)
    picture[3:-3, 3:-3] = 255
    assert (picture == 255).all()  # nothing reaches the edge


@every_figure
def test_long_names_are_cut_in_the_middle(name):
    cut = [text for text in texts(drawn(name, lambda text: f"{text} {'and so on ' * 40}of {text}")) if "…" in text]
    assert cut
    assert not any(text.startswith("…") for text in cut)


@every_figure
def test_minus_signs_are_no_hyphens(name):
    assert [text for text in texts(drawn(name)) if re.search(r"(^|[^\w])-[\d.]", text)] == []


def test_colours_are_set_in_one_place():
    """Neither as numbers nor by name nor as a shade, other than in ``style.py``."""
    folders = [Path(package.__file__).parent for package in (figures, pictures)]
    files = [path for folder in folders for path in folder.glob("*.py") if path.name != "style.py"]
    colour = re.compile(
        r"[\"']#[0-9a-fA-F]{3,8}[\"']|colou?rs?=[\"'](?!none)|[\"'](?:white|black|gr[ae]y|red|blue|orange)[\"']"
    )
    assert len(files) > 15
    assert {path.name: colour.findall(path.read_text("utf-8")) for path in files} == {path.name: [] for path in files}


def test_a_text_that_is_longer_than_a_line_goes_on_below():
    """Beside the colour bar there is less room; nothing of what is wrong may be lost there."""
    warning = "⚠ hiding 'a watch with a long name' changes 88 % of predictions, random sets 11 %"
    sizes, wavelengths = np.full((3, 6), 0.1), np.linspace(450, 1000, 6)
    figure = figures.waterfall(range(3), sizes, wavelengths=wavelengths, limit=0.2, status=[warning])
    parts = [label for label in figure.findobj(Label) if label.get_weight() == "bold"][1:]  # the first is the caption
    assert " ".join(label.get_text() for label in parts) == warning
    assert len(parts) == 2

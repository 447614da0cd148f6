"""Golden pictures: each figure, drawn from made data, against the picture of it that was looked at and stored.

Pictures are stored and compared at a third of the full form's size. Their difference is averaged in windows of 18 by 18
pixels of the full form, each at that of the shifts by 3 pixels that makes it least, and what counts is the largest root
mean square over the colours. A colour, a name, a number or a chart that is not where it was changes a whole window; the
letters of another release, which have other edges or stand a pixel away, do not.

After a change that is meant to be seen, renew the pictures, and look at each of them before it is committed:

    RENEW_GOLDEN=1 pytest -n 0 tests/figures/test_golden.py -k look_as_they_did
"""

import os
import re
from pathlib import Path

import numpy as np
import pytest
from example_figures import FIGURES, drawn
from matplotlib.collections import LineCollection, PolyCollection
from matplotlib.image import BboxImage
from matplotlib.lines import Line2D
from matplotlib.transforms import Affine2D
from pages import page
from PIL import Image
from scipy.ndimage import uniform_filter

from lime_callback import figures, pictures
from lime_callback.figures import colour_scale, style
from lime_callback.figures import labels as pasted
from lime_callback.figures.labels import Label

STORED = Path(__file__).parents[1] / "golden"
THIRD, WINDOW, SHIFT = 3, 6, 1  # the latter two in stored pixels
BOUND = 20.0  # of 255: letters that are not smoothed and a pixel away differ by 16, a number that is missing by 33
MOVED = 6  # pixels of the compact form
WITHOUT_SIGNS = {"history_lines", "effect_lines", "draw_aggregate", "waterfall", "draw_features"}  # no colours of signs

every_figure = pytest.mark.parametrize("name", FIGURES)
ONCE = {name: page(drawn, name) for name in FIGURES}  # to see what is on them


def reduced(pixels):
    """A third of the size, each pixel the mean of nine; what is over at the right and at the bottom is left out."""
    height, width = (size // THIRD for size in pixels.shape[:2])
    boxes = pixels[: height * THIRD, : width * THIRD].reshape(height, THIRD, width, THIRD, 3)
    return np.round(boxes.mean((1, 3))).astype(np.uint8)


def difference(found, stored):
    """How much two reduced pictures differ, from 0 to 255."""
    if np.abs(np.subtract(found.shape, stored.shape)).max() > 3:
        return 255.0
    height, width = np.minimum(found.shape, stored.shape)[:2]
    a, b = (uniform_filter(one[:height, :width].astype(float), (WINDOW, WINDOW, 0)) for one in (found, stored))
    return max(_apart(a, b), _apart(b, a))  # what is there no more, and what is there now


def _apart(a, b):
    height, width, _ = a.shape
    wide = np.pad(b, ((SHIFT, SHIFT), (SHIFT, SHIFT), (0, 0)), mode="edge")
    shifted = (wide[i : i + height, j : j + width] for i in range(2 * SHIFT + 1) for j in range(2 * SHIFT + 1))
    return float(np.sqrt(np.min([((a - other) ** 2).mean(-1) for other in shifted], axis=0)).max())


def golden(name):
    return np.asarray(Image.open(STORED / f"{name}.png").convert("RGB"))


def measured(name, figure=None):
    return difference(reduced(figures.render(figure or drawn(name))), golden(name))


@every_figure
def test_figures_look_as_they_did(name, tmp_path):
    whole = figures.render(drawn(name))
    found = reduced(whole)
    if os.environ.get("RENEW_GOLDEN"):
        Image.fromarray(found).save(STORED / f"{name}.png", optimize=True)
    measured = difference(found, golden(name))
    if measured > BOUND:
        Image.fromarray(whole).save(tmp_path / f"{name}.png")
    assert measured <= BOUND, (
        f"The figure {name!r} differs by {measured:.1f} from tests/golden/{name}.png, and the bound is {BOUND}. "
        f"It is drawn as {tmp_path / name}.png now: look at both, and renew the stored one if the change is meant."
    )


def test_a_figure_that_differs_is_kept_and_named(tmp_path, monkeypatch):
    monkeypatch.delenv("RENEW_GOLDEN", raising=False)
    monkeypatch.setitem(FIGURES, "waterfall", FIGURES["tiles"])
    message = f"'waterfall' differs by 255.0 from tests/golden/waterfall.png, and the bound is {BOUND}. It is drawn as "
    with pytest.raises(AssertionError, match=re.escape(f"{message}{tmp_path / 'waterfall.png'} now")):
        test_figures_look_as_they_did("waterfall", tmp_path)
    np.testing.assert_array_equal(Image.open(tmp_path / "waterfall.png"), figures.render(drawn("tiles")))


def test_there_is_a_small_picture_of_each_figure_and_no_other():
    files = {path.stem: path.stat().st_size for path in STORED.glob("*.png")}
    assert set(files) == set(FIGURES)
    assert max(files.values()) < 36_000
    functions = {name for name in (*figures.__all__, *pictures.__all__) if name.islower()}
    for function in functions - {"composite", "label2rgb", "render"}:  # make arrays
        assert any(function in name for name in FIGURES), function


@pytest.mark.parametrize("name", sorted(FIGURES.keys() - WITHOUT_SIGNS))
def test_exchanged_colours_are_noticed_wherever_signs_have_colours(name, monkeypatch):
    for plus, minus in (("PLUS", "MINUS"), ("PLUS_UNSURE", "MINUS_UNSURE")):
        a, b = getattr(style, plus), getattr(style, minus)
        monkeypatch.setattr(style, plus, b)
        monkeypatch.setattr(style, minus, a)
    monkeypatch.setattr(colour_scale, "DIVERGING", colour_scale.DIVERGING.reversed())
    assert measured(name) > BOUND


@pytest.mark.parametrize("name", ["waterfall", "draw_aggregate", "superband_effects", "superband_effects_in_rows"])
def test_exchanged_colours_of_sizes_are_noticed(name, monkeypatch):
    monkeypatch.setattr(style, "SIZE", style.SIZE_LEADING)
    monkeypatch.setattr(style, "SIZE_LEADING", style.SIZES[1])
    monkeypatch.setattr(colour_scale, "SIZES", colour_scale.SIZES.reversed())
    assert measured(name) > BOUND


def labels(figure):
    return [label for label in figure.findobj(Label) if label.get_text()]


@every_figure
def test_a_missing_title_is_noticed(name):
    figure = drawn(name)
    [label for label in labels(figure) if label.get_weight() == "bold"][-1].set_visible(False)
    assert measured(name, figure) > BOUND


@pytest.mark.parametrize("name", sorted(name for name, (figure, _) in ONCE.items() if figure.findobj(BboxImage)))
def test_a_shifted_picture_is_noticed(name):
    figure = drawn(name)
    picture = [artist for artist in figure.artists if isinstance(artist, BboxImage)][-1]
    picture.bbox = picture.bbox.frozen().translated(MOVED, 0)
    assert measured(name, figure) > BOUND


charted = pytest.mark.parametrize("name", sorted(name for name, (_, charts) in ONCE.items() if charts))


@charted
def test_a_shifted_chart_is_noticed(name):
    figure = drawn(name)
    for artist in figure.artists:
        if isinstance(artist, (PolyCollection, LineCollection, Line2D)):
            artist.set_transform(Affine2D().translate(MOVED, 0) + artist.get_transform())
    assert measured(name, figure) > BOUND


@charted
def test_a_missing_label_of_an_axis_is_noticed(name):
    figure = drawn(name)
    axes = [label for label in labels(figure) if label.get_text() in ("wavelength (nm)", "epoch", "coefficient")]
    axes[-1].set_visible(False)
    assert measured(name, figure) > BOUND


@every_figure
def test_a_missing_number_is_noticed(name):
    figure = drawn(name)
    numbers = [label for label in labels(figure) if re.fullmatch(r"\N{MINUS SIGN}?[\d.]+", label.get_text())]
    for label in numbers[-1:]:
        label.set_visible(False)
        assert measured(name, figure) > BOUND
    assert numbers or name == "draw_features"


@every_figure
def test_letters_that_are_drawn_a_little_otherwise_are_not_noticed(name, monkeypatch):
    bitmap = pasted._bitmap

    def otherwise(*text):
        drawn_here = bitmap(*text)
        pixels = np.roll(drawn_here.pixels, 1, axis=1)  # a pixel of the full form to the right
        pixels[..., 3] = np.where(pixels[..., 3] > 127, 255, 0)  # without smooth edges
        return drawn_here._replace(pixels=pixels, below=drawn_here.below - 1)

    monkeypatch.setattr(pasted, "_bitmap", otherwise)
    assert 0 < measured(name) <= BOUND


def test_a_picture_of_another_size_is_noticed():
    assert difference(np.zeros((9, 9, 3), np.uint8), np.zeros((9, 13, 3), np.uint8)) == 255

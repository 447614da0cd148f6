"""Texts: how they are cut, how wide they are, and that pasted letters stand where matplotlib would draw them."""

import itertools
import re

import numpy as np
import pytest
from fontTools.fontBuilder import FontBuilder
from fontTools.pens.ttGlyphPen import TTGlyphPen
from hypothesis import example, given, settings
from hypothesis import strategies as st
from matplotlib.font_manager import fontManager
from matplotlib.text import Text

from lime_callback import figures
from lime_callback.figures import labels, style
from lime_callback.figures.labels import Label, fonts, width_of

NUMBER = re.compile(r"[<>]?[-\N{MINUS SIGN}]?\d[\d.,]*(?:[e-][-\N{MINUS SIGN}]?\d[\d.,]*)*(?: ?(?:%|nm\b))?")
OTHER_SCRIPT = "土壤"


def test_long_names_are_cut_in_the_middle():
    cut = style.fit("a" * 100 + "·" + "z" * 100, 120)
    assert re.fullmatch("a+…z+", cut)
    assert 100 < style.text_width(cut) <= 120
    assert style.fit("short", 120) == "short"
    assert "…" in style.fit("bold letters are wider", style.text_width("bold letters are wider"), bold=True)


MEASURES = ["\N{MINUS SIGN}0.25", "1350-1430 nm", "39 %", "<1 %", "R² 0.83,", "1e-05", "3,000.5", "12", "-3"]
WORDS = st.sampled_from([*MEASURES, "superband", "true", "≠", "probe", "a"])


def numbers(text):
    return NUMBER.findall(text)


@given(st.lists(WORDS, min_size=1, max_size=7).map(" ".join), st.integers(12, 260))
@example("\N{MINUS SIGN}0.25", 30)
@example("wavelengths of \N{MINUS SIGN}0.25 and more", 100)
@example("1350-1430 nm", 50)
@example("superband 1350-1430 nm", 120)
@example("predicted 39 %, true", 70)
@settings(max_examples=300, deadline=None)
def test_no_number_is_cut_in_its_middle(text, width):
    for cut in (style.fit(text, width), style.fit_parts(text, width), style.fit(text, width, bold=True)):
        left = numbers(text)
        for number in numbers(cut):
            assert number in left, (text, cut)
        # A sign, a unit or a digit does not stay without its number.
        assert not re.search(r"[-\N{MINUS SIGN}]…|…[.%]|…\s?nm|…\s%|\d…%", cut), (text, cut)
        assert style.text_width(cut) <= width or cut == "…"


def test_as_much_of_a_text_stays_as_has_room():
    assert style.fit("superband 1350-1430 nm", 130).endswith("… 1350-1430 nm")
    for text in ("predicted by the model and true", "superpixel 14 of the whole image"):
        widths = [style.text_width(style.fit(text, width)) for width in range(20, 250, 10)]
        assert widths == sorted(widths)
        assert all(width - found < 30 for width, found in zip(range(20, 160, 10), widths, strict=False))


def test_of_parts_between_commas_each_is_seen():
    text = "predicted Soybean-mintill 25 %, ≠ true Grass-pasture-mowed"
    for width in (160, 200, 260, 320):
        cut = style.fit_parts(text, width)
        first, second = cut.split(", ")
        assert first.startswith("pre")
        assert first.endswith("25 %")
        assert second.startswith("≠ t")
        assert cut.count("…") <= 2
        assert style.text_width(cut) <= width
    assert style.fit_parts("short, too", 120) == "short, too"
    assert style.fit_parts("nothing has room here", 5) == "…"


def test_minus_signs_and_digits_of_ticks():
    assert [style.number(value) for value in (-0.25, 0.0, -0.0, 1e-14, 1234.5, 12345678.0, 0.123456, -1e-5)] == [
        "\N{MINUS SIGN}0.25", "0", "0", "0", "1234", "1.23e+07", "0.123", "\N{MINUS SIGN}1e\N{MINUS SIGN}05",
    ]  # fmt: skip


def test_labels_are_moved_apart_and_stay_inside():
    moved = style.spread([99.0, 100.0, 98.0, 10.0], apart=15, highest=100)
    assert max(moved) <= 100
    assert np.diff(sorted(moved)).min() >= 15
    assert np.argsort(moved).tolist() == [3, 2, 0, 1]
    assert style.spread([], apart=15, highest=100) == []


def rendered(text, scale, own=False, **look):
    """A page with a label on grey, drawn by pasting or by matplotlib itself."""

    def draw():
        figure = style.page(80, 400)
        figure.set_facecolor("0.5")
        style.write(figure, 200, 40, text, **look)
        return figures.render(figure, scale)

    with pytest.MonkeyPatch.context() as patch:
        if own:
            patch.setattr(Label, "draw", Text.draw)
        return style.isolated(draw)()


def extent(picture, changed):
    rows, columns = np.nonzero(changed(picture.astype(int)))
    return np.array([columns.min(), rows.min(), columns.max(), rows.max()])


def letters(picture):
    return picture.max(-1) < 110


def halo(picture):
    return picture.min(-1) > 180


@pytest.mark.parametrize("scale", [1, 2])
@pytest.mark.parametrize("with_halo", [False, True])
@pytest.mark.parametrize("bold", [False, True])
def test_pasted_letters_lie_where_matplotlib_draws_them(scale, with_halo, bold):
    places = itertools.product(("left", "center", "right"), ("top", "center", "center_baseline", "bottom", "baseline"))
    for text, (ha, va) in itertools.product(("spectral · after 12 epochs", "▲14", "\N{MINUS SIGN}0.25"), places):
        look = {
            "ha": ha,
            "va": va,
            "bold": bold,
            "points": 16.0 if bold else 12.0,
            "halo": style.PAPER if with_halo else None,
        }
        pasted, own = (rendered(text, scale, own, **look) for own in (False, True))
        for seen in (letters, halo) if with_halo else (letters,):
            a, b = extent(pasted, seen), extent(own, seen)
            across, upright = np.abs(a - b)[[0, 2]], np.abs(a - b)[[1, 3]]
            assert upright.max() <= 2, (text, ha, va, a, b)
            # Letters of matplotlib are hinted, and up to 3 % wider or narrower.
            assert abs((a[2] - a[0]) - (b[2] - b[0])) <= 2 + 0.03 * (b[2] - b[0]), (text, ha, va, a, b)
            assert across.min() <= 2 + 0.015 * (b[2] - b[0]), (text, ha, va, a, b)


def test_a_label_is_as_wide_as_it_is_said_to_be():
    for text, bold in itertools.product(
        ("mean size over the probes", "▲14", "R² 0.83", "Wavelength (nm)"), (False, True)
    ):
        left, _, right, _ = extent(rendered(text, 1, bold=bold), letters)
        assert right - left + 1 == pytest.approx(width_of(text, 12.0, bold), abs=3)


def test_letters_keep_their_colour_and_a_halo_parts_them_from_a_picture():
    plain = rendered("probe 3", 2, colour=style.PLUS)
    colours = {tuple(pixel) for pixel in plain.reshape(-1, 3).tolist()}
    assert tuple(int(style.PLUS[i : i + 2], 16) for i in (1, 3, 5)) in colours
    assert not halo(plain.astype(int)).any()
    parted = rendered("probe 3", 2, halo=style.PAPER)
    assert halo(parted.astype(int)).sum() > letters(parted.astype(int)).sum()


def test_a_label_that_is_not_visible_is_not_drawn():
    figure = style.page(40, 200)
    style.write(figure, 10, 10, "probe 3")
    assert (figures.render(figure) < 200).any()
    for label in figure.findobj(Label):
        label.set_visible(False)
    assert (figures.render(figure) == 255).all()


def test_letters_are_drawn_by_matplotlib_elsewhere_than_on_pixels(tmp_path):
    """As in a notebook that shows figures as vectors."""
    figure = style.page(40, 200)
    style.write(figure, 10, 10, "probe 3")
    figure.savefig(tmp_path / "page.svg", metadata={"Date": None})
    assert "<!-- probe 3 -->" in (tmp_path / "page.svg").read_text("utf-8")


@pytest.fixture
def chinese(tmp_path, monkeypatch):
    """A system with a font that has two letters of another script, a full square and a lower half of one."""
    whole, half = TTGlyphPen(None), TTGlyphPen(None)
    for pen, top in ((whole, 900), (half, 450)):
        for x, y in ((100, 0), (100, top), (900, top), (900, 0)):
            (pen.moveTo if (x, y) == (100, 0) else pen.lineTo)((x, y))
        pen.closePath()
    builder = FontBuilder(1000, isTTF=True)
    builder.setupGlyphOrder([".notdef", "whole", "half"])
    builder.setupCharacterMap({ord(OTHER_SCRIPT[0]): "whole", ord(OTHER_SCRIPT[1]): "half"})
    builder.setupGlyf({".notdef": TTGlyphPen(None).glyph(), "whole": whole.glyph(), "half": half.glyph()})
    builder.setupHorizontalMetrics(dict.fromkeys((".notdef", "whole", "half"), (1000, 100)))
    builder.setupHorizontalHeader(ascent=900, descent=-100)
    builder.setupNameTable({"familyName": "Two Letters CJK", "styleName": "Regular"})
    builder.setupOS2(sTypoAscender=900, sTypoDescender=-100, usWinAscent=900, usWinDescent=100)
    builder.setupPost()
    builder.save(tmp_path / "letters.ttf")
    monkeypatch.setattr(fontManager, "ttflist", list(fontManager.ttflist))
    fontManager.addfont(tmp_path / "letters.ttf")
    _forget()
    yield
    monkeypatch.undo()
    _forget()


def _forget():
    for kept in (fonts, labels._bitmap, style.text_width):
        kept.cache_clear()


@pytest.mark.usefixtures("chinese")
def test_a_text_of_another_script_falls_back_to_fonts_that_have_it():
    assert fonts()[0] == labels.USUAL
    assert "Two Letters CJK" in fonts()
    drawn, box = (rendered(text, 2) for text in (OTHER_SCRIPT, "\U000f0000" * 2))
    assert letters(drawn.astype(int)).any()
    assert not np.array_equal(drawn, box)
    columns = np.flatnonzero(letters(drawn.astype(int)).any(0))
    first, second = (drawn[:, part.min() : part.max()] for part in np.array_split(columns, 2))
    assert min(first.shape[1], second.shape[1]) > 8
    assert first.shape != second.shape or (first != second).any()  # two boxes would be alike
    assert width_of(OTHER_SCRIPT, 12.0, False) > 15
    mixed = rendered(f"{OTHER_SCRIPT} R² 0.83", 2)
    assert extent(mixed, letters)[2] > extent(drawn, letters)[2]


@pytest.mark.parametrize(
    "text", ["土壤 🌱 soil", "\U000f0000", "", " ", "a\nb\tc", "\u202e\u200b", "العربية", "e\u0301"]
)
def test_any_text_is_drawn_without_a_warning(text):
    figures.render(figures.history_lines([0], {text: [0.5], "b": [0.1]}, {text: [0.1]}, caption=text))
    assert style.text_width(style.fit(text, 50)) <= 50

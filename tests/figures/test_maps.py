"""Maps: the colours of values, the marks on regions, and where panels stand."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import LineCollection
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.text import Text
from pages import boxes, page, texts, written
from toys import shown

from lime_callback import figures
from lime_callback.figures import BarPanel, Panel, ProbeRow, SpectrumPanel, Tile, colour_scale, overlays, style


def panel(value=1.0, side=12, *, title="probe 0 · Woods", pale=False):
    segments = np.arange(side)[:, None] // (side // 2) * 2 + np.arange(side) // (side // 2)
    heat = np.choose(segments, [value, -value, 0.0, np.nan])
    return Panel(np.full((side, side, 3), 200, np.uint8), heat, segments, title, "prediction 1, R² 0.9", pale=pale)


def blank(picture):
    return len(np.unique(picture.reshape(-1, 3), axis=0)) < 10


def test_one_value_has_one_colour_whatever_else_is_drawn():
    alone, among = overlays.overlay(panel(1.0), limit=2.0), overlays.overlay(panel(1.0, side=24), limit=2.0)
    np.testing.assert_array_equal(alone[0, 0], among[0, 0])
    wide, narrow = overlays.overlay(panel(1.0), limit=4.0), overlays.overlay(panel(2.0), limit=8.0)
    np.testing.assert_array_equal(wide, narrow)


def test_scale_is_symmetric_white_at_zero_and_clips():
    rgb = colour_scale.colours(np.array([-2.0, -1.0, 0.0, 1.0, 2.0, np.nan, np.inf]), limit=1.0)
    np.testing.assert_array_equal(rgb[2], [1, 1, 1])
    np.testing.assert_array_equal(rgb[5:], np.ones((2, 3)))
    np.testing.assert_array_equal(rgb[0], rgb[1])
    np.testing.assert_array_equal(rgb[3], rgb[4])
    assert rgb[0][2] > rgb[0][0]  # minus is blue
    assert rgb[4][0] > rgb[4][2]  # plus is orange


def test_bars_whose_interval_includes_zero_are_light():
    values = np.array([1.0, -1.0, 0.1, -0.1])
    rgb = colour_scale.sign_colours(values, np.abs(values) > 0.5)
    expected = [style.PLUS, style.MINUS, style.PLUS_UNSURE, style.MINUS_UNSURE]
    np.testing.assert_allclose(rgb, [to_rgb(colour) for colour in expected])


def test_values_beyond_the_limit_are_said():
    assert "largest here 3, beyond the scale" in texts(figures.attributions([panel(3.0)], limit=1.0))
    assert not any("beyond the scale" in text for text in texts(figures.attributions([panel(1.0)], limit=1.0)))


@pytest.mark.parametrize("limit", [0.0, float("nan"), float("inf")])
def test_a_limit_without_information_still_draws(limit):
    assert not blank(figures.render(figures.attributions([panel(0.0)], limit=limit)))


def gradient(picture=200):
    """A map in which each of 100 columns has a value of its own."""
    heat = np.linspace(-1, 1, 100)[None].repeat(100, 0)
    return Panel(np.full((100, 100, 3), picture, np.uint8), heat, np.zeros((100, 100), int), "t", "s")


@pytest.mark.parametrize("dark", [True, False])
def test_a_map_has_the_colours_of_the_colour_bar(dark):
    """Whatever the picture is like; at most two of 256 levels apart."""
    shown = overlays.overlay(gradient(0 if dark else 255), limit=1.0)
    bar = np.round(255 * np.asarray(colour_scale.DIVERGING(np.linspace(0, 1, 4001)))[:, :3])
    nearest = bar[np.round(4000 * (0.5 + 0.5 * gradient().heat)).astype(int)]
    assert np.abs(shown - nearest).max() <= 2


def bar_colours(figure, picture):
    """The colours of the page's colour bar as they are rendered, and the value of each, from -1 to 1."""
    (bar,) = [place for image, place in shown(figure, bars=True) if image.dtype != np.uint8]
    height, width, _ = picture.shape
    row = round((1 - (bar.y0 + bar.y1) / 2) * height)
    columns = np.arange(round(bar.x0 * width) + 1, round(bar.x1 * width) - 1)
    return picture[row, columns].astype(int), ((columns + 0.5) / width - bar.x0) / bar.width * 2 - 1


def apart(colour, value, bar, values):
    """By how many levels a colour differs from that of its value on the bar; the bar has a column for each pixel."""
    near = np.abs(values - value) <= 1.5 * np.diff(values).max()
    return np.abs(bar[near] - colour).max(1).min()


def test_on_the_page_maps_and_the_map_of_superbands_have_the_colours_of_the_bar():
    figure = figures.attributions([gradient()], limit=1.0)
    picture = figures.render(figure)
    bar, values = bar_colours(figure, picture)
    *_, (_, place) = shown(figure)
    height, width, _ = picture.shape
    row = round((1 - place.y0 - place.height / 3) * height)
    for value in np.linspace(-0.95, 0.95, 39):
        column = int((place.x0 + place.width * (value + 1) / 2) * width)
        drawn = ((column + 0.5) / width - place.x0) / place.width * 2 - 1
        steps = [2 * (np.floor(100 * (drawn + 1) / 2) / 99) - 1]
        assert min(apart(picture[row, column], step, bar, values) for step in steps) <= 2

    cells = np.linspace(-0.95, 0.95, 20)
    figure, (chart, *_) = page(
        figures.superband_effects, [str(i) for i in range(20)], np.abs(cells[None]), cells[None], cells[None] * np.nan,
        targets=[""], channels=np.arange(20), wavelengths=None, limit=1.0, values=cells[None, None].repeat(2, 0),
        probes=[ProbeRow("", "p"), ProbeRow("", "q")],
    )  # fmt: skip
    picture = figures.render(figure)
    bar, values = bar_colours(figure, picture)
    row = round(2 * (chart.frame.top + chart.frame.height + 14 + 8))
    for i, value in enumerate(cells):
        column = round(2 * float(chart.frame.x(i + 0.2)))
        assert apart(picture[row, column], value, bar, values) <= 2


def test_the_strongest_regions_are_named_where_there_is_room_and_unsure_ones_marked():
    segments = np.zeros((120, 120), int)
    segments[:, 60:], segments[0, 0] = 1, 2
    heat = np.where(segments == 1, -0.5, 0.5)
    image = np.zeros((120, 120, 3), np.uint8)
    marked = Panel(image, heat, segments, "t", "s", names={0: "▲0", 1: "▼1", 2: "▲2"}, unsure=[2])
    figure = figures.attributions([marked], limit=1.0)
    assert {"▲0", "▼1"} <= set(texts(figure))
    assert "▲2" not in texts(figure)  # a pixel has no room for it
    assert any("▲ raises, ▼ lowers" in text for text in texts(figure))
    assert "○ sign unknown" in texts(figure)
    assert not any("▲" in text or "○" in text for text in texts(figures.attributions([panel()], limit=1.0)))
    # Each name stands within its region, the left and the right half of the map.
    *_, (_, place) = shown(figure)
    x = {text: x / style.size(figure)[0] for text, x, _ in written(figure)}
    assert place.x0 < x["▲0"] < place.x0 + place.width / 2 < x["▼1"] < place.x1


def test_a_long_title_is_whole_on_two_lines():
    """Of what is predicted and true nothing may be cut."""
    title = "probe 3 · Corn-mintill · ≠ predicted Grass-trees 25 %, true"
    short = "probe 0 · Woods · predicted 81 %, true"
    names, values = ["superpixel 1", "superpixel 2"], np.array([0.5, -0.1])
    maps = [replace(panel(title=name), subtitle="R² 0.9") for name in (title, *[short] * 7)]
    bars = [BarPanel(name, names, values, 0.1 * values) for name in (title, *[short] * 7)]
    curves = [SpectrumPanel(None, None, values, values, name, "s") for name in (title, *[short] * 7)]
    for figure in (
        figures.attributions(maps, limit=1.0),
        figures.attributions(maps, limit=1.0, first=maps),
        figures.feature_bars(bars, limit=1.0),
        figures.spectra(curves, wavelengths=None, limit=1.0),
    ):
        assert texts(figure).count("≠ predicted Grass-trees 25 %, true") == 1
        assert texts(figure).count("predicted 81 %, true") == 7
        assert not any("…" in text for text in texts(figure))


def test_output_and_score_can_both_be_read_over_a_narrow_map():
    panels = [replace(panel(), subtitle="output 7.41, R² 0.83")] * 8
    above = [text for text in texts(figures.attributions(panels, limit=1.0, first=panels)) if text.endswith("R² 0.83")]
    assert len(above) == 16
    assert all("…" in text and "7.41, R² 0.83" in text for text in above)


def test_never_hidden_pixels_have_no_colour():
    hidden = panel(1.0)
    bare = Panel(hidden.image, hidden.heat, np.full((12, 12), -1), "t", "s")
    assert np.ptp(overlays.overlay(bare, limit=1.0), axis=-1).max() == 0
    assert "never hidden" in texts(figures.attributions([bare], limit=1.0))
    assert "never hidden" not in texts(figures.attributions([hidden], limit=1.0))


def test_pale_panels_look_pale_and_say_why():
    strong, pale = overlays.overlay(panel(), limit=1.0), overlays.overlay(panel(pale=True), limit=1.0)
    assert np.ptp(pale, axis=-1).max() < np.ptp(strong, axis=-1).max()
    said = texts(figures.attributions([panel(pale=True)], limit=1.0))
    assert {"poor fit", "poor fit: score below the gate"} <= set(said)
    assert not any("poor fit" in text for text in texts(figures.attributions([panel()], limit=1.0)))


def test_borders_lie_between_pixels_of_different_segments():
    lines = overlays.borders(np.array([[0, 0, 1], [0, 0, 1]]))
    np.testing.assert_array_equal(lines, [[[1.5, -0.5], [1.5, 0.5]], [[1.5, 0.5], [1.5, 1.5]]])
    assert overlays.borders(np.zeros((3, 3), int)).shape == (0, 2, 2)


@pytest.mark.parametrize("count", [1, 2, 5, 8, 16])
def test_any_number_of_panels_is_drawn(count):
    figure = figures.attributions([panel(title=f"probe {i}") for i in range(count)], limit=1.0)
    assert all(f"probe {i}" in texts(figure) for i in range(count))
    assert len(shown(figure)) == 2 * count


def rows_of_titles(figure):
    return {text: y for text, _, y in written(figure)}


@pytest.mark.parametrize("first", [False, True])
@pytest.mark.parametrize("targets", [2, 3, 4])
def test_the_targets_of_a_probe_stay_together(targets, first):
    """On one line; where a line has room for two, those of four are on two lines that no other probe shares."""
    panels = [panel(title=f"probe {i // targets} · {i % targets}") for i in range(16 // targets * targets)]
    figure = figures.attributions(panels, limit=1.0, targets=targets, first=panels if first else None)
    rows = rows_of_titles(figure)
    lines = [{rows[f"probe {i} · {t}"] for t in range(targets)} for i in range(16 // targets)]
    if targets % 2 == 0 or not first:
        assert [len(line) for line in lines] == [max(targets // 2, 1) if targets != 3 else 1] * len(lines)
        assert sum(map(len, lines)) == len(set.union(*lines))


def test_the_first_maps_stand_beside_the_present_ones():
    now, then = [panel(1.0), panel(0.5)], [panel(-1.0), panel(-0.5)]
    figure = figures.attributions(now, limit=1.0, first=then, moments=("epoch 1", "epoch 12"))
    maps = [image for image, _ in shown(figure)]
    assert len(maps) == 6
    for k in range(2):
        for drawn, wanted in zip(maps[3 * k : 3 * k + 3], (now[k].image, then[k], now[k]), strict=True):
            np.testing.assert_array_equal(
                drawn, wanted if isinstance(wanted, np.ndarray) else overlays.overlay(wanted, 1.0)
            )
    x = [place.x0 for _, place in shown(figure)]
    assert x == sorted(x[:3]) + sorted(x[3:])
    at = [(text, x / style.size(figure)[0]) for text, x, _ in written(figure) if text.startswith("epoch")]
    assert [text for text, _ in at] == ["epoch 1", "epoch 12"] * 2
    np.testing.assert_allclose([left for _, left in at], [x[1], x[2], x[4], x[5]], atol=1e-3)


def test_more_than_sixteen_panels_are_cut_and_counted():
    figure = figures.attributions([panel(title=f"probe {i}") for i in range(20)], limit=1.0, caption="spatial")
    assert "spatial · first 16 of 20 shown" in texts(figure)
    assert "probe 16" not in texts(figure)


@pytest.mark.parametrize("first", [False, True])
@pytest.mark.parametrize("shape", [(12, 12), (1, 300), (300, 1), (1, 1), (224, 320), (7, 500)])
def test_pictures_of_any_proportions_are_drawn(shape, first):
    image = np.random.default_rng(0).integers(0, 255, (*shape, 3)).astype(np.uint8)
    segments = np.arange(shape[0] * shape[1]).reshape(shape) // 7
    panels = [Panel(image, segments / 10.0, segments, "t", "s")] * 3
    figure = figures.attributions(panels, limit=1.0, first=panels if first else None)
    assert figures.render(figure, 1).shape[1] <= 700
    width, height = style.size(figure)
    for _, place in shown(figure):
        wide, tall = place.width * width, place.height * height
        assert tall / wide == pytest.approx(np.clip(shape[0] / shape[1], 0.3, 3.5), rel=0.02)
        assert min(wide, tall) > 20
        assert 0 < place.x0 < place.x1 < 1
        assert 0 < place.y0 < place.y1 < 1
    left, top, right, bottom = boxes(figure).T
    for _, place in shown(figure):  # no text lies on a picture
        beside = (right < place.x0 * width + 1) | (left > place.x1 * width - 1)
        assert (beside | (bottom < height * (1 - place.y1) + 2) | (top > height * (1 - place.y0) - 2)).all()


def test_tiles_and_maps_have_lines_between_features_that_are_wide_enough():
    def lines(n):
        cells = np.arange(120) * n // 120
        figure = figures.tiles([("", [Tile(np.zeros((120, 120, 3), np.uint8), "t", "", cells[:, None] * n + cells)])])
        return sum(len(artist.get_paths()) for artist in figure.artists if isinstance(artist, LineCollection))

    assert lines(2) == 240
    many = replace(panel(side=120), segments=np.arange(14400).reshape(120, 120))
    drawn = [a for a in figures.attributions([many], limit=1.0).artists if isinstance(a, LineCollection)]
    assert sum(len(artist.get_paths()) for artist in drawn) < 100  # of the heading alone


def test_names_of_rings_do_not_cover_each_other():
    """Their middles are one and the same."""
    axis = np.arange(12) - 5.5
    rings = (np.hypot(axis[:, None], axis) / 2).astype(int).clip(max=2)
    names = {1: "▲1", 0: "▼0", 2: "▲2"}
    one = Panel(np.full((12, 12, 3), 200, np.uint8), rings / 3, rings, "probe 0", "R² 0.9", names=names)
    figure = Figure(figsize=(2, 2), dpi=100)
    overlays.draw_overlay(figure, one, 1.0, (50, 50, 100, 100))
    drawn = FigureCanvasAgg(figure).get_renderer()
    at = {text.get_text(): text.get_window_extent(drawn) for text in figure.findobj(Text) if text.get_text()}
    assert at.keys() == set(names.values())
    for a, b in itertools.combinations(at.values(), 2):
        apart = abs(a.x0 + a.x1 - b.x0 - b.x1) / 2, abs(a.y0 + a.y1 - b.y0 - b.y1) / 2
        assert apart[0] >= 0.9 * (a.width + b.width) / 2 or apart[1] >= 0.7 * (a.height + b.height) / 2

"""Figures: what is drawn, on which scale, and that the process stays as it was."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

import matplotlib as mpl
import numpy as np
import pytest
import torch
from matplotlib.collections import LineCollection, PathCollection, PolyCollection
from matplotlib.colors import to_rgb
from matplotlib.markers import MarkerStyle

from lime_callback import figures
from lime_callback.figures import Panel, SpectrumPanel, colour_scale, overlays, style
from lime_callback.figures.line_charts import spread
from lime_callback.figures.spectral_axis import SpectralAxis
from lime_callback.figures.superband_spans import SuperbandSpans

AVIRIS = np.delete(np.linspace(400.0, 2499.0, 220), [*range(103, 108), *range(149, 163), 219])
STRANGE = "cost_in_$ and $x^2$, $\\frac{1}"


def panel(value=1.0, side=12, *, title="probe 0 · Woods", pale=False):
    segments = np.arange(side)[:, None] // (side // 2) * 2 + np.arange(side) // (side // 2)
    heat = np.choose(segments, [value, -value, 0.0, np.nan])
    return Panel(np.full((side, side, 3), 200, np.uint8), heat, segments, title, "prediction 1, R² 0.9", pale=pale)


def spectrum_panel(channels=200, *, pale=False, image=True):
    coefficients = np.repeat([1.0, -0.5, np.nan, 0.1], -(-channels // 4))[:channels]
    halves = np.full(channels, 0.4)
    halves[: channels // 4] = np.inf
    picture = np.zeros((12, 12, 3), np.uint8) if image else None
    return SpectrumPanel(picture, np.linspace(0, 1, channels), coefficients, halves, "probe 0", "R² 0.9", pale=pale)


def bars(names, p=3, t=2, *, channels=None, wavelengths=None, targets=("a", "b"), coefficients=None, spread=None):
    draws = np.random.default_rng(0).normal(size=(p, t, len(names)))
    coefficients = draws if coefficients is None else coefficients
    halves = np.full((t, len(names)), 0.2)
    return figures.superband_bars(
        names, coefficients, halves, targets=targets, channels=channels, wavelengths=wavelengths, limit=2.0,
        caption="c", spread=spread,
    )  # fmt: skip


def every_figure():
    names = [f"{i}-{i + 1} nm" for i in range(4)]
    values, halves = np.linspace(-1, 1, 12).reshape(3, 4), np.full((3, 4), 0.2)
    spectral = [spectrum_panel(), spectrum_panel(pale=True)]
    named = np.full(200, 3)
    named[10:20], named[40:50], named[[60, 90]] = 0, 1, 2
    yield figures.attributions([panel(), panel(pale=True)], limit=1.0, caption="spatial")
    yield figures.spectra(spectral, wavelengths=AVIRIS, limit=1.0)
    yield figures.spectra(spectral[:1], wavelengths=None, limit=1.0)
    yield bars(names, channels=np.arange(200) // 50, wavelengths=AVIRIS)
    yield bars([*names[:3], "not_included"], channels=named, wavelengths=AVIRIS)
    yield bars(names)
    yield bars(names, p=1, spread=np.array([[1.0, np.nan, 0.5, 0.0]] * 2))
    yield figures.feature_bars([("probe 0", names, values[0], halves[0])] * 2, limit=1.0)
    yield figures.history_lines(
        [0, 1, 2], {"a": [0.5, np.nan, 0.7]}, {"a": [np.nan, 0.2, 0.1]}, noise_floor={"a": [0.1] * 3}
    )
    yield figures.coefficient_lines([0, 1, 2], names, values, halves, top=2, limit=1.0)
    yield figures.waterfall([0, 1, 2], np.repeat(values, 50, axis=1), wavelengths=AVIRIS, limit=1.0)
    yield figures.before_after([panel()], [panel(-1.0)], limit=1.0)
    yield figures.before_after(spectral, spectral, wavelengths=AVIRIS, limit=1.0)


def blank(picture):
    return len(np.unique(picture.reshape(-1, 3), axis=0)) < 10


def texts(figure):
    return [t.get_text() for t in figure.texts] + [t.get_text() for axes in figure.axes for t in axes.texts]


def test_every_figure_renders_as_rgb_and_is_not_blank():
    for figure in every_figure():
        picture = figures.render(figure)
        assert picture.dtype == np.uint8
        assert picture.ndim == 3
        assert picture.shape[2] == 3
        assert not blank(picture)
        assert 500 <= picture.shape[1] <= 1600


def test_pyplot_is_not_imported_and_the_settings_do_not_change():
    code = (
        "import sys, matplotlib, numpy as np; from lime_callback import figures\n"
        "before = matplotlib.rcParams.copy()\n"
        "figures.render(figures.history_lines([0], {'a': [0.5]}, {'a': [0.1]}))\n"
        "figures.render(figures.waterfall([0], np.ones((1, 3)), wavelengths=None, limit=1.0))\n"
        "assert 'matplotlib.pyplot' not in sys.modules\n"
        "assert matplotlib.rcParams.copy() == before\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_the_style_of_the_process_changes_nothing():
    plain = figures.render(figures.attributions([panel()], limit=1.0))
    with mpl.rc_context({"axes.facecolor": "black", "font.size": 30, "text.usetex": True, "image.cmap": "jet"}):
        own = figures.render(figures.attributions([panel()], limit=1.0))
        assert mpl.rcParams["font.size"] == 30
    np.testing.assert_array_equal(plain, own)


def test_one_coefficient_has_one_colour_whatever_else_is_drawn():
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


def test_coefficients_beyond_the_limit_are_said():
    assert any("beyond the scale" in t for t in texts(figures.attributions([panel(3.0)], limit=1.0)))
    assert not any("beyond the scale" in t for t in texts(figures.attributions([panel(1.0)], limit=1.0)))


def test_another_quantity_is_named():
    share = "effect (share of the spread)"
    assert share in texts(figures.attributions([panel()], limit=1.0, quantity=share))
    assert share in texts(figures.waterfall([0], np.ones((1, 3)), wavelengths=None, limit=1.0, quantity=share))
    figure = figures.spectra([spectrum_panel()], wavelengths=None, limit=1.0, quantity=share)
    assert share in texts(figure)
    assert "effect" in [axes.get_ylabel() for axes in figure.axes]


@pytest.mark.parametrize("limit", [0.0, float("nan"), float("inf")])
def test_a_limit_without_information_still_draws(limit):
    assert not blank(figures.render(figures.attributions([panel(0.0)], limit=limit)))


@pytest.mark.parametrize("dark", [True, False])
def test_a_map_has_the_colours_of_the_colour_bar(dark):
    """Whatever the picture is like; at most two of 256 levels apart."""
    base = panel()
    heat = np.linspace(-1, 1, base.heat.size).reshape(base.heat.shape)
    picture = np.full_like(base.image, 0 if dark else 255)
    shown = overlays.overlay(replace(base, image=picture, heat=heat, segments=np.zeros_like(base.segments)), limit=1.0)
    bar = np.round(255 * np.asarray(colour_scale.DIVERGING(np.linspace(0, 1, 4001)))[:, :3])
    nearest = bar[np.round(4000 * (0.5 + 0.5 * heat)).astype(int)]
    assert np.abs(shown - nearest).max() <= 2


def test_the_strongest_regions_are_named_where_there_is_room_and_unsure_ones_marked():
    segments = np.zeros((120, 120), int)
    segments[:, 60:], segments[0, 0] = 1, 2
    heat = np.where(segments == 1, -0.5, 0.5)
    image = np.zeros((120, 120, 3), np.uint8)
    marked = Panel(image, heat, segments, "t", "s", names={0: "▲0", 1: "▼1", 2: "▲2"}, unsure=[2])
    figure = figures.attributions([marked], limit=1.0)
    assert {"▲0", "▼1"} <= set(texts(figure))
    assert "▲2" not in texts(figure)  # a pixel has no room for it
    assert any("▲ raises, ▼ lowers it · ○ sign unknown" in text for text in texts(figure))
    assert not any("▲" in text for text in texts(figures.attributions([panel()], limit=1.0)))


def test_a_long_title_is_whole_on_two_lines():
    """Of what is predicted and true nothing may be cut."""
    title = "probe 3 · Corn-mintill · ≠ predicted Grass-trees 25 %, true"
    short = "probe 0 · Woods · predicted 81 %, true"
    maps = figures.attributions([panel(title=title), *[panel(title=short)] * 7], limit=1.0)
    names, values = ["superpixel 1", "superpixel 2"], np.array([0.5, -0.1])
    bars = figures.feature_bars([(name, names, values, 0.1 * values) for name in (title, *[short] * 7)], limit=1.0)
    for figure in (maps, bars):
        assert "≠ predicted Grass-trees 25 %, true" in texts(figure)
        assert "predicted 81 %, true" in texts(figure) or short in texts(figure)
        assert not any("…" in text for text in texts(figure))


def test_never_hidden_pixels_have_no_colour():
    hidden = panel(1.0)
    bare = Panel(hidden.image, hidden.heat, np.full((12, 12), -1), "t", "s")
    assert np.ptp(overlays.overlay(bare, limit=1.0), axis=-1).max() == 0


def test_pale_panels_look_pale_and_say_why():
    strong, pale = overlays.overlay(panel(), limit=1.0), overlays.overlay(panel(pale=True), limit=1.0)
    assert np.ptp(pale, axis=-1).max() < np.ptp(strong, axis=-1).max()
    assert "score below gate" in texts(figures.attributions([panel(pale=True)], limit=1.0))
    assert any(
        "score below gate" in t
        for t in texts(figures.spectra([spectrum_panel(pale=True)], wavelengths=None, limit=1.0))
    )
    a, b = (figures.waterfall([0], np.ones((1, 4)), wavelengths=None, limit=1.0, pale=p) for p in ([True], None))
    assert (figures.render(a) != figures.render(b)).any()


def test_borders_lie_between_pixels_of_different_segments():
    lines = overlays.borders(np.array([[0, 0, 1], [0, 0, 1]]))
    np.testing.assert_array_equal(lines, [[[1.5, -0.5], [1.5, 0.5]], [[1.5, 0.5], [1.5, 1.5]]])
    assert overlays.borders(np.zeros((3, 3), int)).shape == (0, 2, 2)


@pytest.mark.parametrize("count", [1, 2, 5, 8, 16])
def test_any_number_of_panels_is_drawn(count):
    figure = figures.attributions([panel(title=f"probe {i}") for i in range(count)], limit=1.0)
    assert all(f"probe {i}" in texts(figure) for i in range(count))
    assert figures.render(figures.spectra([spectrum_panel()] * count, wavelengths=AVIRIS, limit=1.0)).shape[1] <= 1600


@pytest.mark.parametrize("targets", [2, 3, 4])
def test_the_targets_of_a_probe_stay_in_one_row(targets):
    panels = [panel(title=f"probe {i // targets} · {i % targets}") for i in range(16 // targets * targets)]
    for figure in (
        figures.attributions(panels, limit=1.0, targets=targets),
        figures.before_after(panels, panels, limit=1.0, targets=targets),
    ):
        rows = {text.get_text(): text.get_position()[1] for text in figure.texts}
        for i in range(16 // targets):
            assert len({rows[f"probe {i} · {t}"] for t in range(targets)}) == 1


def test_more_than_sixteen_panels_are_cut_and_counted():
    figure = figures.attributions([panel(title=f"probe {i}") for i in range(20)], limit=1.0, caption="spatial")
    assert "spatial · first 16 of 20 shown" in texts(figure)
    assert "probe 16" not in texts(figure)


@pytest.mark.parametrize("shape", [(12, 12), (1, 300), (300, 1), (1, 1), (224, 320), (7, 500)])
def test_pictures_of_any_proportions_are_drawn(shape):
    image = np.random.default_rng(0).integers(0, 255, (*shape, 3)).astype(np.uint8)
    segments = np.arange(shape[0] * shape[1]).reshape(shape) // 7
    drawn = figures.attributions([Panel(image, segments / 10.0, segments, "t", "s")] * 3, limit=1.0)
    assert figures.render(drawn).shape[1] <= 1600


def test_names_are_drawn_as_they_are_and_never_interpreted():
    figures.render(figures.attributions([panel(title=STRANGE)], limit=1.0, caption=STRANGE))
    figures.render(bars([STRANGE, "b_2"], targets=(STRANGE, "$")))
    figures.render(bars([STRANGE, "b"], channels=np.array([0, 0, 1, 1]), wavelengths=[400, 500, 600, 700]))
    figures.render(figures.feature_bars([(STRANGE, [STRANGE], np.ones(1), np.ones(1))], limit=1.0))
    figures.render(figures.history_lines([0], {STRANGE: [0.5]}, {STRANGE: [0.1]}, caption=STRANGE))
    figures.render(
        figures.coefficient_lines([0], [STRANGE], np.ones((1, 1)), np.ones((1, 1)), limit=1.0, target=STRANGE)
    )
    figures.render(figures.waterfall([0], np.ones((1, 2)), wavelengths=None, limit=1.0, target=STRANGE))
    figures.render(figures.before_after([panel()], [panel()], limit=1.0, moments=(STRANGE, "$$")))
    figures.render(
        figures.before_after([spectrum_panel()] * 2, [spectrum_panel()] * 2, limit=1.0, moments=(STRANGE, "$$"))
    )
    figures.render(figures.attributions([panel(title="土壤 🌱 \n line\tbreak")], limit=1.0))


def test_long_names_are_cut_in_the_middle():
    cut = style.fit("a" * 100 + "·" + "z" * 100, 120)
    assert cut.startswith("a")
    assert cut.endswith("z")
    assert "…" in cut
    assert style.text_width(cut) <= 120
    assert style.fit("short", 120) == "short"


def test_every_mark_of_a_key_is_said_on_the_narrowest_page():
    first = ("epoch 120", np.zeros((1, 2)))
    one = [spectrum_panel(image=False)]
    for figure in (
        figures.before_after(one, one, wavelengths=AVIRIS, limit=1.0, moments=("epoch 120", "now")),
        figures.feature_bars([("t", ["a", "b"], np.ones(2), np.ones(2))], limit=1.0, first=first),
        figures.superband_bars(
            ["a", "b"], np.array([1.0, 1.0, 99.0, -99.0] * 4)[:, None, None] * np.ones(2), np.ones((1, 2)),
            targets=["t"], channels=None, wavelengths=None, limit=1.0, first=first,
        ),
    ):  # fmt: skip
        assert "epoch 120" in texts(figure)


def test_bars_are_the_mean_and_grow_past_the_limit():
    coefficients = np.array([[[1.0, -5.0]], [[3.0, -7.0]]])
    figure = bars(["a", "b"], 2, 1, coefficients=coefficients, targets=("t",))
    chart = figure.axes[0]
    (drawn,) = (one for one in chart.collections if isinstance(one, PolyCollection))
    assert [bar.vertices[1, 0] for bar in drawn.get_paths()] == [2.0, -6.0]
    assert chart.get_xlim()[1] >= 7.0
    low, high = bars(["a", "b"], 2, 1, coefficients=coefficients / 100, targets=("t",)).axes[0].get_xlim()
    assert high == -low
    assert high >= 2.0


@pytest.mark.parametrize(("names", "ends"), [(["a", "b"], ("<", ">")), (["1-2 nm", "3-4 nm"], ("v", "^"))])
def test_a_probe_far_beyond_the_bars_does_not_make_them_short(names, ends):
    coefficients = np.full((8, 1, 2), 0.1)
    coefficients[0], coefficients[1], coefficients[2] = 90.0, -90.0, np.inf  # the last is no number, and is left out
    upright = ends == ("v", "^")
    figure = bars(
        names, 8, 1, coefficients=coefficients, targets=("t",), channels=np.arange(2) if upright else None,
        wavelengths=[500.0, 600.0] if upright else None,
    )  # fmt: skip
    chart = next(axes for axes in figure.axes if (axes.get_ylabel() if upright else axes.get_xlabel()))
    reach = (chart.get_ylim if upright else chart.get_xlim)()[1]
    assert 2.0 < reach < 4.0
    drawn = [one for one in chart.collections if isinstance(one, PathCollection)]
    shapes = {end: MarkerStyle(end).get_path().transformed(MarkerStyle(end).get_transform()) for end in ("o", *ends)}
    at = {
        end: one.get_offsets()[:, int(upright)].data.tolist()
        for one in drawn
        for end, path in shapes.items()
        if len(path) == len(one.get_paths()[0]) and np.allclose(path.vertices, one.get_paths()[0].vertices)
    }
    below, above = ends
    assert at == {"o": [0.1] * 10, above: pytest.approx([reach] * 2), below: pytest.approx([-reach] * 2)}
    assert f"each of 8 probes ({'▲' if upright else '▶'} beyond the axis)" in texts(figure)
    assert "each of 3 probes" in texts(bars(names))


def test_no_triangle_is_said_to_be_there_for_a_bar_that_is_left_out():
    coefficients = np.linspace(1.0, 2.0, 60)[None, None].repeat(2, 0)
    coefficients[:, 0, 0] = 90.0, -90.0  # the mean is the least of all
    found = texts(bars([str(i) for i in range(60)], 2, 1, coefficients=coefficients, targets=("t",)))
    assert "c · strongest 40 of 60 shown" in found
    assert "each of 2 probes" in found


def test_bars_whose_interval_includes_zero_are_light():
    values = np.array([1.0, -1.0, 0.1, -0.1, 1.0, 0.1])
    grey = np.array([False] * 4 + [True] * 2)
    rgb = colour_scale.sign_colours(values, np.abs(values) > 0.5, grey)
    expected = [style.PLUS, style.MINUS, style.PLUS_UNSURE, style.MINUS_UNSURE, style.NEUTRAL, style.NEUTRAL_UNSURE]
    np.testing.assert_allclose(rgb, [to_rgb(colour) for colour in expected])


def test_a_half_that_is_not_known_draws_no_interval_and_says_so():
    values = np.array([1.0, 0.9])
    x = np.arange(2) * 100.0 + 500

    def drawn(halves):
        spectrum = SpectrumPanel(None, None, values, halves, "probe 0", "R² 0.9")
        one = {"targets": ["a"], "channels": np.arange(2), "wavelengths": x, "limit": 1.0}
        return (
            figures.superband_bars(["b", "c"], values[None, None], halves[None], **one),
            figures.feature_bars([("probe 0", ["b", "c"], values, halves)], limit=1.0),
            figures.spectra([spectrum], wavelengths=x, limit=1.0),
        )

    for known, unknown in zip(drawn(np.full(2, 0.2)), drawn(np.array([0.2, np.inf])), strict=True):
        said = [[t.get_text() for axes in figure.axes for t in axes.texts] for figure in (known, unknown)]
        assert "interval includes 0" in said[0]
        assert "interval includes 0, or unknown" in said[1]
        lines = [
            sum(len(part.get_segments()) for axes in figure.axes for part in axes.collections
                if isinstance(part, LineCollection))
            for figure in (known, unknown)
        ]  # fmt: skip
        assert lines[1] == lines[0] - 1
    lines = {"names": ["b"], "values": np.ones((2, 1)), "limit": 1.0}
    for halves, said in (
        (0.5, "bands: 95 % interval over the probes"),
        (np.nan, "no interval over the probes is known"),
    ):
        assert said in texts(
            figures.coefficient_lines(range(2), halves=np.full((2, 1), halves), over_probes=True, **lines)
        )


def test_groups_are_in_spectral_order_and_not_included_comes_last():
    groups = SuperbandSpans.of(["far", "not_included", "near"], np.array([2, 1, 1, 0]), [400, 500, 600, 700])
    assert groups.order.tolist() == [2, 1, 0] or groups.order.tolist() == [2, 0, 1]
    assert groups.order[-1] == 1
    descending = SuperbandSpans.of(["far", "near"], np.array([0, 0, 1, 1]), [700, 600, 500, 400])
    assert descending.order.tolist() == [1, 0]
    assert descending.in_spans(8.0)
    assert not SuperbandSpans.of(["a", "b"], np.array([0, 1, 0, 1]), [400, 500, 600, 700]).in_spans(8.0)
    assert not SuperbandSpans.of(["a", "b"], np.array([0, 1]), None).in_spans(8.0)


def test_many_superbands_and_targets_are_cut_and_counted():
    names = [f"b{i}" for i in range(60)]
    figure = bars(names, 2, 8, targets=[f"t{i}" for i in range(8)])
    assert any("first 6 of 8 targets" in t and "strongest 40 of 60" in t for t in texts(figure))


def test_spectral_axis_has_gaps_where_wavelengths_jump():
    axis = SpectralAxis.of([400, 410, 420, 600, 610, 620], 6)
    assert axis.gaps == [(425.0, 595.0)]
    _, y = axis.steps(np.arange(6.0))
    assert np.isnan(y).sum() == 1
    assert axis.channels_at(np.array([400.0, 424.0, 500.0, 618.0])).tolist() == [0, 2, -1, 5]
    assert any(low <= 1390 <= high for low, high in SpectralAxis.of(AVIRIS, 200).gaps)
    assert any(low <= 1900 <= high for low, high in SpectralAxis.of(AVIRIS, 200).gaps)


def test_spectral_axis_sorts_descending_wavelengths():
    axis = SpectralAxis.of([500, 450, 400], 3)
    x, y = axis.steps(np.array([1.0, 2.0, 3.0]))
    assert (np.diff(x) >= 0).all()
    assert y[0] == 3.0
    assert SpectralAxis.of([550], 1).limits == (545.0, 555.0)
    assert SpectralAxis.of(None, 3).gaps == []


def test_values_that_are_not_finite_do_not_break_a_figure():
    bad = np.array([np.nan, np.inf, -np.inf, 1.0])
    names = list("abcd")
    figures.render(figures.feature_bars([("t", names, bad, bad)], limit=1.0))
    figures.render(bars(names, 2, 1, coefficients=np.broadcast_to(bad, (2, 1, 4)), targets=("t",)))
    figures.render(figures.coefficient_lines([0, 1], names, np.stack([bad, bad]), np.stack([bad, bad]), limit=1.0))
    figures.render(figures.waterfall([0], bad[None], wavelengths=None, limit=1.0))
    figures.render(figures.history_lines([0, 1], {"a": [np.nan, np.inf]}, {"a": [np.nan, np.nan]}, gate=0.5))
    nothing = SpectrumPanel(None, bad, bad * np.nan, bad * np.nan, "t", "s")
    figures.render(figures.spectra([nothing], wavelengths=None, limit=float("nan")))


def test_one_epoch_alone_is_drawn():
    names, one = ["a", "b"], np.ones((1, 2))
    assert not blank(figures.render(figures.history_lines([3], {"a": [0.5]}, {"a": [0.1]}, noise_floor={"a": [0.2]})))
    assert "nothing to compare with yet" in texts(figures.history_lines([3], {"a": [0.5]}, {"a": [np.nan]}))
    assert not blank(figures.render(figures.coefficient_lines([3], names, one, one, limit=1.0)))
    assert not blank(figures.render(figures.waterfall([3], one, wavelengths=None, limit=1.0)))


def test_the_strongest_lines_of_the_newest_epoch_are_named():
    values = np.array([[9.0, 0.0, 0.0], [0.0, 1.0, -2.0]])
    drawn = texts(figures.coefficient_lines([0, 1], ["x", "y", "z"], values, values * 0, top=2, limit=1.0))
    assert {"y", "z"} <= set(drawn)
    assert "x" not in drawn
    chosen = figures.coefficient_lines([0, 1], ["x", "y", "z"], values, values * 0, highlight=["x"], limit=1.0)
    assert "x" in texts(chosen)


def test_labels_are_moved_apart_and_stay_inside():
    moved = spread([99.0, 100.0, 98.0, 10.0], apart=15, highest=100)
    assert max(moved) <= 100
    assert np.diff(sorted(moved)).min() >= 15
    assert np.argsort(moved).tolist() == [3, 2, 0, 1]


def test_composite_takes_the_bands_nearest_to_red_green_and_blue():
    x = torch.zeros(1, 200, 4, 4)
    red = int(np.abs(AVIRIS - 665).argmin())
    x[:, red, :2] = 1.0
    picture = figures.composite(x, AVIRIS)
    assert picture.shape == (1, 4, 4, 3)
    assert picture.dtype == np.uint8
    assert picture[0, 0, 0, 0] == 255
    assert picture[0, 3, 0, 0] == 0
    assert (picture[0, 0, 0, 1:] == picture[0, 3, 0, 1:]).all()


@pytest.mark.parametrize("channels", [1, 2, 3, 5, 200])
def test_composite_of_any_number_of_channels(channels):
    picture = figures.composite(torch.rand(2, channels, 6, 5))
    assert picture.shape == (2, 6, 5, 3)
    assert picture.std() > 10
    if channels == 1:
        assert np.ptp(picture, axis=-1).max() == 0


def test_composite_leaves_invalid_pixels_out():
    x = torch.rand(2, 3, 8, 8)
    x[:, :, 0, 0] = 1e6
    x[:, :, 1, 1] = float("nan")
    valid = torch.ones(1, 8, 8, dtype=torch.bool)
    valid[:, 0, 0] = False
    picture = figures.composite(x, valid=valid)
    assert (picture[:, 0, 0] == picture[:, 1, 1]).all()
    assert picture[:, 2:].std() > 30
    np.testing.assert_array_equal(picture, figures.composite(x, valid=valid[:, None]))
    assert figures.composite(x, valid=torch.zeros(2, 8, 8)).std() == 0


def test_composite_of_constant_inputs_and_of_spectra():
    assert (figures.composite(torch.ones(1, 3, 4, 4)) == 128).all()
    assert figures.composite(torch.rand(4, 200, 1, 1), AVIRIS).shape == (4, 1, 1, 3)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: figures.attributions([], limit=1.0), "at least one panel"),
        (lambda: figures.attributions([panel()], limit=-1.0), "`limit` should be"),
        (
            lambda: Panel(np.zeros((2, 2, 3), np.uint8), np.zeros((3, 3)), np.zeros((2, 2), int), "", ""),
            "`heat` should",
        ),
        (lambda: Panel(np.zeros((2, 2, 3)), np.zeros((2, 2)), np.zeros((2, 2), int), "", ""), "uint8 of shape"),
        (lambda: SpectrumPanel(None, np.zeros(3), np.zeros(2), np.zeros(3), "", ""), "one value for each channel"),
        (lambda: figures.spectra([spectrum_panel()], wavelengths=[1.0], limit=1.0), "200 channels"),
        (lambda: bars(["a"], targets=("x",)), r"shape \[P, T, d\]"),
        (lambda: bars(["a"], spread=np.ones((2, 3))), r"`spread` should have the shape \[T, d\], \(2, 1\)"),
        (
            lambda: SpectrumPanel(None, None, np.zeros(3), np.zeros(3), "", "", spread=np.zeros(2)),
            r"\(3,\) of `halves`, \(2,\) of `spread`",
        ),
        (lambda: bars(["a", "b"], channels=np.array([0, 2])), "labels up to 2"),
        (lambda: figures.feature_bars([("t", ["a"], np.ones(1), np.ones(1))], top=0, limit=1.0), "`top` should be"),
        (lambda: figures.history_lines([0, 1], {"a": [1.0]}, {}), "2 epochs. Found 1 for 'a'"),
        (lambda: figures.waterfall([0], np.ones((2, 3)), wavelengths=None, limit=1.0), r"shape \[E, C\]"),
        (lambda: figures.waterfall([0], np.ones((1, 3)), wavelengths=None, limit=1.0, pale=[]), "`pale` should"),
        (lambda: figures.coefficient_lines([0], ["a"], np.ones((1, 2)), np.ones((1, 2)), limit=1.0), r"shape \[E, d\]"),
        (
            lambda: figures.coefficient_lines([0], ["a"], np.ones((1, 1)), np.ones((1, 1)), highlight=["b"], limit=1.0),
            r"Found \['b'\]",
        ),
        (lambda: figures.before_after([panel()], [], limit=1.0), "Found 1 and 0"),
        (lambda: figures.before_after([panel()], [spectrum_panel()], limit=1.0), "of one kind"),
        (lambda: figures.composite(torch.rand(3, 4, 4)), r"axes \[B, C, H, W\]"),
        (lambda: figures.composite(torch.rand(1, 3, 4, 4), [1.0]), "3 channels. Found 1"),
        (lambda: figures.composite(torch.rand(1, 3, 4, 4), valid=torch.ones(1, 5, 4)), "`valid` should"),
    ],
)
def test_wrong_arguments_are_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()

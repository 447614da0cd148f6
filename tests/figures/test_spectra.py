"""Spectra: each channel's value over the wavelength, and the axis that all spectral figures share."""

import numpy as np
import pytest
from matplotlib.collections import PolyCollection
from matplotlib.colors import to_rgb
from pages import page, texts

from lime_callback import figures
from lime_callback.figures import SpectrumPanel, colour_scale, style
from lime_callback.figures.spectral_axis import SpectralAxis

AVIRIS = np.delete(np.linspace(400.0, 2499.0, 220), [*range(103, 108), *range(149, 163), 219])
JUMP = [400, 410, 420, 600, 610, 620]  # nm


def spectrum(values, halves=0.05, *, own=None, title="probe 0", image=None, **more):
    values = np.asarray(values, dtype=float)
    return SpectrumPanel(image, own, values, np.broadcast_to(halves, values.shape), title, "R² 0.9", **more)


def spectra(panels, wavelengths=None, **more):
    return page(figures.spectra, panels, **{"wavelengths": wavelengths, "limit": 1.0} | more)


def bars(chart):
    """Begin, end and value of each bar; the strip of visible light and hatched gaps are left out."""
    signs = [chart.rectangles(colour) for colour in (style.PLUS, style.MINUS, style.PLUS_UNSURE, style.MINUS_UNSURE)]
    found = np.concatenate(signs)
    found = found[np.argsort(found[:, 0], kind="stable")]
    assert (np.isclose(found[:, 1], 0, atol=1e-9) | np.isclose(found[:, 3], 0, atol=1e-9)).all()
    return np.stack([found[:, 0], found[:, 2], found[:, 1] + found[:, 3]], 1)


def test_a_bar_stands_for_each_channel_at_its_wavelength():
    values = [0.5, -0.25, 0.1, -0.9, 0.01, 0.7]
    _, (chart,) = spectra([spectrum(values)], JUMP)
    expected = [(x - 5, x + 5, value) for x, value in zip(JUMP, values, strict=True)]
    np.testing.assert_allclose(bars(chart), expected, atol=1e-6)
    _, (chart,) = spectra([spectrum(values)])  # by number
    np.testing.assert_allclose(bars(chart), [(i - 0.5, i + 0.5, value) for i, value in enumerate(values)], atol=1e-6)


def test_channels_are_sorted_by_wavelength():
    _, (chart,) = spectra([spectrum([1.0, 0.5, -0.5])], [500, 450, 400])
    np.testing.assert_allclose(bars(chart), [[375, 425, -0.5], [425, 475, 0.5], [475, 525, 1.0]], atol=1e-6)


def test_bars_have_the_colour_of_their_sign_light_if_their_interval_includes_zero():
    _, (chart,) = spectra([spectrum([0.5, -0.5, 0.5, -0.5], [0.1, 0.1, 0.6, np.inf])])
    for colour, value in ((style.PLUS, 0), (style.MINUS, 1), (style.PLUS_UNSURE, 2), (style.MINUS_UNSURE, 3)):
        np.testing.assert_allclose(chart.rectangles(colour)[:, 0], [value - 0.5] * 1)


def test_an_interval_stands_in_the_middle_of_each_run_of_equal_channels():
    values, halves = [0.5, 0.5, 0.5, -0.2, -0.2, 0.3], [0.1, 0.1, 0.1, 0.05, 0.05, np.inf]
    for wavelengths, middles in ((None, (1.0, 3.5)), (JUMP, (410.0, 605.0))):
        figure, (chart,) = spectra([spectrum(values, halves)], wavelengths)
        whiskers = [line for line in chart.lines(style.INK) if np.ptp(line[:, 0]) < 1e-9]
        assert [line[0, 0] for line in whiskers] == pytest.approx(middles)
        np.testing.assert_allclose([np.sort(line[:, 1]) for line in whiskers], [[0.4, 0.6], [-0.25, -0.15]], atol=1e-6)
        assert "interval includes 0, or unknown" in texts(figure)
        assert "interval includes 0" in texts(spectra([spectrum(values, 0.1)], wavelengths)[0])


def test_no_bar_and_no_line_is_drawn_where_there_is_no_channel():
    values = [0.5, -0.25, 0.1, -0.9, 0.01, 0.7]
    now = spectrum(values, own=np.arange(6.0), spread=np.full(6, 0.1))
    figure, (chart,) = spectra([now], JUMP, first=[spectrum(values[::-1])])
    for left, right in bars(chart)[:, :2]:
        assert right <= 425 + 1e-6 or left >= 595 - 1e-6
    for colour in (style.PAPER, style.SPECTRUM):
        for line in (line for line in chart.lines(colour) if len(line) > 2):  # a hatch has two points
            assert line[:, 0].max() <= 425 + 1e-6 or line[:, 0].min() >= 595 - 1e-6
    (gap,) = chart.rectangles(style.GAP)
    assert gap.tolist() == pytest.approx([425, -chart.frame.upright[1], 595, chart.frame.upright[1]])
    spans = [artist for artist in figure.artists if isinstance(artist, PolyCollection) and artist.get_alpha()]
    assert len(spans) == 2
    assert "no channel, or water vapour" in texts(figure)
    assert "no channel, or water vapour" not in texts(spectra([spectrum(values)], np.arange(400, 460, 10.0))[0])


def test_water_vapour_is_hatched_alone():
    """Channels that lie in it are drawn as all others are."""
    wavelengths = np.arange(1300, 1500, 10.0)
    _, (chart,) = spectra([spectrum(np.full(20, 0.5))], wavelengths)
    assert chart.rectangles(style.GAP)[:, [0, 2]].tolist() == [[pytest.approx(1350), pytest.approx(1430)]]
    assert len(bars(chart)) == 20


def test_the_first_explanation_is_a_line_where_its_values_were():
    now, then = [0.5, -0.25, 0.1, -0.9], [0.1, 0.2, -0.3, 0.4]
    figure, charts = spectra([spectrum(now)] * 2, first=[spectrum(then), spectrum(now)], moment="epoch 1")
    for chart, values in zip(charts, (then, now), strict=True):
        (line,) = chart.lines(style.PAPER)
        np.testing.assert_allclose(line[:, 1], np.repeat(values, 2), atol=1e-6)
        np.testing.assert_allclose(line[::2, 0], np.arange(4) - 0.5, atol=1e-6)
    assert "epoch 1" in texts(figure)
    _, charts = spectra([spectrum(now)])
    assert charts[0].lines(style.PAPER) == []


def test_the_axis_shows_limit_and_all_values_and_is_the_same_for_all_panels():
    for panels, first, reach in (
        ([[0.5]], None, 1.0), ([[0.5], [-3.0]], None, 3.0), ([[0.5]], [[7.0]], 7.0), ([[np.inf]], None, 1.0),
    ):  # fmt: skip
        earlier = None if first is None else [spectrum(values) for values in first]
        _, charts = spectra([spectrum(values) for values in panels], first=earlier)
        for chart in charts:
            low, high = chart.frame.upright
            assert -low == high == pytest.approx(1.06 * reach)
            assert all(text == style.number(value) for text, value in chart.numbers())
            assert len(chart.numbers()) >= 3


def test_all_spectra_share_a_scale_that_the_key_tells():
    low, high = spectrum([0.1] * 3, own=np.array([0.0, 1.0, 2.0])), spectrum([0.1] * 3, own=np.array([2.0, 3.0, 4.0]))
    figure, charts = spectra([low, high], spectrum_unit="reflectance")
    a, b = (np.concatenate(chart.lines(style.SPECTRUM))[::2, 1] for chart in charts)
    assert a[2] == pytest.approx(b[0])
    np.testing.assert_allclose(np.diff(np.append(a, b[1:])), np.diff(a)[0])
    (said,) = [text for text in texts(figure) if "spectrum" in text]
    assert "reflectance" in said
    assert "0 to 4" in said
    assert not any("spectrum" in text for text in texts(spectra([spectrum([0.1] * 3)])[0]))


def test_a_pale_panel_looks_pale_and_says_why():
    strong, pale = spectrum([0.5, -0.5]), spectrum([0.5, -0.5], pale=True)
    figure, charts = spectra([strong, pale])
    assert "R² 0.9 · poor fit: score below the gate" in texts(figure)
    assert texts(figure).count("R² 0.9") == 1
    expected = colour_scale.pale(np.array([to_rgb(style.PLUS), to_rgb(style.MINUS)]))
    for colour in expected:
        assert len(charts[0].rectangles(colour)) == 0
        assert len(charts[1].rectangles(colour)) == 1


def test_values_that_are_not_finite_are_left_out():
    figure, (chart,) = spectra([spectrum([np.nan, np.inf, -np.inf, 1.0], own=np.array([0.0, np.nan, 1.0, np.inf]))])
    np.testing.assert_allclose(bars(chart), [[2.5, 3.5, 1.0]], atol=1e-6)
    figures.render(figure)
    nothing = np.full(4, np.nan)
    assert bars(spectra([spectrum(nothing, nothing)], limit=float("nan"))[1][0]).size == 0


@pytest.mark.parametrize("count", [1, 2, 5, 16])
def test_any_number_of_panels_is_drawn(count):
    own = np.linspace(0, 1, 200)
    panels = [spectrum(own, own=own, image=np.zeros((9, 9, 3), np.uint8), title=f"probe {i}") for i in range(count)]
    figure, charts = spectra(panels, AVIRIS)
    assert len(charts) == count
    assert all(f"probe {i}" in texts(figure) for i in range(count))
    assert len({chart.frame.left for chart in charts}) == min(count, 2)
    # Each column says its wavelengths under its lowest chart.
    assert texts(figure).count("wavelength (nm)") == min(count, 2)


def test_spectral_axis_has_gaps_where_wavelengths_jump():
    axis = SpectralAxis.of(JUMP, 6)
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


@pytest.mark.parametrize("width", [100, 290, 632])
@pytest.mark.parametrize("wavelengths", [AVIRIS, None, [400.0, 410.0], [550.0]])
def test_ticks_of_the_spectral_axis_are_round_and_have_room(wavelengths, width):
    axis = SpectralAxis.of(wavelengths, 200 if wavelengths is None else len(wavelengths))
    ticks, (low, high) = axis.ticks(width), axis.limits
    assert ticks
    assert all(low <= tick <= high for tick in ticks)
    names = [f"{tick:.0f}" for tick in ticks]
    assert len(set(names)) == len(names)
    assert "-0" not in names
    places = np.array([(tick - low) / (high - low) * width for tick in ticks])
    half = np.array([style.text_width(name) / 2 for name in names])
    assert (np.diff(places) >= half[1:] + half[:-1] + 4).all()

"""Figures: the process stays as it was, names are drawn as they are, and wrong arguments are named."""

import subprocess
import sys

import matplotlib as mpl
import numpy as np
import pytest
import torch
from pages import texts

from lime_callback import figures
from lime_callback.figures import BarPanel, Panel, ProbeRow, SpectrumPanel

STRANGE = "cost_in_$ and $x^2$, $\\frac{1}"


def panel(title="probe 0", segments=None):
    labels = np.zeros((12, 12), int) if segments is None else segments
    return Panel(np.full((12, 12, 3), 200, np.uint8), labels + 0.5, labels, title, "R² 0.9")


def spectrum(channels=200, title="probe 0"):
    return SpectrumPanel(None, np.linspace(0, 1, channels), *np.ones((2, channels)), title, "R² 0.9")


def superbands(names=("a",), values=None, *, targets=("t",), channels=None, wavelengths=None, **more):
    shape = (len(targets), len(names))
    parts = [more.pop(name, np.ones(shape)) for name in ("sizes", "means", "halves")]
    return figures.superband_effects(
        list(names),
        *parts,
        targets=targets,
        channels=channels,
        wavelengths=wavelengths,
        limit=1.0,
        values=values,
        **more,
    )


def lines(names=("a",), epochs=(0,), **more):
    parts = [more.pop(name, np.ones((len(epochs), len(names)))) for name in ("sizes", "low", "high")]
    return figures.effect_lines(list(epochs), list(names), *parts, limit=1.0, **more)


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


def test_names_are_drawn_as_they_are_and_never_interpreted():
    named = [STRANGE, "b_2"]
    drawn = [
        figures.attributions([panel(STRANGE)], limit=1.0, caption=STRANGE, status=[STRANGE]),
        figures.attributions([panel()], limit=1.0, first=[panel()], moments=(STRANGE, "$$")),
        figures.spectra([spectrum(title=STRANGE)], wavelengths=None, limit=1.0, first=[spectrum()], moment=STRANGE),
        superbands(named, targets=(STRANGE, "$")),
        superbands(named, np.ones((1, 1, 2)), channels=np.array([0, 0, 1, 1]), wavelengths=[400, 500, 600, 700],
                   probes=[ProbeRow(STRANGE, STRANGE)], first=(STRANGE, np.ones((1, 2)))),
        figures.feature_bars([BarPanel(STRANGE, [STRANGE], np.ones(1), np.ones(1))], limit=1.0),
        figures.history_lines([0], {STRANGE: [0.5], "b": [0.1]}, {STRANGE: [0.1]}, caption=STRANGE),
        lines([STRANGE], target=STRANGE),
        figures.waterfall([0], np.ones((1, 2)), wavelengths=None, limit=1.0, target=STRANGE),
        figures.attributions([panel("土壤 🌱 \n line\tbreak")], limit=1.0),
    ]  # fmt: skip
    for figure in drawn:
        figures.render(figure)
    assert STRANGE in texts(drawn[0])


def test_another_quantity_is_named():
    share = "effect (share of the spread)"
    for figure in (
        figures.attributions([panel()], limit=1.0, quantity=share),
        figures.waterfall([0], np.ones((1, 3)), wavelengths=None, limit=1.0, quantity=share),
        figures.spectra([spectrum()], wavelengths=None, limit=1.0, quantity=share),
        superbands(quantity=share),
        superbands(
            ["a", "b"], np.ones((2, 1, 2)), channels=np.arange(2), probes=[ProbeRow("", "p")] * 2, quantity=share
        ),
        lines(quantity=share),
    ):
        assert share in texts(figure)
    assert "effect" in texts(figures.feature_bars([BarPanel("t", ["a"], *np.ones((2, 1)))], limit=1.0, quantity=share))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: figures.attributions([], limit=1.0), "at least one panel"),
        (lambda: figures.spectra([], wavelengths=None, limit=1.0), "at least one panel"),
        (lambda: figures.feature_bars([], limit=1.0), "at least one panel"),
        (lambda: figures.attributions([panel()], limit=-1.0), "`limit` should be"),
        (
            lambda: Panel(np.zeros((2, 2, 3), np.uint8), np.zeros((3, 3)), np.zeros((2, 2), int), "", ""),
            "`heat` should",
        ),
        (
            lambda: Panel(np.zeros((2, 2, 3), np.uint8), np.zeros((2, 2)), np.zeros((3, 2), int), "", ""),
            "`segments` should",
        ),
        (lambda: Panel(np.zeros((2, 2, 3)), np.zeros((2, 2)), np.zeros((2, 2), int), "", ""), "uint8 of shape"),
        (lambda: SpectrumPanel(None, np.zeros(3), np.zeros(2), np.zeros(3), "", ""), "one value for each channel"),
        (
            lambda: SpectrumPanel(None, None, np.zeros(3), np.zeros(3), "", "", spread=np.zeros(2)),
            r"\(3,\) of `halves`, \(2,\) of `spread`",
        ),
        (
            lambda: BarPanel("", ["a"], np.zeros(2), np.zeros(1)),
            r"each of the 1 `names`. Found shapes \(2,\) and \(1,\)",
        ),
        (
            lambda: BarPanel("", ["a"], *np.zeros((2, 1)), np.zeros((2, 2, 3), np.uint8), np.zeros((3, 3), int)),
            "`segments` should",
        ),
        (lambda: figures.spectra([spectrum()], wavelengths=[1.0], limit=1.0), "200 channels"),
        (
            lambda: superbands(sizes=np.ones((2, 1))),
            r"shape \[T, d\].*T = 1 `targets` and d = 1 `names`. Found {'sizes'",
        ),
        (lambda: superbands(means=np.ones(1)), r"Found {'means': \(1,\)}"),
        (lambda: superbands(halves=np.ones((1, 2))), r"Found {'halves': \(1, 2\)}"),
        (lambda: superbands(spread=np.ones((2, 3))), r"Found {'spread': \(2, 3\)}"),
        (lambda: superbands(first=("epoch 1", np.ones(3))), r"Found {'first': \(3,\)}"),
        (lambda: superbands(values=np.ones((2, 1))), r"`values` \[P, T, d\].*Found {'values': \(2, 1\)}"),
        (lambda: superbands([], sizes=np.ones((1, 0))), r"d = 0 `names`"),
        (lambda: superbands(values=np.ones((2, 1, 1)), probes=[ProbeRow("", "")]), "each of the 2 probes. Found 1"),
        (lambda: superbands(["a", "b"], channels=np.array([0, 2])), "labels up to 2"),
        (lambda: figures.feature_bars([BarPanel("t", ["a"], *np.ones((2, 1)))], top=0, limit=1.0), "`top` should be"),
        (lambda: figures.history_lines([0, 1], {"a": [1.0]}, {}), "2 epochs. Found 1 for 'a'"),
        (lambda: figures.history_lines([0], {}, {"a": []}), "`moved` should.*Found 0 for 'a'"),
        (lambda: figures.waterfall([0], np.ones((2, 3)), wavelengths=None, limit=1.0), r"shape \[E, C\]"),
        (lambda: figures.waterfall([0], np.ones((1, 3)), wavelengths=None, limit=1.0, pale=[]), "`pale` should"),
        (lambda: lines(sizes=np.ones((1, 2))), r"shape \[E, d\]"),
        (lambda: lines(low=np.ones((2, 1))), r"shape \[E, d\]"),
        (lambda: lines([]), r"d = 0 `names`"),
        (lambda: figures.attributions([panel()], limit=1.0, first=[]), "Found 0 and 1 of"),
        (lambda: figures.spectra([spectrum()], wavelengths=None, limit=1.0, first=[]), "Found 0 and 1 of"),
        (
            lambda: figures.attributions([panel()], limit=1.0, first=[spectrum()]),
            r"of the same kind. Found 1 and 1 of \['Panel', 'SpectrumPanel'\]",
        ),
        (lambda: figures.composite(torch.rand(3, 4, 4)), r"axes \[B, C, H, W\]"),
        (lambda: figures.composite(torch.rand(1, 3, 4, 4), [1.0]), "3 channels. Found 1"),
        (lambda: figures.composite(torch.rand(1, 3, 4, 4), valid=torch.ones(1, 5, 4)), "`valid` should"),
    ],
)
def test_wrong_arguments_are_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()

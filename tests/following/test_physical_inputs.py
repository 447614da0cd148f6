"""Inputs in physical units, for pictures alone."""

import re

import pytest
import torch
from toys import WAVELENGTHS, Samples, fit

from lime_callback import LimeCallback, Superbands
from lime_callback.following.physical_inputs import check_to_physical, physical
from lime_callback.publishing import publisher
from lime_callback.views.layout import Layout

CHW, HWC = Layout.of("CHW"), Layout.of("HWC")
REFLECTANCE = torch.rand(2, 3, 4, 4, generator=torch.Generator().manual_seed(0))
MEAN, DEVIATION = torch.tensor([0.1, 0.2, 0.3]), torch.tensor([1.0, 2.0, 4.0])


def normalised():
    return (REFLECTANCE - MEAN.view(1, 3, 1, 1)) / DEVIATION.view(1, 3, 1, 1)


@pytest.mark.parametrize(
    "given",
    [
        (DEVIATION.tolist(), MEAN.tolist()),
        (DEVIATION.numpy(), MEAN),
        lambda x: x * DEVIATION.view(1, 3, 1, 1) + MEAN.view(1, 3, 1, 1),
    ],
    ids=["lists", "arrays", "function"],
)
def test_reflectance_comes_back(given):
    torch.testing.assert_close(physical(normalised(), CHW, check_to_physical(given)), REFLECTANCE)


def test_one_number_serves_all_channels_and_any_layout():
    turned = physical((REFLECTANCE.movedim(1, -1) - 0.5) / 2, HWC, check_to_physical((2, 0.5)))
    torch.testing.assert_close(turned, REFLECTANCE)


def test_without_it_inputs_stay_as_they_are():
    assert torch.equal(physical(REFLECTANCE, CHW, None), REFLECTANCE)


def test_a_function_cannot_change_the_probes():
    x = REFLECTANCE.clone()
    physical(x, CHW, lambda y: y.mul_(0.0))
    assert torch.equal(x, REFLECTANCE)


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        ("reflectance", TypeError, "`to_physical` should be a function of inputs [P, *dims], or `(scale, offset)`"),
        (2.0, TypeError, "Found 2.0"),
        ((1.0, 2.0, 3.0), TypeError, "Found (1.0, 2.0, 3.0)"),
        (
            (float("nan"), 0.0),
            ValueError,
            "`to_physical` should be finite numbers, `(scale, offset)`. Found (nan, 0.0)",
        ),
        (([], 0.0), ValueError, "Found ([], 0.0)"),
    ],
)
def test_what_is_no_way_back_is_refused_at_once(given, error, message):
    with pytest.raises(error, match=re.escape(message)):
        LimeCallback(Superbands(3), to_physical=given)


def test_what_does_not_fit_the_inputs_is_named():
    with pytest.raises(ValueError, match=r"one scale, or one for each of the 3 channels\. Found 2"):
        physical(REFLECTANCE, CHW, check_to_physical(([1.0, 2.0], 0.0)))
    with pytest.raises(ValueError, match=re.escape("inputs' shape (2, 3, 4, 4). Found (2, 3)")):
        physical(REFLECTANCE, CHW, lambda x: x.mean((2, 3)))
    with pytest.raises(ValueError, match="Found NoneType"):
        physical(REFLECTANCE, CHW, lambda x: None)


def test_spectra_and_the_report_show_physical_units(tmp_path, monkeypatch):
    import json

    requests = []
    draw = publisher.requests
    monkeypatch.setattr(publisher, "requests", lambda *given: requests.append(draw(*given)) or {})
    lime = LimeCallback(
        Superbands(3), wavelengths=WAVELENGTHS, probes=2, n_perturbations=24, to_physical=(0.5, 10.0), on_error="raise"
    )
    fit(tmp_path, lime, epochs=1)
    panels = requests[0]["attributions"].args[0]
    x = Samples().x[:2].mean((2, 3))
    numbers = [int(panel.title.split(" · ")[0].split()[1]) for panel in panels]
    assert numbers == [0, 1]
    (path,) = tmp_path.rglob("run.json")
    probes = json.loads(path.read_text())["probes"]
    for panel, probe in zip(panels, probes, strict=True):
        assert 8 < min(panel.spectrum) < max(panel.spectrum) < 12
        torch.testing.assert_close(torch.tensor(probe["spectrum"]), torch.tensor(panel.spectrum), atol=5e-3, rtol=0)
    assert float(x.mean()) < 5

"""Pictures and spectra of probes are made once for a set of probes, and go with it."""

import gc
import weakref

import numpy as np
import pytest
import torch
from toys import WAVELENGTHS, fit

from lime_callback import LimeCallback, Superbands, Superpixels, figures
from lime_callback.pictures.probe_pictures import pictures_of, spectra_of
from lime_callback.probes.probe_samples import Probes
from lime_callback.views.layout import Layout

LAYOUT = Layout.of("CHW")


def probes(seed=0):
    inputs = torch.randn(3, 4, 8, 6, generator=torch.Generator().manual_seed(seed))
    return Probes(inputs, None, inputs, None)


def test_they_are_those_of_the_inputs_and_made_once_for_each_way_to_see_them():
    ours, wavelengths = probes(), [460.0, 560.0, 660.0, 800.0]
    scaled = (torch.tensor([2.0]), torch.tensor([1.0]))
    first = pictures_of(ours, LAYOUT, None, None)
    assert np.array_equal(first, figures.composite(ours.inputs))
    assert pictures_of(ours, LAYOUT, None, None) is first
    coloured = pictures_of(ours, LAYOUT, None, wavelengths)
    assert np.array_equal(coloured, figures.composite(ours.inputs, wavelengths))
    assert not np.array_equal(coloured, first)
    np.testing.assert_allclose(spectra_of(ours, LAYOUT, None), ours.inputs.mean((2, 3)), atol=1e-6)
    np.testing.assert_allclose(spectra_of(ours, LAYOUT, scaled), 2 * ours.inputs.mean((2, 3)) + 1, atol=1e-5)
    others = probes(seed=1)
    assert np.array_equal(pictures_of(others, LAYOUT, None, None), figures.composite(others.inputs))
    with pytest.raises(ValueError, match="read-only"):
        first[0, 0, 0] = 0


def test_they_go_with_the_probes():
    ours = probes()
    picture = weakref.ref(pictures_of(ours, LAYOUT, None, None))
    del ours
    gc.collect()
    assert picture() is None


def test_a_run_makes_each_picture_once(tmp_path, monkeypatch):
    made = []
    composite = figures.composite
    monkeypatch.setattr(figures, "composite", lambda *given: made.append(1) or composite(*given))
    views = [Superpixels("grid", 4), Superbands(3)]
    lime = LimeCallback(views, wavelengths=WAVELENGTHS, probes=2, n_perturbations=64, every_n_epochs=1)
    fit(tmp_path, lime, epochs=3)
    assert len(lime.explanation("spatial").score) == 2
    assert len(made) == 1

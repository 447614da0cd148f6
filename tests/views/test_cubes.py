"""Cubes: the product of superpixels and superbands."""

import pytest
import torch

from lime_callback.views import Cubes, Superbands, Superpixels
from lime_callback.views.layout import Layout

LAYOUTS = ["CHW", "1CHW", "HWC", "CWH"]
NM = [400.0, 450.0, 600.0, 650.0, 900.0, 950.0]


def pictures(batch=2):
    return torch.rand(batch, 6, 8, 10, generator=torch.Generator().manual_seed(0))


def cubes(**arguments):
    return Cubes(Superpixels("grid", 4, **arguments), Superbands(3))


def test_the_label_is_superpixel_times_superbands_plus_superband():
    x = pictures()
    view = cubes()
    space, spectrum = view.superpixels.features(x), view.superbands.features(x)
    features = view.features(x)
    assert features.mask.shape == (1, 6, 8, 10)
    assert features.mask.dtype == torch.int32
    assert len(features) == len(space) * len(spectrum) == 12
    assert torch.equal(features.mask // 3, space.mask.expand_as(features.mask))
    assert torch.equal(features.mask % 3, spectrum.mask.expand_as(features.mask))


def test_names_join_the_place_and_the_band():
    features = cubes().features(pictures(), wavelengths=NM)
    assert features.names[0] == "superpixel 0 \N{MULTIPLICATION SIGN} 400-450 nm"
    assert features.names[3 * 3 + 2] == "superpixel 3 \N{MULTIPLICATION SIGN} 900-950 nm"


def test_what_is_not_valid_has_no_cube():
    valid = torch.ones(8, 10, dtype=torch.bool)
    valid[:2] = False
    mask = cubes(valid=valid).features(pictures()).mask
    assert torch.equal((mask >= 0).all(1), (mask >= 0).any(1))
    assert torch.equal((mask >= 0)[:, 0], valid.unsqueeze(0))


@pytest.mark.parametrize("layout", LAYOUTS)
def test_layouts_agree(layout):
    x = pictures()
    view = Cubes(Superpixels(n_segments=9), Superbands(2))
    expected = view.features(x)
    found = view.features(Layout(layout).restore(x), layout=layout)
    assert torch.equal(found.canonical, expected.mask)
    assert found.names == expected.names
    found.check(tuple(Layout(layout).restore(x).shape))


def test_a_batch_is_its_inputs_one_by_one():
    x = pictures(3)
    view = Cubes(Superpixels(n_segments=9), Superbands(2))
    together = view.features(x).mask
    assert torch.equal(together, torch.cat([view.features(row.unsqueeze(0)).mask for row in x]))


def test_spectra_and_signals_have_cubes_too():
    spectra = Cubes(superbands=Superbands(3)).features(torch.rand(2, 6), layout="C")
    assert spectra.mask.tolist() == [[0, 0, 1, 1, 2, 2]] * 2
    signals = Cubes(Superpixels("grid", 3), Superbands(1)).features(torch.rand(2, 6), layout="W")
    assert signals.mask.tolist() == [[0, 0, 1, 1, 2, 2]]


def test_defaults_are_coarse():
    features = Cubes().features(torch.rand(1, 40, 16, 16, generator=torch.Generator().manual_seed(0)))
    assert len(features) <= 16 * 8
    assert (features.mask >= 0).all()


def test_both_parts_should_be_views_of_their_kind():
    with pytest.raises(TypeError, match="`superpixels` should be a Superpixels"):
        Cubes(superpixels=Superbands())
    with pytest.raises(TypeError, match="`superbands` should be a Superbands"):
        Cubes(superbands=8)
    with pytest.raises(ValueError, match="`name` should be a name of letters"):
        Cubes(name=" ")

"""Units of wavelengths: nm, or what their user says; numbers that look like another unit are refused."""

import json
import pickle
import re

import numpy as np
import pytest
import torch
from toys import SHAPE

from lime_callback import LimeCallback, Superbands, Superpixels
from lime_callback.checks.wavelengths import check_wavelengths

VISIBLE = [450.0, 520.0, 580.0, 640.0, 700.0, 760.0]  # nm
IN_UNITS = {
    "um": [nm / 1000 for nm in VISIBLE],
    "angstrom": [nm * 10 for nm in VISIBLE],
    "cm-1": [1e7 / nm for nm in VISIBLE],
}


@pytest.mark.parametrize("unit", IN_UNITS)
@pytest.mark.parametrize("kind", [list, np.array, torch.tensor])
def test_angstrom_micrometres_and_wavenumbers_are_refused_as_nm_and_taken_by_their_unit(unit, kind):
    """The way that the message names is taken as it stands there."""
    values = kind(IN_UNITS[unit])
    with pytest.raises(
        ValueError, match=r"`wavelengths` should be in nm\. Found values from .*, which look like"
    ) as told:
        check_wavelengths(values)
    (named,) = re.findall(r"`wavelengths=\{'(.+)': values\}`", str(told.value))
    assert named == unit
    assert check_wavelengths({named: values}) == pytest.approx(VISIBLE, rel=1e-5)


@pytest.mark.parametrize("unit", IN_UNITS)
def test_the_callback_and_the_views_take_units(unit):
    x = torch.rand(2, *SHAPE)
    expected = Superbands(["R", "B"]).features(x, wavelengths=VISIBLE)
    for found in (
        Superbands(["R", "B"]).features(x, wavelengths={unit: IN_UNITS[unit]}),
        Superbands(["R", "B"], wavelengths={unit: IN_UNITS[unit]}).features(x),
    ):
        assert (found.names, found.mask.tolist()) == (expected.names, expected.mask.tolist())
    assert Superpixels(wavelengths={unit: IN_UNITS[unit]}).wavelengths == pytest.approx(VISIBLE)
    assert LimeCallback(wavelengths={unit: IN_UNITS[unit]}).config.wavelengths == pytest.approx(VISIBLE)
    with pytest.raises(ValueError, match="which look like"):
        LimeCallback(wavelengths=IN_UNITS[unit])


def test_a_thermal_sensor_in_nm_says_so_once():
    thermal = [8000.0, 9000.0, 10500.0]
    assert check_wavelengths({"nm": thermal}) == tuple(thermal)
    view = Superbands({"silica": (8500.0, 9500.0)}, wavelengths={"nm": thermal})
    assert view.features(torch.rand(1, 3, 4, 4)).names == ("silica", "not_included")
    both = [560.0, 1650.0, 11300.0]  # the bands of a satellite from the visible to the thermal light
    assert check_wavelengths(both) == tuple(both)
    assert check_wavelengths(VISIBLE[::-1]) == tuple(VISIBLE[::-1])


def test_checked_wavelengths_are_written_as_plain_numbers():
    checked = check_wavelengths({"um": [0.5, 0.6]})
    assert check_wavelengths(checked) is checked
    assert json.dumps(checked) == "[500.0, 600.0]"
    assert type(pickle.loads(pickle.dumps(checked))) is tuple


@pytest.mark.parametrize("wrong", [{"m": [1e-7]}, {}, {"nm": [500.0], "um": [0.5]}])
def test_units_are_named_one_at_a_time(wrong):
    with pytest.raises(
        ValueError, match=r"one of the units 'nm', 'um', 'angstrom', 'cm-1', such as \{'um': .*Found the"
    ):
        check_wavelengths(wrong)

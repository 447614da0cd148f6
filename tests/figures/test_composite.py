"""Composites: RGB pictures of any inputs."""

import numpy as np
import pytest
import torch

from lime_callback import figures

AVIRIS = np.delete(np.linspace(400.0, 2499.0, 220), [*range(103, 108), *range(149, 163), 219])


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

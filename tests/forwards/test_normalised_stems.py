"""Models that normalise their input by a fixed mean and scale before their first layer, and others that change it."""

import pytest
import torch
from test_stems import CONVOLUTIONS, IMAGE, VIEWS, Rest, both, images, same
from torch import nn

from lime_callback import Superbands

CHANNELS = torch.arange(12.0).view(12, 1, 1)


@pytest.mark.parametrize("view", [VIEWS[0], VIEWS[2], VIEWS[4]], ids=["superbands", "patches", "superpixels"])
@pytest.mark.parametrize("stem", [*CONVOLUTIONS[:3], CONVOLUTIONS[4]], ids=str)
def test_a_fixed_mean_and_scale_before_the_first_layer(folded, stem, view):
    """segmentation_models_pytorch's own recipe: `(x - self.mean) / self.std`."""
    x = images(IMAGE)
    same(both(Rest(stem, lambda x: (x - 0.1 * CHANNELS) / (1 + CHANNELS)), x, view.features(x)), folded)


def test_a_batch_norm_before_the_first_layer(folded):
    norm = nn.BatchNorm2d(12)
    norm(images(IMAGE))  # learns its statistics
    x = images(IMAGE)
    same(both(Rest(nn.Sequential(norm, nn.Conv2d(12, 8, 4, 4))), x, Superbands(5).features(x)), folded)


@pytest.mark.parametrize(
    "before",
    [
        lambda x: x / x.amax((1, 2, 3), keepdim=True),
        lambda x: x - x.mean((1, 2, 3), keepdim=True),
        lambda x: x.clamp(-1, 1),
        lambda x: x / (1 + x.abs()),
        lambda x: (x - x.mean((1, 2, 3), keepdim=True)) / x.std((1, 2, 3), keepdim=True),
        lambda x: (x - 1) / torch.linspace(1, 2, 16),
        lambda x: x.roll(1, 1) * 2,
    ],
    ids=["by its largest", "without its mean", "clamped", "squashed", "by its own mean", "by column", "mixed channels"],
)
def test_another_change_of_the_input_is_not_folded(folded, before):
    x = images(IMAGE)
    off, auto = both(Rest(nn.Conv2d(12, 8, 3, padding=1), before), x, Superbands(5).features(x))
    assert not folded
    assert torch.equal(off.coefficients, auto.coefficients)

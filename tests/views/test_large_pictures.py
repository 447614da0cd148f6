"""Large pictures are segmented on reduced ones: connected, near the full-size segmentation, with borders on edges."""

import numpy as np
import pytest
import torch
from scipy.ndimage import maximum_filter
from skimage import measure
from sklearn.metrics import adjusted_rand_score

from lime_callback.views import Superpixels, segmentation
from lime_callback.views.guide_image import guide_image
from lime_callback.views.large_pictures import reduced, reduction, refined

SIZE = (610, 570)  # no multiple of a block's side
EVERYWHERE = np.ones(SIZE, dtype=bool)


def regions(size=SIZE, count=25):
    """Connected regions with crooked borders: where each of some smooth pictures is the largest."""
    noise = torch.randn(1, count, 8, 8, generator=torch.Generator().manual_seed(0))
    largest = torch.nn.functional.interpolate(noise, size, mode="bicubic")[0].argmax(0).numpy()
    return measure.label(largest + 1, connectivity=1) - 1


def sharp(truth):
    """A picture with an edge at each border of the regions, and a little noise."""
    rng = np.random.default_rng(0)
    colours = rng.random((truth.max() + 1, 3))
    return np.clip(colours[truth] + 0.02 * rng.standard_normal((*truth.shape, 3)), 0, 1)


def soft():
    """A picture without edges."""
    coarse = torch.rand(1, 3, 9, 9, generator=torch.Generator().manual_seed(1))
    return torch.nn.functional.interpolate(coarse, SIZE, mode="bicubic")[0].clamp(0, 1).movedim(0, -1).double().numpy()


def borders(labels):
    found = np.zeros(labels.shape, dtype=bool)
    found[:, 1:] |= labels[:, 1:] != labels[:, :-1]
    found[1:] |= labels[1:] != labels[:-1]
    return found


def recall(truth, labels):
    """The share of the true borders that have a segment's border within a pixel."""
    return maximum_filter(borders(labels), 3)[borders(truth)].mean()


def at_full_size(monkeypatch, *given):
    with monkeypatch.context() as patched:
        patched.setattr(segmentation, "reduction", lambda *_: 1)
        return segmentation.segment(*given)


@pytest.mark.parametrize("method", ["slic", "felzenszwalb"])
@pytest.mark.parametrize("edges", [True, False])
def test_segments_are_connected_as_many_and_near_those_of_the_full_size(method, edges, monkeypatch):
    truth = regions()
    picture = sharp(truth) if edges else soft()
    found = segmentation.segment(method, picture, EVERYWHERE, 50)
    expected = at_full_size(monkeypatch, method, picture, EVERYWHERE, 50)
    assert measure.label(found + 1, connectivity=1).max() == found.max() + 1
    assert np.array_equal(np.unique(found), np.arange(found.max() + 1))
    assert found.max() < 50
    assert abs(found.max() - expected.max()) <= 0.2 * expected.max()
    assert adjusted_rand_score(found.ravel(), expected.ravel()) > (0.8 if edges and method == "slic" else 0.6)
    if edges:
        assert recall(truth, found) > recall(truth, expected) - 0.02


def test_borders_are_drawn_at_full_resolution():
    truth = regions()
    picture = sharp(truth)
    side = 4
    coarse = truth[::side, ::side]
    spread = coarse.repeat(side, 0).repeat(side, 1)[: SIZE[0], : SIZE[1]]
    found = refined(coarse, picture, EVERYWHERE, side)
    assert (found != truth).mean() < 0.2 * (spread != truth).mean()
    assert recall(truth, found) > 0.97
    assert recall(truth, spread) < 0.75


def test_pixels_that_are_not_valid_have_no_label_and_do_not_count():
    truth, valid = regions(), EVERYWHERE.copy()
    valid[200:390, :333] = False
    valid[::7, ::5] = False
    picture, other = sharp(truth), np.where(valid[..., None], sharp(truth), 0.123)
    found = segmentation.segment("slic", picture, valid, 30)
    assert np.array_equal(found < 0, ~valid)
    assert 10 < found.max() < 30
    assert np.array_equal(found, segmentation.segment("slic", other, valid, 30))


def test_blocks_are_means_of_valid_pixels():
    rng = np.random.default_rng(0)
    picture, valid = rng.random((7, 5, 3)), rng.random((7, 5)) < 0.5
    valid[:2, :2] = False
    small, inside = reduced(picture, valid, 2)
    assert small.shape == (4, 3, 3)
    for i in range(4):
        for j in range(3):
            block = slice(2 * i, 2 * i + 2), slice(2 * j, 2 * j + 2)
            assert inside[i, j] == valid[block].any()
            mean = picture[block][valid[block]].mean(0) if inside[i, j] else np.zeros(3)
            np.testing.assert_allclose(small[i, j], mean, atol=1e-12)


def test_only_large_pictures_are_reduced_and_enough_is_left():
    assert reduction(512, 512, 50) == reduction(16, 16_384, 50) == reduction(224, 224, 2000) == 1
    assert reduction(1024, 1024, 50) == 4
    assert reduction(2048, 2048, 50) == 8
    assert reduction(2048, 2048, 5000) == 1  # segments of 839 pixels
    assert reduction(20, 1_000_000, 50) == 1
    assert reduction(1000, 1000, 50) == 3


def test_options_and_exact_segments_are_those_of_the_full_size(monkeypatch):
    monkeypatch.setattr(segmentation, "reduction", lambda *_: 2)
    monkeypatch.setattr(segmentation, "reduced", None)  # fails when it is called
    x = torch.from_numpy(sharp(regions((513, 512)))).movedim(-1, 0).unsqueeze(0)
    options = {"scale": 100.0, "min_size": 5000}
    for exact in (True, False):
        assert len(Superpixels("felzenszwalb", options=options, exact=exact).features(x)) > 1
    with pytest.raises(TypeError, match="not callable"):
        Superpixels("felzenszwalb").features(x)


def test_the_guide_of_small_pictures_counts_all_pixels_and_that_of_large_ones_enough():
    for side, bound in ((512, 1e-12), (1100, 1e-3)):
        image = torch.randn(1, side, side, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
        low, high = np.percentile(image.numpy(), [2, 98])
        expected = ((image[0] - low) / (high - low)).clamp(0, 1)
        found = guide_image(image, None, torch.ones(side, side, dtype=torch.bool))[..., 0]
        assert (found - expected).abs().mean() < bound

"""Cases of meteors' tests of masks (tests/attr/test_lime.py), by their values: channels, names, segments, shapes."""

import re

import pytest
import skimage.segmentation
import torch

from lime_callback import Features, Superbands, Superpixels, explain

NM = [400.0, 450.0, 500.0, 550.0, 600.0, 650.0, 700.0, 750.0, 800.0]


def channels(bands, wavelengths=NM):
    """The channels of each group."""
    features = Superbands(bands, wavelengths=wavelengths).features(torch.rand(1, len(wavelengths), 2, 2))
    labels = features.mask.flatten().tolist()
    return {name: [c for c, label in enumerate(labels) if label == k] for k, name in enumerate(features.names)}


@pytest.mark.filterwarnings("ignore:.*both claim")
@pytest.mark.parametrize(
    ("bands", "expected"),
    [
        (["R", "G", "B"], {"R": [5], "G": [3, 4], "B": [1, 2]}),
        ("AVI", {"AVI": [5, 8]}),
        (["G", "AVI"], {"G": [3, 4], "AVI": [5, 8]}),
        ({"one": (450.0, 550.0), "two": [(600.0, 650.0), (750.0, 800.0)]}, {"one": [1, 2, 3], "two": [4, 5, 7, 8]}),
        ({"one": [450.0, 550.0], "two": [400.0, 500.0]}, {"one": [1, 3], "two": [0, 2]}),
        ({"one": 450.0, "two": 500.0}, {"one": [1], "two": [2]}),
        ({"one": [1, 3], "two": [4, 5], "three": 2}, {"one": [1, 3], "two": [4, 5], "three": [2]}),
        ({"one": range(1, 3), "two": [range(4, 5), range(6, 8)]}, {"one": [1, 2], "two": [4, 6, 7]}),
        # Of a channel that two segments claim, the first has it; there the last, and a warning in both.
        ({"one": [0, 1], "two": [1, 2], "three": [2, 3]}, {"one": [0, 1], "two": [2], "three": [3]}),
    ],
)
def test_groups_of_channels(bands, expected):
    found = channels(bands)
    assert {name: found[name] for name in expected} == expected
    assert set(found) - set(expected) <= {"not_included"}  # segment 0 there


@pytest.mark.parametrize(
    ("bands", "kind", "message"),
    [
        ({"a": "invalid band"}, ValueError, "`bands` should name bands or spectral indices"),
        ({"a": [0, 2, 4, 10]}, ValueError, "`bands` should name channels from 0 to 8. Found channel 10"),
        ({"a": (810.0, 820.0)}, ValueError, "`bands` should name at least one channel"),
        (
            {"a": (550.0, 550.0)},
            ValueError,
            "should hold ranges of wavelengths in nm that start above 0 and below their",
        ),
        ({"a": (10.0, 0.5)}, ValueError, "should hold ranges of wavelengths"),
        ({"a": (0, 10)}, ValueError, "takes a tuple of two floats as a range of wavelengths"),
        ({"R": 1, "G": 2}, ValueError, "a number beside a band's name is a segment of a mask in other packages"),
        ({("R", "G"): 1, "B": 2}, ValueError, "Write `[['R', 'G'], 'B']` for the bands"),
        ([["R", 123]], ValueError, "takes whole numbers as channels"),
        (None, ValueError, ""),
    ],
)
@pytest.mark.filterwarnings("ignore")
def test_groups_that_are_refused(bands, kind, message):
    if bands is None:
        assert len(channels(None)) == 9  # there an error; here a group for each of a few channels
        return
    with pytest.raises((kind, TypeError), match=re.escape(message) if bands != [["R", 123]] else "`bands`"):
        channels(bands)


def test_a_band_mask_of_theirs_keeps_its_segments_names():
    """``[C, 1, 1]``, counted from 1, 0 where no segment is; names by ``renamed`` with the dictionary turned round."""
    band_mask, band_names = torch.tensor([1, 2, 1, 2, 1, 2, 0]).view(7, 1, 1), {"segment1": 1, "segment2": 2}
    x = torch.rand(2, 7, 3, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    features = Features.from_mask(band_mask[None]).renamed({number: name for name, number in band_names.items()})
    assert features.names == ("0", "segment1", "segment2")
    found = explain(lambda v: v.sum((1, 2, 3)), x, features, baseline="zero", n_perturbations=16)
    again = explain(lambda v: v.sum((1, 2, 3)), x, band_mask, baseline="zero", n_perturbations=16)
    expected = torch.stack([x[:, [6]].sum((1, 2, 3)), x[:, 0:6:2].sum((1, 2, 3)), x[:, 1:6:2].sum((1, 2, 3))], 1)
    torch.testing.assert_close(found.coefficients[:, 0], expected, rtol=1e-5, atol=1e-5)
    assert torch.equal(again.coefficients, found.coefficients)


def test_segments_of_one_picture_in_both_shapes():
    """``[1, H, W]`` and ``[H, W]``; one for each of several pictures is ``[B, H, W]``."""
    x = torch.rand(1, 5, 10, 10, generator=torch.Generator().manual_seed(0))
    mask = torch.randint(1, 4, (1, 10, 10), generator=torch.Generator().manual_seed(1))
    settings = {"baseline": "zero", "n_perturbations": 16}
    first, second = (explain(lambda v: v.mean((1, 2, 3)), x, one, **settings) for one in (mask, mask[0]))
    assert first.features.names == second.features.names == ("1", "2", "3")
    assert torch.equal(first.coefficients, second.coefficients)
    assert first.heatmap().shape == (1, 1, 5, 10, 10)


@pytest.mark.parametrize("shape", [(3, 24, 24, 1), (3, 27, 24), (3, 24, 1)])
def test_shapes_that_do_not_broadcast_are_refused(shape):
    """``[3, 240, 1]`` beside one channel is refused there, too."""
    x = torch.rand(1, 1, 24, 24)
    with pytest.raises(ValueError, match=r"`features` should have a mask that broadcasts to the inputs' shape"):
        explain(lambda v: v.mean((1, 2, 3)), x, torch.zeros(shape).long())


def test_patches_and_slic():
    x = torch.rand(1, 3, 24, 24, generator=torch.Generator().manual_seed(0))
    patches = Superpixels("grid", 16).features(torch.ones(1, 3, 24, 24))
    assert patches.mask.flatten().bincount().tolist() == [36] * 16  # of 6 x 6 pixels
    found = Superpixels("slic", 10, exact=True).features(x)
    own = torch.from_numpy(skimage.segmentation.slic(x[0].movedim(0, -1).numpy(), n_segments=10, channel_axis=-1))
    assert torch.equal(found.mask[0, 0].long(), own - own.min())
    # A pixel outside of the valid ones is segment 0 there, with others; here it belongs to none.
    valid = torch.ones(24, 24, dtype=torch.bool)
    valid[10, 10] = valid[20, 20] = False
    for view in (Superpixels("slic", 10, valid=valid, exact=True), Superpixels("grid", 16, valid=valid)):
        mask = view.features(x).mask[0, 0]
        assert mask[10, 10] == mask[20, 20] == -1
        assert (mask[valid] >= 0).all()

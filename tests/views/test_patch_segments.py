"""Groups of a model's patches that follow the picture: whole patches, connected, alike, and about as many as asked."""

import pytest
import torch
from scipy import ndimage

from lime_callback import Superpixels
from lime_callback.views import segmentation

SIDE, PATCH = 32, 4
PATCHES = (SIDE // PATCH) ** 2


def labels(side=SIDE, patch=PATCH):
    """The number of each pixel's patch, ``[side, side]``."""
    along = torch.arange(side) // patch
    return along[:, None] * (side // patch) + along


def halves(columns=3, count=1):
    """Pictures that are bright in some columns of patches, with a little noise within the patches."""
    x = 0.05 * torch.randn(count, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    x[..., : columns * PATCH] += 1
    return x


def of(x, patches, **settings):
    return Superpixels(method="slic_tokens", **settings).features(x, patches=patches)


def test_groups_follow_the_picture_and_hold_whole_patches():
    """No group has patches of both sides of an edge, wherever each picture has it."""
    columns = (3, 6)
    x = torch.cat([halves(each) for each in columns])
    features = of(x, labels(), n_segments=8)
    assert features.per_input
    for mask, edge in zip(features.mask[:, 0].long(), columns, strict=True):
        left, right = (set(part.flatten().tolist()) for part in mask.split([edge * PATCH, SIDE - edge * PATCH], 1))
        assert not left & right
        assert all(mask[labels() == patch].unique().numel() == 1 for patch in range(PATCHES))
    squares = Superpixels(method="tokens", n_segments=8).features(x, patches=labels()).mask[0, 0]
    assert set(squares[:, : 3 * PATCH].flatten().tolist()) & set(squares[:, 3 * PATCH :].flatten().tolist())


@pytest.mark.parametrize("side", [14, 24])
@pytest.mark.parametrize("n_segments", [10, 50])
def test_groups_are_connected_and_about_as_many_as_asked_for(side, n_segments):
    generator = torch.Generator().manual_seed(1)
    rough = torch.rand(2, 3, 6, 6, generator=generator)
    x = torch.nn.functional.interpolate(rough, 8 * side, mode="bilinear") + 0.1 * torch.rand(
        2, 3, 8 * side, 8 * side, generator=generator
    )
    patches = labels(8 * side, 8)
    for mask in of(x, patches, n_segments=n_segments).mask[:, 0].long():
        count = int(mask.max()) + 1
        assert 0.6 * n_segments <= count <= n_segments
        for group in range(count):
            assert ndimage.label((mask == group).numpy())[1] == 1
        for patch in range(0, side**2, 7):
            assert mask[patches == patch].unique().numel() == 1


def test_each_patch_is_its_own_group_where_there_are_no_more():
    features = of(halves(), labels(), n_segments=PATCHES)
    assert torch.equal(features.mask[0, 0].long(), labels())


def test_pixels_of_no_patch_and_pixels_that_are_not_valid_are_in_no_group():
    patches = labels()
    patches[-PATCH:] = -1
    valid = torch.ones(SIDE, SIDE, dtype=torch.bool)
    valid[:PATCH], valid[PATCH, 0] = False, False  # a row of patches, and one pixel of another
    mask = of(halves(), patches, n_segments=4, valid=valid).mask[0, 0].long()
    assert torch.equal(mask < 0, (patches < 0) | ~valid)
    assert mask[PATCH, 1] == mask[2 * PATCH - 1, 0]
    others = halves()
    others[..., :PATCH, :] = 100  # what is not valid has no say
    assert torch.equal(of(others, patches, n_segments=4, valid=valid).mask[0, 0].long(), mask)


def test_its_options_are_those_of_the_grid_and_not_scikit_images():
    for settings, message in (
        ({"options": {"compactness": 3}}, "`options` are those of scikit-image's methods"),
        ({"exact": True}, "`exact` is for a method of scikit-image's"),
    ):
        with pytest.raises(ValueError, match=message):
            Superpixels(method="slic_tokens", **settings)
    with pytest.raises(ValueError, match="`'slic_tokens'` cut along the model's patches"):
        of(halves(), None)
    assert "slic_tokens" not in segmentation.METHODS

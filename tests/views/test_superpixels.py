"""Superpixels: properties of the masks, masks of the user's own, validity, and errors."""

import random
import re

import numpy as np
import pytest
import skimage.data
import skimage.segmentation
import torch
from scipy import ndimage
from skimage import filters, transform

from lime_callback.views import Superpixels
from lime_callback.views.guide_image import guide_image, rgb_channels
from lime_callback.views.layout import Layout
from lime_callback.views.segmentation import grid

METHODS = ["slic", "grid", "quickshift", "felzenszwalb"]
LAYOUTS = ["CHW", "1CHW", "HWC", "CWH", "C1HW"]
SIZES = [(1, 1), (1, 9), (9, 1), (2, 2), (5, 4), (16, 12)]


def smooth(batch=2, channels=6, height=16, width=12, seed=0):
    """Pictures with structure: a few coarse blobs, and a little noise."""
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.rand(batch, channels, 4, 4, generator=generator)
    x = torch.nn.functional.interpolate(coarse, size=(height, width), mode="bilinear")
    return x + 0.02 * torch.randn(x.shape, generator=generator)


def same_partition(first, second):
    """Whether two label maps cut alike, whatever the labels."""
    pairs = torch.stack([first.flatten(), second.flatten()], dim=1).unique(dim=0)
    return len(pairs) == len(first.unique()) == len(second.unique())


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("n_segments", [1, 7, 50])
def test_every_pixel_has_a_label_and_labels_have_no_gaps(method, size, n_segments):
    x = smooth(height=size[0], width=size[1])
    features = Superpixels(method, n_segments).features(x)
    assert features.mask.shape[1:] == (1, *size)
    assert len(features) <= n_segments
    for row in features.mask:
        assert torch.equal(row.unique(), torch.arange(int(row.max()) + 1, dtype=torch.int32))
    assert features.names == tuple(f"superpixel {k}" for k in range(int(features.mask.max()) + 1))
    features.check(tuple(x.shape))


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("channels", [1, 2, 3, 4, 30])
def test_any_number_of_channels_gives_several_segments(method, channels):
    features = Superpixels(method, 20).features(smooth(channels=channels))
    assert (features.present.sum(1) >= 5).all()


@pytest.mark.parametrize("method", METHODS)
def test_noise_and_even_pictures_are_cut_too(method):
    noise = torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    assert 12 <= len(Superpixels(method, 25).features(noise)) <= 25
    assert 2 <= len(Superpixels(method, 25).features(torch.full((1, 3, 32, 32), 0.3))) <= 25


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_layouts_agree(method, layout):
    x = smooth()
    expected = Superpixels(method, 12).features(x).canonical
    found = Superpixels(method, 12).features(Layout(layout).restore(x), layout=layout)
    assert torch.equal(found.canonical, expected)
    assert found.layout.axes == layout


@pytest.mark.parametrize("method", METHODS)
def test_a_batch_is_its_inputs_one_by_one(method):
    x = smooth(batch=3)
    valid = torch.rand(3, 16, 12, generator=torch.Generator().manual_seed(2)) > 0.2
    together = Superpixels(method, 12, valid=valid).features(x)
    for i in range(3):
        alone = Superpixels(method, 12, valid=valid[i]).features(x[i : i + 1])
        assert torch.equal(together.mask[i : i + 1], alone.mask)


@pytest.mark.parametrize("method", METHODS)
def test_a_view_is_deterministic_and_changes_neither_inputs_nor_random_state(method):
    x = smooth().requires_grad_()
    before = x.detach().clone()
    torch.manual_seed(3)
    states = torch.get_rng_state(), np.random.get_state()[1].copy(), random.getstate()  # noqa: NPY002
    first, second = (Superpixels(method, 12).features(x) for _ in range(2))
    assert torch.equal(first.mask, second.mask)
    assert torch.equal(x, before)
    assert torch.equal(states[0], torch.get_rng_state())
    assert np.array_equal(states[1], np.random.get_state()[1])  # noqa: NPY002
    assert states[2] == random.getstate()


def test_spectra_are_one_superpixel_and_signals_are_cut():
    assert len(Superpixels().features(torch.rand(3, 20), layout="C")) == 1
    signals = Superpixels(n_segments=5).features(torch.rand(3, 20), layout="W")
    assert len(signals) == 5
    assert signals.mask.shape[1:] == (20,)


@pytest.mark.parametrize(("height", "width", "n_segments", "count"), [(8, 8, 4, 4), (64, 64, 50, 49), (3, 3, 50, 9)])
def test_grid_makes_near_square_patches(height, width, n_segments, count):
    labels = grid(height, width, n_segments)
    sizes = labels.flatten().bincount()
    assert len(sizes) == count
    rows = int((labels[1:, 0] != labels[:-1, 0]).sum()) + 1
    assert sizes.max() <= (height // rows + 1) * (width // (count // rows) + 1)


@pytest.mark.parametrize(("height", "width"), [(1, 100), (100, 1), (10, 40)])
def test_grid_uses_its_segments_on_long_pictures(height, width):
    assert 40 <= int(grid(height, width, 50).max()) + 1 <= 50


@pytest.mark.parametrize(
    ("method", "options"),
    [
        ("quickshift", {"kernel_size": 4, "max_dist": 200, "ratio": 0.2}),
        ("quickshift", {"kernel_size": 1, "max_dist": 2, "rng": 5}),  # makes more than 50
        ("felzenszwalb", {"scale": 0.5, "min_size": 4}),
        ("slic", {"compactness": 1.0, "min_size_factor": 1.0}),
    ],
)
def test_options_are_those_of_scikit_image(method, options):
    x = smooth(batch=1, channels=3, height=48, width=40)
    picture = guide_image(x[0], None, torch.ones(48, 40, dtype=torch.bool)).numpy()
    fixed = {"slic": {"n_segments": 50, "start_label": 1}, "quickshift": {"rng": 0}}.get(method, {})
    expected = torch.from_numpy(getattr(skimage.segmentation, method)(picture, channel_axis=-1, **fixed | options))
    found = Superpixels(method, options=options).features(x)
    assert len(expected.unique()) >= 4
    assert same_partition(found.mask[0, 0], expected)
    few = Superpixels(method, n_segments=3, options=options).features(x)
    assert len(few) == 3


def test_slic_follows_an_edge():
    x = torch.zeros(1, 3, 16, 16)
    x[..., 7:] = 1
    mask = Superpixels("slic", 8).features(x).mask[0, 0]
    assert not set(mask[:, :7].unique().tolist()) & set(mask[:, 7:].unique().tolist())


@pytest.mark.parametrize("method", METHODS)
def test_pixels_that_are_not_valid_have_no_feature_and_all_others_have_one(method):
    x = smooth()
    valid = torch.rand(2, 16, 12, generator=torch.Generator().manual_seed(1)) > 0.3
    features = Superpixels(method, 10, valid=valid).features(x)
    assert torch.equal(features.mask[:, 0] >= 0, valid)
    for row in features.mask:
        labels = row[row >= 0].unique()
        assert torch.equal(labels, torch.arange(len(labels), dtype=torch.int32))


@pytest.mark.parametrize("method", METHODS)
def test_values_of_pixels_that_are_not_valid_do_not_count(method):
    x = smooth(channels=8)
    valid = torch.ones(16, 12, dtype=torch.bool)
    valid[4:9, 3:8] = False
    wild = torch.where(valid, x, 1e6)
    view = Superpixels(method, 10, valid=valid)
    assert torch.equal(view.features(x).mask, view.features(wild).mask)


def test_validity_comes_as_integers_by_key_and_from_a_function():
    x = smooth()
    valid = torch.ones(2, 16, 12, dtype=torch.bool)
    valid[1, :5] = False
    expected = Superpixels("grid", valid=valid).features(x).mask
    for given in (valid.int(), valid.numpy(), "clear", lambda inputs: valid):
        found = Superpixels("grid", valid=given).features(x, batch={"clear": valid.to(torch.uint8)})
        assert torch.equal(found.mask, expected)


def test_an_input_without_valid_pixels_has_no_feature_of_its_own():
    valid = torch.ones(2, 16, 12, dtype=torch.bool)
    valid[0] = False
    features = Superpixels(valid=valid).features(smooth())
    assert not features.present[0].any()
    assert features.present[1].all()


@pytest.mark.parametrize("kind", [torch.as_tensor, np.asarray, lambda mask: np.asarray(mask).astype(np.uint16)])
def test_a_shared_mask_keeps_its_numbers_as_names(kind):
    mask = [[3, 3, 7], [7, 7, 12]]
    features = Superpixels(mask=kind(mask)).features(torch.rand(4, 5, 2, 3))
    assert features.names == ("superpixel 3", "superpixel 7", "superpixel 12")
    assert features.mask.tolist() == [[[[0, 0, 1], [1, 1, 2]]]]


def test_labels_below_zero_are_never_hidden():
    mask = torch.tensor([[-5, -1, 4], [4, 9, 9]])
    assert Superpixels(mask=mask).features(torch.rand(1, 2, 2, 3)).mask.tolist() == [[[[-1, -1, 0], [0, 1, 1]]]]


def test_a_mask_for_each_input_keeps_its_numbers():
    mask = torch.tensor([[[5, 5], [8, 8]], [[1, 2], [5, 4]]])
    features = Superpixels(mask=mask).features(torch.rand(2, 3, 2, 2))
    assert features.names == tuple(f"superpixel {k}" for k in (1, 2, 4, 5, 8))
    assert features.mask[:, 0].tolist() == [[[3, 3], [4, 4]], [[0, 1], [3, 2]]]
    assert features.present.tolist() == [[False, False, False, True, True], [True, True, True, True, False]]


def test_a_shared_mask_means_the_same_in_every_input_whatever_is_valid():
    mask = torch.tensor([[0, 1], [2, 3]])
    valid = torch.tensor([[[0, 1], [1, 1]], [[1, 1], [1, 1]]])
    features = Superpixels(mask=mask, valid=valid).features(torch.rand(2, 3, 2, 2))
    assert features.mask[:, 0].tolist() == [[[-1, 1], [2, 3]], [[0, 1], [2, 3]]]


def test_masks_come_by_key_and_from_a_function_and_are_copied():
    x = torch.rand(2, 3, 4, 4)
    mask = torch.randint(0, 5, (2, 4, 4), generator=torch.Generator().manual_seed(0))
    before = mask.clone()
    expected = Superpixels(mask=mask).features(x).mask
    assert torch.equal(Superpixels(mask="segments").features(x, batch={"segments": mask}).mask, expected)
    assert torch.equal(Superpixels(mask=lambda inputs: mask).features(x).mask, expected)
    assert torch.equal(Superpixels(mask=mask.unsqueeze(1)).features(x).mask, expected)
    assert torch.equal(mask, before)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_mask_has_the_axes_of_the_layout(layout):
    x = torch.rand(2, 3, 4, 5)
    mask = torch.arange(20).view(1, 1, 4, 5)
    expected = Superpixels(mask=mask[0, 0]).features(x).canonical
    space = "".join(axis for axis in layout if axis in "HW")
    for own in (Layout(space).restore(mask)[0], Layout(space).restore(mask), Layout(layout).restore(mask)):
        found = Superpixels(mask=own).features(Layout(layout).restore(x), layout=layout)
        assert torch.equal(found.canonical, expected)


def test_masks_fit_signals_and_spectra():
    assert Superpixels(mask=torch.tensor([0, 0, 1])).features(torch.rand(2, 3), layout="W").mask.tolist() == [[0, 0, 1]]
    assert Superpixels(mask=torch.tensor(4)).features(torch.rand(2, 3), layout="C").names == ("superpixel 4",)


def test_wide_inputs_follow_the_composite_where_the_wavelengths_cover_it():
    x = torch.zeros(1, 5, 16, 16)
    x[:, 1, :8] = 1  # in the red, an edge between rows
    x[:, 3, :, :8] = 9  # in the infrared, a stronger edge between columns
    nm = [490, 665, 560, 1600, 2200]
    everywhere = torch.ones(16, 16, dtype=torch.bool)
    assert rgb_channels(nm) == (1, 2, 0)
    composite = guide_image(x[0], nm, everywhere)
    assert torch.equal(composite[:, :1].expand(-1, 16, -1), composite)  # no trace of the infrared
    components = guide_image(x[0], [1490, 1665, 1560, 1600, 2200], everywhere)
    assert components.unique(dim=0).shape[0] > 1
    assert components.unique(dim=1).shape[1] > 1


def test_a_composite_needs_all_three_colours():
    assert rgb_channels([490, 560, 700]) == (2, 1, 0)
    assert rgb_channels([490, 560, 706]) is None
    assert rgb_channels(None) is None


def test_the_guide_is_stretched_between_percentiles_and_keeps_lone_bright_pixels():
    x = smooth(batch=1, channels=3)[0] * 400 - 1000
    picture = guide_image(x, None, torch.ones(16, 12, dtype=torch.bool))
    assert picture.amin((0, 1)).tolist() == [0, 0, 0]
    assert picture.amax((0, 1)).tolist() == [1, 1, 1]
    lone = torch.zeros(1, 16, 16)
    lone[0, 3, 4] = 5
    assert guide_image(lone, None, torch.ones(16, 16, dtype=torch.bool))[3, 4].tolist() == [1, 1, 1]


def test_rounding_in_data_of_one_component_is_not_blown_up():
    ground = smooth(batch=1, channels=1)[0]
    x = ground * torch.linspace(1, 3, 12).view(-1, 1, 1)
    picture = guide_image(x, None, torch.ones(16, 12, dtype=torch.bool))
    assert picture[..., 0].max() == 1
    assert not picture[..., 1:].any()


def test_the_partition_does_not_depend_on_the_order_of_channels():
    x = smooth(channels=8)
    first, second = (Superpixels(n_segments=12).features(data).mask for data in (x, x.flip(1)))
    assert all(same_partition(a, b) for a, b in zip(first, second, strict=True))


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"method": "watershed"}, ValueError, "`method` should be one of 'slic', 'grid', 'quickshift', 'felzenszwalb'"),
        ({"n_segments": 0}, ValueError, "`n_segments` should be a whole number of at least 1. Found `n_segments = 0`"),
        ({"n_segments": 2.5}, TypeError, "`n_segments` should be a whole number"),
        ({"n_segments": True}, TypeError, "`n_segments` should be a whole number"),
        ({"mask": "m", "method": "grid"}, ValueError, "`mask` takes the place of `method` and `n_segments`"),
        ({"mask": "m", "n_segments": 9}, ValueError, "`mask` takes the place of `method` and `n_segments`"),
        ({"mask": "m", "options": {}}, ValueError, "`mask` takes the place of `method` and `n_segments`"),
        ({"options": [4, 200, 0.2]}, TypeError, "`options` should be a mapping from names of scikit-image's arguments"),
        ({"method": "grid", "options": {}}, ValueError, "Found some beside `method = 'grid'`"),
        ({"options": {"kernel_size": 4}}, ValueError, "`options` of slic should be some of compactness, max_num_iter"),
        ({"options": {"n_segments": 4}}, ValueError, "Found ['n_segments']"),
        ({"method": "quickshift", "options": {"rng": None}}, TypeError, "`options['rng']` should be a whole number"),
        ({"mask": torch.rand(2, 2)}, ValueError, "`mask` should hold integers. Found dtype torch.float32"),
        ({"valid": np.ones((2, 2))}, ValueError, "`valid` should hold integers. Found dtype float64"),
        ({"mask": [[0, 1]]}, TypeError, "`mask` should be an integer tensor or array, the key of a batch entry"),
        ({"name": ""}, ValueError, "`name` should be a name of letters"),
        ({"name": "a/b"}, ValueError, "`name` should be a name of letters"),
        ({"name": 3}, TypeError, "`name` should be a name of letters"),
        ({"wavelengths": [0.4, 0.5]}, ValueError, "`wavelengths` should be in nm"),
    ],
)
def test_wrong_settings_are_refused_at_construction(arguments, error, message):
    with pytest.raises(error, match=re.escape(message)):
        Superpixels(**arguments)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"mask": torch.zeros(5, 4).int()}, ValueError, "`mask` should have shape [H, W] = (4, 5) for all inputs, or"),
        ({"mask": torch.zeros(3, 4, 5).int()}, ValueError, "or [B, H, W] = (2, 4, 5) for each. Found shape (3, 4, 5)"),
        ({"valid": torch.ones(4).bool()}, ValueError, "`valid` should have shape [H, W] = (4, 5)"),
        ({"mask": "segments"}, ValueError, "`mask = 'segments'` should be the key of a batch entry. Found the entries"),
        ({"mask": "label"}, TypeError, "`mask` should be a tensor or an array. Found a list"),
        ({"mask": lambda x: x[:, 0]}, ValueError, "`mask` should hold integers"),
        ({"mask": torch.full((4, 5), -1)}, ValueError, "`mask` should leave pixels that can be hidden"),
        ({"valid": torch.zeros(4, 5).bool()}, ValueError, "`valid` should leave pixels that can be hidden"),
        ({"wavelengths": [500, 600]}, ValueError, "one value for each of the 3 channels. Found 2 wavelengths"),
        (
            {"method": "quickshift", "options": {"kernel_size": 0}},
            ValueError,
            "`options` should be what scikit-image's quickshift takes. Found `options = {'kernel_size': 0}`",
        ),
        (
            {"method": "felzenszwalb", "options": {"scale": "large"}},
            ValueError,
            "`options` should be what scikit-image's felzenszwalb takes. Found `options = {'scale': 'large'}`",
        ),
    ],
)
def test_settings_that_do_not_fit_the_inputs_are_refused(arguments, error, message):
    with pytest.raises(error, match=re.escape(message)):
        Superpixels(**arguments).features(torch.rand(2, 3, 4, 5), batch={"label": [0, 1]})


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_inputs_should_be_finite(value):
    x = torch.rand(2, 3, 4, 5)
    x[1, 2, 3, 4] = value
    with pytest.raises(ValueError, match="`inputs` should be finite"):
        Superpixels("grid").features(x)


def test_a_key_needs_a_batch():
    with pytest.raises(ValueError, match="Found a batch without named entries"):
        Superpixels(mask="segments").features(torch.rand(2, 3, 4, 5))


def test_the_layout_should_fit_the_inputs():
    with pytest.raises(ValueError, match="describes samples with 3 axes"):
        Superpixels().features(torch.rand(2, 5))


@pytest.mark.filterwarnings("ignore:Got image with third dimension of 6:RuntimeWarning")  # skimage's own
@pytest.mark.parametrize(
    ("method", "channels", "n_segments", "options"),
    [
        ("slic", 3, 20, None),
        ("slic", 3, None, {"compactness": 1.0}),
        ("slic", 1, 9, {"compactness": 0.1}),
        ("slic", 6, 20, {"compactness": 0.1, "sigma": 1}),
        ("quickshift", 3, None, None),
        ("quickshift", 3, None, {"kernel_size": 2, "max_dist": 4, "ratio": 0.5}),
        ("felzenszwalb", 3, None, {"scale": 5, "min_size": 4}),
        ("felzenszwalb", 6, None, None),
    ],
)
def test_exact_segments_are_scikit_images_own_for_the_same_options(method, channels, n_segments, options):
    """Which they are not by default, since planes are stretched first."""
    x = 0.3 + 0.4 * smooth(batch=2, channels=channels, height=32, width=24)
    given = {"n_segments": n_segments} if n_segments else {}
    features = Superpixels(method, n_segments, options=options, exact=True).features(x)
    for image, found in zip(x, features.mask[:, 0], strict=True):
        pixels, axis = (image[0], None) if channels == 1 else (image.movedim(0, -1), -1)
        own = getattr(skimage.segmentation, method)(pixels.numpy(), channel_axis=axis, **given, **(options or {}))
        assert torch.equal(found.long(), torch.from_numpy(own - own.min()).long())
    if channels == 3 and method == "slic":
        assert not same_partition(
            Superpixels(method, n_segments, options=options).features(x).mask[0, 0], features.mask[0, 0]
        )


def test_exact_segments_of_valid_pixels_are_those_of_the_masked_method():
    x, valid = smooth(batch=1, channels=3), torch.ones(16, 12, dtype=torch.bool)
    valid[:4] = False
    found = Superpixels("slic", 9, valid=valid, exact=True).features(x).mask[0, 0]
    own = skimage.segmentation.slic(x[0].movedim(0, -1).numpy(), 9, mask=valid.numpy(), channel_axis=-1)
    assert torch.equal(found >= 0, valid)
    assert same_partition(found, torch.from_numpy(own))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            {"method": "grid", "exact": True},
            "`exact` is for a method of scikit-image's, 'slic', 'quickshift', 'felzensz",
        ),
        ({"mask": "m", "exact": True}, "Found a mask beside it; leave `exact` out."),
        (
            {"method": "quickshift", "n_segments": 9, "exact": True},
            "`n_segments` is no argument of scikit-image's quicksh",
        ),
    ],
)
def test_what_scikit_image_has_no_argument_for_is_refused(arguments, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        Superpixels(**arguments)


def test_images_that_scikit_image_refuses_are_told_apart():
    with pytest.raises(
        ValueError, match=r"(?s)`exact` takes what scikit-image's quickshift takes. Found images of 6 chan"
    ):
        Superpixels("quickshift", exact=True).features(smooth(batch=1))
    assert len(Superpixels("quickshift", exact=True, options={"convert2lab": False}).features(smooth(batch=1))) > 0


def few_edges(name, size):
    """A photo, a disk before an even ground, and a picture that is bright where smooth noise is."""
    if name == "photo":
        return transform.resize(skimage.data.astronaut() / 255.0, (size, size), anti_aliasing=True)
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:size, :size] / size
    planes = {
        "disk": (x - 0.5) ** 2 + (y - 0.5) ** 2 < 0.06,
        "blobs": filters.gaussian(rng.random((size, size)), size / 10) > 0.5,
    }[name]
    return planes[..., None] + 0.02 * rng.random((size, size, 3))


@pytest.mark.parametrize("n_segments", [10, 50, 100])
@pytest.mark.parametrize("size", [64, 224])
@pytest.mark.parametrize("name", ["photo", "disk", "blobs"])
def test_slic_finds_as_many_where_it_would_join_half_of_them(name, size, n_segments):
    x = torch.from_numpy(few_edges(name, size)).movedim(-1, 0)[None]
    mask = Superpixels("slic", n_segments).features(x).mask[0, 0].long()
    count = int(mask.max()) + 1
    assert 0.8 * n_segments <= count <= n_segments
    assert all(ndimage.label((mask == label).numpy())[1] == 1 for label in range(count))


def test_options_are_kept_to_where_they_find_few():
    x = torch.from_numpy(few_edges("photo", 64)).movedim(-1, 0)[None]
    mask = Superpixels("slic", 50, options={"compactness": 10.0}).features(x).mask
    assert int(mask.max()) + 1 < 40

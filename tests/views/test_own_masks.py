"""Masks of the user's own: shapes with two meanings, numbers that the user knows, and masks of a run."""

import re

import numpy as np
import pytest
import torch
from toys import Classifier, Samples, fit

from lime_callback import Cubes, Explanation, Features, LimeCallback, Merged, Superpixels, Validity, Watch, explain
from lime_callback.summaries import explain_all

GROUND = np.arange(36).reshape(6, 6) // 9 + 1  # four fields, counted from 1


def bright(x):
    return x.sum((1, 2, 3))


def images(batch=3, channels=3):
    return torch.rand(batch, channels, 6, 6, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def explained(x, mask, **settings):
    return explain(bright, x, mask, **{"n_perturbations": 64, "baseline": "zero"} | settings)


def dense(x, mask):
    """The sum of the pixels of each number, for masks that broadcast to the inputs; of a linear model the answer."""
    mask = torch.as_tensor(mask).expand(x.shape)
    return torch.stack([torch.where(mask == number, x, 0.0).sum((1, 2, 3)) for number in mask.unique()], 1)


def check_dense(x, found, mask):
    torch.testing.assert_close(found.coefficients[:, 0], dense(x, mask), rtol=1e-4, atol=1e-4)


def test_a_mask_for_each_image_or_for_each_channel_is_refused_where_both_could_be_meant():
    """And each of both ways out does what its words say."""
    x, mask = images(), torch.randint(0, 2, (3, 6, 6), generator=torch.Generator().manual_seed(1))
    message = "is it [C, H, W], which is `mask[None]` or [B, H, W], which is `mask[:, None]`? Pass one of these."
    for given in (mask, mask.numpy()):
        with pytest.raises(ValueError, match=re.escape(message)):
            explained(x, given)
        check_dense(x, explained(x, given[:, None]), mask[:, None])
        check_dense(x, explained(x, given[None]), mask[None])
    check_dense(x[:2], explained(x[:2], mask[:2]), mask[:2, None])  # two images of three channels leave no doubt
    check_dense(x[:2], explained(x[:2], mask), mask[None])


@pytest.mark.parametrize("kind", [torch.as_tensor, np.asarray, lambda mask: np.asarray(mask).astype(np.uint16)])
def test_masks_of_pixels_alone_of_bands_alone_and_of_numpy_are_taken(kind):
    x = images(2, 5)
    check_dense(x, explained(x, kind(GROUND)), torch.as_tensor(GROUND))
    check_dense(x, explained(x, kind([2, 2, 7, 7, 7])), torch.tensor([2, 2, 7, 7, 7]).view(-1, 1, 1))
    found = explained(x, kind([[0, 0, 1, 1, 1], [0, 1, 1, 1, 1]]))
    check_dense(x, found, torch.tensor([[0, 0, 1, 1, 1], [0, 1, 1, 1, 1]])[..., None, None])
    cube = images(2, 5).unsqueeze(1)  # for 3-D convolutions
    again = explain(lambda v: v.sum((1, 2, 3, 4)), cube, kind(GROUND), n_perturbations=64, baseline="zero")
    check_dense(x, again, torch.as_tensor(GROUND))


@pytest.mark.parametrize(
    ("mask", "kind", "message"),
    [
        (
            torch.zeros(5, 5).long(),
            ValueError,
            "[H, W] = (6, 6), [B, C] = (2, 3), [C] = (3,); an axis of the first two",
        ),
        (np.zeros((6, 6)), ValueError, "`features` should hold integers. Found dtype float64; pass `mask.astype(int)`"),
        (torch.zeros(6, 6), ValueError, "Found dtype torch.float32; pass `mask.long()`"),
        (np.full((6, 6), 2**63, np.uint64), ValueError, "`features` should hold integers below 2**63"),
        ([[0, 1]], TypeError, "a tensor or an array. Found a list; make one of it with `torch.as_tensor`"),
    ],
)
def test_a_mask_that_does_not_fit_is_told_what_would(mask, kind, message):
    with pytest.raises(kind, match=re.escape(message)):
        explained(images(2), mask)


def test_merged_and_renamed_count_as_the_mask_does():
    x = images(1)
    for features in (Superpixels(mask=GROUND).features(x), Features.from_mask(torch.as_tensor(GROUND)[None, None])):
        merged = features.merged({"top": [1, 2]})
        assert merged.mask[0, 0].unique().tolist() == [0, 1, 2]
        assert torch.equal(merged.mask[0, 0] == 0, torch.as_tensor(GROUND) <= 2)
        named = merged.renamed({1: "fields", 4: "road"})
        assert (named.names[0], named.names[2]) == ("fields", "road")
        with pytest.raises(ValueError, match=r"by their numbers in the mask, 1 to 4. Found 0"):
            features.renamed({0: "first"})
    view = Merged(Superpixels(mask=GROUND), {"top": [1, 2]}, {4: "road"})
    assert view.features(x).names == ("top", "superpixel 3", "road")


def test_numbers_of_a_mask_over_another_stand_for_the_upper_one():
    x, upper = images(1), torch.full((6, 6), -1)
    upper[:2] = 3
    over = Superpixels(mask=upper).features(x).over(Superpixels(mask=GROUND).features(x))
    assert over.names == ("superpixel 3", "superpixel 2", "superpixel 3 (2)", "superpixel 4")
    assert over.renamed({3: "own", 4: "last"}).names == ("own", "superpixel 2", "superpixel 3 (2)", "last")


COVER = torch.tensor([[[7, 7], [2, 2]], [[2, 2], [9, 9]], [[9, 7], [7, 2]]])


def test_a_land_cover_map_has_the_same_name_for_a_class_in_every_image(tmp_path):
    x = torch.rand(3, 2, 2, 2, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    features = Superpixels(mask=COVER, classes=True).features(x)
    assert features.names == ("superpixel 2", "superpixel 7", "superpixel 9")
    found = explained(x, features)
    check_dense(x, found, COVER[:, None])
    found.save(tmp_path / "saved.npz")
    assert Explanation.load(tmp_path / "saved.npz").features.renamed({9: "water"}).names[2] == "water"


def test_means_over_a_land_cover_map_are_those_of_its_classes():
    """Without the word that numbers mean the same, which they need not, means are refused with the way out."""
    x = torch.rand(3, 2, 2, 2, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    batches = [{"image": x[:1], "cover": COVER[:1]}, {"image": x[1:], "cover": COVER[1:]}]
    settings = {"n_perturbations": 64, "baseline": "zero"}
    total = explain_all(bright, batches, Superpixels(mask="cover", classes=True), **settings)
    truth = dense(x, COVER[:, None])
    present = torch.stack([(number == COVER).flatten(1).any(1) for number in (2, 7, 9)], 1)
    means = dict(zip(total.names, total.mean[0].tolist(), strict=True))
    for k, number in enumerate((2, 7, 9)):
        assert means[f"superpixel {number}"] == pytest.approx(float(truth[present[:, k], k].mean()), rel=1e-4)
    with pytest.raises(
        ValueError, match=re.escape("`Superpixels(mask=..., classes=True)` for masks whose numbers mean")
    ):
        explain_all(bright, batches, Superpixels(mask="cover"), **settings)
    with pytest.raises(ValueError, match="`classes` says what the numbers of a `mask` mean"):
        Superpixels(classes=True)


def test_errors_belong_to_the_rows_that_were_drawn_where_no_image_has_all_numbers():
    """Rows are drawn as pairs for the 20 numbers that an image has; so many as all images have would have none."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(8, 1, 2, 20, generator=generator, dtype=torch.float64)
    mask = (torch.arange(20) + 20 * torch.arange(8).view(-1, 1)).view(8, 1, 20).expand(8, 2, 20)
    features = Superpixels(mask=mask).features(x)
    found = explain(lambda v: v.sum((1, 2, 3)).sin(), x, features, baseline="zero", n_perturbations=256)
    assert (len(features), features.most) == (160, 20)
    pairs = found.samples.design[0, :, :20].unflatten(0, (-1, 2))
    assert torch.equal(pairs[:, 0], ~pairs[:, 1])
    assert found.samples.group == 2


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        ({"views": Superpixels(mask=torch.zeros(8, 12, 12).int())}, "mask"),
        ({"views": Superpixels("grid", valid=np.ones((8, 12, 12), bool))}, "valid"),
        ({"views": Validity(torch.ones(8, 12, 12).bool())}, "valid"),
        ({"views": Cubes(Superpixels(mask=torch.zeros(8, 12, 12).int()))}, "mask"),
        ({"views": Merged([Superpixels(mask=torch.zeros(8, 12, 12).int()), Superpixels()])}, "mask"),
        ({"watch": {"edge": Watch(pixels=torch.ones(8, 12, 12).bool())}}, "pixels"),
    ],
)
def test_a_mask_for_each_probe_is_refused_at_construction(arguments, name):
    with pytest.raises(
        ValueError, match=rf"`{name}` should be one mask for all inputs in a run.*`{name}=2` for the th"
    ):
        LimeCallback(**arguments)


def fields(x, y, i):
    return x, y, torch.arange(144).view(12, 12) // 48 + 1 + i % 2


@pytest.mark.parametrize("key", [2, np.int64(2), -1])
def test_a_tuple_batchs_mask_is_named_by_its_place(tmp_path, key):
    lime = LimeCallback(
        [Superpixels(mask=key), Validity(key)], probes=2, n_perturbations=64, pictures=False, on_error="raise",
        target=0, watch={"field": Watch(pixels=key, reliance=0.9)}, background=4,
    )  # fmt: skip
    fit(tmp_path, lime, model=lambda: Classifier(unpack=lambda b: b[:2]), data=Samples(8, pack=fields), epochs=1)
    numbers = {int(name.split()[1]) for name in lime.explanation("spatial").features.names}
    assert numbers <= {1, 2, 3, 4}
    assert len(numbers) >= 3
    with pytest.raises(
        ValueError, match=r"`mask = 3` should be the key .*Found a tuple of 3; name the place .* 0 to 2"
    ):
        Superpixels(mask=3).features(torch.rand(1, 1, 2, 2), batch=(1, 2, 3))

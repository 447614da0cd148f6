"""Several segmentations combined, and one class against another: exact on linear models."""

import re
import weakref
from dataclasses import replace

import pytest
import torch
from toys import Classifier, fit

from lime_callback import Contrast, LimeCallback, Superbands, Superpixels, explain
from lime_callback.summaries.segmentation_ensemble import ensemble

SIDE = 30


def linear(x):
    """Two outputs that are linear in the pixels of a square."""
    bright = x[:, :, 8:16, 12:20].sum((1, 2, 3))
    return torch.stack([bright, 2 * x[:, 0].sum((1, 2)) - bright], 1)


def pictures(batch=2, side=SIDE):
    return 0.2 + torch.rand(batch, 3, side, side, generator=torch.Generator().manual_seed(0))


def view(kind, number):
    return Superpixels("grid", n_segments=number**2) if kind == "grid" else Superpixels(n_segments=number)


SEVERAL = [("slic", 12), ("slic", 25), ("slic", 40), ("grid", 5), ("grid", 7), ("grid", 11)]


def explained(x, kind, number, forward=linear, **settings):
    settings = {"n_perturbations": 512, "baseline": "zero"} | settings
    return explain(forward, x, view(kind, number).features(x), **settings)


def test_three_slic_and_grids_of_5_7_and_11_combined_find_what_is_in_the_model():
    """Whatever the borders of each are, together they are brightest inside the square that alone counts."""
    x = pictures()
    heatmap, spread, members = ensemble(explained(x, kind, number, target=0) for kind, number in SEVERAL)
    assert members == 6
    assert heatmap.shape == spread.shape == (2, 1, 1, SIDE, SIDE)
    inside = torch.zeros(SIDE, SIDE, dtype=torch.bool)
    inside[8:16, 12:20] = True
    for b in range(2):
        strongest = heatmap[b, 0, 0].flatten().topk(16).indices  # then pixels tie that no member tells apart
        assert inside.flatten()[strongest].all()
        assert heatmap[b, 0, 0][inside].mean() > 8 * heatmap[b, 0, 0][~inside].abs().mean()
    far = heatmap[..., 24:, :]  # no segment of any member that reaches there touches the square
    assert far.abs().max() < 1e-3
    assert spread[..., 24:, :].max() < 1e-3


def test_the_mean_and_the_spread_are_those_of_scaled_coefficients():
    x = pictures()
    members = [explained(x, kind, number) for kind, number in SEVERAL]
    maps = torch.stack([one.heatmap()[:, :, :1] for one in members]).double()
    scaled = maps / maps.square().mean((3, 4, 5), keepdim=True).sqrt()
    found = ensemble(members)
    torch.testing.assert_close(found.heatmap.double(), scaled.mean(0), atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(found.spread.double(), scaled.std(0, correction=0), atol=1e-5, rtol=1e-5)


def test_one_member_is_itself_and_equal_members_agree():
    one = explained(pictures(), "grid", 5)
    alone, thrice = ensemble([one]), ensemble([one] * 3)
    torch.testing.assert_close(alone.heatmap, thrice.heatmap)
    assert not alone.spread.any()
    assert thrice.spread.max() < 1e-6
    assert (alone.heatmap.square().mean((2, 3, 4)) - 1).abs().max() < 1e-5


@pytest.mark.parametrize("scale", [1e-30, 1e-3, 1e30])
def test_members_count_alike_whatever_the_size_of_their_coefficients(scale):
    x = pictures()
    one, other = explained(x, "grid", 5), explained(x, "slic", 12)
    expected = ensemble([one, other])
    found = ensemble([other, replace(one, coefficients=one.coefficients * scale)])
    torch.testing.assert_close(found.heatmap, expected.heatmap)
    torch.testing.assert_close(found.spread, expected.spread)


def test_a_member_that_found_nothing_is_zero():
    one = explained(pictures(), "grid", 5)
    nothing = replace(one, coefficients=torch.zeros_like(one.coefficients))
    torch.testing.assert_close(ensemble([one, nothing]).heatmap, ensemble([one]).heatmap / 2)


def test_members_of_other_shapes_broadcast():
    x = pictures()
    space = explained(x, "grid", 5)
    bands = explain(linear, x, Superbands(3).features(x), n_perturbations=8, baseline="zero")
    found = ensemble([space, bands])
    assert found.heatmap.shape == (2, 2, 3, SIDE, SIDE)
    torch.testing.assert_close(found.heatmap, (ensemble([space]).heatmap + ensemble([bands]).heatmap) / 2)


def test_members_are_not_kept():
    x, alive = pictures(), []

    def members():
        for number in (2, 3, 4, 5):
            one = explained(x, "grid", number, n_perturbations=64)
            alive.append(weakref.ref(one))
            yield one
            del one
            assert sum(ref() is not None for ref in alive) <= 2  # the first, and the one just looked at

    assert ensemble(members()).members == 4


@pytest.mark.parametrize(
    ("members", "error", "message"),
    [
        (lambda one, x: [], ValueError, "`explanations` should be at least one. Found none."),
        (lambda one, x: [one, x], TypeError, "`explanations` should be an Explanation. Found a Tensor"),
        (lambda one, x: [one, explained(x.flip(0), "grid", 2)], ValueError, "Found in explanation 1 different inputs"),
        (lambda one, x: [one, one, explained(x, "grid", 2, target=[1, 0])], ValueError, "explanation 2 different targ"),
        (lambda one, x: [one, explained(x[:1], "grid", 2)], ValueError, "explanation 1 different numbers of inputs"),
    ],
)
def test_members_that_do_not_fit_are_refused(members, error, message):
    x = pictures()
    with pytest.raises(error, match=re.escape(message)):
        ensemble(members(explained(x, "grid", 2), x))


def curved(x):
    y = x.mean((2, 3))
    return torch.cat([y.exp(), (3 * y).sin() + y[:, :1] * y[:, 1:2], y], 1)


@pytest.mark.parametrize("forward", [linear, curved])
def test_first_class_against_second_is_the_difference_of_their_coefficients(forward):
    x = pictures().double()
    both = explained(x, "slic", 12, forward, target=[0, 1])
    found = explained(x, "slic", 12, forward, output=Contrast(0, 1))
    torch.testing.assert_close(found.coefficients, both.coefficients[:, :1] - both.coefficients[:, 1:])
    torch.testing.assert_close(found.prediction, both.prediction[:, :1] - both.prediction[:, 1:])


def test_first_predicted_against_second_predicted_stays_the_same_pair_for_each_input():
    """The order of the outputs changes under perturbations; the pair does not."""
    x = torch.rand(5, 3, 8, 8, generator=torch.Generator().manual_seed(4)).double()
    features = Superpixels("grid", n_segments=4).features(x)
    outputs = curved(x)
    contrast = Contrast.predicted(outputs)
    order = outputs.argsort(1, descending=True)
    assert contrast.first == tuple(order[:, 0].tolist())
    assert contrast.second == tuple(order[:, 1].tolist())
    assert len(set(zip(contrast.first, contrast.second, strict=True))) > 1
    found = explain(curved, x, features, torch.arange(5), output=contrast, n_perturbations=16)
    everything = explain(curved, x, features, n_perturbations=16).coefficients
    for b in range(5):
        expected = everything[b, contrast.first[b]] - everything[b, contrast.second[b]]
        torch.testing.assert_close(found.coefficients[b, 0], expected)
    assert (found.prediction > 0).all()


def test_several_pairs_share_the_forwards():
    x = pictures(1)
    found = explained(x, "grid", 2, output=Contrast([0, 1], [1, 0]), n_perturbations=16)
    assert found.coefficients.shape == (1, 2, 4)
    torch.testing.assert_close(found.coefficients[:, 0], -found.coefficients[:, 1])


def test_half_precision_keeps_the_digits_of_a_difference():
    y = torch.tensor([[100.5, 0.125]], dtype=torch.bfloat16)
    assert Contrast(0, 1)(y).dtype == torch.float32
    assert Contrast(0, 1)(y) == y[0, 0].float() - 0.125


def test_the_callback_explains_a_contrast(tmp_path):
    """Of a model with three outputs, by the same rows: the difference of the two explanations."""
    found = []
    for output, target in ((Contrast(2, 0), "all"), ("raw", [2, 0])):
        lime = LimeCallback(
            Superpixels("grid", n_segments=4), output=output, target=target, n_perturbations=16, pictures=False,
            on_error="raise", gate=None,
        )  # fmt: skip
        fit(tmp_path, lime, model=Classifier, epochs=1)
        found.append(lime.explanation("spatial"))
    contrast, both = found
    assert contrast.coefficients.shape == (8, 1, 4)
    torch.testing.assert_close(contrast.coefficients, both.coefficients[:, :1] - both.coefficients[:, 1:])


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ((1, 1), ValueError, "`first` and `second` should be different outputs. Found 1 against itself."),
        (([1, 2], [0]), ValueError, "`first` and `second` should be equally many, one of each for a pair. Found 2 and"),
        (([], []), ValueError, "or a sequence of them, from 0 on. Found `first = []`"),
        ((0, -1), ValueError, "or a sequence of them, from 0 on. Found `second = -1`"),
        ((0.0, 1), TypeError, "`first` should be the index of an output, or a sequence of them"),
        ((0, [True]), TypeError, "`second` should be the index of an output, or a sequence of them"),
        (("01", 1), TypeError, "`first` should be the index of an output, or a sequence of them"),
    ],
)
def test_contrasts_that_cannot_be_are_refused(arguments, error, message):
    with pytest.raises(error, match=re.escape(message)):
        Contrast(*arguments)


@pytest.mark.parametrize(
    ("outputs", "error", "message"),
    [
        (torch.zeros(2, 2), ValueError, "with K at least 3 for output 2. Found shape (2, 2)"),
        (torch.zeros(2, 4, 5, 5), ValueError, "`Contrast` takes outputs [m, K]"),
        ({"logits": 1}, TypeError, "`Contrast` takes outputs [m, K]. Found a dict."),
    ],
)
def test_outputs_that_do_not_fit_a_contrast_are_refused(outputs, error, message):
    with pytest.raises(error, match=re.escape(message)):
        Contrast(0, 2)(outputs)


def test_a_single_output_has_no_second():
    with pytest.raises(ValueError, match="`k` should be at most the number of outputs"):
        Contrast.predicted(torch.zeros(2, 1))

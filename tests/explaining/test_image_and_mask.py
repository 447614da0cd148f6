"""The options that the field knows by name: ``top_labels``, ``num_features``, ``positive_only``, ``hide_rest``, ...

Pictures and masks are those of ``lime`` on the same coefficients, for a whole batch and all targets at once.
"""

import re
from dataclasses import replace

import numpy as np
import pytest
import torch
from lime.lime_image import ImageExplanation
from toys import Classifier, fit

from lime_callback import Explanation, Features, LimeCallback, Superbands, Superpixels, TopLabels, explain
from lime_callback.explaining.image_and_mask import strongest_signs

SIDE = 12
BOTH = {"positive_only": False, "negative_only": False}
NEGATIVE = {"positive_only": False, "negative_only": True}


def explained(
    batch=2, targets=3, shape=(3, SIDE, SIDE), layout="CHW", view=None, seed=0
) -> tuple[Explanation, torch.Tensor]:
    """An explanation of random pictures whose coefficients are random, too."""
    generator = torch.Generator().manual_seed(seed)
    x = torch.rand(batch, *shape, generator=generator)
    features = (view or Superpixels("grid", n_segments=9)).features(x, layout=layout)
    found = explain(lambda x: x.flatten(1)[:, :targets], x, features, n_perturbations=64)
    return replace(found, coefficients=torch.randn(found.coefficients.shape, generator=generator)), x


def of_lime(explanation, x, b, t, **options):
    """What ``lime`` makes of the same coefficients."""
    image = x[b].movedim(0, -1).numpy()
    segments = explanation.features.mask[b if len(explanation.features.mask) > 1 else 0, 0].numpy()
    theirs = ImageExplanation(image, segments)
    weights = list(enumerate(explanation.coefficients[b, t].tolist()))
    theirs.local_exp[0] = sorted(weights, key=lambda pair: abs(pair[1]), reverse=True)
    return theirs.get_image_and_mask(0, **options)


@pytest.mark.parametrize("kinds", [{}, BOTH, NEGATIVE], ids=["positive", "both", "negative"])
@pytest.mark.parametrize("hide_rest", [False, True])
@pytest.mark.parametrize(("num_features", "min_weight"), [(1, 0.0), (4, 0.0), (100, 0.0), (4, 0.7), (100, 0.7)])
def test_num_features_positive_only_hide_rest_and_min_weight_are_those_of_lime(
    kinds, hide_rest, num_features, min_weight
):
    explanation, x = explained()
    options = {"hide_rest": hide_rest, "num_features": num_features, "min_weight": min_weight, **kinds}
    image, mask = explanation.image_and_mask(x, **options)
    assert image.shape == (2, 3, 3, SIDE, SIDE)
    assert mask.shape == (2, 3, 1, SIDE, SIDE)
    for b in range(2):
        for t in range(3):
            expected_image, expected_mask = of_lime(explanation, x, b, t, **options)
            np.testing.assert_allclose(image[b, t].movedim(0, -1).numpy(), expected_image)
            np.testing.assert_array_equal(mask[b, t, 0], -expected_mask if kinds is NEGATIVE else expected_mask)


def test_a_coefficient_of_zero_is_never_marked():
    explanation, x = explained()
    explanation.coefficients[..., 4:] = 0
    for kinds in ({}, BOTH, NEGATIVE):
        _, mask = explanation.image_and_mask(x, num_features=9, **kinds)
        assert not mask[..., explanation.features.mask[0, 0] >= 4].any()


def test_features_that_an_input_lacks_are_not_counted():
    present = torch.tensor([[True, True, False, True]])
    coefficients = torch.tensor([[[1.0, 2.0, 9.0, -3.0]]])
    assert strongest_signs(coefficients, present, num_features=2, **BOTH).tolist() == [[[0, 1, 0, -1]]]
    assert strongest_signs(coefficients, present, num_features=2).tolist() == [[[1, 1, 0, 0]]]


def test_elements_that_are_never_hidden_are_not_marked_and_are_the_rest():
    x = torch.rand(1, 3, 4, 4)
    mask = torch.full((1, 1, 4, 4), -1)
    mask[..., :2] = 0
    mask[..., 2] = 1
    found = explain(lambda x: x.flatten(1)[:, :1], x, mask, n_perturbations=8, baseline="zero")
    image, marked = replace(found, coefficients=torch.tensor([[[2.0, 1.0]]])).image_and_mask(x, hide_rest=True)
    assert marked[0, 0, 0].tolist() == [[1, 1, 1, 0]] * 4
    assert torch.equal(image[0, 0, ..., :3], x[0, ..., :3])
    assert not image[..., 3].any()


@pytest.mark.parametrize("colour", [0.5, [0.1, 0.2, 0.3], (1, 0, 1), np.array([0.5, 0.5, 0.0]), torch.tensor(0.25)])
def test_hide_color_is_what_the_rest_becomes(colour):
    explanation, x = explained()
    image, mask = explanation.image_and_mask(x, num_features=2, hide_rest=True, hide_color=colour)
    expected = torch.as_tensor(colour, dtype=torch.float32).expand(3)
    for b in range(2):
        for t in range(3):
            hidden = mask[b, t, 0] == 0
            assert torch.equal(image[b, t][:, hidden], expected[:, None].expand(-1, int(hidden.sum())))
            assert torch.equal(image[b, t][:, ~hidden], x[b][:, ~hidden])


@pytest.mark.parametrize("layout", ["HWC", "CWH", "1CHW"])
def test_layouts_agree(layout):
    reference, x = explained()
    own = reference.features.layout
    restored = reference.features.layout.of(layout)
    features = Features(restored.restore(own.canonical(reference.features.mask)), reference.features.names, layout)
    images = restored.restore(own.canonical(x))
    moved = replace(reference, features=features, shape=tuple(images.shape[1:]))
    for options in ({}, BOTH, {"hide_rest": True, "hide_color": [0.1, 0.2, 0.3]}):
        expected = reference.image_and_mask(x, **options)
        found = moved.image_and_mask(images, **options)
        for one, other in zip(found, expected, strict=True):
            assert torch.equal(restored.canonical(one.flatten(0, 1)), other.flatten(0, 1))


def test_superbands_hide_channels_and_are_not_painted():
    explanation, x = explained(view=Superbands([[0], [1], [2]]), targets=1)
    explanation = replace(explanation, coefficients=torch.tensor([[[3.0, -2.0, 1.0]]]).expand(2, 1, 3))
    image, mask = explanation.image_and_mask(x, num_features=2, hide_rest=True)
    assert mask.flatten(1).tolist() == [[1, 0, 1]] * 2
    assert torch.equal(image[:, 0, [0, 2]], x[:, [0, 2]])
    assert not image[:, 0, 1].any()
    image, mask = explanation.image_and_mask(x, **BOTH)
    assert torch.equal(image[:, 0], x)
    assert mask.flatten(1).tolist() == [[1, -1, 1]] * 2


def test_pictures_of_the_inputs_can_be_shown_in_their_place():
    """Many channels are explained, three are shown."""
    explanation, _ = explained(shape=(7, SIDE, SIDE))
    pictures = torch.randint(0, 255, (2, 3, SIDE, SIDE), dtype=torch.uint8)
    image, mask = explanation.image_and_mask(pictures, hide_rest=True, hide_color=255)
    assert image.dtype == torch.uint8
    assert (image[0, 0][:, mask[0, 0, 0] == 0] == 255).all()


def test_the_images_are_left_as_they_are():
    explanation, x = explained()
    before = x.clone()
    image, _ = explanation.image_and_mask(x, **BOTH)
    image.zero_()
    assert torch.equal(x, before)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"num_features": 0}, ValueError, "`num_features` should be a whole number of at least 1"),
        ({"min_weight": -1}, ValueError, "`min_weight` should be at least 0"),
        ({"negative_only": True}, ValueError, "`positive_only` and `negative_only` should not both be true"),
        ({"positive_only": 1}, TypeError, "`positive_only` should be True or False"),
        ({"hide_rest": "yes"}, TypeError, "`hide_rest` should be True or False"),
        ({"hide_rest": True, "hide_color": [1, 2]}, ValueError, "or one for each of the 3 channels. Found `hide_color"),
        ({"hide_rest": True, "hide_color": float("nan")}, ValueError, "`hide_color` should be a finite number"),
        ({"hide_rest": True, "hide_color": "grey"}, TypeError, "`hide_color` should be a finite number"),
        ({"images": np.zeros((2, 3, 4, 4))}, TypeError, "`images` should be a tensor [B, *dims]. Found a ndarray"),
        ({"images": torch.zeros(1, 3, SIDE, SIDE)}, ValueError, "`images` should be one for each of the 2 inputs"),
        ({"images": torch.zeros(2, SIDE, SIDE)}, ValueError, "Found `images` with samples of shape (12, 12)"),
        ({"images": torch.zeros(2, 3, 5, SIDE)}, ValueError, "a mask that broadcasts to the inputs' shape"),
    ],
)
def test_arguments_that_do_not_fit_are_refused(arguments, error, message):
    explanation, x = explained()
    with pytest.raises(error, match=re.escape(message)):
        explanation.image_and_mask(**{"images": x} | arguments)


def by_channel(x):
    return x.mean((2, 3))


def test_top_labels_explains_the_k_largest_outputs_of_each_input():
    """As of ``lime``: the labels of the largest outputs, largest first; each input has its own."""
    x = torch.rand(4, 5, 6, 6, generator=torch.Generator().manual_seed(3))
    features = Superpixels("grid", n_segments=4).features(x)
    found = explain(by_channel, x, features, TopLabels(3), n_perturbations=64)
    for b, outputs in enumerate(by_channel(x)):
        assert found.targets[b].tolist() == np.argsort(outputs.numpy())[-3:][::-1].tolist()
    assert torch.equal(found.prediction, by_channel(x).sort(1, descending=True).values[:, :3])
    assert len({tuple(row) for row in found.targets.tolist()}) > 1
    everything = explain(by_channel, x, features, n_perturbations=64)
    index = found.targets.unsqueeze(-1).expand(-1, -1, 4)
    assert torch.equal(found.coefficients, everything.coefficients.gather(1, index))


def test_equal_outputs_are_labels_in_their_order():
    assert TopLabels(3)(torch.tensor([[1.0, 2.0, 2.0, 2.0]])).tolist() == [[1, 2, 3]]


def test_a_target_may_be_any_function_of_the_outputs():
    x = torch.rand(4, 5, 6, 6)
    features = Superpixels("grid", n_segments=4).features(x)
    least = explain(by_channel, x, features, lambda y: y.argmin(1), n_perturbations=64)
    assert torch.equal(least.targets, by_channel(x).argmin(1, keepdim=True))


def test_top_labels_of_the_callback_stay_the_same(tmp_path):
    lime = LimeCallback(Superpixels("grid", n_segments=4), target=TopLabels(2), n_perturbations=16, pictures=False)
    targets = []
    take = lime._latest.loop.view("spatial").take
    lime._latest.loop.view("spatial").take = lambda found, epoch: (targets.append(found.targets), take(found, epoch))
    fit(tmp_path, lime, model=Classifier, epochs=3)
    assert len(targets) == 3
    assert targets[0].shape == (8, 2)
    assert torch.equal(targets[0], targets[2])
    assert (targets[0][:, 0] != targets[0][:, 1]).all()


@pytest.mark.parametrize(
    ("target", "error", "message"),
    [
        (TopLabels(6), ValueError, "`k` should be at most the number of outputs K of [B, K]. Found `k = 6`"),
        (lambda y: y.argmax(1).tolist(), TypeError, "`target` should return a tensor [B] or [B, T] of indices"),
        (lambda y: y, TypeError, "`target` should hold integers, the indices of outputs. Found dtype torch.float32"),
        (lambda y: y.argmax(1) + 5, ValueError, "`target` should be an index from 0 to 4"),
    ],
)
def test_targets_that_do_not_fit_are_refused(target, error, message):
    x = torch.ones(2, 5, 6, 6)
    with pytest.raises(error, match=re.escape(message)):
        explain(by_channel, x, Superpixels("grid", n_segments=4).features(x), target, n_perturbations=16)


@pytest.mark.parametrize(("k", "error"), [(0, ValueError), (2.0, TypeError)])
def test_k_should_be_a_whole_number(k, error):
    with pytest.raises(error, match="`k` should be"):
        TopLabels(k)

"""Outputs with classes of pixels: their axes are found or refused, and each way out that an error names works."""

import re

import pytest
import torch

from lime_callback import Superpixels, explain
from lime_callback.outputs import ClassRegion, PixelCount
from lime_callback.outputs.pixel_classes import class_axis

pytestmark = pytest.mark.filterwarnings("ignore:The explanation of input")  # some classes are predicted nowhere

H, W = 6, 8
GRID = Superpixels("grid", n_segments=4)


def images(batch=2):
    return torch.rand(batch, 3, H, W, generator=torch.Generator().manual_seed(0))


def scores(x):
    return torch.stack([x[:, 0], 2 * x[:, 1], 1.5 * x[:, 2]], 1)


FORMS = {
    "[m, K, H, W]": scores,
    "[m, H, W, K]": lambda x: scores(x).movedim(1, -1),
    "[m, H, W, 1]": lambda x: (x[:, 0] - 0.5).unsqueeze(-1),
    "[m, 1, H, W]": lambda x: x[:, :1] - 0.5,
    "[m, H, W]": lambda x: x[:, 0] - 0.5,
    "[m, K, H / 2, W / 2]": lambda x: scores(x)[..., ::2, ::2],
    "[m, H / 2, W / 2]": lambda x: x[:, 0, ::2, ::2] - 0.5,
}


def in_usual_order(form, y):
    if y.ndim == 3:
        y = y.unsqueeze(1)
    return y.movedim(-1, 1) if form.endswith(("K]", "1]")) else y


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("output", [ClassRegion(), PixelCount(), PixelCount(soft=True)])
def test_hints_name_axes_of_the_output_that_is_there(form, output):
    """No rows pass for classes: whatever the order of the axes, the answer is that of [m, K, H, W]."""
    x = images()
    model, usual = FORMS[form], type(output)(**{**vars(output), "axis": 1})
    found, expected = (
        explain(forward, x, GRID.features(x), output=how, baseline="zero", n_perturbations=16)
        for forward, how in ((model, output), (lambda x: in_usual_order(form, model(x)), usual))
    )
    assert found.prediction.shape[1] == (3 if "K" in form else 2)
    torch.testing.assert_close(found.prediction, expected.prediction)
    torch.testing.assert_close(found.coefficients, expected.coefficients)


@pytest.mark.parametrize("form", FORMS)
def test_segmentation_without_an_output_is_told_of_what_works(form):
    """The advice of the error, followed, explains; it names no axes, which it cannot know."""
    x = images()
    with pytest.raises(ValueError, match=r"`forward` should return \[m\] or \[m, K\]") as error:
        explain(FORMS[form], x, GRID.features(x), n_perturbations=16)
    advised = re.findall(r"`output=(\w+\(.*?\))`", str(error.value))
    assert advised == ["ClassRegion()", "PixelCount()"]
    for text in advised:
        found = explain(FORMS[form], x, GRID.features(x), output=eval(text), n_perturbations=16, baseline="zero")
        assert found.score.isfinite().any()


@pytest.mark.parametrize(
    ("shape", "pixels", "axis"),
    [
        ((2, 5, 6, 8), (6, 8), 1), ((2, 6, 8, 5), (6, 8), 3), ((2, 6, 8), (6, 8), None), ((2, 8, 8, 8), (8, 8), 1),
        ((2, 8, 8, 1), (8, 8), 3), ((2, 1, 8, 8), (8, 8), 1), ((2, 5, 48), (6, 8), 1), ((2, 3, 4), (6, 8), None),
        ((2, 3, 4, 7), (6, 8), 3), ((2, 5, 6, 8), (), 1), ((2, 6, 8, 1), (), 3), ((2, 6, 8), (), 1),
        ((2, 4, 5, 6), (4, 5, 6), None), ((2, 7, 4, 5, 6), (4, 5, 6), 1), ((2, 7), (7,), 1), ((2, 7, 9), (9,), 1),
    ],
)  # fmt: skip
def test_the_axis_of_the_classes(shape, pixels, axis):
    assert class_axis(shape, pixels) == axis


def label_map(x):
    """Class 0 to 2, by which channel is largest; nothing where all is dark."""
    return scores(x).argmax(1).where(x.amax(1) > 0, 255)


@pytest.mark.parametrize("form", [label_map, lambda x: label_map(x).unsqueeze(1), lambda x: label_map(x)[..., None]])
def test_hard_label_maps_are_counted_by_class(form):
    """[m, H, W] of integers: classes are numbers in it, and not its rows; a number that is no class counts for none."""
    x = images()
    x[:, :, 0, 0] = 0
    numbers = label_map(x)
    by_hand = torch.stack([(numbers == k).sum((1, 2)) for k in range(3)], 1).float()
    settings = {"n_perturbations": 16, "baseline": "blur"}
    counted = explain(form, x, GRID.features(x), output=PixelCount(classes=3), **settings)
    assert torch.equal(counted.prediction, by_hand)
    assert by_hand.sum() == 2 * (H * W - 1)
    shares = explain(form, x, GRID.features(x), output=ClassRegion(classes=3), **settings)
    assert torch.equal(shares.prediction, torch.ones(2, 3))
    direct = explain(scores, x, GRID.features(x), output=PixelCount(), **settings)
    torch.testing.assert_close(counted.coefficients[:, 1:], direct.coefficients[:, 1:])  # not the dark pixel's


@pytest.mark.parametrize("output", [PixelCount(), ClassRegion()])
def test_the_number_of_classes_of_a_label_map_is_asked_for(output):
    x = images()

    def model(x):
        return scores(x).argmax(1)

    with pytest.raises(ValueError, match=r"`classes` should say how many.*int64 numbers up to 2") as error:
        explain(model, x, GRID.features(x), output=output, n_perturbations=16)
    for text in re.findall(r"`output=(\w+\(.*?\))`", str(error.value)):
        assert explain(model, x, GRID.features(x), output=eval(text), n_perturbations=16).prediction.shape == (2, 3)


def test_a_map_of_yes_and_no_has_two_classes():
    x = images()
    found = explain(lambda x: x[:, 0] > 0.5, x, GRID.features(x), output=PixelCount(share=True), n_perturbations=16)
    torch.testing.assert_close(found.prediction[:, 1], (x[:, 0] > 0.5).float().mean((1, 2)))


def test_classes_of_scores_are_not_asked_for():
    x = images()
    with pytest.raises(ValueError, match=r"`classes` is for maps of class numbers.*scores of 3 classes.*leave it out"):
        explain(scores, x, GRID.features(x), output=PixelCount(classes=3), n_perturbations=16)


@pytest.mark.parametrize("scale", ["raw", "sigmoid", "softmax"])
def test_both_sides_of_a_single_logit_move(scale):
    """A single-logit head explained a constant 0 for class 0, or 0.5."""
    x = images()
    found = explain(FORMS["[m, 1, H, W]"], x, GRID.features(x), output=ClassRegion(scale), n_perturbations=16)
    assert (found.coefficients.abs().amax(-1) > 0).all()
    logit = x[:, 0] - 0.5
    side = {"raw": -logit, "sigmoid": (-logit).sigmoid(), "softmax": 1 - logit.sigmoid()}[scale]
    inside = logit <= 0
    expected = torch.where(inside, side, 0.0).sum((1, 2)) / inside.sum((1, 2))
    torch.testing.assert_close(found.prediction[:, 0], expected)


# ---------------------------------------------------------------------------------------------------------------------
# Regions.


def two(x):
    """Class 0 everywhere but where channel 1 is very large."""
    return torch.stack([x[:, 0], x[:, 1] - 10], 1)


def test_a_class_that_no_pixel_was_predicted_as_is_named():
    x = images()
    with pytest.warns(UserWarning, match="class 1 was predicted nowhere and has no region; explain another") as warned:
        explain(two, x, GRID.features(x), 1, output=ClassRegion(), n_perturbations=16)
    assert "ClassRegion(region=...)" in str(warned[0].message)
    found = explain(two, x, GRID.features(x), 1, output=ClassRegion(region=torch.ones(2, H, W)), n_perturbations=16)
    assert (found.coefficients != 0).any()


def test_a_region_may_be_given():
    """Also as a map with numbers that are no class; each class's mean is taken there."""
    x, region = images(), torch.zeros(2, H, W, dtype=torch.uint8)
    region[:, 2:], region[:, :1] = 1, 255
    found = explain(scores, x, GRID.features(x), output=ClassRegion("raw", region=region), n_perturbations=16)
    expected = [scores(x)[:, 0, 1].mean(-1), scores(x)[:, 1, 2:].mean((1, 2)), torch.zeros(2)]
    torch.testing.assert_close(found.prediction, torch.stack(expected, 1))


@pytest.mark.parametrize(
    ("region", "message"),
    [
        ("mask", r"`region` should be class numbers \[B, H, W\], or.*Found `region = 'mask'` and no batch"),
        (torch.ones(2, 3, 3), r"as many pixels for each batch. Found 48, and 9 in `region`"),
    ],
)
def test_a_region_that_does_not_fit_is_refused(region, message):
    x = images()
    with pytest.raises(ValueError, match=message):
        explain(scores, x, GRID.features(x), output=ClassRegion(region=region), n_perturbations=16)
    with pytest.raises(TypeError, match="`region` should be the name of an entry"):
        ClassRegion(region=1.5)


@pytest.mark.parametrize("classes", [2, 9, 300])
def test_a_region_begins_where_a_class_is_first_predicted_and_then_stays(classes):
    reducer = ClassRegion("raw")
    first = torch.zeros(1, classes, 2, 2)
    first[:, 0] = 1.0
    last = classes - 1
    second, third = first.clone(), first.clone()
    second[:, last, 0] = 3.0  # above
    third[:, last, 1] = 5.0  # below
    pinned = reducer.pin(first)
    assert reducer.without_value(pinned, classes).tolist() == [[False] + [True] * last]
    pinned = reducer.pin_more(pinned, second)
    again = reducer.pin_more(pinned, third)
    assert torch.equal(pinned, again)
    assert reducer(second, pinned)[0, [0, last]].tolist() == [1.0, 3.0]
    assert reducer(third, pinned)[0, [0, last]].tolist() == [1.0, 0.0]  # its region is above; class 0 keeps its own

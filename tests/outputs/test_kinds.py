"""What outputs are by their labels, which are explained by default, and what is said of predictions beside it."""

import math

import pytest
import torch

from lime_callback.figures import style
from lime_callback.following.probe_predictions import predicted
from lime_callback.outputs.contrast import Contrast
from lime_callback.outputs.output_kinds import explained_outputs_text, kind_of, scale_of, targets_of
from lime_callback.outputs.targets import class_name, pinned_targets, scaled_outputs, target_name
from lime_callback.views.layout import Layout

GENERATOR = torch.Generator().manual_seed(3)
LOGITS = torch.randn(4, 3, generator=GENERATOR) - 0.5
SINGLE = torch.tensor([[2.0], [-1.0], [0.5], [-3.0]])
NAMES = ["rye", "oat", "hop"]


@pytest.mark.parametrize(
    ("outputs", "labels", "output", "kind"),
    [
        (LOGITS, torch.tensor([0, 1, 2, 2]), "raw", "classes"),
        (LOGITS, torch.tensor([[0], [1], [2], [2]]), "raw", "classes"),
        (LOGITS, torch.tensor([0, -100, 2, 9]), "raw", "classes"),
        (LOGITS, torch.tensor([-100, -100, 3, 9]), "raw", "outputs"),
        (LOGITS, torch.tensor([0.0, 1.0, 2.0, 2.0]), "raw", "outputs"),
        (LOGITS, None, "raw", "outputs"),
        (LOGITS, torch.zeros(4, 5, 5), "raw", "outputs"),
        (LOGITS, torch.tensor([0, 1, 2, 2]), Contrast([0, 1, 2], [1, 2, 0]), "outputs"),
        (LOGITS, torch.eye(4)[:, :3], "raw", "several"),
        (LOGITS, torch.eye(4)[:, :3].long(), "raw", "several"),
        (LOGITS, torch.rand(4, 3, generator=GENERATOR), "raw", "values"),
        (SINGLE, torch.tensor([0, 1, 1, 0]), "raw", "binary"),
        (SINGLE, torch.tensor([0.0, 1.0, 1.0, 0.0]), "sigmoid", "binary"),
        (SINGLE, torch.tensor([True, False, False, True]), "raw", "binary"),
        (SINGLE, torch.tensor([-1, 1, 1, 0]), "raw", "binary"),
        (SINGLE, torch.tensor([0, 1, 1, 0]), lambda y: y, "outputs"),
        (SINGLE, torch.tensor([0.3, 1.0, 1.0, 0.0]), "raw", "values"),
        (SINGLE, torch.tensor([3, 1, 17, 0]), "raw", "values"),
        (SINGLE, torch.tensor([[0.3], [math.nan], [1.0], [0.0]]), "raw", "values"),
    ],
)
def test_labels_tell_what_outputs_are(outputs, labels, output, kind):
    assert kind_of(outputs, labels, output) == kind


def test_only_logits_of_classes_are_centered():
    for layout in map(Layout, ("CHW", "HWC", "1CHW", "CW", "W")):
        assert scale_of("classes", LOGITS, layout) == "centered"
        assert scale_of("classes", LOGITS.log_softmax(1), layout) == "centered"
        assert scale_of("classes", LOGITS.softmax(1), layout) == "raw"
    for layout in map(Layout, ("CHW", "C")):
        assert all(scale_of(kind, LOGITS, layout) == "raw" for kind in ("binary", "several", "values", "outputs"))


def test_classes_of_vectors_are_explained_by_their_log_probability():
    for layout in map(Layout, ("C", "1C", "C1")):
        for outputs in (LOGITS, LOGITS.softmax(1), LOGITS.log_softmax(1)):
            assert scale_of("classes", outputs, layout) == "log_softmax"


def test_a_constant_on_all_logits_moves_nothing_that_is_centered():
    for shift in (0.0, 3.0, 1e3):
        torch.testing.assert_close(
            scaled_outputs(LOGITS + shift, 4, "centered"), LOGITS - LOGITS.mean(1, keepdim=True), atol=1e-3, rtol=0
        )
    # Differences of outputs, and so every probability, are as before.
    torch.testing.assert_close(scaled_outputs(LOGITS, 4, "centered").softmax(1), LOGITS.softmax(1))


def test_centering_a_single_output_says_why_not():
    with pytest.raises(ValueError, match=r"`output = 'centered'` of a single output is always 0\. Use 'raw'"):
        scaled_outputs(SINGLE, 4, "centered")


def test_the_log_probability_is_that_of_logits_and_of_probabilities():
    expected = LOGITS.log_softmax(1)
    for outputs in (LOGITS, LOGITS + 100.0, LOGITS.softmax(1), expected):
        torch.testing.assert_close(scaled_outputs(outputs, 4, "log_softmax"), expected, atol=1e-4, rtol=0)
    for half in (torch.float16, torch.bfloat16):  # whose probabilities sum to 1 less exactly
        found = scaled_outputs(LOGITS.softmax(1).to(half), 4, "log_softmax")
        assert found.dtype == torch.float32
        torch.testing.assert_close(found, expected, atol=0.03, rtol=0)


def test_the_log_probability_is_finite():
    least = math.log(1e-12)
    for outputs in (torch.eye(3), torch.eye(3) * 1e5, torch.eye(3).log()):
        found = scaled_outputs(outputs, 3, "log_softmax")
        assert bool(found.isfinite().all())
        torch.testing.assert_close(found, torch.eye(3) * -least + least, atol=1e-5, rtol=0)
    assert bool(scaled_outputs(torch.full((1, 3), math.nan), 1, "log_softmax").isnan().all())  # which is told elsewhere


def test_the_log_probability_of_a_single_output_says_why_not():
    with pytest.raises(ValueError, match=r"`output = 'log_softmax'` of a single output is always 0\. Use 'raw'"):
        scaled_outputs(SINGLE, 4, "log_softmax")


@pytest.mark.parametrize(
    ("target", "kind", "labels", "expected"),
    [
        ("auto", "classes", torch.tensor([2, 0, 1, 1]), [2, 0, 1, 1]),
        ("auto", "classes", torch.tensor([2, -100, 3, 1]), [2, None, None, 1]),
        ("auto", "outputs", None, [None] * 4),
        ("auto", "several", torch.eye(4)[:, :3], [None] * 4),
        ("predicted", "classes", torch.tensor([2, 0, 1, 1]), [None] * 4),
        ("auto", "values", torch.rand(4, 3), [0] * 4),
        ("predicted", "values", torch.rand(4, 3), [0] * 4),
        ("label", "classes", torch.tensor([2, 0, 1, 1]), [2, 0, 1, 1]),
        (1, "values", torch.rand(4, 3), [1] * 4),
    ],
)
def test_the_explained_output(target, kind, labels, expected):
    """``None`` stands for the largest."""
    largest = LOGITS.argmax(1).tolist()
    found = targets_of(target, kind, LOGITS, labels)
    assert found.dtype == torch.int64
    assert found[:, 0].tolist() == [big if one is None else one for one, big in zip(expected, largest, strict=True)]


def test_labels_that_were_asked_for_and_do_not_fit_raise():
    with pytest.raises(ValueError, match=r"`target` should be an index from 0 to 2.*Found \[-100\]"):
        targets_of("label", "classes", LOGITS, torch.tensor([0, 1, 2, -100]))
    with pytest.raises(ValueError, match="`target = 'label'` needs one integer label for each sample"):
        targets_of("label", "values", LOGITS, torch.rand(4, 3))


def test_a_single_logit_is_explained_whatever_its_label():
    for target in ("auto", "predicted", "label"):
        assert targets_of(target, "binary", SINGLE, torch.tensor([0, 1, 1, 0])).tolist() == [[0]] * 4
    with pytest.raises(ValueError, match=r"`target` should be an index from 0 to 0.*Found \[1, 2\]"):
        pinned_targets("label", SINGLE, torch.tensor([0, 1, 2, 0]))


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("auto", "classes", "centered", 3, torch.tensor([0, 1]), None),
         "explains the label's class, as its logit less the mean of all logits."),
        (("auto", "classes", "raw", 3, torch.tensor([0, -100]), None),
         "explains the label's class, and the class predicted at the first explained epoch for 1 of 2 probes without "
         "such a label."),
        (("predicted", "classes", "centered", 3, torch.tensor([0, 1]), None),
         "explains the class predicted at the first explained epoch, as its logit less the mean of all logits."),
        (("auto", "classes", "log_softmax", 3, torch.tensor([0, 1]), None),
         "explains the label's class, as its log-probability."),
        (("auto", "outputs", "raw", 3, None, None),
         "explains the output that is largest at the first explained epoch."),
        (("auto", "values", "raw", 4, torch.rand(2, 4), ["P", "K", "Mg", "pH"]),
         "explains output 0 ('P') of 4; pass `target='all'` or an index for others."),
        (("auto", "values", "raw", 1, torch.rand(2), None), "explains its one output."),
        (("label", "binary", "raw", 1, torch.tensor([0, 1]), None), "explains its one output, of class 1."),
        (([0, 2], "classes", None, 3, None, None), "explains class 0 and class 2."),
        (("all", "values", "raw", 4, torch.rand(2, 4), None), "explains every output."),
    ],
)  # fmt: skip
def test_one_sentence_says_whose_reasons(arguments, text):
    assert explained_outputs_text(*arguments) == text


@pytest.mark.parametrize("output", ["raw", "centered", "softmax", "log_softmax"])
def test_probabilities_are_those_of_the_model_on_every_scale(output):
    now = predicted(scaled_outputs(LOGITS, 4, output), torch.tensor([0, 1, 2, -100]), "classes", output)
    chance, classes = LOGITS.softmax(1).max(1)
    torch.testing.assert_close(now.probabilities, chance)
    assert now.classes.tolist() == classes.tolist()
    assert now.truth.tolist() == [0, 1, 2, -1]


def test_outputs_that_are_probabilities_are_taken_as_they_are():
    now = predicted(LOGITS.softmax(1), torch.tensor([0, 1, 2, 2]), "classes", "raw")
    torch.testing.assert_close(now.probabilities, LOGITS.softmax(1).amax(1))


def test_a_scale_of_the_users_own_has_no_probabilities():
    now = predicted(LOGITS, torch.tensor([0, 1, 2, 2]), "classes", lambda y: y)
    assert now.probabilities.isnan().all()
    assert "%" not in now.text(0, 0, None)


def test_a_single_logit_has_two_classes():
    now = predicted(SINGLE, torch.tensor([1, 1, 0, -1]), "binary", "raw")
    assert now.classes.tolist() == [1, 0, 1, 0]
    torch.testing.assert_close(now.probabilities, torch.tensor([2.0, 1.0, 0.5, 3.0]).sigmoid())
    assert now.truth.tolist() == [1, 1, 0, -1]
    assert now.text(0, 0, None) == "predicted 1 88 %, true 1"
    assert now.text(1, 0, ["ship"]) == "predicted not ship 73 %, ≠ true ship"
    assert now.text(3, 0, ["ship"]) == "predicted not ship 95 %"
    same = predicted(SINGLE.sigmoid(), None, "binary", "sigmoid")
    torch.testing.assert_close(same.probabilities, now.probabilities)


def test_a_mark_stands_where_explained_predicted_and_true_differ():
    logits = torch.tensor([[2.0, 0.0, -9.0], [2.0, 0.0, -9.0], [0.0, 2.0, -9.0], [0.0, 2.0, -9.0]])
    now = predicted(logits, torch.tensor([0, 1, 0, -100]), "classes", "raw")
    assert now.text(0, 0, NAMES) == "which is true and predicted, 88 %"
    assert now.text(1, 0, NAMES) == "which is predicted 88 %, ≠ true oat"
    assert now.text(2, 0, NAMES) == "which is true, ≠ predicted oat 88 %"
    assert now.text(2, 2, NAMES) == "≠ predicted oat 88 %, ≠ true rye"
    assert now.text(0, 2, NAMES) == "≠ true and predicted rye 88 %"
    assert now.text(3, 1, NAMES) == "which is predicted 88 %"
    assert now.text(3, 0, None) == "≠ predicted 1 88 %"
    assert now.cells(2, 0, NAMES) == ("oat", pytest.approx(0.8808, abs=1e-4), "rye")


def test_what_is_not_certain_is_not_said_to_be():
    now = predicted(torch.tensor([[9.0, 0.0]]), torch.tensor([0]), "classes", "raw")
    assert now.text(0, 0, None) == "which is true and predicted, >99 %"


def test_values_have_a_value_and_a_true_one():
    labels = torch.tensor([[1.5, 2.0], [math.nan, 3.0]])
    now = predicted(torch.tensor([[1.25, 2.5], [0.5, -1.0]]), labels, "values", "raw")
    assert now.classes is None
    assert now.text(0, 1, None) == "predicted 2.5, true 2"
    assert now.text(1, 0, None) == "predicted 0.5"
    assert now.cells(0, 0, None) == ("1.25", pytest.approx(math.nan, nan_ok=True), "1.5")


def test_several_classes_have_a_probability_each():
    now = predicted(LOGITS, torch.eye(4)[:, :3], "several", "raw")
    torch.testing.assert_close(now.probabilities, LOGITS.amax(1).sigmoid())
    assert now.truth is None


@pytest.mark.parametrize("width", range(30, 400, 7))
def test_a_title_is_never_cut_within_a_number(width):
    text = "probe 12 · Soybean-mintill · ≠ predicted Corn-notill 81.25 %, ≠ truth 1350-1430 nm"
    head, _, tail = style.fit(text, width).partition("…")
    assert text.startswith(head)
    assert text.endswith(tail)
    for number in ("12", "81.25", "1350-1430"):
        at = text.index(number)
        inside = range(at + 1, at + len(number))
        assert len(head) not in inside or len(head) == len(text)
        assert len(text) - len(tail) not in inside


@pytest.mark.parametrize(
    ("names", "expected"), [(None, ["0", "1"]), (["ship"], ["not ship", "ship"]), (["sea", "ship"],) * 2]
)
def test_one_logit_with_two_class_names_or_with_label_0(names, expected):
    """The explained output is class 1's, whatever the label; what is predicted and true has the name of its side."""
    now = predicted(SINGLE, torch.tensor([0, 0, 1, 0]), "binary", "raw")
    assert target_name(0, names, "binary") == expected[1]
    assert now.cells(0, 0, names)[0::2] == (expected[1], expected[0])
    assert now.cells(1, 0, names)[0::2] == (expected[0], expected[0])
    assert [class_name(label, names, "binary") for label in (0, 1)] == expected
    assert f"{expected[1]}" in explained_outputs_text("auto", "binary", "raw", 1, torch.tensor([0]), names)


def test_two_names_tell_that_a_single_output_is_a_logit():
    assert kind_of(SINGLE, None, "raw", 2) == "binary"
    assert kind_of(SINGLE, None, "raw", 1) == kind_of(SINGLE, None, lambda y: y, 2) == "outputs"
    assert kind_of(SINGLE, torch.rand(4), "raw", 2) == "values"


def test_a_regression_of_several_units_is_not_scaled_and_begins_with_the_first():
    """No softmax or centering, since units differ; "predicted" is the first output."""
    labels = torch.rand(4, 3)
    kind = kind_of(LOGITS, labels, "raw")
    assert (kind, scale_of(kind, LOGITS, Layout("CHW")), scale_of(kind, LOGITS, Layout("C"))) == (
        "values",
        "raw",
        "raw",
    )
    for target in ("auto", "predicted"):
        assert targets_of(target, kind, LOGITS, labels).tolist() == [[0]] * 4
    now = predicted(LOGITS, labels, kind, "raw")
    assert now.classes is None
    assert now.cells(0, 1, NAMES)[0] == f"{LOGITS[0, 1]:.6g}"

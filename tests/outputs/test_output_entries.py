"""The prediction in what a model returns: found by itself where only one entry can be it, else by a key that exists."""

import re
from collections import namedtuple
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from lime_callback.outputs.by_shape import ByShape
from lime_callback.outputs.output_entries import output_tensor

Y, OTHER = torch.rand(4, 3), torch.rand(4, 8)
MAPS = torch.rand(4, 5, 6, 1)
Named = namedtuple("Named", "hidden logits")


@dataclass
class ModelOutput:
    """As terratorch's."""

    output: Any
    auxiliary_heads: Any = None


@pytest.mark.parametrize(
    ("output", "key"),
    [
        (Y, None),
        ((Y, 1), None),
        ([None, Y, Y + 1], None),
        ({"logits": Y, "loss": torch.zeros(())}, None),
        ({"a": Y}, "a"),
        ({"a": Y}, None),
        ({"a": Y, "loss": torch.zeros(()), "ids": torch.arange(4)}, None),
        (ModelOutput(Y), None),
        (ModelOutput(Y), "output"),
        (ModelOutput({"main": Y}), None),
        (Named(OTHER, Y), None),
        (SimpleNamespace(y_hat=Y, hidden=OTHER), None),
        ({("net", "logits"): MAPS, ("net", "features"): torch.rand(4, 7, 5, 6)}, None),
        ({("net", "logits"): MAPS}, ("net", "logits")),
        ({"net": {"logits": MAPS}}, ("net", "logits")),
        ({"head": {"logits": Y, "hidden": OTHER}}, "head.logits"),
        ({"head": {"logits": Y, "hidden": OTHER}}, None),
        ([{"a": Y}], None),
        ({"a": torch.rand(4), "loss": torch.zeros(1)}, None),
    ],
)
def test_the_prediction_is_found(output, key):
    expected = MAPS if key == ("net", "logits") else None
    found = output_tensor(output, key, 4)
    assert found is Y or found is MAPS or found is (output["a"] if isinstance(output, dict) else expected)


@pytest.mark.parametrize(
    ("output", "key"),
    [
        ({"a": Y, "b": OTHER}, None),
        ({"a": Y, "b": OTHER}, "logits"),
        (ModelOutput(Y, OTHER), "logits"),
        ({("net", "logits"): MAPS}, "logits"),
        ({("net", "logits"): MAPS, ("aux", "logits"): MAPS + 1}, None),
        ({"head": {"x.y": Y, "b": OTHER}}, "logits"),
        ({"head": {"x": Y}, "aux": [OTHER]}, None),
        ([Y, OTHER], 2),
        ({"a": torch.arange(4)}, None),
        ({"loss": torch.zeros(())}, None),
    ],
)
def test_the_advice_names_entries_that_are_there(output, key):
    """Each key that the error advises leads to a tensor of the output."""
    with pytest.raises(ValueError, match=r"`output_key` should name the prediction.*Pass `output_key=") as error:
        output_tensor(output, key, 4)
    advised = [eval(text) for text in re.findall(r"`output_key=(.+?)`(?: or|\.)", str(error.value))]
    assert advised
    for one in advised:
        assert isinstance(output_tensor(output, one, 4), torch.Tensor)


def test_an_output_without_a_tensor_is_told_of_forward():
    with pytest.raises(ValueError, match=r"an output of a str. There is no tensor in it: .* pass `forward=`"):
        output_tensor("cat", None, 4)


def test_a_key_of_a_tensor_is_left_out():
    with pytest.raises(ValueError, match="Leave `output_key` out"):
        output_tensor(Y, "main", 4)
    assert output_tensor(Y, None, 4) is Y


def test_features_beside_logits_are_not_taken_for_them():
    features, logits = torch.rand(4, 32), torch.rand(4, 3)

    with pytest.raises(
        ValueError, match=r"`output_key` should name the prediction .* Pass `output_key=0` or `output_key=1`"
    ):
        output_tensor((features, logits), None, 4)
    assert output_tensor((features, logits), 1, 4) is logits
    assert torch.equal(output_tensor((logits, logits + 1), None, 4), logits), "alike: the first"


@pytest.mark.parametrize("shape", [(4, 3, 1), (4, 3, 1, 1)])
def test_classes_of_one_value_each_have_no_pixels(shape):
    logits = torch.rand(shape)
    reducer = ByShape()

    assert reducer.pin(logits) is None
    assert torch.equal(reducer(logits, None), logits.reshape(4, 3))

"""Entries of nested structures: by key, place, attribute, and paths of these."""

from collections import defaultdict, namedtuple
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from lime_callback.checks.entry_paths import entry, has_entry, parts, tensors

X, Y = torch.zeros(2), torch.ones(2)
Pair = namedtuple("Pair", "image label")


@dataclass
class Output:
    output: Any
    extra: Any = field(default=None)


class Slotted:
    __slots__ = ("logits",)

    def __init__(self, logits):
        self.logits = logits


class Table:
    """Indexes by name, as TensorDict does, and is no mapping."""

    def keys(self):
        return ["x"]

    def __getitem__(self, name):
        return {"x": X}[name]


@pytest.mark.parametrize(
    ("whole", "key"),
    [
        ({"a": X}, "a"),
        ({"a.b": X, "a": {"b": Y}}, "a.b"),
        ({"a.b": {"c": X}}, "a.b.c"),
        ({"a": {"b.c": X}}, "a.b.c"),
        ({("net", "logits"): X}, ("net", "logits")),
        ({"net": {"logits": X}}, ("net", "logits")),
        ({"net": {"logits": X}}, "net.logits"),
        ({"heads": [Y, X]}, "heads.1"),
        ({"heads": [Y, X]}, ("heads", -1)),
        ({1: {"a": X}}, "1.a"),
        ([Y, X], 1),
        ([Y, X], "1"),
        (Pair(X, Y), "image"),
        (Pair(X, Y), 0),
        (Output(X), "output"),
        (Output({"a": Pair(Y, X)}), "output.a.label"),
        (SimpleNamespace(a=Output(X)), "a.output"),
        (Slotted(X), "logits"),
        (Table(), "x"),
    ],
)
def test_an_entry_by_its_key_place_attribute_or_path(whole, key):
    assert entry(whole, key) is X
    assert has_entry(whole, key, torch.Tensor)


@pytest.mark.parametrize(
    ("whole", "key"),
    [
        ({"a": X}, "b"), ({"a": X}, "a.T"), ({"a": X}, ()), ({"a": X}, 0), ([X], 1), ([X], "append"), (X, 0),
        (X, "data"), ("text", "upper"), (None, "a"), (Output(X), "b"), ({}, ""), ({"a": {"b": X}}, "a..b"),
    ],
)  # fmt: skip
def test_an_entry_that_is_none(whole, key):
    with pytest.raises(LookupError):
        entry(whole, key)
    assert not has_entry(whole, key)


def test_a_look_makes_no_entry():
    whole = defaultdict(list)
    assert not has_entry(whole, "a.b")
    assert whole == {}


def test_a_hugging_face_output_has_names_and_places():
    outputs = pytest.importorskip("transformers.modeling_outputs")
    made = outputs.ImageClassifierOutput(logits=X)
    assert entry(made, "logits") is entry(made, 0) is X


def test_every_tensor_has_a_key_that_leads_to_it():
    loop = {"b": [X, {"c.d": Y}], ("e", "f"): Output(X), "g": "text", "n": 1}
    loop["loop"] = loop
    found = tensors(loop)
    assert {"b.0", ("b", 1, "c.d")} < set(found)
    assert all(entry(loop, key) is part for key, part in found.items())
    assert tensors(X) == {}
    assert parts(Pair(X, Y)).keys() == {"image", "label"}

"""Validation batches of any structure, layout, dtype and labels: a right answer, or a message whose advice gives one.

The model is linear with known weights, so that the right coefficients are known, and refuses what is not its image.
"""

import re
import warnings
from collections import namedtuple
from dataclasses import dataclass, field, make_dataclass
from functools import lru_cache
from types import SimpleNamespace
from typing import Any

import lightning.pytorch as pl
import pytest
import torch
from hypothesis import given, note, settings
from hypothesis import strategies as st
from torch.utils.data import DataLoader
from toys import ByName, trainer

from lime_callback import LimeCallback, Superbands, Superpixels
from lime_callback.probes.batch_entries import inputs_at, labels_at
from lime_callback.probes.batch_keys import BatchKeys
from lime_callback.views.inputs.steps import step_axis

CLASSES = CHANNELS = 3
SIZES = {"C": 3, "H": 6, "W": 8, "T": 2, "D": 2, "1": 1}
LAYOUTS = ["CHW", "HWC", "HW", "C", "1C", "C1", "1CHW", "C1HW", "CDHW", "TCHW", "HWCT", "WHC"]
DTYPES = [torch.float32] * 4 + [
    torch.float64, torch.float16, torch.bfloat16, torch.uint8, torch.int16, torch.uint16, torch.int64,
]  # fmt: skip
LABELS = ["int", "int", "int", "column", "float", "one-hot", "multi-hot", "texts", "mask", "none"]
OTHERS = ["index", "names", "meta", "metas", "smaller", "same", "scalar", "none", "number", "vector"]


@lru_cache
def class_of(kind, names):
    return make_dataclass("Batch", names) if kind == "dataclass" else namedtuple("Batch", names)


def held(kind, entries):
    """Entries, a dictionary, in a container of a kind."""
    makers = {
        "tuple": lambda: tuple(entries.values()),
        "list": lambda: list(entries.values()),
        "dict": lambda: dict(entries),
        "dataclass": lambda: class_of("dataclass", tuple(entries))(**entries),
        "namedtuple": lambda: class_of("namedtuple", tuple(entries))(**entries),
        "attributes": lambda: SimpleNamespace(**entries),
        "by name": lambda: ByName(**entries),
    }
    return makers[kind]()


KINDS = ["tuple", "tuple", "list", "dict", "dict", "dataclass", "namedtuple", "attributes", "by name"]


def step_to(kind, names, name):
    return names.index(name) if kind in ("tuple", "list", "namedtuple") else name


def at(whole, place):
    for step in place:
        whole = getattr(whole, step) if isinstance(step, str) and not hasattr(whole, "__getitem__") else whole[step]
    return whole


@dataclass
class Case:
    """A validation set of two batches, what its author would pass, and what is right.

    Attributes:
        images: [N, *dims].
        tree: nested pairs of a kind and names, whose leaves are names of entries.
        form: how the images stand in the batch.
    """

    axes: str
    images: torch.Tensor
    labels: Any
    label_kind: str
    outputs: int
    tree: tuple[str, dict[str, Any]] | None
    form: str
    size: int
    called: str
    given: dict[str, Any] = field(default_factory=dict)

    def batches(self):
        return [self.batch(range(i, i + self.size)) for i in (0, self.size)]

    def batch(self, rows):
        if self.tree is None:
            return self.entry("image", rows) if self.form != "samples" else list(self.images[list(rows)])
        if self.form == "samples":
            return [self.placed(self.tree, [row], one=True) for row in rows]
        return self.placed(self.tree, list(rows))

    def placed(self, tree, rows, one=False):
        kind, parts = tree
        entries = {}
        for name, part in parts.items():
            if isinstance(part, tuple):
                entries[name] = self.placed(part, rows, one)
            else:
                value = self.entry(part, rows)
                rows_of = isinstance(value, list) or (hasattr(value, "ndim") and value.ndim)
                entries[name] = value[0] if one and rows_of else value
        return held(kind, entries)

    def entry(self, what, rows):
        rows = list(rows)
        if what == "image":
            x = self.images[rows]
            if self.form == "list":
                return list(x)
            return x.numpy() if self.form == "array" else x
        if what == "label":
            return [self.labels[i] for i in rows] if self.label_kind == "texts" else self.labels[rows]
        return self.other(what, rows)

    def other(self, what, rows):
        n, like = len(rows), self.images[0]
        return {
            "index": torch.tensor(rows) + 5,
            "names": [f"name {i}" for i in rows],
            "meta": {"lat": torch.rand(n), "lon": torch.rand(n)},
            "metas": [{"path": f"{i}.tif", "row": i} for i in rows],
            "smaller": torch.rand(n, 2, 3, 3),
            "same": torch.stack([torch.arange(float(like.numel())).view(like.shape).to(like.dtype)] * n),
            "scalar": torch.tensor(0.5),
            "none": None,
            "number": 3,
            "vector": torch.rand(n, 5),
        }[what]

    def place(self, what, tree=None):
        """The steps to an entry; of a list of samples those within a sample."""
        tree = self.tree if tree is None else tree
        if tree is None:
            return ()
        kind, parts = tree
        for name, part in parts.items():
            step = step_to(kind, list(parts), name)
            if part == what:
                return (step,)
            if isinstance(part, tuple) and (rest := self.place(what, part)):
                return (step, *rest)
        return ()

    def image(self, batch):
        """The image as the model takes it."""
        if self.form == "samples":
            return torch.stack([at(sample, self.place("image")) for sample in batch])
        x = at(batch, self.place("image"))
        if self.form == "list":
            return torch.stack(x) if self.called != "as it is" else x
        return torch.as_tensor(x)

    def leaves(self, tree=None):
        tree = self.tree if tree is None else tree
        if tree is None:
            return []
        return [
            leaf for part in tree[1].values() for leaf in (self.leaves(part) if isinstance(part, tuple) else [part])
        ]

    @property
    def weights(self):
        shape = (self.outputs, *self.images.shape[1:])
        return torch.rand(shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64) - 0.3


def text_of(place):
    return place[0] if len(place) == 1 else place


@st.composite
def cases(draw):
    axes = draw(st.sampled_from(LAYOUTS))
    size = draw(st.sampled_from([1, 2, 3, 4]))
    sizes = SIZES | ({"H": 16, "W": 18} if axes in ("HWC", "WHC") else {})
    dtype = draw(st.sampled_from(DTYPES))
    label_kind = draw(st.sampled_from(LABELS))
    outputs = draw(st.sampled_from([1, CLASSES, CLASSES]))
    generator = torch.Generator().manual_seed(draw(st.integers(0, 3)))
    images = torch.randint(1, 100, (2 * size, *(sizes[axis] for axis in axes)), generator=generator)
    images = images.to(dtype) if not dtype.is_floating_point else (images / 64).to(dtype)
    form = draw(st.sampled_from(["tensor"] * 6 + ["list", "samples", "array"]))
    if dtype == torch.bfloat16 and form == "array":
        form = "tensor"
    # The entries, and what holds them.
    leaves = ["image"] + ["label"] * (label_kind != "none")
    leaves += draw(st.lists(st.sampled_from(OTHERS), max_size=3, unique=True))
    usual = draw(st.booleans())
    names = {"image": draw(st.sampled_from(["image", "x"])) if usual else "scene"}
    names["label"] = draw(st.sampled_from(["label", "y"])) if usual else "kind"
    tree = None
    if label_kind != "none" or draw(st.booleans()):
        leaves = draw(st.permutations(leaves))
        kind = draw(st.sampled_from(KINDS))
        inner = draw(st.sampled_from([0, 0, 0, 2])) if len(leaves) > 2 else 0
        parts = {names.get(leaf, f"{leaf}_"): leaf for leaf in leaves}
        if inner:
            cut = dict(list(parts.items())[:inner])
            rest = dict(list(parts.items())[inner:])
            nested = (draw(st.sampled_from(KINDS)), cut)
            parts = {"inner": nested, **rest} if draw(st.booleans()) else {**rest, "inner": nested}
        tree = (kind, parts)
    else:
        leaves = ["image"]
    n = 2 * size
    numbers = torch.randint(0, CLASSES, (n,), generator=generator)
    labels = {
        "int": numbers, "column": numbers[:, None], "float": torch.rand(n, generator=generator),
        "one-hot": torch.nn.functional.one_hot(numbers, CLASSES).float(),
        "multi-hot": (torch.rand(n, CLASSES, generator=generator) > 0.5).float(),
        "texts": [f"kind {i}" for i in numbers.tolist()],
        "mask": torch.randint(0, CLASSES, (n, sizes["H"], sizes["W"]), generator=generator), "none": None,
    }[label_kind]  # fmt: skip
    called = draw(st.sampled_from(["image"] * 4 + ["as it is", "float", "batch"]))
    # Of samples in a list, and of a list of images without a layout, a perturbed batch cannot be made.
    if (form == "samples" or (form != "tensor" and tree is None)) and called in ("batch", "as it is"):
        called = "image"
    case = Case(axes, images, labels, label_kind, outputs, tree, form, size, called)
    # What the user passes.
    given = {}
    if axes != "CHW" and draw(st.sampled_from([True, True, False])):
        given["layout"] = axes
    if draw(st.booleans()) and form != "samples" and tree is not None:
        given["input_key"] = text_of(case.place("image"))
    if label_kind != "none" and draw(st.booleans()) and form != "samples":
        given["label_key"] = text_of(case.place("label"))
    if label_kind in ("int", "column") and outputs > 1 and "label_key" in given and draw(st.booleans()):
        given["target"] = "label"
    if "H" not in axes or draw(st.booleans()):
        given["output"] = "raw"
    case.given = given
    return case


class Linear(pl.LightningModule):
    """Weighs each element of an image; refuses other shapes, dtypes and structures, as layers do."""

    def __init__(self, case):
        super().__init__()
        self.case = [case]
        self.register_buffer("weights", case.weights)
        self.kind = torch.float32 if case.called == "float" else case.images.dtype

    def forward(self, x):
        case = self.case[0]
        x = case.image(x) if case.called == "batch" else x
        kind = list if case.called == "as it is" and case.form == "list" else torch.Tensor
        if not isinstance(x, kind):
            raise TypeError(f"expected a {kind.__name__}, but got a {type(x).__name__}")
        x = torch.stack(x) if kind is list else x
        if x.shape[1:] != case.images.shape[1:]:
            raise RuntimeError(f"expected images of shape {tuple(case.images.shape[1:])}, but got {tuple(x.shape[1:])}")
        if x.dtype != self.kind:
            raise RuntimeError(f"expected scalar type {self.kind}, but found {x.dtype}")
        return x.double().flatten(1) @ self.weights.flatten(1).T

    def validation_step(self, batch, _):
        case = self.case[0]
        if case.called == "batch":
            self(batch)
        else:
            x = case.image(batch)
            self(x.float() if case.called == "float" else x)


class BatchLinear(Linear):
    def forward(self, batch):
        return super().forward(batch)


def view_of(axes):
    return Superpixels("grid", n_segments=4) if "H" in axes else Superbands(CHANNELS)


def explained(case, how, folder):
    """Validate once; return the callback, and its warnings."""
    lime = LimeCallback(
        view_of(case.axes), probes=2, n_perturbations=32, pictures=False, on_error="raise", background=2,
        reliance=False, baseline="zero", **how,
    )  # fmt: skip
    module = (BatchLinear if case.called == "batch" else Linear)(case)
    data = DataLoader(case.batches(), batch_size=None, collate_fn=lambda batch: batch)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        trainer(folder, lime).validate(module, data, verbose=False)
    told = [str(one.message) for one in caught if str(one.message).startswith("LimeCallback")]
    return lime, told


def joined(x, axes):
    """Images in the layout in which they are explained: without an axis of steps, which become channels."""
    if not set("TD") & set(axes):
        return x, axes
    channels = axes.replace("T", "").replace("D", "")
    steps = x.unbind(step_axis(axes) + x.ndim - len(axes) - 1)
    return torch.cat(steps, channels.index("C") + x.ndim - len(axes)), channels


def wrong(case, lime):
    """Say what is wrong with an explanation: of other images, cut by other axes, of other targets, or other numbers."""
    probes, view = lime._latest.probes, view_of(case.axes)
    images, axes = joined(case.images.double(), case.axes)
    weights, _ = joined(case.weights, case.axes)
    alike = [[i for i, x in enumerate(images) if torch.equal(x, one)] for one in probes.inputs.double()]
    if not all(alike):
        return "other images are explained"
    rows = torch.tensor([numbers[0] for numbers in alike])
    x, found = images[rows], lime.explanation(view.name)
    mask = view.features(x, layout=axes).mask.expand(x.shape)
    if found.features.layout.axes != axes or not torch.equal(found.features.mask.expand(x.shape), mask):
        return f"features are cut by {found.features.layout.axes}"
    labels = case.labels[rows].flatten() if case.label_kind in ("int", "column") else None
    if lime.config.label_key is not None and (probes.labels is None) != (labels is None):
        return f"labels are {probes.labels}"
    told = lime.config.label_key is not None or set(case.leaves()) <= {"image", "label", "names", "metas", "none"}
    if told and labels is not None and probes.labels is not None and not torch.equal(probes.labels, labels):
        return f"labels are {probes.labels}"
    if lime.config.target == "label" and not torch.equal(found.targets.flatten(), labels):
        return f"targets are {found.targets}"
    parts = [torch.einsum("b...,k...->bk", torch.where(mask == i, x, 0.0), weights) for i in range(int(mask.max()) + 1)]
    right = torch.stack(parts, -1)  # [B, K, d]
    scales = [right, right - right.mean(1, keepdim=True)][: 1 + lime.config.auto_output]
    picked = [scale.gather(1, found.targets[..., None].expand(-1, -1, len(parts))) for scale in scales]
    near = 1e-2 * float(right.abs().max())
    if not any(torch.allclose(found.coefficients.double(), one, rtol=1e-2, atol=near) for one in picked):
        return f"coefficients are {found.coefficients.tolist()} instead of {picked[0].tolist()}"
    return ""


def advised(text):
    """The arguments that a message advises, each with the code of its value."""
    found = re.findall(r"`(input_key|label_key|layout|forward|target|output)=([^`]+)`", text)
    found = [(name, code) for name, code in found if "..." not in code]
    if re.search(r"Pass layout=|Pass a layout with a letter for each axis", text):
        found.append(("layout", ""))
    return found + [("floats", "")] * ("return floats, by `.float()`" in text)


def followed(case, how, text):
    """What a user passes after a message, who knows which entry has the images, and their axes."""
    batch = case.batches()[0]
    ways = sorted(advised(text), key=lambda way: way[0] == "forward")
    for name, code in ways:
        if name == "layout" and how.get("layout") != case.axes:
            return {"layout": case.axes}
        if name == "floats":
            return {"input_key": lambda batch, before=how["input_key"]: before(batch).float()}
        if name == "input_key":
            key = eval(code, {"torch": torch})
            right = case.image(batch)
            try:
                values = inputs_at(batch, BatchKeys(key).input_of(batch))
                values, right = (torch.stack(one) if isinstance(one, list) else one for one in (values, right))
            except RuntimeError:  # entries that cannot be stacked
                continue
            if values.shape == right.shape and torch.equal(values, right):
                return {"input_key": key}
        if name == "label_key" and torch.equal(labels_at(batch, eval(code)), case.labels[: case.size]):
            return {"label_key": eval(code)}
        if name in ("forward", "target", "output"):
            return {name: eval(code, {"torch": torch})}
    raise AssertionError(f"none of the ways {ways} is right: {text}")


def follow(case, folder):
    """Validate, and follow at most three messages; return those.

    Raises:
        AssertionError: if an answer is wrong without a word, or a message has no way, or its way leads nowhere.
    """
    how, told = dict(case.given), []
    for _ in range(4):
        try:
            lime, texts = explained(case, how, folder)
        except Exception as error:
            text = " ".join([str(error), *getattr(error, "__notes__", ())])
        else:
            trouble, text = wrong(case, lime), " ".join(texts)
            if not trouble and not advised(text):
                return told
            assert text, f"wrong without a word, after {told}: {trouble}"
        told.append(text)
        more = followed(case, how, text)
        assert any(how.get(name) != value for name, value in more.items()), f"the same advice again: {told}"
        how |= more
    raise AssertionError(f"no answer after {told}")


@pytest.mark.trouble
@settings(max_examples=60, deadline=None, derandomize=True)
@given(cases())
def test_a_batch_is_read_as_it_is_meant_or_a_message_says_how(tmp_path_factory, case):
    note(f"{case.tree} of {case.form}, {case.given}")
    follow(case, tmp_path_factory.getbasetemp())


@pytest.mark.parametrize("size", [1, 2])
@pytest.mark.parametrize("dtype", [torch.float32, torch.int64])
def test_a_list_of_a_spectrum_a_sample_is_read_as_spectra(tmp_path, size, dtype):
    """A batch of one of them looks like a tensor in a list, which has no axis of samples."""
    spectra = torch.arange(1, 1 + 2 * size * CHANNELS).view(2 * size, CHANNELS).to(dtype)
    case = Case("C", spectra, None, "none", CLASSES, None, "samples", size, "image", {"layout": "C", "output": "raw"})
    follow(case, tmp_path)


@pytest.mark.parametrize("size", [1, 2])
@pytest.mark.parametrize("form", ["list", "samples"])
def test_an_entry_with_an_image_a_sample_is_told_apart_from_a_sample(tmp_path, form, size):
    """A batch of one looks like both, and holds the same image either way."""
    images = torch.rand(2 * size, 3, 6, 8, generator=torch.Generator().manual_seed(0))
    follow(Case("CHW", images, None, "none", CLASSES, ("tuple", {"scene": "image"}), form, size, "image"), tmp_path)


def test_a_list_of_images_is_named_beside_the_image_in_it(tmp_path):
    """Without a layout, an image with an axis of size one looks like a batch of one."""
    images, labels = torch.rand(2, 1, 3, 6, 8, generator=torch.Generator().manual_seed(0)), torch.tensor([0, 2])
    tree = ("dict", {"scene": "image", "kind": "label", "smaller_": "smaller"})
    follow(Case("1CHW", images, labels, "int", CLASSES, tree, "list", 1, "image"), tmp_path)


def test_a_model_that_takes_a_list_of_images_with_depths_is_told_one_way(tmp_path):
    images, labels = torch.rand(2, 3, 2, 6, 8, generator=torch.Generator().manual_seed(0)), torch.tensor([0, 1])
    tree = ("tuple", {"scene": "image", "kind": "label"})
    case = Case("CDHW", images, labels, "int", 1, tree, "list", 1, "as it is", {"layout": "CDHW"})
    assert len(follow(case, tmp_path)) == 1


@pytest.mark.parametrize("inner", ["tuple", "attributes", "dict"])
@pytest.mark.parametrize("form", ["tensor", "samples"])
def test_an_object_whose_images_lie_deeper_is_looked_into(tmp_path, inner, form):
    images, labels = torch.rand(2, 3, 6, 8, generator=torch.Generator().manual_seed(0)), torch.tensor([0, 1])
    tree = ("attributes", {"names_": "names", "inner": (inner, {"scene": "image", "kind": "label"})})
    follow(Case("CHW", images, labels, "int", CLASSES, tree, form, 1, "image"), tmp_path)


def test_a_sample_of_a_spectrum_and_a_label_is_no_list_of_spectra(tmp_path):
    spectra, labels = torch.rand(2, CHANNELS, generator=torch.Generator().manual_seed(0)), torch.tensor([[0], [1]])
    tree, given = ("tuple", {"scene": "image", "kind": "label"}), {"layout": "C", "output": "raw"}
    follow(Case("C", spectra, labels, "column", CLASSES, tree, "samples", 1, "image", given), tmp_path)


@pytest.mark.parametrize("size", [1, 3])
def test_samples_whose_parts_are_all_of_one_shape_are_asked_about(tmp_path, size):
    """They look like several entries with an image a sample each, and cut by rows like a batch of those."""
    spectra = torch.rand(2 * size, CHANNELS, generator=torch.Generator().manual_seed(0))
    labels = torch.nn.functional.one_hot(torch.arange(2 * size) % CLASSES, CLASSES).float()
    tree, given = ("tuple", {"kind": "label", "scene": "image"}), {"layout": "C", "output": "raw"}
    follow(Case("C", spectra, labels, "one-hot", CLASSES, tree, "samples", size, "image", given), tmp_path)


def test_samples_with_an_index_are_told_how_to_stack_them_before_the_layout_is_known(tmp_path):
    spectra = torch.rand(2, CHANNELS, generator=torch.Generator().manual_seed(0))
    labels = torch.nn.functional.one_hot(torch.tensor([0, 1]), CLASSES).float()
    tree = ("tuple", {"scene": "image", "kind": "label", "index_": "index"})
    follow(Case("C", spectra, labels, "one-hot", CLASSES, tree, "samples", 1, "image", {"output": "raw"}), tmp_path)


def test_samples_with_depths_of_another_dtype_are_told_what_their_function_should_return(tmp_path):
    images = torch.randint(1, 100, (2, 3, 2, 6, 8), generator=torch.Generator().manual_seed(0)).double() / 64
    tree, given = ("tuple", {"scene": "image", "kind": "label"}), {"layout": "CDHW"}
    follow(Case("CDHW", images, torch.tensor([0, 1]), "int", CLASSES, tree, "samples", 1, "float", given), tmp_path)


def test_as_many_entries_as_samples_are_no_samples_where_a_function_makes_the_images(tmp_path):
    images, labels = torch.rand(8, 3, 6, 8, generator=torch.Generator().manual_seed(0)), torch.arange(8) % CLASSES
    inner = ("tuple", {"index_": "index", "kind": "label"})
    tree = ("tuple", {"names_": "names", "scene": "image", "meta_": "meta", "inner": inner})
    follow(Case("CHW", images, labels, "int", CLASSES, tree, "list", 4, "image"), tmp_path)

"""Batches of every structure: the inputs are found in them, their rows are cut, and the whole is put together again."""

import re
from collections import namedtuple
from dataclasses import dataclass
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from toys import ByName

from lime_callback.probes.batch_entries import inputs_at, labels_at, with_entry
from lime_callback.probes.batch_keys import BatchKeys
from lime_callback.probes.batch_rows import batch_rows
from lime_callback.probes.batch_structure import Place
from lime_callback.probes.captured_samples import captured_batch
from lime_callback.probes.even_collector import EvenCollector
from lime_callback.probes.probe_samples import probes_of
from lime_callback.probes.several_inputs import Steps
from lime_callback.views.layout import Layout

CHW = Layout("CHW")
LOOKS = BatchKeys(layout=CHW)
X = torch.arange(4.0).view(4, 1, 1, 1).expand(4, 3, 5, 5).clone()
Y = torch.tensor([0, 1, 2, 1])
META = torch.rand(4, 2)
NAMES = ["a", "b", "c", "d"]
BOXES = [{"boxes": torch.full((i + 1, 4), float(i)), "labels": torch.full((i + 1,), i)} for i in range(4)]


@dataclass
class ImageBatch:
    """As anomalib's: a dataclass that is no mapping."""

    image: torch.Tensor
    gt_label: torch.Tensor
    image_path: list[str]
    explanation: list[str] | None = None


@dataclass(frozen=True)
class Frozen:
    scene: torch.Tensor
    y: torch.Tensor


class Meta(torch.Tensor):
    """Stands in for MONAI's ``MetaTensor``: its functions keep the class, and raise where rows are cut or joined."""

    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        if func in (torch.cat, torch.stack) or getattr(func, "__name__", "") == "__getitem__":
            raise RuntimeError("cannot collate the meta data")
        return super().__torch_function__(func, types, args, kwargs or {})


Rich = namedtuple("Rich", "index image label")

FOUND = {
    "index, image, label": ((torch.arange(4), X, Y), LOOKS, 1, 2),
    "label, image": ((Y, X), LOOKS, 1, 0),
    "image and meta, label": (((X, META), Y), LOOKS, Place((0, 0)), 1),
    "views, label, names": ([[X, X + 1], Y, NAMES], LOOKS, Place((0, 0)), 1),
    "nested by wavelengths": (
        {"image": {"S2": X, "S1": X[:, :2]}, "label": Y},
        BatchKeys(layout=CHW, channels=3),
        Place(("image", "S2")),
        "label",
    ),
    "one that fits": ({"rock": X, "kind": Y, "place": META}, LOOKS, "rock", None),
    "one of three channels": ({"image": X[:, :1], "cube": X, "y": Y}, BatchKeys(layout=CHW, channels=3), "cube", "y"),
    "dataclass": (ImageBatch(X, Y, NAMES), LOOKS, "image", "gt_label"),
    "frozen dataclass": (Frozen(X, Y), LOOKS, "scene", "y"),
    "by name": (ByName(image=X, label=Y), LOOKS, "image", "label"),
    "attributes": (SimpleNamespace(image=X, label=Y), LOOKS, "image", "label"),
    "namedtuple": (Rich(torch.arange(4), X, Y), LOOKS, 1, 2),
    "list of images": ((list(X), list(BOXES)), LOOKS, 0, None),
    "images alone": ([*X], LOOKS, None, None),
    "loaders by name": ({"a": (X, Y)}, LOOKS, Place(("a", 0)), Place(("a", 1))),
    "loaders": ([(X, Y), (X + 1, Y)], LOOKS, Place((0, 0)), Place((0, 1))),
    "array": ({"image": X.numpy(), "label": Y.numpy()}, LOOKS, "image", "label"),
    "numbers": ((X, [np.int64(one) for one in (0, 1, 2, 1)]), LOOKS, 0, 1),
    "path": ({"image": {"S2": X, "S1": X}}, BatchKeys("image.S1"), Place(("image", "S1")), None),
    "path of steps": ([[X, X], Y], BatchKeys((0, 1)), Place((0, 1)), 1),
    "path of numbers": ([[X, X], Y], BatchKeys("0.-1"), Place((0, 1)), 1),
    "tuple that is a key": ({("net", "x"): X, "y": Y}, BatchKeys(("net", "x")), Place((("net", "x"),)), "y"),
    "dots that are a key": ({"net.x": X, "net": {"x": META}}, BatchKeys("net.x"), "net.x", None),
    "function to an entry": ({"a": {"b": X}, "y": Y}, BatchKeys(lambda batch: batch["a"]["b"]), Place(("a", "b")), "y"),
    "attribute": (
        SimpleNamespace(scene=SimpleNamespace(s2=X), y=Y),
        BatchKeys("scene.s2"),
        Place(("scene", "s2")),
        "y",
    ),
    "field": (Rich(X, META, Y), BatchKeys("index", "label"), 0, 2),
    "subclass": ({"image": X.as_subclass(Meta), "label": Y.as_subclass(Meta)}, LOOKS, "image", "label"),
}


@pytest.mark.parametrize(("batch", "keys", "at", "label"), FOUND.values(), ids=FOUND)
def test_inputs_and_labels_are_found_cut_and_put_back(batch, keys, at, label):
    found = keys.input_of(batch)
    assert found == at
    assert keys.label_of(batch) == label
    keys = keys.pinned(batch)
    picked = batch_rows(batch, torch.tensor([2, 0]), 4, place=keys.place)
    assert type(picked) is type(batch)
    whole = probes_of([captured_batch(picked, keys), captured_batch(batch, keys)], keys)
    assert type(whole.inputs) is torch.Tensor
    assert whole.inputs.amax((1, 2, 3)).sub(whole.inputs[2].max()).tolist() == [2, 0, 0, 1, 2, 3]
    if whole.labels is not None:
        assert whole.labels.tolist() == [2, 0, 0, 1, 2, 1]
    rows = torch.tensor([5, 1])
    again = whole.batch_with(whole.inputs[rows] + 10, rows)
    assert type(again) is type(batch)
    assert torch.equal(inputs_at(again, found), whole.inputs[rows] + 10)
    own = labels_at(again, label)
    assert own is None or own.tolist() == [1, 0]
    assert torch.equal(inputs_at(batch, found).as_subclass(torch.Tensor), X + (X is not X))


PER_SAMPLE = {
    "texts": NAMES,
    "dictionaries": BOXES,
    "boxes": [torch.full((i, 4), float(i)) for i in range(4)],
    "metas": [{"path": name} for name in NAMES],
    "bounds": [slice(i, i + 1) for i in range(4)],
    "tuple": tuple(range(4)),
    "objects": [SimpleNamespace(number=i) for i in range(4)],
}


@pytest.mark.parametrize("values", PER_SAMPLE.values(), ids=PER_SAMPLE)
def test_lists_with_something_for_each_sample_are_cut_and_joined_as_tensors_are(values):
    collector = EvenCollector(6, [2], LOOKS)
    for i in range(2):
        collector.offer({"image": X + 4 * i, "y": Y, "mine": values}, i)
    probes = probes_of([collector.captured], LOOKS)
    numbers = probes.inputs[:, 0, 0, 0].int().tolist()
    assert len(numbers) == len(probes.batch["mine"]) == 6
    row = probes.batch_with(probes.inputs[[4]], torch.tensor([4]))["mine"]
    assert isinstance(row, type(values))
    assert str(row[0]) == str(values[numbers[4] % 4])


def test_a_batch_of_one_keeps_its_samples_dictionary_apart():
    collector = EvenCollector(3, [3], LOOKS)
    for i in range(3):
        collector.offer((X[[i]], [BOXES[i]]), i)
    targets = probes_of([collector.captured], LOOKS).batch[1]
    assert [len(target["boxes"]) for target in targets] == [1, 2, 3]


def test_masks_that_each_batch_pads_to_its_largest_do_not_stop_the_capture():
    collector = EvenCollector(4, [2], LOOKS)
    for i in range(2):
        collector.offer({"image": X, "boxes": torch.zeros(4, i + 2, 4)}, i)
    assert [len(boxes) for boxes in probes_of([collector.captured], LOOKS).batch["boxes"]] == [2, 2, 3, 3]


def test_a_loader_that_ends_before_others_is_passed_over():
    collector = EvenCollector(4, [4], LOOKS)
    for i in range(4):
        collector.offer([(X, Y) if i < 3 else None, (X + 9, Y)], i)
    assert len(probes_of([collector.captured], LOOKS)) == 3


@pytest.mark.parametrize(
    ("batch", "keys", "message"),
    [
        ({"image": {"S2": X, "S1": X}}, LOOKS, "several may be meant. Pass for.*'image.S2'` or `input_key='image.S1'`"),
        ({"rock": X, "y": Y}, BatchKeys("image", layout=CHW), "Pass for example `input_key='rock'`[.]"),
        ([[X, X], Y], BatchKeys((0, 5), layout=CHW), r"`input_key=\(0, 0\)` or `input_key=\(0, 1\)`[.]"),
        ({"names": NAMES}, LOOKS, "`input_key=lambda batch: ...`, a function"),
        (X, BatchKeys(0), "Leave `input_key` out"),
        ({"n": Y[0], "y": Y, "at": META}, BatchKeys("image"), "Pass for example `input_key='at'`[.]"),
    ],
)
def test_errors_name_keys_that_exist(batch, keys, message):
    with pytest.raises(ValueError, match=message):
        keys.input_of(batch)


@pytest.mark.parametrize(
    "sample",
    [lambda x, y: (x, y), lambda x, y: [y, x], lambda x, y: {"a": x, "y": int(y)}],
    ids=["tuple", "list", "dict"],
)
def test_a_list_of_samples_is_told_how_to_stack_them(sample):
    batch = [sample(x, y) for x, y in zip(X, Y, strict=True)]
    with pytest.raises(ValueError, match="`input_key` should name") as told:
        LOOKS.input_of(batch)
    advised = eval(re.search(r"`input_key=(lambda .*)`[.]", str(told.value))[1], {"torch": torch})
    assert torch.equal(BatchKeys(advised, layout=CHW).inputs(batch), X)


def ways(error):
    """The values that an error advises for `input_key`."""
    return [eval(code, {"torch": torch}) for code in re.findall(r"`input_key=(.*?)`(?: or|[.])", str(error))]


def test_samples_of_which_nothing_fits_are_told_all_ways_to_stack_them_those_of_most_axes_first():
    """Advised were `(0, 'scene')` and numbers without a row, of samples, and the only entry that fits by chance."""
    batch = [
        {"kind": y, "meta": {"place": m}, "scene": x[None, None].numpy()} for x, y, m in zip(X, Y, META, strict=True)
    ]
    for of in (batch, batch[:1]):
        with pytest.raises(ValueError, match="`input_key` should name") as told:
            LOOKS.input_of(of)
        image, meta = ways(told.value)
        assert torch.equal(BatchKeys(image).inputs(of), X[: len(of), None, None])
        assert torch.equal(BatchKeys(meta).inputs(of), META[: len(of)])


def test_inputs_with_steps_are_found_by_all_their_axes():
    """They were searched without a layout: an error among entries of no usual name, or the first tensor of a tuple."""
    x = torch.stack([X, X + 1], 1)
    steps = Steps(None, "TCHW", CHW)
    for batch in ({"scene": x, "kind": Y, "smaller": X}, (META, X, x, Y), (torch.tensor(1.0), x)):
        assert torch.equal(steps(batch), x.flatten(1, 2))
        assert torch.equal(
            inputs_at(steps.put(batch, x.flatten(1, 2) + 5, steps.parts(batch)), steps.keys.input_of(batch)), x + 5
        )
    batch = {"scene": list(x), "kind": Y}
    assert isinstance(steps.put(batch, steps(batch), steps.parts(batch))["scene"], list)
    assert BatchKeys(Steps(lambda batch: batch["scene"] + 0, "TCHW", CHW)).label_of({"scene": x, "label": Y}) == "label"


def test_labels_are_not_taken_for_images_where_a_list_of_images_is():
    """Of a list of vectors beside labels, the labels were: their error advised a layout with times."""
    assert LOOKS.input_of((Y, list(META))) == 1


def test_the_entries_of_a_batch_and_of_samples_are_no_rows_where_they_are_as_many_as_samples():
    """With a function for `input_key` nothing else says what is a list of samples."""
    rows = torch.tensor([2])
    image, label, number, meta = batch_rows((X, Y, 3, {"at": META}), rows, 4)
    assert (image.shape, label.tolist(), number, meta["at"].shape) == ((1, 3, 5, 5), [2], 3, (1, 2))
    samples = [(x, y, name, META[0]) for x, y, name in zip(X, Y, NAMES, strict=True)]
    (one,) = batch_rows(samples, rows, 4)
    assert torch.equal(one[0], X[2])
    assert one[1:3] == (2, "c")


def test_a_second_image_is_taken_for_labels_only_where_nothing_else_can_be():
    assert LOOKS.label_of((X, X + 1, Y)) == 2
    assert LOOKS.label_of((X, X + 1)) == 1


def test_a_function_may_make_the_inputs_but_not_for_a_forward_of_ones_own():
    keys = BatchKeys(lambda batch: torch.cat([batch["a"], batch["b"]], 1))
    probes = probes_of([captured_batch({"a": X, "b": X, "y": Y}, keys)], keys)
    assert probes.inputs.shape == (4, 6, 5, 5)
    assert probes.labels.tolist() == Y.tolist()
    with pytest.raises(ValueError, match="`input_key` should lead to an entry of the batch where `forward=` is given"):
        probes.batch_with(probes.inputs, torch.arange(4))


def test_what_was_found_can_be_told():
    keys = BatchKeys("image.S2", layout=CHW)
    facts = probes_of([captured_batch({"image": {"S2": X.short()}, "label": Y}, keys)], keys).facts
    assert (facts.count, facts.input_key, facts.shape, facts.dtype) == (4, "'image.S2'", (3, 5, 5), "int16")
    assert (facts.label_key, facts.classes, facts.passed_over) == ("'label'", ((0, 1), (1, 2), (2, 1)), ())


def test_the_given_batch_does_not_change():
    batch = {"image": {"S2": X}, "label": Y}
    with_entry(batch, Place(("image", "S2")), torch.zeros(1))
    assert batch["image"]["S2"] is X

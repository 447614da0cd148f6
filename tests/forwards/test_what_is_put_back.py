"""Whatever a forward writes to is put back: a row for each kind of value that a model can hold."""

import itertools
import random
import tracemalloc
from collections import Counter, OrderedDict, defaultdict, deque, namedtuple
from dataclasses import dataclass, field
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from lime_callback.forwards.no_trace_guard import guarded

Pair = namedtuple("Pair", "first second")


@dataclass
class Facts:
    calls: int = 0
    seen: torch.Tensor = field(default_factory=lambda: torch.zeros(3))


@dataclass(frozen=True)
class Frozen:
    seen: list = field(default_factory=list)


@dataclass(slots=True)
class Slotted:
    calls: int = 0
    seen: list = field(default_factory=list)


class Bank:
    """An object of the user's own."""

    def __init__(self):
        self.rows, self.inner = torch.zeros(3), SimpleNamespace(calls=0)

    def write(self):
        self.rows += 1
        self.inner.calls += 1
        self.new = 1


class Log(list):
    """A list of the user's own class."""

    calls = 0


class Linked:
    def __init__(self, after):
        self.after, self.value = after, torch.zeros(2)


def chain(length):
    link = None
    for _ in range(length):
        link = Linked(link)
    return link


def nested(depth):
    found = [0]
    for _ in range(depth):
        found = [found]
    return found


def last(value):
    while isinstance(value[0], list):
        value = value[0]
    return value


def itself():
    found = [torch.zeros(3)]
    found.append(found)
    return found


def normed(module):
    with torch.no_grad():
        return module(torch.randn(8, 4))


def both(first, second):
    first(), second()


# A value, what a forward does to it, and what is seen of it.
KINDS = {
    "torch.Generator": (lambda: torch.Generator(), lambda v: torch.rand(2, generator=v), lambda v: v.get_state()),
    "numpy Generator": (lambda: np.random.default_rng(0), lambda v: v.random(2), lambda v: v.bit_generator.state),
    "numpy RandomState": (lambda: np.random.RandomState(0), lambda v: v.rand(2), lambda v: v.get_state()[1]),
    "numpy BitGenerator": (lambda: np.random.PCG64(0), lambda v: v.random_raw(), lambda v: v.state),
    "random.Random": (lambda: random.Random(0), lambda v: v.random(), lambda v: v.getstate()),
    "Sobol": (lambda: torch.quasirandom.SobolEngine(2), lambda v: v.draw(2), lambda v: (v.num_generated, v.quasi)),
    "generators in a dict": (
        lambda: {"a": [torch.Generator()]},
        lambda v: torch.rand(2, generator=v["a"][0]),
        lambda v: v["a"][0].get_state(),
    ),
    "array": (lambda: np.zeros(3), lambda v: v.__iadd__(1), lambda v: v),
    "array in a tuple": (lambda: (np.zeros(3),), lambda v: v[0].__iadd__(1), lambda v: v[0]),
    "tensor in a tuple": (lambda: (torch.zeros(3), 1), lambda v: v[0].add_(1), lambda v: v[0]),
    "tensor in a named tuple": (lambda: Pair(torch.zeros(3), 1), lambda v: v.first.add_(1), lambda v: v.first),
    "tensor in a tuple in a tuple": (lambda: ((torch.zeros(3),),), lambda v: v[0][0].add_(1), lambda v: v[0][0]),
    "deque": (lambda: deque([1, 2], 3), lambda v: v.extend([3, 4]), lambda v: (list(v), v.maxlen)),
    "deque of tensors": (lambda: deque([torch.zeros(2)]), lambda v: v[0].add_(1), lambda v: v[0]),
    "OrderedDict": (
        lambda: OrderedDict(a=1, b=2),
        lambda v: both(lambda: v.move_to_end("a"), lambda: v.update(c=3)),
        lambda v: list(v.items()),
    ),
    "defaultdict": (lambda: defaultdict(list), lambda v: v["new"].append(1), lambda v: dict(v)),
    "Counter": (lambda: Counter("aab"), lambda v: v.update("a"), lambda v: dict(v)),
    "set": (lambda: {1}, lambda v: v.add(2), lambda v: sorted(v)),
    "namespace": (lambda: SimpleNamespace(calls=0), lambda v: setattr(v, "calls", 1), lambda v: v.calls),
    "dataclass": (
        Facts, lambda v: both(lambda: setattr(v, "calls", 1), lambda: v.seen.add_(1)), lambda v: (v.calls, v.seen)
    ),
    "frozen dataclass": (Frozen, lambda v: v.seen.append(1), lambda v: v.seen),
    "dataclass with slots": (
        Slotted,
        lambda v: both(lambda: setattr(v, "calls", 1), lambda: v.seen.append(1)),
        lambda v: (v.calls, v.seen),
    ),
    "object": (Bank, lambda v: v.write(), lambda v: (v.rows, v.inner.calls, hasattr(v, "new"))),
    "list of the user's class": (
        lambda: Log([1]),
        lambda v: both(lambda: v.append(2), lambda: setattr(v, "calls", 1)),
        lambda v: (list(v), v.calls),
    ),
    "list that holds itself": (itself, lambda v: v[1][1][0].add_(1), lambda v: v[0]),
    "lists deep in each other": (lambda: nested(3000), lambda v: last(v).append(1), lambda v: last(v)),
    "objects deep in each other": (
        lambda: chain(3000), lambda v: v.after.after.value.add_(1), lambda v: v.after.after.value
    ),
    "module in a list": (
        lambda: [nn.BatchNorm1d(4)],
        lambda v: normed(v[0]),
        lambda v: (v[0].running_mean, v[0].num_batches_tracked, v[0].training),
    ),
    "module in an object in a dict": (
        lambda: {"a": SimpleNamespace(teacher=nn.Sequential(nn.BatchNorm1d(4)))},
        lambda v: normed(v["a"].teacher),
        lambda v: v["a"].teacher[0].running_mean,
    ),
    "script in a list": (
        lambda: [torch.jit.script(nn.BatchNorm1d(4))], lambda v: normed(v[0]), lambda v: v[0].running_mean
    ),
    "large tensor": (lambda: torch.zeros(1 << 20), lambda v: v.add_(1), lambda v: v),
    "large tensor by its memory": (lambda: torch.zeros(1 << 20), lambda v: v.numpy().fill(1), lambda v: v),
}  # fmt: skip


class Model(nn.Module):
    def __init__(self, value):
        super().__init__()
        self.value, self.again = value, value


def plain(seen):
    """What is seen, as values that compare."""
    if isinstance(seen, (torch.Tensor, np.ndarray)):
        return seen.tolist()
    if isinstance(seen, dict):
        return {name: plain(part) for name, part in seen.items()}
    return [plain(part) for part in seen] if isinstance(seen, (list, tuple)) else seen


@pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated")
@pytest.mark.parametrize("kind", KINDS)
def test_what_a_forward_writes_to_is_put_back(kind):
    make, write, see = KINDS[kind]
    model = Model(make())
    value, before = model.value, plain(see(model.value))
    with guarded(model):
        assert model.again is model.value  # what is shared stays shared
        write(model.value)
        assert plain(see(model.value)) != before, "the row sees nothing"
    assert model.value is value
    assert plain(see(value)) == before
    write(value)  # and it works on as ever
    assert plain(see(value)) != before


@pytest.mark.parametrize(
    "write",
    {
        "data in place": lambda w: w.data.mul_(2),
        "data": lambda w: setattr(w, "data", torch.ones(2, 2)),
        "in place": lambda w: w.mul_(2),
        "operator": lambda w: w.__imul__(2),
        "item": lambda w: w.__setitem__(0, 7),
        "detached": lambda w: w.detach().mul_(2),
        "initialised": lambda w: nn.init.ones_(w),
        "frozen": lambda w: w.requires_grad_(False),
        "frozen by its attribute": lambda w: setattr(w, "requires_grad", False),
        "type": lambda w: setattr(w, "data", w.data.half()),
    }.items(),
    ids=lambda pair: pair[0],
)  # fmt: skip
def test_parameters_that_a_forward_writes_to_are_put_back(write):
    layer = nn.Linear(4, 4)
    weight, before, memory = layer.weight, layer.weight.tolist(), layer.weight.data_ptr()
    with guarded(nn.Sequential(layer)), guarded(layer):
        write[1](layer.weight)
        assert layer.weight.tolist() != before or not layer.weight.requires_grad
    assert layer.weight is weight
    assert (weight.tolist(), weight.data_ptr(), weight.dtype, weight.requires_grad) == (
        before, memory, torch.float32, True
    )  # fmt: skip
    assert not {"data", "mul_", "detach"} & vars(nn.Parameter).keys()


def test_an_embedding_of_a_largest_norm_is_put_back():
    layer = nn.Embedding(3, 4, max_norm=0.1)
    before = layer.weight.tolist()
    with guarded(layer):
        layer(torch.tensor([0, 1]))
    assert layer.weight.tolist() == before


def test_a_write_that_cannot_be_undone_is_told_once_and_undone_from_then_on(caplog):
    layer = nn.Linear(2, 2)
    with guarded(layer):
        torch._foreach_mul_([layer.weight], 2)
    assert "wrote to the parameter 'weight' of its Linear" in caplog.text
    assert "`if not lime_callback.is_explaining()`" in caplog.text
    caplog.clear()
    before = layer.weight.tolist()
    with guarded(layer):
        torch._foreach_mul_([layer.weight], 2)
    assert layer.weight.tolist() == before
    assert caplog.text == ""


def test_large_tensors_cost_no_memory_until_they_are_written_to():
    model = Model(torch.zeros(1 << 20))
    address, found = torch._C._data_address, model.value
    with guarded(model):
        assert model.value is not found
        assert address(model.value) == address(found)
        assert float(model.value.sum()) == 0
        assert address(model.value) == address(found)
        model.value[0] = 1
        assert address(model.value) != address(found)
    assert float(found.sum()) == 0


def test_a_long_list_of_numbers_is_copied_as_a_whole():
    """Number by number, two million took 7 s and 300 MB."""
    model = Model([float(i) for i in range(200_000)])
    with guarded(nn.Linear(1, 1)):
        pass  # the first guard of a process imports parts of torch
    tracemalloc.start()
    try:
        with guarded(model):
            model.value.append(1)
            _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most < 4e6  # one list; 32 MB before
    assert len(model.value) == 200_000


def test_objects_of_other_packages_are_left_alone():
    """They may belong to threads, and a trainer holds the whole run."""
    import lightning.pytorch as pl

    trainer = pl.Trainer(logger=False, enable_checkpointing=False, accelerator="cpu", barebones=True)
    numbers, attributes = itertools.count(), dict(vars(trainer))
    model = Model([trainer, random.SystemRandom(), numbers])
    with guarded(model):
        assert model.value[0] is trainer
        assert vars(trainer) == attributes
        assert model.value[2] is numbers


def test_what_is_written_in_inference_mode_is_put_back():
    """`trainer.validate` runs in it; copies that are made in it cannot be written to out of it."""
    layer = nn.BatchNorm1d(4)
    with torch.inference_mode(), guarded(layer):
        layer.num_batches_tracked += 1
        layer.running_mean.add_(1)
    assert int(layer.num_batches_tracked) == 0
    layer.running_mean.add_(1)

"""Nothing reads a value back while batches run: on a device, each read would let the host wait for all that was asked.

Counted on the CPU, where a read is an operation as any other. ``tolist``, ``cpu`` and ``numpy`` are none there, so they
are counted as functions.
"""

from collections import Counter
from contextlib import ExitStack, contextmanager

import pytest
import torch
from torch import nn
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

from lime_callback import Cubes, Features, Lasso, Ridge, Superbands, Superpixels
from lime_callback.explaining import explain_batch
from lime_callback.explaining.package_presets import PRESETS
from lime_callback.explaining.strategies import Strategies
from lime_callback.forwards.folded_stem import FoldedStem
from lime_callback.sampling.baselines import BASELINES
from lime_callback.sampling.designs import DESIGNS
from lime_callback.sampling.input_distance_kernel import InputCosine
from lime_callback.sampling.locality_kernels import KERNELS
from lime_callback.surrogates import Efficient, linear_models
from lime_callback.surrogates.surrogate_names import SURROGATES

# The bands are so many that no design runs out of different rows.
B, SHAPE, OUTPUTS = 3, (12, 8, 8), 4

READS = {
    "_local_scalar_dense", "item", "is_nonzero", "nonzero", "nonzero_static", "equal", "allclose", "masked_select",
    "unique_dim", "unique_consecutive", "_unique", "_unique2", "bincount", "histc", "repeat_interleave",
    "_linalg_check_errors",
}  # fmt: skip
TO_THE_HOST = {torch.Tensor.tolist, torch.Tensor.numpy, torch.Tensor.cpu, torch.Tensor.__array__}


class _Operations(TorchDispatchMode):
    def __init__(self, found):
        super().__init__()
        self.found = found

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        name = func.overloadpacket.__name__
        by_mask = name in ("index", "index_put", "index_put_", "_index_put_impl_") and any(
            one is not None and one.dtype in (torch.bool, torch.uint8) for one in args[1]
        )
        if name in READS or by_mask:
            self.found[name] += 1
        return func(*args, **(kwargs or {}))


class _Functions(TorchFunctionMode):
    def __init__(self, found):
        super().__init__()
        self.found = found

    def __torch_function__(self, func, types, args=(), kwargs=None):
        given = (*args[1:], *(kwargs or {}).values())
        # A device that is no name is the inputs' own, to which what belongs to them is moved.
        named = func is torch.Tensor.to and any(isinstance(one, str) and one == "cpu" for one in given)
        if func in TO_THE_HOST or named:
            self.found[func.__name__] += 1
        return func(*args, **(kwargs or {}))


@contextmanager
def counted():
    found = Counter()
    with _Operations(found), _Functions(found):
        yield found


@contextmanager
def uncounted():
    """Designs are drawn on the CPU whatever the device: that they read there makes no device wait."""
    with ExitStack() as stack:
        stack.enter_context(torch._C.DisableTorchFunction())
        stack.enter_context(torch.utils._python_dispatch._disable_current_modes())
        yield


def images():
    return torch.rand(B, *SHAPE, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def model(x):
    """Without a sum whose order depends on the batch, so that a fit is the same however rows are batched."""
    y = x[:, :OUTPUTS, 0, 0] + x[:, -OUTPUTS:, -1, -1] * x[:, :OUTPUTS, -1, 0]
    return y.sin() + x[:, 4:5, 3, 3]


VIEWS = {
    "superbands": lambda x: Superbands(bands=12).features(x),
    "superpixels": lambda x: Superpixels("grid", n_segments=12).features(x),
    "cubes": lambda x: Cubes(Superpixels("grid", n_segments=4), Superbands(bands=4)).features(x),
    "a mask for each": lambda x: Features.from_mask(
        torch.stack([(torch.arange(12) + b).clamp(max=11 - b) for b in range(B)]).view(B, 12, 1, 1)
    ),
}
TARGETS = {
    "one": 1,
    "list": [2, 0],
    "tensor": torch.tensor([0, 3, 1]),
    "table": torch.tensor([[0, 1], [2, 3], [1, 0]]),
    "all": None,
}
CASES = {
    **{f"view: {name}": {"view": name} for name in VIEWS},
    **{f"target: {name}": {"target": name} for name in TARGETS},
    **{f"design: {name}": {"design": name} for name in DESIGNS},
    **{f"kernel: {name}": {"kernel": name} for name in KERNELS},
    **{f"like: {name}": {"like": name} for name in PRESETS if isinstance(PRESETS[name].surrogate, (Ridge, Efficient))},
    **{f"kernel: on inputs, {view}": {"kernel": InputCosine(), "view": view} for view in VIEWS},
    **{f"baseline: {name}": {"baseline": name} for name in BASELINES},
    "baseline: number": {"baseline": 0.5},
    "baseline: tensor": {"baseline": torch.linspace(0, 1, 12)},
    "baseline: function": {"baseline": lambda x: x.flip(1)},
    **{f"surrogate: {name}": {"surrogate": name} for name in SURROGATES},
    **{f"output: {name}": {"output": name} for name in ("softmax", "sigmoid", "log_softmax")},
    "output: function": {"output": lambda y: y.square()},
    "seeds": {"seeds": [3, 1, 2]},
}


def reads(monkeypatch, forward=model, *, view="superbands", target="one", n=64, batch_size=16, seeds=(0, 0, 0), **how):
    """What one explanation reads."""
    x = images()
    features = VIEWS[view](x)
    settings = Strategies(n_perturbations=n, **how)
    drawn, to_ask = explain_batch.draw_designs, explain_batch.rows_to_ask

    def draw(design, rows, present, seeds, repeated):
        present = present.cpu()
        with uncounted():
            return drawn(design, rows, present, seeds, repeated)

    def rows_to_ask(design, kernel, *numbers):
        assert all(isinstance(number, int) for number in numbers)  # it knows of nothing that is on a device
        with uncounted():
            return to_ask(design, kernel, *numbers)

    monkeypatch.setattr(explain_batch, "draw_designs", draw)
    monkeypatch.setattr(explain_batch, "rows_to_ask", rows_to_ask)
    with counted() as found:
        explain_batch.explain_batch(
            lambda x, _: forward(x), x, features, TARGETS[target], settings=settings, batch_size=batch_size,
            seeds=seeds, background=x.flip(1),
        )  # fmt: skip
    monkeypatch.undo()
    return found


@pytest.mark.parametrize("case", CASES)
def test_the_number_of_reads_does_not_depend_on_the_number_of_batches(case, monkeypatch):
    few = reads(monkeypatch, batch_size=192, **CASES[case])
    assert reads(monkeypatch, batch_size=7, **CASES[case]) == few
    if CASES[case].get("surrogate") != "lasso":  # whose steps, on the CPU, depend on what it fits
        assert reads(monkeypatch, n=512, **CASES[case]) == few
        # The features for the design, and all that is told at the end; a target or a baseline where only its values
        # show whether it fits. (What eigenvalues are found with reads on a GPU too, within one operation of torch.)
        extra = {"target: tensor", "target: table", "baseline: function"}
        assert few.total() == 2 + (case in extra), few


def test_a_read_in_a_batch_is_counted(monkeypatch):
    def reading(x):
        return model(x) + (1 if x.mean().item() > 1e9 else 0)

    quiet = reads(monkeypatch)
    for batches, batch_size in ((12, 16), (6, 32)):
        loud = reads(monkeypatch, reading, batch_size=batch_size)
        assert loud - quiet == {
            "_local_scalar_dense": batches + 2
        }  # two for the inputs as they are, and with all hidden


@pytest.mark.parametrize(
    "read",
    [
        lambda x: x.sum().item(),
        lambda x: bool((x > 2).any()),
        lambda x: int(x.argmax()),
        lambda x: f"{float(x.sum())}",
        lambda x: x[0, 0].tolist(),
        lambda x: x.cpu(),
        lambda x: x.to("cpu"),
        lambda x: x.numpy(),
        lambda x: x.nonzero(),
        lambda x: x[x > 0.5],
        lambda x: x.masked_select(x > 0.5),
        lambda x: torch.equal(x, x),
        lambda x: x.unique(),
        lambda x: range(5)[(x * 0).sum().long()],
    ],
)
def test_every_way_to_read_is_counted(read):
    x = images()
    with counted() as found:
        read(x)
    assert found.total() == 1


def test_where_looking_would_wait_the_lasso_does_not_look(monkeypatch):
    x = images()
    settings = Strategies(surrogate=Lasso(1e-3, max_iterations=500))

    def explained():
        with counted() as found:
            one = explain_batch.explain_batch(
                lambda x, _: model(x), x, VIEWS["superbands"](x), None, settings=settings, batch_size=64, seeds=[0] * B
            )
        return one.explanation.coefficients, found

    looked, some = explained()
    monkeypatch.setattr(linear_models, "_is_free_to_read", lambda _: False)
    blind, none = explained()
    torch.testing.assert_close(blind, looked, atol=1e-8, rtol=0)
    assert some["_local_scalar_dense"] > none["_local_scalar_dense"]


class TwoBlocks(nn.Module):
    """A transformer of four patches, whose tokens can be left out."""

    def __init__(self):
        super().__init__()
        layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
        self.embed, self.position = nn.Conv2d(SHAPE[0], 8, 4, stride=4), nn.Parameter(torch.randn(5, 8))
        self.encoder, self.head = nn.TransformerEncoder(layer, 2), nn.Linear(8, OUTPUTS)

    def forward(self, x):
        tokens = nn.functional.pad(self.embed(x).flatten(2).mT, (0, 0, 1, 0)) + self.position
        return self.head(self.encoder(tokens)[:, 0])


def test_rows_without_tokens_read_no_more_in_more_batches():
    x, one = images(), TwoBlocks().double().eval()
    settings = Strategies(n_perturbations=64, baseline="absent")
    features = Superpixels("grid", n_segments=4).features(x)
    found = []
    for batch_size in (192, 7):
        with counted() as of_this:
            explain_batch.explain_batch(
                lambda x, _: one(x), x, features, None, settings=settings, batch_size=batch_size, seeds=[0] * B,
                module=one,
            )  # fmt: skip
        found.append(of_this)
    assert found[0] == found[1]


class Patches(nn.Module):
    """Begins with a layer that is linear in the input."""

    def __init__(self):
        super().__init__()
        self.first, self.last = nn.Conv2d(SHAPE[0], 6, 4, stride=4), nn.Linear(24, OUTPUTS)

    def forward(self, x):
        return self.last(self.first(x).flatten(1).sin())


@pytest.mark.parametrize("view", ["superbands", "superpixels", "cubes"])
def test_a_folded_stem_reads_as_often_however_many_batches(view, monkeypatch):
    torch.manual_seed(0)
    module = Patches().double()
    x = images()
    features = VIEWS[view](x)
    scored = []
    score = FoldedStem.evaluate
    monkeypatch.setattr(FoldedStem, "pays", lambda _: True)
    monkeypatch.setattr(FoldedStem, "evaluate", lambda *args: scored.append(args[2:]) or score(*args))

    def found(n, batch_size):
        scored.clear()
        with counted() as reads:
            explain_batch.explain_batch(
                lambda x, _: module(x), x, features, 1, settings=Strategies(n_perturbations=n, design="paired"),
                batch_size=batch_size, seeds=[0] * B, module=module,
            )  # fmt: skip
        assert len(scored) == -(-B * n // batch_size)
        return reads

    assert found(64, 16) == found(64, 48) == found(256, 16)

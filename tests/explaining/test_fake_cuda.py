"""Explanations on a pretended GPU: nothing mixes devices, and nothing reads a value back before all is done.

Tensors of torch's ``FakeTensorMode`` have a shape, a dtype and a device, and no values. An operation on tensors of two
devices raises there as it would on a GPU, and so does whatever needs a value: ``.item()``, ``bool(...)``, ``nonzero``.
What does not show: reads within one of torch's own operations, as ``eigh`` has, and wrong numbers.
"""

import os
from contextlib import contextmanager, nullcontext
from dataclasses import fields
from functools import partial

import pytest
import torch
from sklearn.linear_model import LinearRegression
from torch import nn
from torch._subclasses.fake_tensor import DataDependentOutputException, FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode

from lime_callback import Cubes, Features, Lasso, Ridge, Superbands, Superpixels
from lime_callback.explaining import explain_batch
from lime_callback.explaining.degenerate_fits import fit_problems
from lime_callback.explaining.explain_batch import Perturbations, weighted_samples
from lime_callback.explaining.strategies import Strategies
from lime_callback.forwards import folded_stem
from lime_callback.forwards.batched_forwards import perturbed_outputs
from lime_callback.forwards.feature_images import ImageMaker, _by_channel, _by_patch, _one_by_one
from lime_callback.forwards.folded_stem import FoldedStem
from lime_callback.forwards.perturbed_inputs import PerturbedInputs
from lime_callback.forwards.stem_layer import Stem
from lime_callback.sampling import baselines
from lime_callback.sampling.baselines import BASELINES
from lime_callback.sampling.designs import DESIGNS, draw_designs
from lime_callback.sampling.input_distance_kernel import InputCosine
from lime_callback.sampling.locality_kernels import KERNELS
from lime_callback.surrogates.fitting import fit
from lime_callback.surrogates.surrogate_names import SURROGATES

MISSING = "torch is no build for CUDA (`pip install torch` brings one, and .ci/run tests with it); no GPU is needed"
if torch.version.cuda is None:
    if os.environ.get("LIME_CALLBACK_NEEDS_CUDA_BUILD"):
        raise RuntimeError(f"{MISSING}, but the environment asks for these tests")
    pytest.skip(MISSING, allow_module_level=True)

READ = "_local_scalar_dense"  # the operation by which torch reads one value of a tensor
B, N, BATCH, OUTPUTS, SHAPE = 3, 10, 7, 4, (6, 12, 12)


class NoCopies(TorchDispatchMode):
    """Raises where a value would be copied to the host, which fake tensors allow."""

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        if func.overloadpacket is torch.ops.aten._to_copy and on_gpu(args[0]) and not on_gpu(result):
            raise AssertionError("a value was copied to the host")
        if func.overloadpacket is torch.ops.aten.copy_ and on_gpu(args[1]) and not on_gpu(args[0]):
            raise AssertionError("a value was copied to the host")
        return result


def on_gpu(x):
    return x.device.type == "cuda"


@contextmanager
def pretended_gpu():
    with FakeTensorMode(allow_non_fake_inputs=True), NoCopies():
        yield


def network(device, dtype):
    """Made where it is, since modules of fake tensors cannot be moved."""
    default = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        with torch.device(device):
            return nn.Sequential(
                nn.Conv2d(SHAPE[0], 8, 3), nn.BatchNorm2d(8), nn.GELU(), nn.AdaptiveAvgPool2d(2), nn.Flatten(),
                nn.Linear(32, 16), nn.LayerNorm(16), nn.Linear(16, OUTPUTS),
            ).eval()  # fmt: skip
    finally:
        torch.set_default_dtype(default)


def images():
    return torch.rand(B, *SHAPE, generator=torch.Generator().manual_seed(0))


VIEWS = {
    "superbands": lambda x: Superbands(bands=3).features(x),
    "superpixels": lambda x: Superpixels("grid", n_segments=6).features(x),
    "superpixels of each image": lambda x: Superpixels(n_segments=6).features(x),
    "cubes": lambda x: Cubes(Superpixels("grid", n_segments=4), Superbands(bands=3)).features(x),
    "mask": lambda x: Features.from_mask(torch.arange(12).view(1, 1, 12, 1) // 3 - 1),
}
CASES = {
    **{f"view: {name}": {"view": name} for name in VIEWS},
    **{f"design: {name}": {"design": name} for name in DESIGNS},
    **{f"kernel: {name}": {"kernel": name} for name in KERNELS},
    **{f"kernel: on inputs, {view}": {"kernel": InputCosine(), "view": view} for view in VIEWS},
    **{f"baseline: {name}, {view}": {"baseline": name, "view": view} for name in BASELINES for view in VIEWS},
    "baseline: number": {"baseline": 0.5},
    "baseline: tensor": {"baseline": torch.linspace(0, 1, SHAPE[0])},
    "baseline: function": {"baseline": lambda x: x.flip(1)},
    **{f"surrogate: {name}, one design": {"surrogate": name} for name in SURROGATES if name != "lasso"},
    **{
        f"surrogate: {name}, designs": {"surrogate": name, "seeds": [4, 5, 6]} for name in SURROGATES if name != "lasso"
    },
    "surrogate: lasso, one design": {"surrogate": Lasso(max_iterations=45)},
    "surrogate: lasso, designs": {"surrogate": Lasso(max_iterations=45), "seeds": [4, 5, 6]},
    "surrogate: ridge without a penalty": {"surrogate": Ridge(0.0)},
    "target: one": {"target": 1},
    "target: list": {"target": [2, 0]},
    **{f"output: {name}": {"output": name} for name in ("softmax", "sigmoid")},
    "output: function": {"output": lambda y: y.square()},
    "half precision": {"dtype": torch.bfloat16},
    "channels last": {"form": torch.channels_last},
    "fewer rows": {"used": 5},
}


def explained(
    monkeypatch, device, *, view="superbands", target=None, seeds=(0,) * B, used=None, dtype=torch.float32,
    form=torch.contiguous_format, end=lambda *_: ({}, {}), **how,
):  # fmt: skip
    """An explanation by :func:`explain_batch`; on the pretended GPU the test answers what only values can tell.

    ``end`` stands there for what is read when all is done.
    """
    settings = Strategies(n_perturbations=N, **how)
    x = images()
    features = VIEWS[view](x)
    varies = settings.baseline.bound(features, x.flip(1)).varies
    drawn = explain_batch.draw_designs(settings.design, N, features.present, seeds, varies)  # on the CPU, by nature
    with monkeypatch.context() as patch, pretended_gpu() if device == "cuda" else nullcontext():
        if device == "cuda":
            patch.setattr(explain_batch, "draw_designs", lambda *_: drawn.to(device))
            patch.setattr(explain_batch, "fit_problems", end)
            patch.setattr(baselines, "_check_values", lambda _: None)  # of what a function returned
        model = network(device, dtype)

        def forward(x, rows):
            assert x.device.type == rows.device.type == device
            return model(x)

        found = explain_batch.explain_batch(
            forward, x.to(device, dtype, memory_format=form), features.to(device), target,
            settings=settings, batch_size=BATCH, seeds=seeds, used=used, background=x.flip(1),
        )  # fmt: skip
        return tensors(found.explanation)


def tensors(explanation):
    parts = (("", explanation), ("samples.", explanation.samples), ("features.", explanation.features))
    found = {
        f"{prefix}{one.name}": getattr(part, one.name)
        for prefix, part in parts
        for one in fields(part)
        if isinstance(getattr(part, one.name), torch.Tensor)
    }
    return found | {"features.present": explanation.features.present, "heatmap": explanation.heatmap()}


@pytest.mark.parametrize("case", CASES)
def test_an_explanation_stays_on_the_device_and_reads_nothing_back(case, monkeypatch):
    here, there = (explained(monkeypatch, device, **CASES[case]) for device in ("cpu", "cuda"))
    assert {name: one.device.type for name, one in there.items()} == dict.fromkeys(here, "cuda")
    kinds = [{name: (one.shape, one.dtype) for name, one in found.items()} for found in (here, there)]
    assert kinds[0] == kinds[1]


def test_what_is_told_at_the_end_is_what_needs_values(monkeypatch):
    ends = []

    def end(*found):
        with pytest.raises((DataDependentOutputException, AssertionError), match=f"{READ}|copied to the host"):
            fit_problems(*found)
        ends.append(found)
        return {}, {}

    explained(monkeypatch, "cuda", end=end)
    assert len(ends) == 1


@pytest.mark.parametrize(
    ("how", "error", "message"),
    [
        ({"output": lambda y: y * (1 + y.mean().item())}, DataDependentOutputException, READ),
        ({"output": lambda y: y if (y > 0).any() else -y}, DataDependentOutputException, READ),
        ({"output": lambda y: y + torch.arange(OUTPUTS)}, RuntimeError, "two (different )?devices"),
        ({"output": lambda y: y.cpu()}, AssertionError, "copied to the host"),
        ({"surrogate": LinearRegression()}, DataDependentOutputException, READ),
    ],
    ids=["item", "bool", "two devices", "cpu", "scikit-learn"],
)
def test_what_is_not_ready_for_a_gpu_is_found(how, error, message, monkeypatch):
    with pytest.raises(error, match=message):
        explained(monkeypatch, "cuda", **how)


@pytest.mark.parametrize("make", [_by_channel, _by_patch, _one_by_one])
def test_a_folded_stem_stays_on_the_device_and_reads_nothing_back(make, monkeypatch):
    """What of :func:`fold` reads, once an explanation, is answered: whether the stem is one, and how its images are
    made."""
    features = VIEWS["superbands" if make is _by_channel else "superpixels"](images())
    design = draw_designs(DESIGNS["paired"](), N, features.present, [0] * B)
    with pretended_gpu(), torch.no_grad():
        x, features = images().to("cuda"), features.to("cuda")
        layer = nn.Conv2d(SHAPE[0], 5, 4, stride=4, device="cuda")
        stem = Stem(layer, SHAPE, layer(x))
        channels = [torch.zeros(2, dtype=torch.int64, device="cuda") for _ in range(len(features))]
        given = {_by_channel: (channels,), _by_patch: (), _one_by_one: (len(features),)}[make]
        maker = ImageMaker(partial(make, stem, *given), passes=1, sums=1, kept=1)
        monkeypatch.setattr(folded_stem, "image_maker", lambda *_: maker)
        perturber = PerturbedInputs(x, BASELINES["mean"]()(x, features), features, design.to("cuda"))
        folded = FoldedStem(stem, perturber, BATCH)
        outputs, _ = perturbed_outputs(
            lambda x, _: layer(x).flatten(1)[:, :OUTPUTS], folded, torch.zeros(B, 1, dtype=torch.int64, device="cuda"),
            BATCH,
        )  # fmt: skip
        samples = weighted_samples(Strategies(n_perturbations=N), Perturbations(perturber, 1, N), outputs)
        found = fit(Ridge(), samples)
    assert {one.device.type for one in found} == {"cuda"}
    assert found.coefficients.shape == (B, 1, len(features))

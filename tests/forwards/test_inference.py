"""What happens inside the guard leaves no trace."""

import random

import numpy as np
import pytest
import torch
import torchmetrics
from torch import nn

from lime_callback.forwards.no_trace_guard import guarded


class Busy(nn.Module):
    """Writes to everything that a forward can write to."""

    def __init__(self):
        super().__init__()
        self.frozen = nn.BatchNorm1d(4).eval()
        self.norm = nn.BatchNorm1d(4)
        self.drop = nn.Dropout(0.5)
        self.metric = torchmetrics.MeanMetric()
        self.values = torchmetrics.CatMetric()
        self.register_buffer("calls", torch.zeros(()))
        self.register_buffer("alias", self.calls)
        self.count, self.seen, self.sizes, self.cache = 0, [], {}, torch.zeros(3)
        self.logged = []

    def log(self, *values):
        self.logged.append(values)

    def log_dict(self, values):
        self.logged.append(values)

    def forward(self, x):
        self.calls += 1
        assert self.alias is self.calls
        self.count += 1
        self.seen.append(x)
        self.sizes[len(x)] = self.count
        self.cache.add_(1)
        self.new = x
        self.metric.update(x)
        self.values.update(x)
        self.log("x", 1)
        self.log_dict({"x": 1})
        random.random(), np.random.rand(), torch.rand(1)  # noqa: NPY002
        assert not any(module.training for module in self.modules())
        return self.drop(self.norm(self.frozen(x)))


def state(model):
    return {
        "buffers": {name: value.clone() for name, value in model.named_buffers()},
        "modes": [module.training for module in model.modules()],
        "plain": (model.count, list(model.seen), dict(model.sizes), model.cache.tolist(), hasattr(model, "new")),
        "metrics": (float(model.metric.mean_value), float(model.metric.weight), len(model.values.value)),
        "updates": (model.metric._update_count, model.values._update_count),
        "logged": list(model.logged),
        "random": (random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist()),  # noqa: NPY002
    }


def test_everything_is_put_back(recwarn):
    model = Busy()
    model.train()
    model.frozen.eval()
    with guarded(model):
        pass
    before, calls = state(model), model.calls
    with guarded(model):
        assert not model(torch.randn(8, 4)).requires_grad
    after = state(model)
    assert before.pop("buffers").keys() == (found := after.pop("buffers")).keys()
    assert found["calls"] == 0
    assert model.calls is calls
    assert model.alias is calls
    assert before == after


def test_also_after_an_exception():
    model = Busy()
    before = state(model)
    with pytest.raises(RuntimeError, match="running_mean should contain 5 elements"), guarded(model):
        model(torch.randn(8, 5))
    after = state(model)
    assert all(
        torch.equal(a, b) for a, b in zip(before.pop("buffers").values(), after.pop("buffers").values(), strict=True)
    )
    assert before == after


def test_compiled_models_make_no_new_graph():
    counts = []

    def backend(graph, _):
        counts.append(graph)
        return graph.forward

    model = torch.compile(nn.Linear(4, 2), backend=backend)
    model(torch.randn(3, 4))
    assert len(counts) == 1
    with guarded(model):
        for size in (5, 6, 7):
            model(torch.randn(size, 4))
    assert len(counts) == 1


def test_importing_is_light():
    import subprocess
    import sys

    heavy = ["torch", "numpy", "matplotlib", "skimage", "sklearn", "spyndex", "tensorboard", "wandb", "lightning"]
    code = f"import sys, lime_callback; print([name for name in {heavy} if name in sys.modules])"
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"
    )


def test_every_public_name_is_found():
    import lime_callback

    found = {name: getattr(lime_callback, name) for name in lime_callback.__all__}
    assert all(value.__module__.startswith("lime_callback.") for value in found.values())
    assert all(value.__name__ == name for name, value in found.items())
    assert set(lime_callback.__all__) <= set(dir(lime_callback))
    with pytest.raises(AttributeError, match="module 'lime_callback' has no attribute 'Limes'"):
        lime_callback.Limes  # noqa: B018

"""How many rows a forward gets on an accelerator."""

from types import SimpleNamespace

import pytest
import torch
from toys import WAVELENGTHS, fit

from lime_callback import LimeCallback, Superbands
from lime_callback.following.explain_context import ExplainContext
from lime_callback.forwards.processes import ALONE
from lime_callback.training import batch_growth, pinned_probes
from lime_callback.training.batch_growth import grown, grown_batch


@pytest.mark.parametrize(
    ("fixed", "row", "most", "size"),
    [
        (1.0, 0.0, 1000, 512),  # the card has time to spare: as many as there may be
        (0.0, 1.0, 1000, 16),  # each row costs the same
        (64.0, 1.0, 1000, 512),  # 1 + 64 / size: halving the overhead saves a tenth of the whole up to 512
        (64.0, 1.0, 100, 64),
        (1.0, 0.0, 8, 16),  # what the validation has is not made smaller
    ],
)
def test_a_batch_grows_while_its_rows_become_cheaper(fixed, row, most, size):
    assert grown(lambda m: fixed / m + row, 16, most) == size


def test_a_batch_that_memory_does_not_hold_is_not_taken():
    """There the forward halves it, and a row costs what it cost before."""
    assert grown(lambda m: 1 / min(m, 128), 16, 10**6) == 128


def context(device):
    probes = SimpleNamespace(inputs=SimpleNamespace(device=torch.device(device)))
    return ExplainContext(SimpleNamespace(probes=probes), 16, ALONE)


def test_a_cpu_keeps_the_size_and_an_accelerator_finds_one(monkeypatch):
    tried = []
    monkeypatch.setattr(
        batch_growth, "seconds_per_row", lambda c, output: tried.append(c.batch_size) or 1 / c.batch_size
    )
    assert grown_batch(context("cpu"), "raw", 4096) == 16
    assert not tried
    assert grown_batch(context("cuda"), "raw", 4096) == 1024
    assert tried == [16, 32, 64, 128, 256, 512, 1024]


def test_a_trial_that_fails_leaves_the_size(monkeypatch):
    def fails(context, output):
        raise RuntimeError("no")

    monkeypatch.setattr(batch_growth, "seconds_per_row", fails)
    assert grown_batch(context("cuda"), "raw", 4096) == 16


@pytest.mark.parametrize(("most", "asked"), [(None, 1), (8, 0)])
def test_a_run_asks_once_and_keeps_the_users_bound(tmp_path, monkeypatch, most, asked):
    calls = []

    def grow(context, output, rows):
        calls.append(rows)
        return 64

    monkeypatch.setattr(pinned_probes, "grown_batch", grow)
    lime = LimeCallback(
        Superbands(3), wavelengths=WAVELENGTHS, probes=2, n_perturbations=16, pictures=False, max_batch_size=most,
        on_error="raise",
    )  # fmt: skip
    fit(tmp_path, lime, epochs=3)
    assert calls == [32] * asked
    assert lime._validation.pinned.batch_size == (most or 64)

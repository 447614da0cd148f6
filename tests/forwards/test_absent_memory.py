"""Memory of explanations by absent tokens: the same for many perturbations as for few."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from token_models import Tokens, labels, made

from lime_callback import Features, explain
from lime_callback.forwards.tokens import absent_rows

SCALING = Path(__file__).parents[2] / "benchmarks" / "scaling.py"


def peak(n):
    """The peak of a new process during an explanation, less its memory before, in MB; see the benchmark."""
    features, channels, side, probes, targets, batch, absent = 16, 64, 64, 1, 1, 16, 1
    size = n, features, channels, side, probes, targets, batch, absent
    # The process returns freed memory at once, so that its peak is the memory that it needs.
    environment = os.environ | {"MALLOC_MMAP_THRESHOLD_": "65536", "MALLOC_TRIM_THRESHOLD_": "65536"}
    command = [sys.executable, SCALING, "--threads", "1", "--peak", *map(str, size)]
    return float(subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout)


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="Linux tells a process's peak")
def test_memory_does_not_grow_with_the_perturbations():
    """Eight times as many rows: what is kept of each is a bit for a feature or a token, and its outputs."""
    assert peak(2048) < 1.05 * peak(256)


@pytest.mark.filterwarnings("ignore:The explanation of input")
def test_which_tokens_a_row_keeps_is_found_for_some_rows_at_a_time(monkeypatch):
    """What is computed for that takes eight bytes for each row and patch."""
    model, x = made(Tokens), torch.randn(1, 3, 16, 16, dtype=torch.float64)
    patches = Features.from_mask(labels().view(1, 1, 16, 16))
    usual = {"n_perturbations": 128, "baseline": "absent", "batch_size": 64}
    whole = explain(model, x, patches, **usual)
    monkeypatch.setattr(absent_rows, "_AT_ONCE", 100)  # six rows
    parts = explain(model, x, patches, **usual)
    assert torch.equal(parts.samples.outputs, whole.samples.outputs)


@pytest.mark.filterwarnings("ignore:The explanation of input")
@pytest.mark.parametrize("batch_size", [1, 2, 5, 16])
def test_a_forward_takes_as_many_tokens_as_a_batch_of_whole_rows(batch_size):
    """Rows of one length go together: fewer tokens, more rows, and at most twice as many."""
    model, x = made(Tokens), torch.randn(2, 3, 16, 16, dtype=torch.float64)
    patches = Features.from_mask(labels().view(1, 1, 16, 16))
    whole = explain(model, x, patches, n_perturbations=96, baseline="absent", batch_size=64)
    sizes = []
    handle = model.blocks[1].register_forward_pre_hook(lambda _, args: sizes.append(args[0].shape[:2]))
    explanation = explain(model, x, patches, n_perturbations=96, baseline="absent", batch_size=batch_size)
    handle.remove()
    assert torch.allclose(explanation.samples.outputs, whole.samples.outputs, rtol=0, atol=1e-12)
    rows = [m for m, tokens in sizes if tokens < 17]
    assert sum(m * tokens for m, tokens in sizes) > 192 * 8
    if batch_size == 1:
        assert max(rows) <= 2, "a proof compares two rows"
        return
    assert max(rows) <= 2 * batch_size
    assert max(rows) > min(batch_size, 15)
    assert all(m * tokens <= max(2, batch_size) * 17 for m, tokens in sizes)

"""What a row costs in a forward, and how many rows a forward gets on an accelerator.

A validation's batch is often too small for a fast card: it computes a larger one in the same time.
"""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import torch

from lime_callback.forwards.batched_forwards import Batches
from lime_callback.forwards.no_trace_guard import guarded
from lime_callback.outputs.targets import scaled_outputs

if TYPE_CHECKING:
    from collections.abc import Callable

    from lime_callback.following.explain_context import ExplainContext

CHEAPER = 0.9  # of what a row costs in half the batch, or less: then a batch is worth its memory


_SPENT = 4  # times as many rows are explained as a batch may have, so that the trials cost less than they save


def grown_batch(context: ExplainContext, output: Any, rows: int) -> int:
    """Return the rows of a forward: the context's, or on an accelerator as many as make a row cheaper, within memory.

    On a CPU a row costs the same in batches of any size, and the size stays, so that runs give the same values.

    Args:
        context: how to explain, and the probes.
        output: the outputs' scale.
        rows: how many rows there are in all.
    """
    start = context.batch_size
    if context.model.probes.inputs.device.type == "cpu":
        return start
    with suppress(Exception):  # what fails here fails again, and is told, where the model is explained
        most = rows // (_SPENT * context.ranks.shares)
        return grown(lambda size: seconds_per_row(replace(context, batch_size=size), output), start, most)
    return start


def grown(seconds: Callable[[int], float], start: int, most: int) -> int:
    """Double a batch for as long as that makes a row cheaper by a tenth at least.

    Args:
        seconds: what a row costs in a batch of so many; where memory does not suffice, what it costs in a smaller one.
        start: the first size.
        most: the largest size that is tried.
    """
    size, cost = start, seconds(start)
    while 2 * size <= most:
        larger = seconds(2 * size)
        if larger > CHEAPER * cost:
            break
        size, cost = 2 * size, larger
    return size


def seconds_per_row(context: ExplainContext, output: Any) -> float:
    """What a perturbed input costs in a forward, measured: the slowest process counts.

    Args:
        context: how to explain, and the probes.
        output: the outputs' scale.
    """
    model, batch_size, ranks = context.model, context.batch_size, context.ranks
    inputs = model.probes.inputs
    rows = torch.arange(batch_size, device=inputs.device) % len(inputs)
    x, took = inputs[rows], 0.0
    with guarded(model.module):
        for _ in range(2):  # the first one warms up
            with ranks.together():
                batches = Batches(0, len(x), len(x), ranks)
                while batches.left:
                    with batches.next() as (start, stop):
                        started = time.perf_counter()
                        outputs = scaled_outputs(model(x[start:stop].clone(), rows[start:stop]), stop - start, output)
                        float(outputs.sum())  # waits for the device
                        took = (time.perf_counter() - started) / (stop - start)
    return max(ranks.gather(took))

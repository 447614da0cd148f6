"""Perturbed inputs, streamed: one buffer, written again for each batch, so memory does not grow with n.

Rows are numbered ``b * n + r`` for input ``b`` and perturbation ``r``; a batch is a range of these numbers and may hold
rows of several inputs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lime_callback.features import Features


def perturbed(
    inputs: Tensor, baseline: Tensor, features: Features, design: Tensor, batch_size: int
) -> Iterator[tuple[int, Tensor]]:
    """Yield batches of perturbed inputs in the order of the rows' numbers.

    Args:
        inputs: ``[B, *dims]``.
        baseline: what hidden elements become; broadcasts to the inputs' shape.
        features: of the inputs.
        design: on/off rows, bool ``[B or 1, n, d]``.
        batch_size: rows a batch.

    Yields:
        The number of a batch's first row, and the batch ``[m, *dims]``; the same memory each time, so take what you
        need of it before the next.
    """
    batch, rows = len(inputs), design.shape[1]
    baseline = baseline.expand(inputs.shape)
    # An element that is never hidden has label -1; it becomes a first feature that is always on.
    always = design.new_ones(*design.shape[:2], 1)
    design = torch.cat([always, design], dim=-1).expand(batch, -1, -1)
    mask = features.mask.expand(batch, *features.mask.shape[1:])
    buffer = inputs.new_empty(min(batch_size, batch * rows), *inputs.shape[1:])
    if inputs.ndim == 4 and inputs.is_contiguous(memory_format=torch.channels_last):
        buffer = buffer.contiguous(memory_format=torch.channels_last)

    for start in range(0, batch * rows, batch_size):
        stop = min(start + batch_size, batch * rows)
        at = start
        while at < stop:
            b, first = divmod(at, rows)
            last = min(rows, first + stop - at)
            keep = design[b, first:last].index_select(1, mask[b].flatten() + 1).view(last - first, *mask.shape[1:])
            torch.where(keep, inputs[b], baseline[b], out=buffer[at - start : at - start + last - first])
            at += last - first
        yield start, buffer[: stop - start]

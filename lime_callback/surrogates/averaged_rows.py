"""Rows that are asked several times, each time with another sample in place of what is hidden, and then averaged.

Which sample a row takes is noise of the rows, though not of the explanation, which is of the mean over the samples. A
fit to single answers therefore seems to predict badly. The mean of several answers has less of that noise; the price
are fewer different rows.

Rows ``i``, ``i + period``, ``i + 2 period``, ... of a design have the same features on. So any first part of them, as a
budget of time takes it, has as many different rows for as long as it can, with fewer samples for each.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import torch
import torch.nn.functional as F

from lime_callback.sampling.locality_kernels import Kernel
from lime_callback.surrogates.predictive_score import least_freedom
from lime_callback.surrogates.standard_errors import effective_groups

if TYPE_CHECKING:
    from torch import Tensor

    from lime_callback.sampling.designs import Design
    from lime_callback.surrogates.fitted_rows import Samples

# So many times the rows that errors need: what a row weighs is left to chance.
_MARGIN = 1.25


class RowCounts(NamedTuple):
    """How many rows are asked, and after how many of them the design begins again; as many, if it never does."""

    n: int
    period: int


def rows_to_ask(design: Design, kernel: Kernel, n: int, d: int, grounds: int) -> RowCounts:
    """How often each row is asked: as often as the errors of the remaining ones can afford, in powers of two.

    Where the design has so few rows that all of them can be asked with all samples, they are, once each: then nothing
    is left to chance, and more would say the same again.

    Args:
        design: how rows are drawn.
        kernel: what they weigh; one that looks at the inputs says it too late, and each row is asked once.
        n: rows at most.
        d: features, of the input that has most.
        grounds: samples that stand in for what is hidden.
    """
    full = design.enough(n, d)
    if grounds > 1 and full < n and full * grounds <= n:
        return RowCounts(full * grounds, full)
    if type(kernel).bound is Kernel.bound:
        times = 1 << (grounds.bit_length() - 1)
        while times > 1:
            period = -(-n // times)
            period += period % 2  # a row and its complement stay together
            if period < n and _suffices(design, kernel, period, d):
                return RowCounts(n, period)
            times //= 2
    return RowCounts(n, n)


def _suffices(design: Design, kernel: Kernel, n: int, d: int) -> bool:
    """Whether so few rows leave enough freedom, also for those who warn of few, and are drawn as well as more."""
    if not design.suits(n, d):
        return False
    rows = design.sample(n, d, torch.Generator().manual_seed(0)).unsqueeze(0)
    weights = kernel(rows, torch.ones(1, d, dtype=torch.bool))
    groups = float(effective_groups(weights, design.group(n, d)))
    return groups >= _MARGIN * max(2 * d, d + 1 + float(least_freedom(torch.tensor(float(d)))))


def repeated_rows(design: Tensor, asked: RowCounts) -> Tensor:
    """A design ``[B, period, d]`` with its rows again and again, ``[B, n, d]``."""
    if asked.period == asked.n:  # also one that has fewer rows than were asked for
        return design
    return design[:, torch.arange(asked.n, device=design.device) % asked.period]


def averaged(samples: Samples) -> Samples:
    """One row for those that have the same features on: their weighted mean output, and the sum of their weights.

    A weighted fit finds the same in both; what differs is what it takes for noise.
    """
    n, period = samples.design.shape[1], samples.period
    if period is None or period >= n:
        return samples
    weights, outputs = _stacked(samples.weights.unsqueeze(-1), period), _stacked(samples.outputs, period)
    total = weights.sum(1)
    means = (weights / total.unsqueeze(1) * outputs).sum(1).to(outputs.dtype)
    return replace(samples, design=samples.design[:, :period], weights=total[..., 0], outputs=means, period=None)


def _stacked(rows: Tensor, period: int) -> Tensor:
    """Rows ``[B, n, T]`` as ``[B, times, period, T]``, with zeros where the last time is not whole."""
    padded = F.pad(rows, (0, 0, 0, -rows.shape[1] % period))
    return padded.view(len(rows), -1, period, rows.shape[-1])

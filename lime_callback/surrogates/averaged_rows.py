"""Averaged rows: a design asks each row several times, with another background sample each time, and averages.

An explanation is about the mean over the background samples; which sample a row takes adds noise to its output. A fit
to single outputs therefore seems to predict badly. The mean of several outputs has less noise, at the price of fewer
different rows.

Rows ``i``, ``i + period``, ``i + 2 period``, ... of a design have the same features on. The first rows of a design, as
a time budget takes them, therefore hold as many different rows as possible, with fewer samples for each.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import torch
import torch.nn.functional as F

from lime_callback.checks import extension_points
from lime_callback.sampling.locality_kernels import Kernel
from lime_callback.surrogates.predictive_score import least_freedom
from lime_callback.surrogates.standard_errors import effective_groups

if TYPE_CHECKING:
    from torch import Tensor

    from lime_callback.sampling.designs import Design
    from lime_callback.surrogates.fitted_rows import Samples

# Rows to ask, relative to those that errors need: their weights are random.
_MARGIN = 1.25


class RowCounts(NamedTuple):
    """``n`` rows are asked, and the design begins again after ``period`` of them; ``period = n`` if it never does."""

    n: int
    period: int


def rows_to_ask(design: Design, kernel: Kernel, n: int, d: int, grounds: int) -> RowCounts:
    """Choose how often each row is asked: the largest power of two that leaves enough different rows for the errors.

    If the design has so few rows that each can be asked once with every sample, it is: nothing is left to chance then.

    Args:
        design: draws the rows.
        kernel: weighs the rows; if it looks at the inputs, weights are known too late, and each row is asked once.
        n: largest number of rows.
        d: number of features, of the input that has most.
        grounds: number of background samples that replace hidden elements.
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
    """Whether ``n`` rows suit the design, and leave the freedom that errors and warnings ask for."""
    if not design.suits(n, d):
        return False
    drawn = design.sample(n, d, torch.Generator().manual_seed(0))
    rows = extension_points.design_rows(design, drawn, n, d).unsqueeze(0)
    weights = extension_points.kernel_weights(kernel, kernel(rows, torch.ones(1, d, dtype=torch.bool)), rows, 1)
    groups = float(effective_groups(weights, design.group(n, d)))
    return groups >= _MARGIN * max(2 * d, d + 1 + float(least_freedom(torch.tensor(float(d)))))


def repeated_rows(design: Tensor, asked: RowCounts) -> Tensor:
    """Repeat the rows of a design ``[B, period, d]`` until there are n: ``[B, n, d]``."""
    if asked.period == asked.n:  # the design may have fewer rows than that
        return design
    return design[:, torch.arange(asked.n, device=design.device) % asked.period]


def averaged(samples: Samples) -> Samples:
    """Replace rows that have the same features on by one, with their weighted mean output and the sum of their weights.

    The coefficients of a weighted fit stay the same; its residuals, and so its errors, do not.
    """
    n, period = samples.design.shape[1], samples.period
    if period is None or period >= n:
        return samples
    weights, outputs = _stacked(samples.weights.unsqueeze(-1), period), _stacked(samples.outputs, period)
    total = weights.sum(1)
    means = (weights / total.unsqueeze(1) * outputs).sum(1).to(outputs.dtype)
    return replace(samples, design=samples.design[:, :period], weights=total[..., 0], outputs=means, period=None)


def _stacked(rows: Tensor, period: int) -> Tensor:
    """Rows ``[B, n, T]`` as ``[B, times, period, T]``, padded by zeros."""
    padded = F.pad(rows, (0, 0, 0, -rows.shape[1] % period))
    return padded.view(len(rows), -1, period, rows.shape[-1])

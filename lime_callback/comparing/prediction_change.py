"""Prediction change: how far the model's outputs for the probes moved, which no coefficient shows.

Letters: ``P`` probes, ``K`` outputs of the model.
"""

from __future__ import annotations

import torch
from torch import Tensor


def has_classes(outputs: Tensor, labels: Tensor | None) -> bool:
    """Whether outputs stand for classes, rather than for values.

    Several outputs do, unless the labels are floating point; a single output does if the labels are 0 and 1.

    Args:
        outputs: the model's outputs ``[P, K]``.
        labels: the probes' labels, ``[P, ...]``, or ``None``.
    """
    if labels is not None and labels.is_floating_point():
        return False
    if outputs.shape[1] > 1:
        return True
    return labels is not None and bool(((labels == 0) | (labels == 1)).all())


def prediction_changed(before: Tensor, after: Tensor, *, classes: bool) -> float:
    """How far the model's predictions changed.

    For classes: the share of the probes whose predicted class changed, from 0 to 1. The prediction is the largest of
    several outputs, or the side of a single logit or probability. For values: the mean absolute change, divided by the
    standard deviation of the earlier outputs over the probes; if these are all equal, a change counts as 1.

    Args:
        before: outputs ``[P, K]``.
        after: later outputs for the same probes, ``[P, K]``.
        classes: whether the outputs stand for classes, see :func:`has_classes`.

    Raises:
        ValueError: if the shapes differ, or there is no probe.
    """
    if before.shape != after.shape or before.ndim != 2 or 0 in before.shape:
        raise ValueError(
            "`before` and `after` should be outputs [P, K] of the same probes. Found shapes "
            f"{tuple(before.shape)} and {tuple(after.shape)}."
        )
    before, after = before.double(), after.double()
    if classes and before.shape[1] > 1:
        return float((before.argmax(1) != after.argmax(1)).double().mean())
    if classes:
        both = torch.cat([before, after])
        border = 0.5 if bool(((both >= 0) & (both <= 1)).all()) else 0.0
        return float(((before > border) != (after > border)).double().mean())
    change, spread = (after - before).abs(), before.std(0, correction=0)
    return float(torch.where(spread > 0, change / spread, (change > 0).double()).mean())

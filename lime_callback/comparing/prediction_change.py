"""What the model says of the probes now, against what it said before: a change that no coefficient shows.

Letters: ``P`` probes, ``K`` outputs of the model.
"""

from __future__ import annotations

import torch
from torch import Tensor


def has_classes(outputs: Tensor, labels: Tensor | None) -> bool:
    """Whether outputs are of classes, and not numbers of their own.

    Several are, unless the labels are floating point; a single one is where the labels are 0 and 1.

    Args:
        outputs: of the model ``[P, K]``.
        labels: of the probes, ``[P, ...]``, or ``None``.
    """
    if labels is not None and labels.is_floating_point():
        return False
    if outputs.shape[1] > 1:
        return True
    return labels is not None and bool(((labels == 0) | (labels == 1)).all())


def prediction_changed(before: Tensor, after: Tensor, *, classes: bool) -> float:
    """How much of what the model says has changed.

    Of classes it is the share of the probes that another class is predicted for, from 0 to 1: the largest of several
    outputs, or the side of a single one, a logit or a probability. Of numbers it is the mean absolute change in
    standard deviations of the outputs before over the probes; where these do not differ, a change counts as 1.

    Args:
        before: outputs ``[P, K]``.
        after: later outputs of the same probes, ``[P, K]``.
        classes: whether they are of classes, see :func:`has_classes`.

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

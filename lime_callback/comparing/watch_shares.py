"""Computes a watch's share of the attribution: for each explanation with its error, and as a mean over the probes.

Letters: ``B`` inputs, ``T`` targets, ``d`` features.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor

from lime_callback.explaining.effects import balanced_sizes, magnitudes
from lime_callback.surrogates.confidence_intervals import mean_over_probes

if TYPE_CHECKING:
    from lime_callback.explaining.explanation import Explanation


class WatchShares(NamedTuple):
    """The share of each explanation's attribution that lies in a set.

    Attributes:
        share: the share, from 0 to 1, ``[B, T]``.
        error: the share's standard error from the perturbations, ``[B, T]``.
        known: whether the share is known, bool ``[B, T]``; if no coefficient exceeds its error, it is not, and is 0.
    """

    share: Tensor
    error: Tensor
    known: Tensor


def shares(explanation: Explanation, inside: Tensor) -> WatchShares:
    """Return the share of the attribution that lies in a set: ``Σ inside · size / Σ size``, with sizes free of noise.

    Args:
        explanation: an explanation with its samples.
        inside: share of each feature that lies in the set, ``[B, d]``.
    """
    assert explanation.samples is not None, "an explanation of this run has its samples"
    beta = explanation.coefficients.to(explanation.samples.weights.dtype)
    errors = explanation.standard_error.to(beta)
    weight = inside.to(beta).unsqueeze(1)
    size, steep = balanced_sizes(beta, errors)
    within, without = ((part * size).sum(-1).clamp(min=0) for part in (weight, 1 - weight))
    total = within + without
    safe = torch.where(total > 0, total, 1.0)
    share = within / safe
    # The chain rule gives the influences on the share: d size / d coefficient, times d share / d size.
    slope = steep * (weight - share.unsqueeze(-1)) / safe.unsqueeze(-1)
    moved = (explanation.influences * slope.unsqueeze(1)).sum(-1)
    known = (total > 0) & (magnitudes(beta, errors) > 0).any(-1)
    return WatchShares(share, moved.square().sum(1).sqrt(), known)


class MeanWatchShare(NamedTuple):
    """A set's mean share over the probes.

    Attributes:
        mean: the mean share, from 0 to 1; the reference if no probe's share is known.
        error: the mean's standard error over the probes; for a single probe, from the perturbations.
        freedom: the error's degrees of freedom; 0 if no probe's share is known.
        reference: the share of all elements that lie in the set, from 0 to 1.
    """

    mean: float
    error: float
    freedom: float
    reference: float


def mean_share(watched: WatchShares, reference: float, freedom: float = math.inf) -> MeanWatchShare:
    """Average the shares over probes; each probe's targets, which depend on each other, are averaged first.

    Args:
        watched: the shares of each probe and target.
        reference: share of all elements that lie in the set.
        freedom: the perturbations' errors' degrees of freedom, which count for a single probe.
    """
    known = watched.known.double()
    count = known.sum(1).clamp(min=1)
    by_probe, errors = ((values.double() * known).sum(1) / count for values in (watched.share, watched.error))
    mean = mean_over_probes(by_probe, errors, watched.known.any(1))
    probes = int(mean.probes)
    if not probes:
        return MeanWatchShare(reference, 1.0, 0.0, reference)
    if probes == 1:
        return MeanWatchShare(float(mean.mean), float(mean.noise), freedom, reference)
    return MeanWatchShare(float(mean.mean), float(mean.error), float(probes - 1), reference)

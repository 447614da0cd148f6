"""A watch's share of the attribution: of each explanation with its error, and as a mean over the probes.

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
    """A set's share of each explanation's attribution.

    Attributes:
        share: ``[B, T]``, from 0 to 1.
        error: its standard error from the perturbations, ``[B, T]``.
        known: bool ``[B, T]``; not where no coefficient is larger than its error, whose share is 0.
    """

    share: Tensor
    error: Tensor
    known: Tensor


def shares(explanation: Explanation, inside: Tensor) -> WatchShares:
    """The share of the attribution that lies in a set, of sizes that are freed of what their noise adds.

    A feature that lies partly in the set counts by that part.

    Args:
        explanation: with its samples.
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
    # The share's own influences, by the chain rule: how a size follows its coefficient, and the share the sizes.
    slope = steep * (weight - share.unsqueeze(-1)) / safe.unsqueeze(-1)
    moved = (explanation.influences * slope.unsqueeze(1)).sum(-1)
    known = (total > 0) & (magnitudes(beta, errors) > 0).any(-1)
    return WatchShares(share, moved.square().sum(1).sqrt(), known)


class MeanWatchShare(NamedTuple):
    """A set's mean share over the probes.

    Attributes:
        mean: from 0 to 1; the reference where no probe's is known.
        error: standard error over the probes; of a single probe that of the perturbations.
        freedom: degrees of freedom of the error; 0 where nothing is known.
        reference: share of the elements that lie in the set.
    """

    mean: float
    error: float
    freedom: float
    reference: float


def mean_share(found: WatchShares, reference: float, freedom: float = math.inf) -> MeanWatchShare:
    """The mean over probes; several targets of a probe depend on each other, and are averaged first.

    Args:
        found: of each probe and target.
        reference: share of the elements that lie in the set.
        freedom: of the perturbations' errors, which count where there is one probe alone.
    """
    known = found.known.double()
    count = known.sum(1).clamp(min=1)
    by_probe, errors = ((values.double() * known).sum(1) / count for values in (found.share, found.error))
    mean = mean_over_probes(by_probe, errors, found.known.any(1))
    probes = int(mean.probes)
    if not probes:
        return MeanWatchShare(reference, 1.0, 0.0, reference)
    if probes == 1:
        return MeanWatchShare(float(mean.mean), float(mean.noise), freedom, reference)
    return MeanWatchShare(float(mean.mean), float(mean.error), float(probes - 1), reference)

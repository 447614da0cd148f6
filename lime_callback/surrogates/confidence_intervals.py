"""Confidence intervals: critical values of Student's t, intervals of skewed values, and means over probes."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

LEVEL = 0.95


def critical_value(freedom: float | Tensor, level: float = LEVEL, of: int = 1) -> Tensor:
    """Half an interval's width in standard errors, by Student's t: float64, in the shape of ``freedom``.

    Args:
        freedom: the standard errors' degrees of freedom; the result is infinite where they are not above 0.
        level: probability that the interval holds the true value, between 0 and 1.
        of: number of intervals that hold their values together with that probability (Bonferroni), as for the
            strongest of ``of`` features.

    Raises:
        ValueError: if the level does not lie between 0 and 1.
    """
    from scipy.stats import t

    if not 0 < level < 1:
        raise ValueError(f"`level` should lie between 0 and 1. Found `level = {level}`.")
    known = torch.as_tensor(freedom, dtype=torch.float64)
    values = t.isf((1 - level) / 2 / max(of, 1), known.clamp(min=1e-3).numpy())
    return torch.where(known > 0, torch.as_tensor(values, dtype=torch.float64), math.inf)


def wilson_interval(share: Tensor, count: Tensor | float, level: float = LEVEL, of: int = 1) -> tuple[Tensor, Tensor]:
    """Interval of a share of samples, which holds also where no sample is among it, or all are.

    Args:
        share: of the samples, from 0 to 1.
        count: number of samples; the interval is 0 to 1 where there is none.
        level: probability that the interval holds the share.
        of: number of intervals that hold their shares together, as in :func:`critical_value`.

    Returns:
        The lower and the upper end.

    References:
        Wilson, "Probable Inference, the Law of Succession, and Statistical Inference", Journal of the American
        Statistical Association 22 (1927).
    """
    z = critical_value(math.inf, level, of)
    among = torch.as_tensor(count, dtype=torch.float64)
    safe = among.clamp(min=1)
    middle = (share + z**2 / (2 * safe)) / (1 + z**2 / safe)
    half = z * (share * (1 - share) / safe + z**2 / (4 * safe**2)).sqrt() / (1 + z**2 / safe)
    some = among > 0
    return torch.where(some, middle - half, 0.0).clamp(0, 1), torch.where(some, middle + half, 1.0).clamp(0, 1)


def skewed_interval(
    mean: Tensor, spread: Tensor, skewness: Tensor, count: Tensor, level: float = LEVEL
) -> tuple[Tensor, Tensor]:
    """Interval of the mean of skewed values, such as absolute ones, for which Student's t is wrong.

    Args:
        mean: the values' mean.
        spread: their standard deviation.
        skewness: their mean cubed deviation, divided by the cubed standard deviation.
        count: their number, at least 2.
        level: probability that the interval holds the mean.

    Returns:
        The lower and the upper end.

    References:
        Hall, "On the Removal of Skewness by Transformation", Journal of the Royal Statistical Society B 54 (1992): a
        cubic of the studentised mean is free of skewness, and has an inverse.
    """
    reached, g = critical_value(count - 1, level), skewness / count.sqrt() / 6

    def studentised(x: Tensor) -> Tensor:
        cubed = 1 + 6 * g * (x - g)
        back = (cubed.sign() * cubed.abs().pow(1 / 3) - 1) / torch.where(g == 0, 1.0, 2 * g)
        return torch.where(g.abs() < 1e-6, x, back)

    error = spread / count.sqrt()
    return mean - error * studentised(reached), mean - error * studentised(-reached)


class MeanOverProbes(NamedTuple):
    """A mean over probes, with its two errors.

    Attributes:
        mean: mean over the probes.
        error: standard error from the spread over the probes, which includes the perturbations' noise; infinite for a
            single probe.
        noise: standard error from the perturbations alone, for just these probes.
        probes: number of probes that count.
    """

    mean: Tensor
    error: Tensor
    noise: Tensor
    probes: Tensor

    def half_width(self, level: float = LEVEL) -> Tensor:
        """Half the interval of the mean over all samples that the probes were drawn from; infinite for one probe."""
        quantiles = critical_value(self.probes.double().cpu() - 1, level).to(self.error.device)
        return self.error * quantiles.to(self.error.dtype)


def mean_over_probes(values: Tensor, errors: Tensor, counted: Tensor | None = None) -> MeanOverProbes:
    """The mean of values over probes, with its two errors.

    Args:
        values: one for each probe, ``[P, ...]``.
        errors: the values' standard errors from the perturbations, ``[P, ...]``, independent between probes.
        counted: which values count, bool ``[P, ...]``; ``None``: all.
    """
    among = torch.ones_like(values, dtype=torch.bool) if counted is None else counted.expand(values.shape)
    count = among.sum(0)
    safe = count.clamp(min=1)
    mean = torch.where(among, values, 0.0).sum(0) / safe
    spread = torch.where(among, values - mean, 0.0).square().sum(0) / (count - 1).clamp(min=1)
    error = torch.where(count > 1, (spread / safe).sqrt(), math.inf)
    noise = torch.where(among, errors, 0.0).square().sum(0).sqrt() / safe
    return MeanOverProbes(mean, error, noise, count)

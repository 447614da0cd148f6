"""Significance: p values of changes, and which of them are discoveries."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor


def p_values(change: Tensor, error: Tensor, freedom: int) -> Tensor:
    """Two-sided p values of changes by Student's t, in the shape of ``change``.

    Args:
        change: estimated changes; 0 has p value 1, also if its error is 0.
        error: their standard errors.
        freedom: degrees of freedom.
    """
    from scipy.stats import t

    ratio = torch.where(change == 0, 0.0, change.abs() / error.clamp(min=torch.finfo(error.dtype).tiny))
    return torch.from_numpy(2 * t.sf(ratio.double().cpu().numpy(), freedom)).to(change.device)


def p_values_beyond(change: Tensor, error: Tensor, least: float, freedom: Tensor) -> Tensor:
    """P values of ``|change| > least``, in the shape of ``change``; 1 if the estimated change is not larger.

    Args:
        change: estimated changes.
        error: their standard errors; an infinite error gives a p value of 1.
        least: the smallest change that matters, at least 0.
        freedom: degrees of freedom, of a shape that broadcasts; the p value is 1 if they are not above 0.

    References:
        Murphy and Myors, "Testing the Hypothesis That Treatments Have Negligible Effects", Journal of Applied
        Psychology 84 (1999).
    """
    from scipy.stats import t

    known = error.isfinite() & (freedom > 0).to(error.device)
    beyond = (change.abs() - least) / torch.where(known, error, 1.0).clamp(min=torch.finfo(error.dtype).tiny)
    p = torch.from_numpy(t.sf(beyond.double().cpu().numpy(), freedom.clamp(min=1).double().cpu().numpy()))
    # A test against 0 has two sides.
    p = p.to(change.device) * (2 if least == 0 else 1)
    return torch.where(known & (change.abs() > least), p, 1.0)


def discoveries(p: Tensor, level: float, correction: Literal["fdr", "none"]) -> Tensor:
    """Which p values ``[..., d]`` are significant, bool ``[..., d]``.

    Args:
        p: p values; the last axis is a family of tests.
        level: error rate, between 0 and 1.
        correction: ``"fdr"`` controls each family's false discovery rate, ``"none"`` each test's error.

    Raises:
        ValueError: if the level does not lie between 0 and 1, or the correction is unknown.

    References:
        Benjamini and Hochberg, Journal of the Royal Statistical Society B 57 (1995).
    """
    if not 0 < level < 1:
        raise ValueError(f"`level` should lie between 0 and 1. Found `level = {level}`.")
    if correction not in ("fdr", "none"):
        raise ValueError(f"`correction` should be one of 'fdr', 'none'. Found `correction = {correction!r}`.")
    if correction == "none":
        return p <= level
    from scipy.stats import false_discovery_control

    adjusted = false_discovery_control(p.double().cpu().numpy(), axis=-1)
    return torch.from_numpy(adjusted <= level).to(p.device)

"""Which changes are more than noise: p values, and how many to believe."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor


def p_values(change: Tensor, error: Tensor, freedom: int) -> Tensor:
    """Two-sided p values of changes by Student's t, in the shape of ``change``.

    Args:
        change: estimates.
        error: their standard errors; a change of 0 has p value 1, also with error 0.
        freedom: degrees of freedom.
    """
    from scipy.stats import t

    ratio = torch.where(change == 0, 0.0, change.abs() / error.clamp(min=torch.finfo(error.dtype).tiny))
    return torch.from_numpy(2 * t.sf(ratio.double().cpu().numpy(), freedom)).to(change.device)


def p_values_beyond(change: Tensor, error: Tensor, least: float, freedom: Tensor) -> Tensor:
    """P values of the changes' being larger than the smallest one that matters, in the shape of ``change``.

    Where the change is no more than that, it is 1.

    Args:
        change: estimates.
        error: their standard errors; infinite ones, which are not known, give a p value of 1.
        least: the smallest change that matters, at least 0.
        freedom: degrees of freedom, of a shape that broadcasts; without any (not above 0) the p value is 1.

    References:
        Murphy and Myors, "Testing the Hypothesis That Treatments Have Negligible Effects", Journal of Applied
        Psychology 84 (1999).
    """
    from scipy.stats import t

    known = error.isfinite() & (freedom > 0).to(error.device)
    beyond = (change.abs() - least) / torch.where(known, error, 1.0).clamp(min=torch.finfo(error.dtype).tiny)
    found = torch.from_numpy(t.sf(beyond.double().cpu().numpy(), freedom.clamp(min=1).double().cpu().numpy()))
    # Of no least change there are two sides.
    found = found.to(change.device) * (2 if least == 0 else 1)
    return torch.where(known & (change.abs() > least), found, 1.0)


def discoveries(p: Tensor, level: float, correction: Literal["fdr", "none"]) -> Tensor:
    """Which p values ``[..., d]`` are called significant, bool in the same shape.

    Args:
        p: p values; each row over the last axis is a family of its own.
        level: between 0 and 1.
        correction: ``"fdr"`` controls the false discovery rate of each family, ``"none"`` each test's error.

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

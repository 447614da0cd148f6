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
    d = p.shape[-1]
    ordered = p.sort(dim=-1).values
    ladder = level * torch.arange(1, d + 1, device=p.device, dtype=p.dtype) / d
    last = torch.where(ordered <= ladder, ordered, -1.0).amax(-1, keepdim=True)
    return p <= last

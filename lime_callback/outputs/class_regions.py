"""What the regions of a segmentation's classes are: how large, since when, and how much of each still has its class.

Letters: ``P`` probes, ``K`` classes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from typing import Any

import torch
from torch import Tensor

UNKNOWN = -1.0
"""Stands for an epoch that is not known."""


@dataclass(frozen=True, eq=False)
class ClassRegions:
    """The region of each probe and class at an explained epoch, on the CPU.

    Attributes:
        pixels: how many pixels it has, int64 ``[P, K]``.
        share: the share of them that are predicted as the class now, ``[P, K]``; NaN where there are none.
        since: epochs trained when the region was pinned, ``[P, K]``; NaN where a mask says what it is, and -1 where it
            has no pixel yet, or an earlier version pinned it.
        moved: how far ``share`` has changed since the explained epoch before, ``[P, K]``; NaN where that is unknown.
    """

    pixels: Tensor
    share: Tensor
    since: Tensor
    moved: Tensor

    @classmethod
    def of(cls, counts: Tensor, before: ClassRegions | None, epochs: float) -> ClassRegions:
        """Return the regions of this epoch.

        Args:
            counts: each region's pixels, and those that have the class now, ``[P, K, 2]``.
            before: the regions of the explained epoch before; ``None`` at the first.
            epochs: trained so far; NaN where a mask says what the regions are, -1 where nobody knows.
        """
        pixels, now = counts.cpu().long().unbind(2)
        since = torch.full(pixels.shape, UNKNOWN) if before is None else before.since
        new = pixels > 0 if before is None else (pixels > 0) & (before.pixels == 0)
        share = now / pixels
        moved = torch.full_like(share, math.nan) if before is None else (share - before.share).abs()
        return cls(pixels, share, torch.where(new | torch.tensor(math.isnan(epochs)), epochs, since), moved)

    def cells(self, probe: int, target: int) -> tuple[int, float, float]:
        """The region's pixels, the share that has the class now, and since when it is, for a table."""
        share, since = (float(part[probe, target]) for part in (self.share, self.since))
        return int(self.pixels[probe, target]), share, since

    def state(self) -> dict[str, Any]:
        """Tensors alone, for a checkpoint."""
        return {field.name: getattr(self, field.name) for field in fields(self)}


def region_text(pixels: int, share: float, since: float, name: str) -> str:
    """Say what a region is, in few words.

    ``"412 px of the mask, 61 % predicted"``, ``"412 px predicted at epoch 2, 61 % still"``, ``"no pixel of rye here"``.

    Args:
        pixels: how many it has.
        share: of them that are predicted as the class now.
        since: epochs trained when it was pinned, see :class:`ClassRegions`.
        name: of the class.
    """
    if not pixels:
        return f"no pixel of {name} here" if math.isnan(since) else f"no pixel predicted as {name}"
    now = percent(share)
    if math.isnan(since):
        return f"{pixels} px of the mask, {now} predicted"
    return f"{pixels} px predicted{f' at epoch {since:g}' * (since >= 0)}, {now} still"


def percent(share: float) -> str:
    """In whole percent; what is not all is not said to be."""
    whole = round(100 * share)
    if whole == 100 and share < 1:
        return ">99 %"
    return "<1 %" if whole == 0 and share > 0 else f"{whole} %"

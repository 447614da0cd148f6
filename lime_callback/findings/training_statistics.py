"""Mean and standard deviation of each channel over the first training batches, to hold validation's against."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from torch import Tensor

    from lime_callback.views.layout import Layout

BATCHES = 8  # of a run's first training epoch


@dataclass
class TrainingStatistics:
    """Sums over training batches; a few numbers for each channel are all that is kept.

    Args:
        layout: the axes of one input.
    """

    layout: Layout
    batches: int = 0
    _count: float = 0.0
    _sums: Tensor | None = None

    @property
    def is_full(self) -> bool:
        """Whether enough batches were taken."""
        return self.batches >= BATCHES

    def take(self, inputs: Tensor) -> None:
        """Take in a batch of inputs ``[B, *dims]``."""
        x = self.layout.canonical(inputs.detach()).float()
        sums = torch.stack([x.sum((0, 2, 3)), x.square().sum((0, 2, 3))])  # stays there: nothing waits for a device
        self._sums = sums if self._sums is None else self._sums + sums
        self._count += x.numel() / x.shape[1]
        self.batches += 1

    @property
    def found(self) -> Tensor | None:
        """Mean and standard deviation of each channel, ``[2, C]``; ``None`` before the first batch."""
        if self._sums is None:
            return None
        sums = self._sums.cpu().double()
        mean = sums[0] / self._count
        return torch.stack([mean, (sums[1] / self._count - mean.square()).clamp(min=0).sqrt()])


def channel_statistics(planes: Tensor) -> Tensor:
    """Mean and standard deviation of each channel of inputs ``[N, C, H, W]``, as ``[2, C]``."""
    x = planes.double()
    return torch.stack([x.mean((0, 2, 3)), x.std((0, 2, 3), correction=0)])

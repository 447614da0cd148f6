"""Mean and standard deviation of each channel over the first training batches, to hold validation's against."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from collections.abc import Mapping

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
        self._sums = sums if self._sums is None else self._sums.to(sums.device) + sums
        self._count += x.numel() / x.shape[1]
        self.batches += 1

    def state(self) -> dict[str, Any]:
        """What a resumed run needs."""
        sums = None if self._sums is None else self._sums.cpu()
        return {"batches": self.batches, "count": self._count, "sums": sums}

    def restore(self, state: Mapping[str, Any]) -> None:
        """The inverse of :meth:`state`."""
        self.batches, self._count, self._sums = int(state["batches"]), float(state["count"]), state["sums"]

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

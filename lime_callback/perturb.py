"""Perturbed inputs, streamed: one buffer, written again for each batch, so memory does not grow with n.

Rows are numbered ``b * n + r`` for input ``b`` and perturbation ``r``; a batch is a range of these numbers and may hold
rows of several inputs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from collections.abc import Callable

    from lime_callback.features import Features


class Perturber:
    """Makes perturbed inputs by the numbers of their rows.

    Args:
        inputs: ``[B, *dims]``.
        baseline: what hidden elements become; broadcasts to the inputs' shape.
        features: of the inputs.
        design: on/off rows, bool ``[B or 1, n, d]``.
    """

    def __init__(self, inputs: Tensor, baseline: Tensor, features: Features, design: Tensor) -> None:
        self.design, self.per_input = design, design.shape[1]
        self.inputs, self.baseline = inputs, baseline.expand(inputs.shape)
        # An element that is never hidden has label -1; it becomes a first feature that is always on.
        always = design.new_ones(*design.shape[:2], 1)
        self._kept = torch.cat([always, design], dim=-1).expand(len(inputs), -1, -1)
        self.labels = features.mask
        self._buffer: Tensor | None = None

    def __len__(self) -> int:
        """The number of rows, B n."""
        return len(self.inputs) * self.per_input

    def rows(self, start: int, stop: int) -> Tensor:
        """Rows as ``[stop - start, *dims]``: the same memory each time, so take what you need of it before the next."""
        buffer = self._room(stop - start)
        at = start
        while at < stop:
            b, first = divmod(at, self.per_input)
            last = min(self.per_input, first + stop - at)
            labels = self.labels_of(b)
            keep = self._kept[b, first:last].index_select(1, labels.flatten() + 1).view(last - first, *labels.shape)
            out = buffer[at - start : at - start + last - first]
            torch.where(keep, self.inputs[b], self.baseline[b], out=out)
            at += last - first
        return buffer[: stop - start]

    def score(self, forward: Callable[[Tensor, Tensor], Tensor], start: int, stop: int) -> Tensor:
        """What ``forward`` makes of the rows and of the numbers of their inputs."""
        return forward(self.rows(start, stop), self.inputs_of(start, stop))

    def inputs_of(self, start: int, stop: int) -> Tensor:
        """The number of the input that each row is made of, int64 ``[stop - start]``."""
        return torch.arange(start, stop, device=self.inputs.device) // self.per_input

    def design_of(self, row: int, last: int) -> tuple[int, Tensor]:
        """The input that ``row`` is made of, and the design's rows from there, up to ``last`` or to that input's last.

        Returns:
            The number of the input, and bool ``[m, d]``.
        """
        b, first = divmod(row, self.per_input)
        design = self.design[b if len(self.design) > 1 else 0]
        return b, design[first : min(self.per_input, first + last - row)]

    def labels_of(self, b: int) -> Tensor:
        """The feature of each element of an input, in a shape that broadcasts to its own; -1 is never hidden."""
        return self.labels[b if len(self.labels) > 1 else 0]

    def release(self) -> None:
        """Give the memory back."""
        self._buffer = None

    def _room(self, count: int) -> Tensor:
        if self._buffer is None or len(self._buffer) < count:
            buffer = self.inputs.new_empty(count, *self.inputs.shape[1:])
            if self.inputs.ndim == 4 and self.inputs.is_contiguous(memory_format=torch.channels_last):
                buffer = buffer.contiguous(memory_format=torch.channels_last)
            self._buffer = buffer
        return self._buffer

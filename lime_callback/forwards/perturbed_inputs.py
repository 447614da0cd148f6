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

    from lime_callback.sampling.hidden_values import DrawnSamples
    from lime_callback.views.features import Features


# Elements of a slab from which on a copy takes less time than its number in the table.
_LEAST_SLAB = 16


class PerturbedInputs:
    """Makes perturbed inputs by the numbers of their rows.

    Args:
        inputs: ``[B, *dims]``.
        hidden: what hidden elements become; broadcasts to the inputs' shape, or one of several samples for each row.
        features: of the inputs.
        design: on/off rows, bool ``[B or 1, n, d]``.
    """

    def __init__(self, inputs: Tensor, hidden: Tensor | DrawnSamples, features: Features, design: Tensor) -> None:
        self.design, self.per_input = design, design.shape[1]
        self.inputs, self.features = inputs, features
        self.hidden = hidden.expand(inputs.shape) if isinstance(hidden, Tensor) else hidden
        # An element that is never hidden has label -1; it becomes a first feature that is always on.
        always = design.new_ones(*design.shape[:2], 1)
        self._kept = torch.cat([always, design], dim=-1).expand(len(inputs), -1, -1)
        self.labels = features.mask
        self._buffer: Tensor | None = None
        self._slab_size = _slab_size(inputs, self.labels)
        self._slabs = self._hidden = -1, torch.empty(0)

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
            keep = self._kept[b, first:last].index_select(1, self.labels_of(b).flatten() + 1)
            self._write(buffer[at - start : at - start + last - first], b, keep, self.choice_of(b, first, last))
            at += last - first
        return buffer[: stop - start]

    @property
    def grounds(self) -> int:
        """K, how many samples stand in for what is hidden; 1 where all rows have the same."""
        return 1 if isinstance(self.hidden, Tensor) else self.hidden.count

    def nothing(self, k: int = 0) -> Tensor:
        """The inputs with every feature hidden by sample ``k`` of ``grounds``, ``[B, *dims]``."""
        hidden = self.hidden if isinstance(self.hidden, Tensor) else self.hidden.everywhere(k)
        return torch.where(self.labels < 0, self.inputs, hidden)

    def other(self, design: Tensor) -> PerturbedInputs:
        """The same inputs by other rows, bool ``[B, n, d]``; of several samples for hidden elements, with the first."""
        hidden = self.hidden if isinstance(self.hidden, Tensor) else self.hidden.everywhere(0)
        return PerturbedInputs(self.inputs, hidden, self.features, design)

    def evaluate(self, forward: Callable[[Tensor, Tensor], Tensor], start: int, stop: int) -> Tensor:
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
        self._buffer, self._slabs, self._hidden = None, (-1, torch.empty(0)), (-1, torch.empty(0))

    def hidden_of(self, b: int) -> Tensor:
        """What the hidden elements of an input become, ``[K, *dims]``: K samples, or K = 1 for all rows."""
        if isinstance(self.hidden, Tensor):
            return self.hidden[b : b + 1]
        if self._hidden[0] != b:
            self._hidden = b, self.hidden.of(b)
        return self._hidden[1]

    def choice_of(self, b: int, first: int, last: int) -> Tensor | None:
        """Which of K samples rows of an input take, int64 ``[last - first]``; ``None`` where there is no choice."""
        return None if isinstance(self.hidden, Tensor) else self.hidden.choice_there[b, first:last]

    def _write(self, out: Tensor, b: int, keep: Tensor, choice: Tensor | None) -> None:
        """Write rows of an input, given which elements of its labels are kept, bool ``[m, labels]``."""
        labels = self.labels_of(b)
        if self._slab_size:
            # Whole slabs, such as the channels of a superband, are copied from a table: a third of the time of a choice
            # between two values for each element.
            slabs = self._slabs_of(b)
            row = keep.long() if choice is None else torch.where(keep, len(self.hidden_of(b)), choice.unsqueeze(1))
            number = row.mul_(labels.numel()).add_(torch.arange(labels.numel(), device=keep.device))
            torch.index_select(slabs, 0, number.flatten(), out=out.view(-1, self._slab_size))
            return
        keep = keep.view(len(keep), *labels.shape)
        hidden = self.hidden_of(b)[0] if choice is None else torch.index_select(self.hidden_of(b), 0, choice, out=out)
        if out.dtype in (torch.float32, torch.float64):
            # Exact for weights of 0 and 1, and half of the time of `where`.
            torch.lerp(hidden, self.inputs[b], keep.to(out.dtype), out=out)
        else:
            torch.where(keep, self.inputs[b], hidden, out=out)

    def _slabs_of(self, b: int) -> Tensor:
        """The slabs of what is hidden, and behind them those of the input."""
        if self._slabs[0] != b:
            self._slabs = b, torch.cat([self.hidden_of(b), self.inputs[b : b + 1]]).view(-1, self._slab_size)
        return self._slabs[1]

    def _room(self, count: int) -> Tensor:
        if self._buffer is None or len(self._buffer) < count:
            buffer = self.inputs.new_empty(count, *self.inputs.shape[1:])
            if self.inputs.ndim == 4 and self.inputs.is_contiguous(memory_format=torch.channels_last):
                buffer = buffer.contiguous(memory_format=torch.channels_last)
            self._buffer = buffer
        return self._buffer


def _slab_size(inputs: Tensor, labels: Tensor) -> int:
    """How many elements that follow each other in memory always share a label; 0 if they are too few to be copied."""
    size, axis = 1, inputs.ndim - 1
    while axis > 0 and labels.shape[axis] == 1:
        size *= inputs.shape[axis]
        axis -= 1
    whole = labels.shape[1 : axis + 1] == inputs.shape[1 : axis + 1]
    return size if whole and size >= _LEAST_SLAB and inputs.is_contiguous() else 0

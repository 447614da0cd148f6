"""Makes perturbed inputs batch by batch in one buffer, so that memory does not grow with n.

Rows are numbered ``b * n + r`` for input ``b`` and perturbation ``r``. A batch is a range of these numbers and may hold
rows of several inputs.

Letters: ``B`` inputs, ``n`` perturbations of each, ``d`` features, ``m`` rows, ``K`` samples that replace hidden
elements.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from collections.abc import Callable

    from lime_callback.sampling.hidden_values import DrawnSamples
    from lime_callback.views.features import Features


# A slab is a run of elements with the same label. Slabs of fewer elements are not worth a look-up in the table.
_LEAST_SLAB = 16


class PerturbedInputs:
    """Makes perturbed inputs by the numbers of their rows.

    Args:
        inputs: the samples to explain, ``[B, *dims]``.
        hidden: the values of hidden elements, a tensor that broadcasts to ``[B, *dims]``; or K samples, of which each
            row takes one.
        features: the inputs' features.
        design: the on/off rows, bool ``[B or 1, n, d]``.
    """

    def __init__(self, inputs: Tensor, hidden: Tensor | DrawnSamples, features: Features, design: Tensor) -> None:
        self.design, self.per_input = design, design.shape[1]
        self.inputs, self.features = inputs, features
        self.hidden = hidden.expand(inputs.shape) if isinstance(hidden, Tensor) else hidden
        # A column of ones in front serves elements of label -1, which are never hidden.
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
        """Return the rows ``start`` to ``stop - 1``, ``[stop - start, *dims]``. The next call overwrites them."""
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
        """The number of samples that replace hidden elements, K; 1 if all rows share a baseline."""
        return 1 if isinstance(self.hidden, Tensor) else self.hidden.count

    def nothing(self, k: int = 0) -> Tensor:
        """Return the inputs with every feature hidden by sample ``k``, ``[B, *dims]``."""
        hidden = self.hidden if isinstance(self.hidden, Tensor) else self.hidden.everywhere(k)
        return torch.where(self.labels < 0, self.inputs, hidden)

    def other(self, design: Tensor) -> PerturbedInputs:
        """Return a perturber of the same inputs with another design, bool ``[B, n, d]``, and the first sample only."""
        hidden = self.hidden if isinstance(self.hidden, Tensor) else self.hidden.everywhere(0)
        return PerturbedInputs(self.inputs, hidden, self.features, design)

    def evaluate(self, forward: Callable[[Tensor, Tensor], Tensor], start: int, stop: int) -> Tensor:
        """Return the outputs of ``forward`` for the rows ``start`` to ``stop - 1`` and their inputs' numbers."""
        return forward(self.rows(start, stop), self.inputs_of(start, stop))

    def inputs_of(self, start: int, stop: int) -> Tensor:
        """Return the number of each row's input, int64 ``[stop - start]``."""
        return torch.arange(start, stop, device=self.inputs.device) // self.per_input

    def design_of(self, row: int, last: int) -> tuple[int, Tensor]:
        """Return the number of the input of ``row``, and the design's rows from there, bool ``[m, d]``.

        They end before row ``last``, or with that input's last row if that comes first.
        """
        b, first = divmod(row, self.per_input)
        design = self.design[b if len(self.design) > 1 else 0]
        return b, design[first : min(self.per_input, first + last - row)]

    def labels_of(self, b: int) -> Tensor:
        """Return each element's feature for input ``b``, in a shape that broadcasts to ``dims``; -1 is never hidden."""
        return self.labels[b if len(self.labels) > 1 else 0]

    def release(self) -> None:
        """Free the buffer and the tables."""
        self._buffer, self._slabs, self._hidden = None, (-1, torch.empty(0)), (-1, torch.empty(0))

    def hidden_of(self, b: int) -> Tensor:
        """Return the values of hidden elements of input ``b``, ``[K, *dims]``; K = 1 if all rows share a baseline."""
        if isinstance(self.hidden, Tensor):
            return self.hidden[b : b + 1]
        if self._hidden[0] != b:
            self._hidden = b, self.hidden.of(b)
        return self._hidden[1]

    def choice_of(self, b: int, first: int, last: int) -> Tensor | None:
        """Return the sample that each of an input's rows takes, int64 ``[last - first]``; ``None`` for one baseline."""
        return None if isinstance(self.hidden, Tensor) else self.hidden.choice_there[b, first:last]

    def _write(self, out: Tensor, b: int, keep: Tensor, choice: Tensor | None) -> None:
        """Write rows of input ``b`` to ``out``.

        Args:
            out: where to write, ``[m, *dims]``.
            b: the input's number.
            keep: whether each element of the input's labels, flattened, is kept, bool ``[m, labels]``.
            choice: the sample that each row takes, int64 ``[m]``; ``None`` for one baseline.
        """
        labels = self.labels_of(b)
        if self._slab_size:
            # Copying whole slabs, such as a superband's channel, from a table takes a third of the time of choosing
            # each element.
            slabs = self._slabs_of(b)
            row = keep.long() if choice is None else torch.where(keep, len(self.hidden_of(b)), choice.unsqueeze(1))
            number = row.mul_(labels.numel()).add_(torch.arange(labels.numel(), device=keep.device))
            torch.index_select(slabs, 0, number.flatten(), out=out.view(-1, self._slab_size))
            return
        keep = keep.view(len(keep), *labels.shape)
        hidden = self.hidden_of(b)[0] if choice is None else torch.index_select(self.hidden_of(b), 0, choice, out=out)
        if out.dtype in (torch.float32, torch.float64):
            # With weights of 0 and 1, `lerp` is exact, and it takes half as long as `where`.
            torch.lerp(hidden, self.inputs[b], keep.to(out.dtype), out=out)
        else:
            torch.where(keep, self.inputs[b], hidden, out=out)

    def _slabs_of(self, b: int) -> Tensor:
        """Return the slabs of the K samples, and after them those of the input, ``[(K + 1) * labels, slab size]``."""
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
    """Return how many neighbours in memory always share a label; 0 if too few for copying slabs to pay."""
    size, axis = 1, inputs.ndim - 1
    while axis > 0 and labels.shape[axis] == 1:
        size *= inputs.shape[axis]
        axis -= 1
    whole = labels.shape[1 : axis + 1] == inputs.shape[1 : axis + 1]
    return size if whole and size >= _LEAST_SLAB and inputs.is_contiguous() else 0

"""Runs forwards in batches: the processes share them, and batches become smaller when memory runs out."""

from __future__ import annotations

from contextlib import contextmanager
from operator import add
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import torch
from torch import Tensor

from lime_callback.forwards.out_of_memory import is_out_of_memory
from lime_callback.forwards.processes import ALONE, RankError, Ranks
from lime_callback.forwards.profiler_sections import report_progress
from lime_callback.forwards.stop_requests import StopExplaining, stop_asked
from lime_callback.outputs.segmentation_reducers import Reducer
from lime_callback.outputs.targets import scaled_outputs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from lime_callback.forwards.perturbed_inputs import PerturbedInputs

# How a batch ended; a higher number is worse.
_WELL, _NO_MEMORY, _FAILED, _STOPPED = 0, 1, 2, 3


class Batches:
    """Goes through rows in batches, ``while batches.left: with batches.next() as (start, stop): ...``.

    If memory does not suffice for a batch, its rows are tried again at half the size, which later batches keep.

    Args:
        start: the first row.
        stop: the last row plus 1.
        size: the largest number of rows at a time.
        ranks: the processes. If they run in lockstep, all do the same number of batches and shrink them together.
        release: frees memory before the next try.
        end: takes the first row of a batch and ``size``; returns the one behind its last, if not ``size`` rows go
            together.

    Attributes:
        size: the size for which memory has sufficed so far.

    Raises:
        RankError: in lockstep, if another process has failed on its way here.
        StopExplaining: after a batch, if a process was asked to stop; see :mod:`lime_callback.forwards.stop_requests`.
    """

    def __init__(
        self, start: int, stop: int, size: int, ranks: Ranks = ALONE, release: Callable[[], None] = lambda: None,
        end: Callable[[int, int], int] = add,
    ) -> None:  # fmt: skip
        self.size, self._end = size, end
        self._start, self._stop, self._ranks, self._release = start, stop, ranks, release
        self._short = False  # of memory, in the last batch
        ranks.meet()

    @property
    def left(self) -> bool:
        """Whether there are rows that have not been done."""
        return self._start < self._stop

    @contextmanager
    def next(self) -> Iterator[tuple[int, int]]:
        """Give the next batch's first row and the one behind its last; at most one forward is made within.

        If memory does not suffice, the context ends quietly and the same rows come again; other failures are raised.

        Raises:
            RankError: if the batch failed in another process, and the processes run in lockstep.
        """
        if self._short:  # only here, since the failure's traceback held the batch's memory until now
            self._release()
            if torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
                torch.cuda.empty_cache()
        start, last = self._start, min(self._end(self._start, self.size), self._stop)
        failure: Exception | None = None
        try:
            with self._ranks.forward():
                yield start, last
        except Exception as error:
            failure = error
        if failure is None and last < self._stop and stop_asked():
            failure = StopExplaining("asked to stop")
        trouble = self._ranks.worst(_trouble(failure))
        self._short = trouble == _NO_MEMORY and self.size > 1
        if trouble == _WELL:
            self._start = last
        elif self._short:
            failure = None  # or it would keep itself and its traceback alive
            self.size = max(1, min(self.size, last - start) // 2)
        elif trouble == _STOPPED:
            raise StopExplaining("asked to stop")
        else:
            raise failure or RankError("a forward failed in another process")


def _trouble(failure: Exception | None) -> int:
    if failure is None:
        return _WELL
    if isinstance(failure, StopExplaining):
        return _STOPPED
    return _NO_MEMORY if is_out_of_memory(failure) else _FAILED


class Unperturbed(NamedTuple):
    """What a model says of inputs as they are.

    Attributes:
        outputs: ``[B, K]``, in float32 or wider.
        pinned: what the reducer keeps of them, ``[B, ...]``; ``None`` if it keeps nothing.
        dtype: in which the model gave its outputs; ``None`` if that was no tensor.
        regions: each class's pixels, and those that have it now, ``[B, K, 2]``, see
            :meth:`~lime_callback.outputs.Reducer.region_counts`; ``None`` where they were not asked for.
    """

    outputs: Tensor
    pinned: Tensor | None
    dtype: torch.dtype | None
    regions: Tensor | None = None


def unperturbed_outputs(
    forward: Callable[[Tensor, Tensor], Any],
    inputs: Tensor,
    output: Any,
    batch_size: int,
    ranks: Ranks = ALONE,
    pinned: Tensor | None = None,
    *,
    pins_more: bool = False,
) -> Unperturbed:
    """Compute the outputs for the unperturbed inputs, in every process.

    Args:
        forward: takes rows ``[m, *dims]`` and the number of each row's input; returns the model's raw output.
        inputs: the samples to explain, ``[B, *dims]``.
        output: the outputs' scale, or the reducer that makes them.
        batch_size: the largest number of rows in a forward.
        ranks: the processes.
        pinned: what the reducer pinned earlier, ``[B, ...]``, which is used again; ``None`` pins now.
        pins_more: whether the reducer may add to what it pinned earlier, and counts its regions.
    """
    outputs_and_pins: dict[int, Unperturbed] = {}  # by first row, since rows may come again
    batches = Batches(0, len(inputs), batch_size, ranks)
    while batches.left:
        with batches.next() as (start, stop):
            rows = torch.arange(start, stop, device=inputs.device)
            part = None if pinned is None else pinned[start:stop]
            # A model may write into its input, so it gets a copy.
            x = inputs[start:stop].clone()
            outputs_and_pins[start] = _unperturbed(forward, x, rows, output, part, pins_more=pins_more)
    wholes, parts, dtypes, regions = zip(*outputs_and_pins.values(), strict=True)
    joined = (None if each[0] is None else torch.cat(each) for each in (parts, regions))
    return Unperturbed(torch.cat(wholes), next(joined), dtypes[0], next(joined))


def _unperturbed(
    forward: Callable[[Tensor, Tensor], Any], x: Tensor, rows: Tensor, output: Any, pinned: Tensor | None, *,
    pins_more: bool,
) -> Unperturbed:  # fmt: skip
    """The outputs of a batch, and what a reducer pins of it; what the model returned, which may be large, ends here."""
    raw, regions = forward(x, rows), None
    if isinstance(output, Reducer):
        if pinned is None:
            pinned = output.pin(raw)
        elif pins_more:
            pinned = output.pin_more(pinned, raw)
            regions = output.region_counts(pinned, raw)
    return Unperturbed(scaled_outputs(raw, len(x), output, pinned), pinned, getattr(raw, "dtype", None), regions)


class Rows(Protocol):
    """Perturbations by the numbers of their rows, ``n`` of each input.

    Where they run in another order, ``order`` has the numbers of the rows as they run, int64 ``[B n]``. Where those
    that go together are no fixed number, ``batch_end`` says where a batch ends, see :class:`Batches`.
    """

    @property
    def per_input(self) -> int:
        """The number of rows of each input, n."""

    def evaluate(self, forward: Callable[[Tensor, Tensor], Tensor], start: int, stop: int) -> Tensor:
        """Return the outputs of the rows ``start`` to ``stop - 1``."""

    def release(self) -> None:
        """Free memory before the next try."""


def all_hidden_outputs(
    forward: Callable[[Tensor, Tensor], Any],
    perturber: PerturbedInputs,
    output: Any,
    batch_size: int,
    ranks: Ranks,
    pinned: Tensor | None,
) -> Tensor:
    """Compute the outputs with every feature hidden, as the mean over the samples that hide them, ``[B, K]``."""
    outputs = []
    for k in range(perturber.grounds):
        with ranks.together():
            emptied = perturber.nothing(k)
        with ranks.together():
            outputs.append(unperturbed_outputs(forward, emptied, output, batch_size, ranks, pinned).outputs)
    return torch.stack(outputs).mean(0)


def outputs_like(
    whole: Tensor, forward: Callable[[Tensor, Tensor], Any], output: Any, pinned: Tensor | None, x: Tensor, rows: Tensor
) -> Tensor:
    """Compute the outputs ``[m, K]`` for rows ``x`` [m, *dims] that were made of the inputs of these numbers.

    Raises:
        ValueError: if there are not as many as in ``whole`` [B, K], those of the unperturbed inputs, or they are of
            another dtype.
    """
    outputs = scaled_outputs(forward(x, rows), len(x), output, None if pinned is None else pinned[rows])
    if outputs.shape[1] != whole.shape[1] or outputs.dtype != whole.dtype:
        pairs = (
            " Where the model compares each input with all of its batch, let `forward` return the input with its own "
            "alone: the matrix's `.diagonal()`."
        )
        raise ValueError(
            f"`forward` should return outputs of one kind for every batch. Found {whole.shape[1]} outputs an "
            f"input, {whole.dtype}, and then {outputs.shape[1]}, {outputs.dtype}."
            f"{pairs if outputs.shape[1] == len(x) else ''}"
        )
    return outputs


def perturbed_outputs(
    forward: Callable[[Tensor, Tensor], Tensor],
    rows: Rows,
    targets: Tensor,
    batch_size: int,
    ranks: Ranks = ALONE,
) -> tuple[Tensor, int]:
    """Compute the explained outputs for all perturbations; each process computes an equal share of the rows.

    If the rows cannot be divided equally, the last shares overlap.

    Args:
        forward: takes rows ``[m, *dims]`` and the number of each row's input; returns the outputs ``[m, K]``.
        rows: makes the perturbed inputs, or the stem's outputs for them, or inputs with sets hidden.
        targets: the explained outputs, int64 ``[B, T]``.
        batch_size: the largest number of rows in a forward.
        ranks: the processes.

    Returns:
        The outputs ``[B n, T]`` by the rows' numbers, the same in all processes, and the batch size that sufficed in
        all of them.

    Raises:
        Exception: whatever the forwards raise, see :func:`in_batches`.
        RankError: if a forward failed in another process.
    """
    total, each = len(targets) * rows.per_input, rows.per_input
    order: Tensor | None = getattr(rows, "order", None)  # of those that run in another order than their numbers'
    size = -(-total // ranks.shares)
    starts = [min(share * size, total - size) for share in range(ranks.shares)]
    first = starts[ranks.share]
    own: Tensor | None = None
    report_progress(0, total)
    with ranks.together():
        batches = Batches(first, first + size, batch_size, ranks, rows.release, getattr(rows, "batch_end", add))
        while batches.left:
            with batches.next() as (start, stop), _noted(start, stop, each, order):
                numbers = torch.arange(start, stop, device=targets.device) if order is None else order[start:stop]
                asked = targets[numbers // each]
                answers = rows.evaluate(forward, start, stop).gather(1, asked)
                own = answers.new_empty(size, targets.shape[1]) if own is None else own
                own[start - first : stop - first] = answers
                report_progress(min((stop - first) * ranks.shares, total), total)
    assert own is not None, "there are rows"
    outputs = own
    if ranks.shares > 1:
        outputs = own.new_empty(total, targets.shape[1])
        for start, part in zip(starts, ranks.gather_rows(own), strict=True):
            outputs[start : start + size] = part
    if order is not None:
        outputs = torch.empty_like(outputs).index_copy_(0, order, outputs)
    return outputs, batches.size if ranks.shares == 1 else min(ranks.gather(batches.size))


@contextmanager
def _noted(start: int, stop: int, each: int, order: Tensor | None) -> Iterator[None]:
    """Say in a failure of which inputs' perturbations it is, where rows stand input by input."""
    try:
        yield
    except Exception as error:
        if order is None:
            error.add_note(f"In perturbations of the inputs {start // each} to {(stop - 1) // each}.")
        raise

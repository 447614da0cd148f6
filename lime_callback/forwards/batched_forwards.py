"""Runs forwards in batches: the processes share them, and batches become smaller when memory runs out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from lime_callback.forwards.out_of_memory import is_out_of_memory
from lime_callback.forwards.processes import ALONE, RankError, Ranks
from lime_callback.forwards.profiler_sections import report_progress
from lime_callback.outputs.segmentation_reducers import Reducer
from lime_callback.outputs.targets import scaled_outputs

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from torch import Tensor

    from lime_callback.forwards.folded_stem import FoldedStem
    from lime_callback.forwards.perturbed_inputs import PerturbedInputs
    from lime_callback.sampling.value_swaps import SwappedInputs

# How a batch ended; a higher number is worse.
_WELL, _NO_MEMORY, _FAILED = 0, 1, 2


def in_batches(
    work: Callable[[int, int], None],
    start: int,
    stop: int,
    batch_size: int,
    ranks: Ranks = ALONE,
    release: Callable[[], None] = lambda: None,
) -> int:
    """Call ``work(first, last)`` for one range of rows after the other.

    If memory does not suffice for a batch, its rows are tried again at half the size, which later batches keep.

    Args:
        work: does the rows ``first`` to ``last - 1`` with at most one forward; is called again with rows of a batch
            that ran out of memory.
        start: the first row.
        stop: the last row plus 1.
        batch_size: the largest number of rows at a time.
        ranks: the processes. If they run in lockstep, all do the same number of batches and shrink them together.
        release: frees memory before the next try.

    Returns:
        The last batch size, for which memory sufficed.

    Raises:
        Exception: whatever ``work`` raises, except for a lack of memory in a batch of more than one row.
        RankError: if a batch failed in another process, and the processes run in lockstep.
    """
    ranks.meet()
    while start < stop:
        last = min(start + batch_size, stop)
        failure: Exception | None = None
        try:
            with ranks.forward():
                work(start, last)
        except Exception as error:
            failure = error
        trouble = ranks.worst(_trouble(failure))
        if trouble == _WELL:
            start = last
        elif trouble == _NO_MEMORY and batch_size > 1:
            failure = None  # its traceback would keep the batch's memory
            batch_size = max(1, min(batch_size, last - start) // 2)
            release()
            if torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
                torch.cuda.empty_cache()
        else:
            raise failure or RankError("a forward failed in another process")
    return batch_size


def _trouble(failure: Exception | None) -> int:
    if failure is None:
        return _WELL
    return _NO_MEMORY if is_out_of_memory(failure) else _FAILED


def unperturbed_outputs(
    forward: Callable[[Tensor, Tensor], Any],
    inputs: Tensor,
    output: Any,
    batch_size: int,
    ranks: Ranks = ALONE,
    pinned: Tensor | None = None,
) -> tuple[Tensor, Tensor | None]:
    """Compute the outputs for the unperturbed inputs, in every process.

    Args:
        forward: takes rows ``[m, *dims]`` and the number of each row's input; returns the model's raw output.
        inputs: the samples to explain, ``[B, *dims]``.
        output: the outputs' scale, or the reducer that makes them.
        batch_size: the largest number of rows in a forward.
        ranks: the processes.
        pinned: what the reducer pinned earlier, ``[B, ...]``, which is used again; ``None`` pins now.

    Returns:
        The outputs ``[B, K]``, and what the reducer pins, ``[B, ...]``; ``None`` if it pins nothing.
    """
    outputs_and_pins: dict[int, tuple[Tensor, Tensor | None]] = {}

    def work(start: int, stop: int) -> None:
        rows = torch.arange(start, stop, device=inputs.device)
        # A model may write into its input, so it gets a copy.
        raw = forward(inputs[start:stop].clone(), rows)
        if pinned is not None:
            part: Tensor | None = pinned[start:stop]
        else:
            part = output.pin(raw) if isinstance(output, Reducer) else None
        outputs_and_pins[start] = scaled_outputs(raw, stop - start, output, part), part

    in_batches(work, 0, len(inputs), batch_size, ranks)
    wholes, parts = zip(*outputs_and_pins.values(), strict=True)
    return torch.cat(wholes), None if parts[0] is None else torch.cat(parts)


def perturbed_outputs(
    forward: Callable[[Tensor, Tensor], Tensor],
    rows: PerturbedInputs | FoldedStem | SwappedInputs,
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
        The outputs ``[B n, T]``, the same in all processes, and the batch size that sufficed in all of them.

    Raises:
        Exception: whatever the forwards raise, see :func:`in_batches`.
        RankError: if a forward failed in another process.
    """
    total, each = len(targets) * rows.per_input, rows.per_input
    size = -(-total // ranks.shares)
    starts = [min(share * size, total - size) for share in range(ranks.shares)]
    own_outputs: list[Tensor] = []
    first = starts[ranks.share]

    def work(start: int, stop: int) -> None:
        try:
            outputs_of_all = rows.evaluate(forward, start, stop)
        except Exception as error:
            among = f"{start // each} to {(stop - 1) // each}"
            error.add_note(f"In perturbations of the inputs {among}.")
            raise
        if not own_outputs:
            own_outputs.append(outputs_of_all.new_empty(size, targets.shape[1]))
        torch.gather(
            outputs_of_all,
            1,
            targets[torch.arange(start, stop, device=targets.device) // each],
            out=own_outputs[0][start - first : stop - first],
        )
        report_progress(min((stop - first) * ranks.shares, total), total)

    report_progress(0, total)
    used = ranks.together(lambda: in_batches(work, first, first + size, batch_size, ranks, release=rows.release))
    if ranks.shares == 1:
        return own_outputs[0], used
    outputs = own_outputs[0].new_empty(total, targets.shape[1])
    for start, part in zip(starts, ranks.gather_rows(own_outputs[0]), strict=True):
        outputs[start : start + size] = part
    return outputs, min(ranks.gather(used))

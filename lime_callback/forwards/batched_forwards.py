"""Forwards in batches: shared out over processes, and in smaller batches where memory runs out."""

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

# What can go wrong with a batch, the worse the higher.
_WELL, _NO_MEMORY, _FAILED = 0, 1, 2


def in_batches(
    work: Callable[[int, int], None],
    start: int,
    stop: int,
    batch_size: int,
    ranks: Ranks = ALONE,
    release: Callable[[], None] = lambda: None,
) -> int:
    """Do ``work(first, last)`` for ranges of rows one behind the other.

    A batch for which memory does not suffice is tried again at half its size, and those after it have that size too.

    Args:
        work: for the rows ``first`` to ``last - 1``, by at most one forward; may be called again for rows that it
            failed with.
        start: first row.
        stop: behind the last one.
        batch_size: rows at most at a time.
        ranks: the processes; in lockstep, all do the same number of batches, and all make them smaller together.
        release: gives memory back before the next try.

    Returns:
        The size that sufficed.
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
            failure = None  # its traceback holds what the batch had taken
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
    """The outputs for the inputs as they are, ``[B, K]``, and what a reducer pins of them; each process finds all.

    Args:
        forward: takes ``[m, *dims]`` and the number of each row's input.
        inputs: ``[B, *dims]``.
        output: the outputs' scale, or the reducer that makes them.
        batch_size: rows a forward at most.
        ranks: processes that share the forwards.
        pinned: before, ``[B, ...]``, which then stays; ``None``: nothing yet.
    """
    found: dict[int, tuple[Tensor, Tensor | None]] = {}

    def work(start: int, stop: int) -> None:
        rows = torch.arange(start, stop, device=inputs.device)
        # Cloned, since a model may write into its input.
        raw = forward(inputs[start:stop].clone(), rows)
        if pinned is not None:
            part: Tensor | None = pinned[start:stop]
        else:
            part = output.pin(raw) if isinstance(output, Reducer) else None
        found[start] = scaled_outputs(raw, stop - start, output, part), part

    in_batches(work, 0, len(inputs), batch_size, ranks)
    wholes, parts = zip(*found.values(), strict=True)
    return torch.cat(wholes), None if parts[0] is None else torch.cat(parts)


def perturbed_outputs(
    forward: Callable[[Tensor, Tensor], Tensor],
    rows: PerturbedInputs | FoldedStem | SwappedInputs,
    targets: Tensor,
    batch_size: int,
    ranks: Ranks = ALONE,
) -> tuple[Tensor, int]:
    """Outputs of all perturbations.

    Each process does the same number of rows; the last ones' may overlap.

    Args:
        forward: takes ``[m, *dims]`` and the input's number of each row, returns ``[m, K]``.
        rows: makes the perturbed inputs, what the model makes of them in its first layer, or inputs with sets hidden.
        targets: which outputs are kept, int64 ``[B, T]``.
        batch_size: rows at most at a time.
        ranks: the processes.

    Returns:
        ``[B n, T]``, the same in all processes, and the batch size that sufficed in all of them.
    """
    total, each = len(targets) * rows.per_input, rows.per_input
    size = -(-total // ranks.shares)
    starts = [min(share * size, total - size) for share in range(ranks.shares)]
    own: list[Tensor] = []
    first = starts[ranks.share]

    def work(start: int, stop: int) -> None:
        try:
            found = rows.evaluate(forward, start, stop)
        except Exception as error:
            among = f"{start // each} to {(stop - 1) // each}"
            error.add_note(f"In perturbations of the inputs {among}.")
            raise
        if not own:
            own.append(found.new_empty(size, targets.shape[1]))
        torch.gather(
            found,
            1,
            targets[torch.arange(start, stop, device=targets.device) // each],
            out=own[0][start - first : stop - first],
        )
        report_progress(min((stop - first) * ranks.shares, total), total)

    report_progress(0, total)
    used = ranks.together(lambda: in_batches(work, first, first + size, batch_size, ranks, release=rows.release))
    if ranks.shares == 1:
        return own[0], used
    outputs = own[0].new_empty(total, targets.shape[1])
    for start, part in zip(starts, ranks.gather_rows(own[0]), strict=True):
        outputs[start : start + size] = part
    return outputs, min(ranks.gather(used))

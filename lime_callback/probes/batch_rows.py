"""Cuts rows out of batches, and joins batches: each entry that has a row for each sample, as it is built.

Rows are those of a tensor's first axis. A list has them, too, if it holds something for each sample: texts, numbers,
boxes, or a dictionary each.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from lime_callback.probes.batch_structure import Place, entries, numbers, plain, with_entries


def batch_rows(
    batch: Any, rows: Tensor, size: int, device: torch.device | None = None, place: Place | None = None
) -> Any:
    """Return the batch with the given rows of each entry that has ``size`` rows; other entries stay unchanged.

    Arrays become tensors.

    Args:
        batch: a batch of ``size`` samples.
        rows: the rows' numbers, int64 ``[m]``.
        size: the number of samples in the batch.
        device: the device for the result's tensors; ``None`` leaves them on theirs.
        place: where the inputs are; the lists on the way there hold entries, however many, and no samples.
    """
    batch = _tensor(batch)
    if isinstance(batch, Tensor):
        own = batch.detach()
        own = own[rows.to(own.device)] if own.ndim and len(own) == size else own
        return own if device is None else own.to(device)
    if isinstance(batch, np.ndarray):
        return batch[rows.tolist()] if batch.ndim and len(batch) == size else batch
    if is_per_sample(batch, size, are_inputs=place is not None and not place) and not place:
        picked = [_copied(batch[row], device) for row in rows.tolist()]
        return picked if isinstance(batch, list) else tuple(picked)
    parts = {
        step: batch_rows(part, rows, size, device, Place(place[1:]) if place and place[0] == step else None)
        for step, part in entries(batch)
    }
    return with_entries(batch, parts) if parts else batch


def joined_batches(batches: Sequence[Any], sizes: Sequence[int], place: Place | None = None) -> Any:
    """Concatenate batches of the same structure; an entry without a row for each sample comes from the first batch.

    Args:
        batches: the batches.
        sizes: the number of samples in each.
        place: where the inputs are, see :func:`batch_rows`.
    """
    batches = [_tensor(batch) for batch in batches]
    first = batches[0]
    pairs = list(zip(batches, sizes, strict=True))
    if isinstance(first, (Tensor, np.ndarray)):
        if not all(isinstance(part, type(first)) and part.ndim and len(part) == size for part, size in pairs):
            return first
        if isinstance(first, np.ndarray):
            return np.concatenate(list(batches))
        # Rows of different shapes, such as masks that a batch pads to its own largest, stand in a list.
        alike = len({part.shape[1:] for part in batches}) == 1
        return torch.cat(list(batches)) if alike else [row for part in batches for row in part]
    if not place and isinstance(first, (list, tuple)) and not hasattr(first, "_fields"):
        each = all(isinstance(part, (list, tuple)) and len(part) == size for part, size in pairs)
        if each and (place is not None or any(is_per_sample(part, size) for part, size in pairs)):
            values = [value for part in batches for value in part]
            return values if isinstance(first, list) else tuple(values)
    columns = [dict(entries(batch)) for batch in batches]
    if not columns[0] or not all(columns[0].keys() <= column.keys() for column in columns):
        shared = [step for step in columns[0] if all(step in column for column in columns)]
        if not place or place[0] not in shared:
            return first
    else:
        shared = list(columns[0])
    parts = {
        step: joined_batches(
            [column[step] for column in columns], sizes, Place(place[1:]) if place and place[0] == step else None
        )
        for step in shared
    }
    return with_entries(first, parts)


def is_per_sample(part: Any, size: int, *, are_inputs: bool = False) -> bool:
    """Whether a list holds something for each of ``size`` samples, and is no list of entries with so many rows."""
    if not isinstance(part, (list, tuple)) or hasattr(part, "_fields") or len(part) != size or not part:
        return False
    rows = [_has_rows(one, size) for one in part]
    # Arrays with rows, beside numbers and others without, are entries as well.
    beside = any(has and isinstance(one, (Tensor, np.ndarray)) for has, one in zip(rows, part, strict=True))
    atoms = any(not isinstance(one, (Tensor, np.ndarray)) or not one.ndim for one in part)
    return are_inputs or not (all(rows) or (beside and atoms))


def _tensor(part: Any) -> Any:
    """Return a tensor or an array of numbers as a plain tensor, and anything else as it is."""
    numeric = isinstance(part, Tensor) or (isinstance(part, np.ndarray) and part.dtype.kind in "biuf")
    return numbers(part) if numeric else part


def _has_rows(one: Any, size: int) -> bool:
    if isinstance(one, (Tensor, np.ndarray)):
        return one.ndim > 0 and len(one) == size
    # What differs in kind are the entries of a sample, and no rows.
    alike = isinstance(one, (list, tuple)) and len({(type(row), getattr(row, "ndim", None)) for row in one}) == 1
    return alike and len(one) == size


def _copied(part: Any, device: torch.device | None) -> Any:
    """A sample's own entry, with tensors of its own."""
    if isinstance(part, Tensor):
        own = plain(part.detach()).clone()
        return own if device is None else own.to(device)
    new = {step: _copied(one, device) for step, one in entries(part)}
    return with_entries(part, new) if new and isinstance(part, (Mapping, list, tuple)) else part

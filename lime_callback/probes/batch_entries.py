"""Finds the input and the labels in a validation batch.

A batch is a tensor, a tuple, a list or a mapping. Its entries have a row for each sample along their first axis.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from lime_callback.checks.descriptions import describe
from lime_callback.checks.entry_paths import Key as Key  # noqa: TC001 (other modules take it from here)

_INPUTS = (
    "image",
    "images",
    "pixel_values",
    "x",
    "input",
    "inputs",
    "data",
    "img",
    "hsi",
    "cube",
    "spectrum",
    "spectra",
    "features",
)
_LABELS = ("label", "labels", "y", "target", "targets", "class", "classes", "gt")


def input_key(batch: Any, key: Key | None) -> Key | None:
    """Return the key of the batch's entry with the inputs; ``None`` if the batch is the input itself.

    Args:
        batch: a validation batch.
        key: the user's key; ``None`` takes the first usual name in a mapping, or the first tensor in a sequence.

    Raises:
        ValueError: if there is no such entry, or it is not a tensor.
    """
    if key is None and isinstance(batch, Tensor):
        return None
    entry = key if key is not None else _find(batch, _INPUTS, 0)
    if entry is None or not _has(batch, entry):
        raise ValueError(
            f"`input_key` should name the batch's entry with the images, a tensor [B, ...]. Found `input_key = "
            f"{key!r}` and a batch "
            f"of {describe(batch)}. Pass for example `input_key='image'` or `input_key=0`."
        )
    return _from_front(batch, entry)


def label_key(batch: Any, key: Key | None) -> Key | None:
    """Return the key of the batch's entry with the labels; ``None`` if it has none.

    Args:
        batch: a validation batch.
        key: the user's key; ``None`` takes the first usual name in a mapping, or the second tensor in a sequence.

    Raises:
        ValueError: if the user's key does not lead to a tensor in the batch.
    """
    if key is None:
        return _find(batch, _LABELS, 1)
    if not _has(batch, key):
        raise ValueError(
            f"`label_key` should name an entry of the batch, a tensor. Found `label_key = {key!r}` and a batch of "
            f"{describe(batch)}. Pass for example `label_key='label'` or `label_key=1`."
        )
    return _from_front(batch, key)


def batch_entry(batch: Any, key: Key | None) -> Any:
    """Return the batch's entry of a key; for ``None`` the batch itself."""
    return batch if key is None else batch[key]


def with_entry(batch: Any, key: Key | None, value: Tensor) -> Any:
    """Return a copy of the batch with ``value`` at ``key``; the given batch does not change."""
    if key is None:
        return value
    if isinstance(batch, Mapping):
        return {**batch, key: value}
    values = [value if i == key else part for i, part in enumerate(batch)]
    return type(batch)(*values) if hasattr(batch, "_fields") else type(batch)(values)


def batch_rows(batch: Any, rows: Tensor, size: int, device: torch.device | None = None) -> Any:
    """Return the batch with the given rows of each entry that has ``size`` rows; other entries stay unchanged.

    Args:
        batch: a batch of ``size`` samples.
        rows: the rows' numbers, int64 ``[m]``.
        size: the number of samples in the batch.
        device: the device for the result's tensors; ``None`` leaves them on theirs.
    """
    if isinstance(batch, Tensor):
        picked = batch.detach()[rows.to(batch.device)] if batch.ndim and len(batch) == size else batch.detach()
        return picked if device is None else picked.to(device)
    if isinstance(batch, Mapping):
        return {name: batch_rows(part, rows, size, device) for name, part in batch.items()}
    if isinstance(batch, (list, tuple)):
        if len(batch) == size and not any(isinstance(part, (Tensor, Mapping, list, tuple)) for part in batch):
            return [batch[row] for row in rows.tolist()]  # a string or number for each sample
        parts = [batch_rows(part, rows, size, device) for part in batch]
        return type(batch)(*parts) if hasattr(batch, "_fields") else type(batch)(parts)
    return batch


def joined_batches(batches: Sequence[Any], sizes: Sequence[int]) -> Any:
    """Concatenate batches of the same structure; an entry without a row for each sample comes from the first batch."""
    first = batches[0]
    if isinstance(first, Tensor):
        per_sample = all(part.ndim and len(part) == size for part, size in zip(batches, sizes, strict=True))
        return torch.cat(list(batches)) if per_sample else first
    if isinstance(first, Mapping):
        return {name: joined_batches([batch[name] for batch in batches], sizes) for name in first}
    if isinstance(first, (list, tuple)):
        if all(len(part) == size for part, size in zip(batches, sizes, strict=True)) and isinstance(
            first[0], (str, int, float)
        ):
            return [value for batch in batches for value in batch]
        parts = [joined_batches(column, sizes) for column in zip(*batches, strict=True)]
        return type(first)(*parts) if hasattr(first, "_fields") else type(first)(parts)
    return first


def _has(batch: Any, key: Key) -> bool:
    try:
        return not isinstance(batch, Tensor) and isinstance(batch[key], Tensor)
    except (KeyError, IndexError, TypeError):
        return False


def _from_front(batch: Any, key: Key) -> Key:
    """Turn a place that counts from the back, such as -1, into the place that counts from the front."""
    return key + len(batch) if isinstance(key, int) and key < 0 and not isinstance(batch, Mapping) else key


def _find(batch: Any, names: Sequence[str], place: int) -> Key | None:
    """Return the first usual name in a mapping, or the index of tensor number ``place`` in a sequence, or ``None``."""
    if isinstance(batch, Mapping):
        by_name = {str(name).lower(): name for name in batch}
        return next((by_name[name] for name in names if name in by_name and _has(batch, by_name[name])), None)
    if isinstance(batch, (list, tuple)):
        tensors = [i for i, part in enumerate(batch) if isinstance(part, Tensor)]
        return tensors[place] if place < len(tensors) else None
    return None


UserForward = Callable[[Any, Any], Any]

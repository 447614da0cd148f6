"""What a validation batch and a model's output hold: the input, the label, the prediction.

A batch is a tensor, a tuple or a list, or a mapping; its entries have one row a sample along their first axis.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from lime_callback.checks.descriptions import describe

Key = str | int

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
_OUTPUTS = ("logits", "prediction", "predictions", "preds", "output", "outputs", "out", "y_hat", "scores")


def input_key(batch: Any, key: Key | None) -> Key | None:
    """Where in a batch the explained input is; ``None`` if the batch is the input itself.

    Args:
        batch: a validation batch.
        key: of the user's choice, or ``None`` to look for it: the usual names of a mapping, the first floating-point
            tensor of a sequence.

    Raises:
        ValueError: if there is no such entry, or it is no floating-point tensor.
    """
    if key is None and isinstance(batch, Tensor):
        return None
    found = key if key is not None else _find(batch, _INPUTS, 0)
    if found is None or not _has(batch, found):
        raise ValueError(
            f"`input_key` should name the batch's entry with the images, a tensor [B, ...]. Found `input_key = "
            f"{key!r}` and a batch "
            f"of {describe(batch)}. Pass for example `input_key='image'` or `input_key=0`."
        )
    return _from_front(batch, found)


def label_key(batch: Any, key: Key | None) -> Key | None:
    """Where in a batch the labels are; ``None`` if nowhere.

    Raises:
        ValueError: if the user's key is not in the batch.
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
    """The batch's entry of this key, or the batch itself for ``None``."""
    return batch if key is None else batch[key]


def with_entry(batch: Any, key: Key | None, value: Tensor) -> Any:
    """The batch with another entry; the batch that is passed stays as it is."""
    if key is None:
        return value
    if isinstance(batch, Mapping):
        return {**batch, key: value}
    values = [value if i == key else part for i, part in enumerate(batch)]
    return type(batch)(*values) if hasattr(batch, "_fields") else type(batch)(values)


def batch_rows(batch: Any, rows: Tensor, size: int, device: torch.device | None = None) -> Any:
    """The given rows of every entry that has ``size`` rows; everything else as it is.

    Args:
        batch: a batch of ``size`` samples.
        rows: int64 ``[m]``.
        size: number of samples in the batch.
        device: where the result should be; ``None`` leaves it where it is.
    """
    if isinstance(batch, Tensor):
        picked = batch.detach()[rows.to(batch.device)] if batch.ndim and len(batch) == size else batch.detach()
        return picked if device is None else picked.to(device)
    if isinstance(batch, Mapping):
        return {name: batch_rows(part, rows, size, device) for name, part in batch.items()}
    if isinstance(batch, (list, tuple)):
        if len(batch) == size and not any(isinstance(part, (Tensor, Mapping, list, tuple)) for part in batch):
            return [batch[row] for row in rows.tolist()]  # one string or number a sample
        parts = [batch_rows(part, rows, size, device) for part in batch]
        return type(batch)(*parts) if hasattr(batch, "_fields") else type(batch)(parts)
    return batch


def joined_batches(batches: Sequence[Any], sizes: Sequence[int]) -> Any:
    """Batches of the same structure one behind the other; what is not one row a sample is taken from the first."""
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


def output_tensor(output: Any, key: Key | None) -> Any:
    """The prediction in what a model returned: a tensor, an entry of a mapping, or the first of a tuple.

    Args:
        output: of a forward.
        key: of the user's choice, or ``None`` to look for it.

    Raises:
        ValueError: if the key is not in the output.
    """
    if isinstance(output, Tensor) and key is None:
        return output
    found = key if key is not None else _find(output, _OUTPUTS, 0)
    if found is None or not _has(output, found):
        hint = "Pass for example `output_key='logits'`, or `forward=`, a function of the module and the batch."
        raise ValueError(
            f"`output_key` should name the prediction in the model's output, a tensor. Found `output_key = {key!r}` "
            f"and an output of "
            f"{describe(output)}. "
            f"{'Leave `output_key` out.' if isinstance(output, Tensor) else hint}"
        )
    return output[found]


def _has(batch: Any, key: Key) -> bool:
    try:
        return not isinstance(batch, Tensor) and isinstance(batch[key], Tensor)
    except (KeyError, IndexError, TypeError):
        return False


def _from_front(batch: Any, key: Key) -> Key:
    """A number that counts from the back, as -1 does, as the number that counts from the front."""
    return key + len(batch) if isinstance(key, int) and key < 0 and not isinstance(batch, Mapping) else key


def _find(batch: Any, names: Sequence[str], place: int) -> Key | None:
    """The first of the usual names in a mapping, or the tensor at a place in a sequence."""
    if isinstance(batch, Mapping):
        by_name = {str(name).lower(): name for name in batch}
        return next((by_name[name] for name in names if name in by_name and _has(batch, by_name[name])), None)
    if isinstance(batch, (list, tuple)):
        tensors = [i for i, part in enumerate(batch) if isinstance(part, Tensor)]
        return tensors[place] if place < len(tensors) else None
    return None


UserForward = Callable[[Any, Any], Any]

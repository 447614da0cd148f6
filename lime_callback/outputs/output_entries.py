"""Finds the prediction in a model's output: in a mapping, a sequence, or an object with attributes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from torch import Tensor

from lime_callback.checks.descriptions import describe
from lime_callback.checks.entry_paths import entry, has_entry, parts, tensors

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lime_callback.checks.entry_paths import Key

_NAMES = ("logits", "prediction", "predictions", "preds", "output", "outputs", "out", "y_hat", "scores")


def output_tensor(output: Any, key: Key | None, rows: int) -> Tensor:
    """Return the prediction in a model's output.

    Without a key it is the output itself, the first usual name of a mapping or an object, a sequence's first tensor, or
    the only tensor that has a row for each input; nested ones count, too.

    Args:
        output: the model's output for a batch.
        key: the user's key or path; ``None`` looks for the prediction.
        rows: the number of inputs in the batch, m.

    Raises:
        ValueError: if there is no such entry, it is not a tensor, or several entries may be the prediction.
    """
    if isinstance(output, Tensor) and key is None:
        return output
    if key is not None and has_entry(output, key, Tensor):
        found: Tensor = entry(output, key)
        return found
    inside = {} if isinstance(output, Tensor) else tensors(output)
    place = _place(output, inside, rows) if key is None else None
    if place is not None:
        return inside[place]
    raise ValueError(
        f"`output_key` should name the prediction in the model's output, a tensor. Found `output_key = {key!r}` and "
        f"an output of {describe(output)}. {_way_out(output, inside, rows)}"
    )


def _place(output: Any, inside: Mapping[Key, Tensor], rows: int) -> Key | None:
    """Return the key of the tensor that is the prediction; ``None`` if that cannot be told."""
    named = {str(name).lower(): name for name in parts(output) if isinstance(name, str) and name in inside}
    usual = next((named[name] for name in _NAMES if name in named), None)
    if usual is not None:
        return usual
    if isinstance(output, (list, tuple)) and any(isinstance(part, Tensor) for part in output):
        first: Key = next(name for name, part in parts(output).items() if isinstance(part, Tensor))
        return first
    fitting = _fitting(inside, rows)
    by_name = [key for key in fitting if _last(key) in _NAMES]
    only = fitting if len(fitting) == 1 else by_name
    return only[0] if len(only) == 1 else None


def _fitting(inside: Mapping[Key, Tensor], rows: int) -> list[Key]:
    """Return the keys of tensors of numbers with a row for each input, and a value for each class if there are such."""
    whole = [key for key, part in inside.items() if part.is_floating_point() and part.ndim and len(part) == rows]
    return [key for key in whole if inside[key].ndim > 1] or whole


def _last(key: Key) -> str:
    return str(key[-1] if isinstance(key, tuple) else str(key).rsplit(".", 1)[-1]).lower()


def _way_out(output: Any, inside: Mapping[Key, Tensor], rows: int) -> str:
    """Return what the user can do, with keys that exist."""
    if isinstance(output, Tensor):
        return "Leave `output_key` out."
    likely = _fitting(inside, rows) or list(inside)
    if not likely:
        return "There is no tensor in it: let the model return one, or pass `forward=`, a function that does."
    return f"Pass {' or '.join(f'`output_key={key!r}`' for key in likely[:5])}."

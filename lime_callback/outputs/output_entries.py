"""Finds the prediction in a model's output: in a mapping, a sequence, or an object with attributes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from torch import Tensor

from lime_callback.checks.descriptions import describe
from lime_callback.checks.entry_paths import entry, has_entry, parts, tensors
from lime_callback.checks.help_pages import see

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lime_callback.checks.entry_paths import Key

_NAMES = ("logits", "prediction", "predictions", "preds", "output", "outputs", "out", "y_hat", "scores")


def output_tensor(output: Any, key: Key | None, rows: int) -> Tensor:
    """Return the prediction in a model's output.

    Without a key it is the output itself, the first usual name of a mapping or an object, a sequence's first tensor
    where all that may be meant are alike, or the only tensor that has a row for each input; nested ones count, too.

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
    prediction = _prediction(output, rows) if key is None else None
    if prediction is not None:
        return prediction
    raise ValueError(
        f"`output_key` should name the prediction in the model's output, a tensor. Found `output_key = {key!r}` and "
        f"an output of {describe(output)}. {_way_out(output, inside, rows)} {see('output')}"
    )


def _prediction(output: Any, rows: int) -> Tensor | None:
    """Return the tensor that is the prediction; ``None`` if that cannot be told."""
    if isinstance(output, Tensor):
        return output
    inside, direct = tensors(output), parts(output)
    fitting = _fitting(inside, rows)
    holding = {name: part for name, part in direct.items() if not fitting or _fits(part, rows)}
    named = {str(name).lower(): part for name, part in holding.items() if isinstance(name, str)}
    holds = [name for name in _NAMES if name in named and (fitting or isinstance(named[name], Tensor))]
    usual = named[holds[0]] if holds else None
    if usual is None and isinstance(output, (list, tuple)):
        if len({inside[key].shape for key in fitting}) > 1:  # such as features beside logits
            named_once = [key for key in fitting if _last(key) in _NAMES]
            return inside[named_once[0]] if len(named_once) == 1 else None
        usual = next((part for part in holding.values() if fitting or isinstance(part, Tensor)), None)
    if usual is not None:
        return _prediction(usual, rows)
    by_name = [key for key in fitting if _last(key) in _NAMES]
    only = fitting if len(fitting) == 1 else by_name
    return inside[only[0]] if len(only) == 1 else None


def _fits(part: Any, rows: int) -> bool:
    return bool(_fitting({"": part} if isinstance(part, Tensor) else tensors(part), rows))


def _fitting(inside: Mapping[Key, Tensor], rows: int) -> list[Key]:
    """Return the keys of tensors of numbers with a row for each input, and a value for each class if there are such."""
    whole = [key for key, part in inside.items() if part.is_floating_point() and part.ndim and len(part) == rows]
    maps = [key for key, part in inside.items() if part.ndim > 2 and len(part) == rows]  # of class numbers
    return [key for key in whole if inside[key].ndim > 1] or whole or maps


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

"""Reads entries of batches by their keys.

What a batch may be is said in :mod:`lime_callback.probes.batch_structure`. Entries have a row for each sample along
their first axis, or are lists with one tensor a sample.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from torch import Tensor

from lime_callback.checks.descriptions import describe
from lime_callback.probes.batch_structure import (
    Place,
    at_place,
    entries,
    entry,
    is_list_of_tensors,
    leaves,
    numbers,
    place_text,
    with_value,
)

_MOST_NAMED = 4

Key = str | int | tuple[Any, ...] | Callable[[Any], Any]
"""Leads to an entry of a batch: its name or number, a path such as ``"image.S2"`` or ``(0, 1)``, or a function."""


def batch_entry(batch: Any, key: Key | None) -> Any:
    """Return the batch's entry of a key; for ``None`` the batch itself."""
    if callable(key):
        return key(batch)
    return at_place(batch, place_of(key))


def inputs_at(batch: Any, key: Key | None) -> Any:
    """Return a batch's inputs as a plain tensor ``[B, *dims]``, or as a list where they differ in shape.

    Raises:
        ValueError: if the entry is neither.
    """
    value = batch_entry(batch, key)
    tensor = numbers(value)
    if tensor is not None and tensor.ndim:
        return tensor
    if is_list_of_tensors(value):
        return list(value)
    raise ValueError(
        f"`input_key` should lead to a tensor [B, ...], or to a list with a tensor for each sample. Found "
        f"{describe(value)}."
    )


def labels_at(batch: Any, key: Key | None) -> Any:
    """Return a batch's labels as a plain tensor, or as they are if they are no numbers; ``None`` if there are none."""
    value = None if key is None else batch_entry(batch, key)
    tensor = numbers(value)
    return value if tensor is None else tensor


def with_entry(batch: Any, key: Key | None, value: Any) -> Any:
    """Return a copy of the batch with ``value`` at ``key``; the given batch does not change.

    Raises:
        ValueError: if ``key`` is a function, which made the inputs of the batch.
    """
    if callable(key):
        able = [place for place, part in leaves(batch) if place and _has_values(part) and not _is_number(part)]
        raise ValueError(
            "`input_key` should lead to an entry of the batch where `forward=` is given, which gets a batch with "
            "perturbed inputs in their place. Found a function that makes them; let it return an entry, and let "
            f"`forward` do the rest. {advice('input_key', able, batch)}"
        )
    return with_value(batch, place_of(key), value)


def _is_number(part: Any) -> bool:
    return isinstance(part, (Tensor, np.ndarray)) and part.ndim == 0


def resolved(batch: Any, key: Key) -> Key | None:
    """Return where the user's key leads, as a key that needs no search; ``None`` if it leads to no values."""
    if callable(key):
        value = key(batch)
        own = next((place for place, part in leaves(batch) if part is value), None)
        return None if not _has_values(value) else key if own is None or not own else key_of(own)
    for steps in _readings(key):
        place = Place()
        try:
            for step in steps:
                place = Place((*place, _step_in(at_place(batch, place), step)))
            if _has_values(at_place(batch, place)):
                return key_of(place)
        except KeyError:
            continue
    return None


def _readings(key: str | int | tuple[Any, ...]) -> list[tuple[Any, ...]]:
    """The steps that a key may stand for: itself first, then the path that it spells."""
    if isinstance(key, tuple):
        return [(key,), key]
    return [(key,), tuple(key.split("."))] if isinstance(key, str) and "." in key else [(key,)]


def _step_in(part: Any, step: Any) -> Any:
    """Return a step as it leads on from here: a number that was written as text, or that counts from the back."""
    try:
        entry(part, step)
    except KeyError:
        step = int(step) if isinstance(step, str) and step.lstrip("-").isdecimal() else step
        entry(part, step)
    if isinstance(part, (list, tuple)) and isinstance(step, str):
        fields = getattr(part, "_fields", ())
        return fields.index(step) if step in fields else step
    return step + len(part) if isinstance(step, int) and step < 0 and isinstance(part, (list, tuple)) else step


def _has_values(value: Any) -> bool:
    return isinstance(value, (Tensor, np.ndarray)) or (isinstance(value, (list, tuple)) and bool(value))


def has_names(batch: Any) -> bool:
    """Whether a batch has entries by name, and not by number."""
    return bool(entries(batch)) and not isinstance(batch, (list, tuple))


def usual_name(batch: Any, names: Sequence[str], *, texts: bool = False) -> Any:
    """Return the first usual name of an entry with values, with ``texts`` also of a list of them; else ``None``."""
    named = {str(name).lower(): part for name, part in entries(batch) if _has_values(part)}
    own = {str(name).lower(): name for name, _ in entries(batch)}
    able = {name for name, part in named.items() if numbers(part) is not None or is_list_of_tensors(part)}
    return next((own[name] for known in (able, named if texts else ()) for name in names if name in known), None)


def place_of(key: Any) -> Place:
    """Return a key that is no function as the steps that it stands for."""
    return key if isinstance(key, Place) else Place() if key is None else Place((key,))


def key_of(place: Place) -> Key:
    """Return a place as a key: the step itself if there is one, and it cannot be taken for several."""
    return place[0] if len(place) == 1 and not isinstance(place[0], tuple) else place


def key_text(key: Key | None) -> str:
    """Return a key as the user may write it; of a function its name, and nothing for ``None``."""
    if callable(key):
        return getattr(key, "__name__", type(key).__name__)
    return "" if key is None else place_text(place_of(key))


def entry_code(batch: Any, key: Key | None) -> str:
    """Return the code that reads a key's entry of ``batch``, such as ``batch['image'].S2``."""
    if callable(key):
        return f"{key_text(key)}(batch)"
    code = "batch"
    for step in place_of(key):
        indexed = not isinstance(step, str) or hasattr(type(batch), "__getitem__")
        code, batch = code + (f"[{step!r}]" if indexed else f".{step}"), entry(batch, step)
    return code


def advice(argument: str, places: Sequence[Place], batch: Any) -> str:
    """Return what the user may pass instead, of what the batch has."""
    if places:
        return advised(argument, [place_text(place) for place in places])
    if isinstance(batch, (Tensor, np.ndarray)):
        return f"Leave `{argument}` out."
    return f"Pass for example `{argument}=lambda batch: ...`, a function that returns it."


def advised(argument: str, codes: Sequence[str]) -> str:
    """Return what the user may pass instead, of the code of several values."""
    return f"Pass for example {' or '.join(f'`{argument}={code}`' for code in codes[:_MOST_NAMED])}."

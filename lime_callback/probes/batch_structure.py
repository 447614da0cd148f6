"""What a batch is made of: entries within entries, whatever holds them.

A batch is a tensor, or a structure: a mapping, a list or tuple, a dataclass, an object that has entries by name, or one
whose attributes are tensors. A *step* leads to an entry of a structure; several lead to an entry of an entry. Tensors,
arrays, texts, numbers and everything else are no structures.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

Step = Any
_DEEPEST = 6
_DEEP = 3  # levels of a batch within which an object's attributes are looked at for arrays
_ATOMS = (Tensor, np.ndarray, str, bytes, bytearray, int, float, complex, np.generic, type(None), type, torch.nn.Module)


class Place(tuple[Step, ...]):
    """The steps from a batch to an entry, the first of them first."""

    __slots__ = ()


def entries(part: Any) -> list[tuple[Step, Any]]:
    """Return the entries of a structure, each with its step; of anything else none."""
    if isinstance(part, _ATOMS):
        return []
    if isinstance(part, Mapping):
        return list(part.items())
    if isinstance(part, (list, tuple)):
        return list(enumerate(part))
    if is_dataclass(part):
        return [(field.name, getattr(part, field.name)) for field in fields(part) if hasattr(part, field.name)]
    if callable(getattr(part, "keys", None)) and hasattr(type(part), "__getitem__"):
        with suppress(Exception):
            return [(name, part[name]) for name in part.keys()]  # noqa: SIM118 (which may hold other things)
    attributes = getattr(part, "__dict__", {})
    return list(attributes.items()) if _has_arrays(attributes, _DEEP) else []


def _has_arrays(part: Any, deep: int) -> bool:
    """Whether a structure is, or holds within so many levels, a tensor or an array."""
    if isinstance(part, (Tensor, np.ndarray)):
        return True
    if deep == 0 or isinstance(part, (*_ATOMS, type)) or callable(part):
        return False
    inside = part.values() if isinstance(part, Mapping) else part if isinstance(part, (list, tuple)) else None
    return any(
        _has_arrays(one, deep - 1) for one in (getattr(part, "__dict__", {}).values() if inside is None else inside)
    )


def entry(part: Any, step: Step) -> Any:
    """Return the entry of one step.

    Raises:
        KeyError: if there is none.
    """
    if not isinstance(part, _ATOMS):
        with suppress(KeyError, IndexError, TypeError, AttributeError, ValueError):
            return part[step]
        named = isinstance(step, str) and not isinstance(part, Mapping)
        if named and hasattr(part, step) and not callable(getattr(part, step)):
            return getattr(part, step)
    raise KeyError(step)


def with_entries(part: Any, new: Mapping[Step, Any]) -> Any:
    """Return a structure of the same kind with other entries in the place of some; the given one does not change."""
    if isinstance(part, (list, tuple)):
        values = [new.get(i, value) for i, value in enumerate(part)]
        if hasattr(part, "_fields"):
            named = {i: new[name] for i, name in enumerate(part._fields) if name in new}
            return type(part)(*(named.get(i, value) for i, value in enumerate(values)))
        return values if isinstance(part, list) else tuple(values)
    if type(part) is dict:
        return {**part, **new}
    try:
        whole = copy.copy(part)
        for step, value in new.items():
            if isinstance(part, Mapping) or (hasattr(part, "__setitem__") and not is_dataclass(part)):
                whole[step] = value
            else:
                object.__setattr__(whole, step, value)  # also of a frozen dataclass
    except Exception:  # what checks its entries, or cannot be written
        return {**dict(entries(part)), **new}
    return whole


def at_place(batch: Any, place: Place) -> Any:
    """Return the entry at a place; ``None`` if one on the way is ``None``, as of a loader that has ended.

    Raises:
        KeyError: if there is none.
    """
    for step in place:
        if batch is None:
            return None
        batch = entry(batch, step)
    return batch


def with_value(batch: Any, place: Place, value: Any) -> Any:
    """Return a copy of the batch with another value at a place; the given batch does not change."""
    if not place:
        return value
    first, rest = place[0], Place(place[1:])
    return with_entries(batch, {first: with_value(entry(batch, first), rest, value)})


_WHOLE = Place()


def leaves(batch: Any, place: Place = _WHOLE) -> Iterator[tuple[Place, Any]]:
    """Yield everything in a batch with its place: what a structure holds, and lists of tensors also as a whole."""
    within = entries(batch) if len(place) < _DEEPEST else []
    if not within or is_list_of_tensors(batch):
        yield place, batch
    for step, part in within:
        yield from leaves(part, Place((*place, step)))


def numbers(value: Any) -> Tensor | None:
    """Return an entry as a plain tensor: one of numbers, or a list with a number or a tensor of one shape a sample.

    Returns ``None`` for anything else. Subclasses of tensors, which bring functions of their own, become plain.
    """
    if isinstance(value, Tensor):
        return plain(value)
    if isinstance(value, np.ndarray):
        return torch.as_tensor(value) if value.dtype.kind in "biuf" else None
    if isinstance(value, (list, tuple)) and value:
        if all(isinstance(one, (bool, int, float, np.number, np.bool_)) for one in value):
            return torch.as_tensor(np.asarray(value))
        if is_list_of_tensors(value) and len({one.shape for one in value}) == 1:
            return torch.stack([plain(one) for one in value])
    return None


def plain(tensor: Tensor) -> Tensor:
    """Return a tensor without a subclass's functions, such as those of MONAI's ``MetaTensor``."""
    wrapped = hasattr(tensor, "__tensor_flatten__")  # such as a ``DTensor``, which has no values of its own
    return tensor if type(tensor) in (Tensor, torch.nn.Parameter) or wrapped else tensor.as_subclass(Tensor)


def place_text(place: Place) -> str:
    """Return a place as the user may write it for ``input_key``."""
    if len(place) == 1:
        return repr(place[0])
    if all(isinstance(step, (str, int)) and "." not in str(step) for step in place) and isinstance(place[0], str):
        return repr(".".join(map(str, place)))
    return repr(tuple(place))


def is_list_of_tensors(part: Any) -> bool:
    """Whether an entry is a list with tensors alone, such as an image for each sample."""
    return isinstance(part, (list, tuple)) and bool(part) and all(isinstance(one, Tensor) for one in part)

"""Reads entries of nested structures, such as batches and outputs, by key, place, attribute, or a path of these.

Structures are mappings, sequences, and objects with attributes, such as dataclasses. A path is a string with dots,
``"head.logits"``, or a tuple, ``("head", "logits")``. A key that is there as a whole goes before its reading as a path.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from typing import Any

from torch import Tensor, nn

Key = str | int | tuple[Any, ...]
# What has attributes of its own, but no entries.
_WHOLE = (Tensor, nn.Module, str, bytes, int, float, complex, type(None), type)
_DEEPEST = 6  # structures may hold themselves


def entry(whole: Any, key: Key) -> Any:
    """Return the entry of a key or a path.

    Raises:
        LookupError: if there is none.
    """
    try:
        return _direct(whole, key)
    except LookupError:
        if isinstance(key, tuple) and key:
            part = whole
            for step in key:
                part = _direct(part, step)
            return part
        if isinstance(key, str):
            for head, rest in _splits(key):
                try:
                    return entry(_direct(whole, head), rest)
                except LookupError:
                    continue
        raise


def has_entry(whole: Any, key: Key, kind: Any = object) -> bool:
    """Return whether there is an entry of a key or a path, and whether it is of a kind, such as ``Tensor``."""
    try:
        return isinstance(entry(whole, key), kind)
    except LookupError:
        return False


def parts(whole: Any) -> dict[Any, Any]:
    """Return the direct entries of a structure by their keys, places or attributes; nothing for what has none."""
    if isinstance(whole, _WHOLE):
        return {}
    if isinstance(whole, Mapping):
        return dict(whole)
    if isinstance(whole, (list, tuple)):
        names = getattr(whole, "_fields", range(len(whole)))
        return dict(zip(names, whole, strict=True))
    if is_dataclass(whole):
        return {field.name: getattr(whole, field.name, None) for field in fields(whole)}
    return {name: part for name, part in getattr(whole, "__dict__", {}).items() if not name.startswith("_")}


def tensors(whole: Any) -> dict[Key, Tensor]:
    """Return all tensors of a structure, also nested ones, by keys that :func:`entry` takes."""
    return {_joined(steps): part for steps, part in _walk(whole, ()) if steps}


def _walk(whole: Any, steps: tuple[Any, ...]) -> Iterator[tuple[tuple[Any, ...], Tensor]]:
    if isinstance(whole, Tensor):
        yield steps, whole
    elif len(steps) < _DEEPEST:
        for name, part in parts(whole).items():
            yield from _walk(part, (*steps, name))


def _joined(steps: tuple[Any, ...]) -> Any:
    if len(steps) == 1:
        return steps[0]
    plain = all(isinstance(step, (str, int)) and "." not in str(step) for step in steps)
    return ".".join(map(str, steps)) if plain else steps


def _splits(key: str) -> Iterator[tuple[str, str]]:
    """The ways to cut a path in two, the longest head first."""
    dots = [place for place, letter in enumerate(key) if letter == "."]
    for place in reversed(dots):
        yield key[:place], key[place + 1 :]


def _direct(whole: Any, key: Any) -> Any:
    """Return the entry of a key that is no path; the number of a place may come as text, as in ``"heads.0"``.

    Raises:
        LookupError: if there is none.
    """
    if isinstance(whole, Mapping):
        if key in whole:
            return whole[key]
        if isinstance(key, str) and key.lstrip("-").isdecimal() and int(key) in whole:
            return whole[int(key)]
        whole = tuple(whole.values()) if isinstance(key, int) and hasattr(whole, "to_tuple") else whole
    if isinstance(whole, (list, tuple)):
        place = int(key) if isinstance(key, str) and key.lstrip("-").isdecimal() else key
        if isinstance(place, int):
            return whole[place]
    if isinstance(key, str) and not isinstance(whole, _WHOLE):
        try:
            part = getattr(whole, key)
        except AttributeError:
            pass
        else:
            if not callable(part):
                return part
        if hasattr(whole, "keys") and key in whole.keys():  # noqa: SIM118 (what has keys may hold other things)
            return whole[key]
    raise LookupError(key)

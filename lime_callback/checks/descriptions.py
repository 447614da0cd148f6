"""What a batch or an output is made of, in words, for errors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from lime_callback.checks.entry_paths import parts

_DEEPEST = 3  # levels that are told
_MOST = 20  # entries of a level that are told


def describe(batch: Any) -> str:
    """What a batch is made of, for an error: types, keys and shapes, also of what is nested."""
    if isinstance(batch, Tensor):
        return f"a tensor of shape {tuple(batch.shape)} and dtype {batch.dtype}"
    text = _short(batch, _DEEPEST)
    return text if text[-1] in ")}" else f"a {text}"


def _short(part: Any, levels: int) -> str:
    name, inside = type(part).__name__, parts(part)
    if isinstance(part, Tensor):
        return f"tensor {tuple(part.shape)} {part.dtype}"
    if not levels or not (inside or isinstance(part, (Mapping, list, tuple))):
        return name
    told = [(key, _short(value, levels - 1)) for key, value in list(inside.items())[:_MOST]]
    rest = ["..."] * (len(inside) > _MOST)
    if isinstance(part, Mapping):
        return "{" + ", ".join([*(f"{key!r}: {text}" for key, text in told), *rest]) + "}"
    texts = [text if isinstance(key, int) else f"{key}={text}" for key, text in told]
    return f"{name}(" + ", ".join([*texts, *rest]) + ")"

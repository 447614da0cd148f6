"""What a batch or an output is made of, in words, for errors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor


def describe(batch: Any) -> str:
    """What a batch is made of, for an error: types, keys and shapes."""
    if isinstance(batch, Tensor):
        return f"a tensor of shape {tuple(batch.shape)} and dtype {batch.dtype}"
    if isinstance(batch, Mapping):
        return "{" + ", ".join(f"{name!r}: {_short(part)}" for name, part in batch.items()) + "}"
    if isinstance(batch, (list, tuple)):
        return f"{type(batch).__name__}(" + ", ".join(_short(part) for part in batch) + ")"
    return f"a {type(batch).__name__}"


def _short(part: Any) -> str:
    return f"tensor {tuple(part.shape)} {part.dtype}" if isinstance(part, Tensor) else type(part).__name__

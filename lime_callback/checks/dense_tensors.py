"""Tells tensors with a number in each place from others, which cannot be asked for their size or their values."""

from __future__ import annotations

from typing import Any, TypeGuard

import torch
from torch import Tensor


def is_dense(value: Any) -> TypeGuard[Tensor]:
    """Whether a value is a tensor with a shape: no nested one, as torch's transformers make of masked tokens."""
    return isinstance(value, Tensor) and not value.is_nested and value.layout is torch.strided

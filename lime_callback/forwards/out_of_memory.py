"""Recognises failures for lack of memory."""

from __future__ import annotations

import torch


def is_out_of_memory(error: BaseException | None) -> bool:
    """Return whether a failure says that memory did not suffice, on any device."""
    if isinstance(error, (torch.OutOfMemoryError, MemoryError)):
        return True
    message = str(error).lower()
    return isinstance(error, RuntimeError) and (
        "out of memory" in message or "not enough memory" in message or "can't allocate memory" in message
        or "cudnn_status_not_supported" in message or "cublas_status_alloc_failed" in message
    )  # fmt: skip

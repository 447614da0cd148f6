"""Recognises failures for lack of memory."""

from __future__ import annotations

import torch


def is_out_of_memory(error: BaseException | None) -> bool:
    """Return whether a failure says that memory did not suffice, on any device."""
    if isinstance(error, (torch.OutOfMemoryError, MemoryError)):
        return True
    told = str(error).lower()
    return isinstance(error, RuntimeError) and (
        "out of memory" in told or "not enough memory" in told or "can't allocate memory" in told
        or "cudnn_status_not_supported" in told or "cublas_status_alloc_failed" in told
    )  # fmt: skip

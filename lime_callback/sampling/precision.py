"""The precision of weights and fits, which does not follow that of the model."""

from __future__ import annotations

import torch


def wide_dtype(device: torch.device) -> torch.dtype:
    """The dtype of weights and fits: float64, or float32 on devices without it."""
    return torch.float32 if device.type == "mps" else torch.float64

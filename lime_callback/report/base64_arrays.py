"""Encodes arrays as base64 of little-endian numbers, which a page decodes at once."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


def base64_floats(values: NDArray[Any]) -> str:
    """Encode 32-bit floating-point numbers: coefficients are computed in these, so nothing is rounded."""
    return base64.b64encode(np.ascontiguousarray(values, "<f4").tobytes()).decode()


def base64_shorts(values: NDArray[Any]) -> str:
    """Encode whole numbers from 0 to 65535."""
    return base64.b64encode(np.ascontiguousarray(values, "<u2").tobytes()).decode()

"""Numbers as text that a page can take in at once: base64 of little-endian arrays."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


def base64_floats(values: NDArray[Any]) -> str:
    """32-bit floating-point numbers, in which coefficients are computed, so that nothing is rounded."""
    return base64.b64encode(np.ascontiguousarray(values, "<f4").tobytes()).decode()


def base64_shorts(values: NDArray[Any]) -> str:
    """Whole numbers from 0 to 65535."""
    return base64.b64encode(np.ascontiguousarray(values, "<u2").tobytes()).decode()

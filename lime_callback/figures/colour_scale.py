"""The diverging colour scale of all figures: blue lowers the output, orange raises it, white is zero.

People who cannot tell red from green can tell blue from orange. The caller passes the limit and keeps it the same over
a run, so that a colour means the same coefficient at every epoch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.colors import LinearSegmentedColormap, to_rgb

from lime_callback.figures import style

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

DIVERGING = LinearSegmentedColormap.from_list("lime", style.SCALE, N=511)
SIZES = LinearSegmentedColormap.from_list("lime sizes", style.SIZES, N=256)
"""Of sizes, which have no sign: no colour of the diverging scale."""
COEFFICIENT = "coefficient (change of the output)"
SPAN: dict[str, Any] = {"color": style.INK, "alpha": 0.2}
"""Look of the span that shows how much inputs differ around their mean; on white it looks like ``style.FAINT``."""


def symmetric(limit: float) -> float:
    """Return a limit that can be drawn: 1 if it is 0 or not finite, as it is before anything was explained.

    Raises:
        ValueError: if the limit is below 0.
    """
    if limit < 0:
        raise ValueError(f"`limit` should be the largest absolute coefficient of the scale. Found `limit = {limit}`.")
    return float(limit) if np.isfinite(limit) and limit > 0 else 1.0


def largest(values: Sequence[NDArray[Any]]) -> float:
    """Return the largest finite absolute value in all arrays; 0 if there is none."""
    return max((float(np.abs(v[np.isfinite(v)]).max(initial=0.0)) for v in map(np.asarray, values)), default=0.0)


def axis_end(limit: float, values: Sequence[NDArray[Any]]) -> float:
    """Return where an axis has to end so that it shows ``limit`` and all finite values, with 6 % of room."""
    return 1.06 * max(symmetric(limit), largest(values))


def colours(values: NDArray[Any], limit: float) -> NDArray[np.floating[Any]]:
    """Return each value's colour as RGB from 0 to 1, ``[..., 3]``; white if the value is not finite."""
    values = np.nan_to_num(np.asarray(values, dtype=np.float64), nan=0.0, posinf=0.0, neginf=0.0)
    return np.asarray(DIVERGING(np.clip(0.5 + 0.5 * values / symmetric(limit), 0, 1)))[..., :3]


def size_colours(sizes: NDArray[Any], limit: float) -> NDArray[np.floating[Any]]:
    """Return each size's colour as RGB from 0 to 1, ``[..., 3]``; white if the size is not finite."""
    known = np.nan_to_num(np.asarray(sizes, dtype=np.float64), nan=0.0, posinf=0.0, neginf=0.0)
    return np.asarray(SIZES(np.clip(known / symmetric(limit), 0, 1)))[..., :3]


def pale(rgb: NDArray[Any]) -> NDArray[Any]:
    """Return RGB from 0 to 1 mixed with white, for what should not be relied on."""
    return np.asarray(0.35 * rgb + 0.65)


def sign_colours(values: NDArray[Any], sure: NDArray[np.bool_]) -> NDArray[np.floating[Any]]:
    """Return the bars' RGB from 0 to 1, ``[d, 3]``.

    Args:
        values: the bars' lengths, ``[d]``; their sign decides between orange and blue.
        sure: whether a bar's interval excludes zero, ``[d]``; the other bars are light.
    """
    strong = np.where(values >= 0, style.PLUS, style.MINUS)
    light = np.where(values >= 0, style.PLUS_UNSURE, style.MINUS_UNSURE)
    return np.array([to_rgb(c) for c in np.where(sure, strong, light)]).reshape(-1, 3)


def finite(values: ArrayLike) -> NDArray[np.floating[Any]]:
    """Return values as float64, with NaN for those that are not finite."""
    values = np.asarray(values, dtype=np.float64)
    return np.where(np.isfinite(values), values, np.nan)


def without_unit(quantity: str) -> str:
    """Return a quantity's name without the unit in brackets, for a short axis."""
    return style.clean(quantity.split(" (")[0])

"""RGB pictures of any inputs, by which people recognise a probe."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from torch import Tensor

_RGB = (665.0, 560.0, 490.0)  # nm
_TOLERANCE = 40.0  # nm that the nearest band may lie from a colour
_PERCENTILES = (2.0, 98.0)
_INVALID = 240
_GAMMA = 1 / 1.6


def composite(
    inputs: Tensor, wavelengths: Sequence[float] | None = None, valid: Tensor | None = None
) -> NDArray[np.uint8]:
    """Make an RGB picture of each input.

    If the wavelengths cover the visible spectrum, the bands nearest to 665, 560 and 490 nm become red, green and blue.
    Otherwise a single channel becomes grey, two become red and cyan, three become red, green and blue, and of more
    than three the ones at 5/6, 1/2 and 1/6 of the spectrum become red, green and blue.

    The 2nd to the 98th percentile over all inputs is stretched to the full range, so that probes can be compared. This
    is done for each channel by itself; three channels without wavelengths are stretched jointly, which keeps a
    photograph's colours. If there are wavelengths, values are taken as linear in the light and brightened for screens
    by an exponent of 1/1.6.

    Args:
        inputs: the samples, ``[B, C, H, W]``, on any device.
        wavelengths: the channels' wavelengths in nm; ``None`` if they are unknown.
        valid: whether a pixel counts, bool ``[B or 1, H, W]`` or ``[B or 1, 1, H, W]``; the other pixels become light
            grey, as do pixels that are not finite. ``None`` counts all.

    Returns:
        The pictures, uint8 ``[B, H, W, 3]``.

    Raises:
        ValueError: if ``inputs`` does not have four axes, or ``wavelengths`` or ``valid`` does not fit them.
    """
    if inputs.ndim != 4:
        raise ValueError(f"`inputs` should have the axes [B, C, H, W]. Found shape {tuple(inputs.shape)}.")
    batch, channels, height, width = inputs.shape
    if wavelengths is not None and len(wavelengths) != channels:
        raise ValueError(
            f"`wavelengths` should hold one wavelength for each of the {channels} channels. Found {len(wavelengths)}."
        )
    bands = rgb_channels(channels, wavelengths)
    pixels = inputs.detach()[:, list(bands)].double().cpu().numpy().transpose(0, 2, 3, 1)
    counts = np.isfinite(pixels).all(axis=-1)
    if valid is not None:
        mask = valid.detach().cpu().numpy().astype(bool)
        mask = mask[:, 0] if mask.ndim == 4 else mask
        if mask.ndim != 3 or mask.shape[0] not in (1, batch) or mask.shape[1:] != (height, width):
            raise ValueError(
                f"`valid` should have one value for each pixel, shape {(batch, height, width)}. "
                f"Found shape {tuple(valid.shape)}."
            )
        counts = counts & mask
    stretched = _stretch(pixels, counts, jointly=channels == 3 and wavelengths is None)
    if wavelengths is not None:
        stretched = stretched**_GAMMA
    picture = np.where(counts[..., None], np.round(255 * stretched), _INVALID)
    return np.asarray(picture, dtype=np.uint8)


def rgb_channels(channels: int, wavelengths: Sequence[float] | None = None) -> tuple[int, int, int]:
    """Return the numbers of the channels that become red, green and blue, see :func:`composite`."""
    if wavelengths is not None:
        distance = np.abs(np.asarray(wavelengths, dtype=np.float64)[:, None] - np.array(_RGB))
        red, green, blue = (int(i) for i in distance.argmin(axis=0))
        if distance.min(axis=0).max() <= _TOLERANCE and len({red, green, blue}) == 3:
            return red, green, blue
    if channels <= 3:
        return ((0, 0, 0), (0, 1, 1), (0, 1, 2))[channels - 1]
    order = np.arange(channels) if wavelengths is None else np.argsort(np.asarray(wavelengths), kind="stable")
    red, green, blue = (int(order[channels * part // 6]) for part in (5, 3, 1))
    return red, green, blue


def _stretch(pixels: NDArray[Any], counts: NDArray[np.bool_], *, jointly: bool) -> NDArray[np.floating[Any]]:
    """Map the 2nd and 98th percentile of the counted pixels to 0 and 1; a constant channel becomes 0.5."""
    counted = pixels[counts]
    if len(counted) == 0:
        return np.zeros_like(pixels)
    low, high = np.percentile(counted, _PERCENTILES, axis=None if jointly else 0)
    if not np.all(high > low):  # fewer than 2 % of the pixels differ
        low, high = np.where(high > low, low, counted.min(0)), np.where(high > low, high, counted.max(0))
    span = np.where(high > low, high - low, 0.0)
    span = np.maximum(span, span.max() / 2)  # the noise of a faint channel stays faint
    span = np.where(span > 0, span, 1.0)
    stretched = np.where(high > low, (pixels - low) / span, 0.5)
    return np.asarray(np.clip(np.nan_to_num(stretched, nan=0.0, posinf=1.0, neginf=0.0), 0, 1))

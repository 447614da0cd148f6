"""RGB pictures of any input, for people to recognise a probe by."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from torch import Tensor

_RGB = (665.0, 560.0, 490.0)  # nm
_TOLERANCE = 40.0  # nm from a colour to the nearest band
_PERCENTILES = (2.0, 98.0)
_INVALID = 240
_GAMMA = 1 / 1.6


def composite(
    inputs: Tensor, wavelengths: Sequence[float] | None = None, valid: Tensor | None = None
) -> NDArray[np.uint8]:
    """Make an RGB picture of each input.

    Red, green and blue are the bands nearest to 665, 560 and 490 nm where the wavelengths cover the visible spectrum.
    Otherwise three channels are taken as they are, one channel is grey, two are red and cyan, and of more than three
    the ones at five sixths, half and one sixth of the spectrum are red, green and blue. The 2nd to the 98th percentile
    over all inputs together is stretched to the full range, so that probes can be compared: for each channel by itself,
    and jointly where three channels are taken as they are, which keeps a photograph's colours. With wavelengths the
    values are taken as linear in the light, and dark ones are lifted as screens need it.

    Args:
        inputs: ``[B, C, H, W]``, on any device.
        wavelengths: of the channels, in nm.
        valid: true where a pixel counts, ``[B or 1, H, W]`` or ``[B or 1, 1, H, W]``; other pixels become light grey,
            like those that are not finite.

    Returns:
        uint8 ``[B, H, W, 3]``.

    Raises:
        ValueError: if ``inputs`` has no four axes, or ``wavelengths`` or ``valid`` do not fit it.
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
    """Which channels are red, green and blue."""
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
    """Map the percentiles of the counted pixels to 0 and 1; a constant channel becomes one half."""
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

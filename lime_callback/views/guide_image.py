"""The picture that superpixels follow: any number of channels reduced to three planes between 0 and 1.

Everything is computed on the CPU in float64, so that the segments are the same on every device and rank.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from collections.abc import Sequence

_RED_GREEN_BLUE = (665.0, 560.0, 490.0)  # nm, the centres of Sentinel-2's bands
_WITHIN = 40.0  # nm
_COUNTED = 512**2  # pixels that percentiles are taken of at least, where there are as many
_FLAT = 1e-6  # spread over magnitude, below which float32 data hold nothing but rounding


def rgb_channels(wavelengths: Sequence[float] | None) -> tuple[int, int, int] | None:
    """The channels nearest to 665, 560 and 490 nm; ``None`` if one of them is farther than 40 nm away."""
    if not wavelengths:
        return None
    nearest = [
        min(range(len(wavelengths)), key=lambda channel: abs(wavelengths[channel] - nm)) for nm in _RED_GREEN_BLUE
    ]
    if any(abs(wavelengths[channel] - nm) > _WITHIN for channel, nm in zip(nearest, _RED_GREEN_BLUE, strict=True)):
        return None
    return nearest[0], nearest[1], nearest[2]


def guide_image(image: Tensor, wavelengths: Sequence[float] | None, valid: Tensor) -> Tensor:
    """Three planes that show the structure of an image.

    One to three channels are taken as they are. More are reduced to the RGB composite where the wavelengths cover it,
    else to the first three principal components of the valid pixels.

    Args:
        image: ``[C, H, W]``, finite.
        wavelengths: of the channels, in nm.
        valid: bool ``[H, W]``, with at least one pixel; what is not valid does not count for the scale.

    Returns:
        float64 ``[H, W, 3]`` on the CPU, each plane stretched between its 2nd and 98th percentile, 0 outside ``valid``.
    """
    channels = image.shape[0]
    rgb = rgb_channels(wavelengths) if channels > 3 else None
    planes = image if rgb is None else image[list(rgb)]
    pixels = planes.detach().to("cpu", torch.float64)[:, valid]
    largest = float(pixels.abs().max())
    pixels = pixels / 2.0 ** max(-1000, math.frexp(largest)[1] - 1)  # exact, and squares stay in range
    tolerance = _FLAT * float(pixels.abs().max())
    if len(pixels) > 3:
        pixels = _principal_components(pixels)
    pixels = _stretch(pixels, tolerance)
    if channels == 1:
        pixels = pixels.expand(3, -1)  # grey
    picture = torch.zeros(3, *valid.shape, dtype=torch.float64)
    picture[: len(pixels), valid] = pixels
    return picture.movedim(0, -1).contiguous()


def _principal_components(pixels: Tensor) -> Tensor:
    """Scores ``[3, P]`` of pixels ``[C, P]``; the largest loading of a component is positive, which fixes the sign."""
    centred = pixels - pixels.mean(1, keepdim=True)
    _, vectors = torch.linalg.eigh(centred @ centred.T)
    loadings = vectors[:, -3:].flip(1)  # eigenvalues come in ascending order
    largest = loadings.gather(0, loadings.abs().argmax(0, keepdim=True))
    scores: Tensor = (loadings * largest.sign()).T @ centred
    return scores


def _stretch(pixels: Tensor, tolerance: float) -> Tensor:
    """Each plane of ``[K, P]`` to the range from 0 to 1; one that varies by no more than ``tolerance`` becomes 0."""
    some = pixels[:, :: max(1, pixels.shape[1] // _COUNTED)]  # sorting all would take long
    low, high = torch.quantile(some, torch.tensor([0.02, 0.98], dtype=pixels.dtype), dim=1, keepdim=True)
    # A few bright pixels on an even ground lie outside the percentiles.
    narrow = high - low <= tolerance
    low = torch.where(narrow, pixels.amin(1, keepdim=True), low)
    high = torch.where(narrow, pixels.amax(1, keepdim=True), high)
    spread = high - low
    scaled = ((pixels - low) / spread.clamp(min=torch.finfo(spread.dtype).tiny)).clamp(0, 1)
    return torch.where(spread > tolerance, scaled, 0.0)

"""Fields in the HYPERVIEW form that are made up, and whose soil parameters depend on known bands.

What a pixel of a field reflects at wavelength ``nm``, as a share of the brightest value, is

    light * texture * slope(nm) * soil(nm) * product over the parameters of (1 - depth * dip(nm)) + noise

- ``depth`` is what a parameter drives: from 0.05 where it is lowest to 0.50 where it is highest. The parameter itself
  deviates from that line by a standard deviation of 3 % of its range.
- ``dip`` is a raised cosine over the parameter's own range of wavelengths (``DRIVERS``), and 0 elsewhere. Each range is
  that of two of the 20 superbands, so that it is known which ones should come first.
- ``light`` (one number a field, standard deviation 10 %) and ``slope`` (a tilt over all wavelengths, 3 % at the ends)
  are a nuisance: a band of ``DRIVERS`` is darker for many reasons, and only its depth against other bands counts.
- ``soil`` is a spectrum that rises, the same for all; ``texture`` is smooth over the field.
- Outside of the field grow plants, whose spectrum says nothing about the soil.

Nothing here is measured: no soil parameter has such tidy bands.
"""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING

import numpy as np
from hyperview import BRIGHTEST, PARAMETERS, wavelengths
from scipy.ndimage import gaussian_filter

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    Spectrum = NDArray[np.float64]  # [C]

DRIVERS = {"P": (512.0, 563.0), "K": (614.0, 665.0), "Mg": (739.0, 783.0), "pH": (851.0, 895.0)}  # nm
RANGES = {"P": (20.0, 325.0), "K": (20.0, 625.0), "Mg": (25.0, 400.0), "pH": (5.6, 7.8)}  # those of the challenge
SHALLOWEST, DEEPEST = 0.05, 0.50
LIGHT, SLOPE = 0.10, 0.03  # standard deviations
DEVIATION = 0.03  # of a parameter from its depth, as a share of its range
SMALLEST, LARGEST = 14, 26  # pixels along a side


def drives(low: float, high: float, parameter: str) -> bool:
    """Whether most of the wavelengths from ``low`` to ``high`` nm drive a parameter."""
    first, last = DRIVERS[parameter]
    return 2 * (min(high, last) - max(low, first)) > high - low


def write_fields(folder: Path, count: int, *, seed: int = 0) -> None:
    """Write ``count`` files, ``0.npz`` and so on, and ``train_gt.csv``; the same for the same seed."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    with (folder / "train_gt.csv").open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(["sample_index", *PARAMETERS])
        for index in range(count):
            share = rng.uniform(size=len(PARAMETERS))
            data, outside = make_field(share, rng)
            np.savez_compressed(folder / f"{index}.npz", data=data, mask=np.broadcast_to(outside, data.shape))
            measured = share + DEVIATION * rng.standard_normal(len(PARAMETERS))
            values = [low + (high - low) * one for one, (low, high) in zip(measured, RANGES.values(), strict=True)]
            table.writerow([index, *(round(value, 2) for value in values)])


def make_field(share: NDArray[np.float64], rng: np.random.Generator) -> tuple[NDArray[np.uint16], NDArray[np.bool_]]:
    """One field: data uint16 ``[C, H, W]``, and where it is outside, bool ``[H, W]``.

    Args:
        share: how high each parameter is in its range, from 0 to 1, ``[4]``.
        rng: for all else.
    """
    height, width = rng.integers(SMALLEST, LARGEST + 1, size=2)
    nm = np.array(wavelengths())
    outside = ~_shape(height, width, rng)
    tilt = 1 + SLOPE * rng.standard_normal() * np.linspace(-1, 1, len(nm))
    light = np.exp(LIGHT * rng.standard_normal())
    field = light * tilt * _soil(nm) * np.prod([1 - d for d in _absorptions(nm, share)], axis=0)
    plants = np.exp(LIGHT * rng.standard_normal()) * _plants(nm)
    smooth = gaussian_filter(rng.standard_normal((height, width)), 2.0)
    texture = 1 + 0.08 * smooth / smooth.std()
    reflectance = np.where(outside, plants[:, None, None], field[:, None, None]) * texture
    reflectance += 0.008 * rng.standard_normal(reflectance.shape)
    return np.round(BRIGHTEST * reflectance.clip(0, 1)).astype(np.uint16), outside


def _absorptions(nm: Spectrum, share: NDArray[np.float64]) -> list[Spectrum]:
    """How much each parameter takes away at each wavelength."""
    found = []
    for one, (low, high) in zip(share, DRIVERS.values(), strict=True):
        dip = np.where((nm > low) & (nm < high), 0.5 - 0.5 * np.cos(2 * np.pi * (nm - low) / (high - low)), 0.0)
        found.append((SHALLOWEST + (DEEPEST - SHALLOWEST) * one) * dip)
    return found


def _soil(nm: Spectrum) -> Spectrum:
    """Bare soil: brighter towards the infrared."""
    return np.interp(nm, [460, 600, 750, 940], [0.14, 0.27, 0.36, 0.42])


def _plants(nm: Spectrum) -> Spectrum:
    """Leaves: a green peak, red absorbed, and a red edge near 715 nm."""
    peak = 0.06 * np.exp(-(((nm - 550) / 35) ** 2))
    return 0.05 + peak + 0.40 / (1 + np.exp(-(nm - 715) / 12))


def _shape(height: int, width: int, rng: np.random.Generator) -> NDArray[np.bool_]:
    """Where the field is: a rectangle, turned by up to 35 degrees, that covers about half of its image."""
    y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    turn = np.deg2rad(rng.uniform(-35, 35))
    along, across = x * np.cos(turn) + y * np.sin(turn), y * np.cos(turn) - x * np.sin(turn)
    half = rng.uniform(0.6, 0.9, size=2)
    return (np.abs(along) < half[0]) & (np.abs(across) < half[1])

"""Ranges of wavelengths that say more of the air or of the sensor than of the ground."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from lime_callback.views.channels.set_extent import ranges_text

if TYPE_CHECKING:
    from collections.abc import Sequence

ATMOSPHERE = {
    "oxygen": ((757.0, 771.0),),
    "water vapour": (
        (715.0, 735.0), (812.0, 834.0), (925.0, 975.0), (1105.0, 1165.0), (1340.0, 1460.0), (1790.0, 1970.0),
    ),
    "carbon dioxide": ((2000.0, 2070.0),),
}  # fmt: skip
"""Where the air absorbs, in nm: Gao, Montes, Davis and Goetz, Remote Sensing of Environment 113 (2009), figure 1."""
_EDGE = 0.02  # of the channels, at either end of the sensor
_NOISY, _BESIDE = 0.5, 5.0
_MAIN = 0.5  # of what the strongest range of a set has; ranges with less are not named
_LARGEST = 0.3  # of the channels; a larger set is no special part of the spectrum


def atmospheric_channels(wavelengths: Sequence[float]) -> dict[str, list[int]]:
    """The channels that lie in each gas's ranges, for gases that have any and less than a third of them."""
    found = {
        gas: [i for i, nm in enumerate(wavelengths) if any(low <= nm <= high for low, high in ranges)]
        for gas, ranges in ATMOSPHERE.items()
    }
    return {gas: channels for gas, channels in found.items() if 0 < len(channels) <= _LARGEST * len(wavelengths)}


def edge_channels(wavelengths: Sequence[float]) -> list[int]:
    """The channels at the sensor's ends, where its signal is weak; none of a sensor with few."""
    count = int(_EDGE * len(wavelengths))
    order = sorted(range(len(wavelengths)), key=lambda i: wavelengths[i])
    return sorted(order[:count] + order[-count:]) if count else []


def noisy_channels(pixels: Tensor, wavelengths: Sequence[float]) -> list[int]:
    """Channels that their two neighbours do not tell: more than half of their variance is left, and more than usual.

    Args:
        pixels: spectra less the mean of their picture, which leaves what differs from pixel to pixel, ``[N, C]``; of
            samples without pixels less the mean of their class, or the spectra themselves.
        wavelengths: of the channels, in nm.
    """
    count, channels = pixels.shape
    if channels < 8 or count < 8:
        return []
    order = torch.tensor(sorted(range(channels), key=lambda i: wavelengths[i]))
    x = pixels.double()[:, order]
    x = x - x.mean(0)
    noise = torch.zeros(channels, dtype=torch.float64)
    for i in range(channels):
        beside = [j for j in (i - 1, i + 1) if 0 <= j < channels]
        left = x[:, i] - x[:, beside] @ torch.linalg.lstsq(x[:, beside], x[:, i : i + 1]).solution[:, 0]
        noise[i] = left.square().sum() / x[:, i].square().sum().clamp(min=1e-30)
    noisy = (noise > _NOISY) & (noise > _BESIDE * noise.median())
    found = order[noisy].tolist()
    return sorted(found) if len(found) <= _LARGEST * channels else []


def shoulders(channels: Sequence[int], wavelengths: Sequence[float]) -> tuple[list[int], list[int]]:
    """As many channels on either side of each of a set's ranges, where there are any: by shorter and by longer waves.

    A model that uses a wide range uses its shoulders, too; one that uses what the air absorbs uses them less.
    """
    order = sorted(range(len(wavelengths)), key=lambda i: wavelengths[i])
    place = {channel: i for i, channel in enumerate(order)}
    inside = sorted(place[channel] for channel in channels)
    runs = _runs(inside)
    taken, below, above = set(inside), list[int](), list[int]()
    for run in runs:
        wide = len(run)
        below += [i for i in range(run[0] - wide, run[0]) if i >= 0 and i not in taken]
        above += [i for i in range(run[-1] + 1, run[-1] + 1 + wide) if i < len(order) and i not in taken]
    return sorted(order[i] for i in set(below)), sorted(order[i] for i in set(above))


def main_ranges(channels: Sequence[int], strengths: Tensor, wavelengths: Sequence[float]) -> list[int]:
    """Those of a set's channels that lie in the range with most of its attribution, or in one with half as much.

    Args:
        channels: of the set.
        strengths: how much of the attribution each channel has, ``[C]``.
        wavelengths: of all channels, in nm.

    Returns:
        All of them where none has any.
    """
    order = sorted(range(len(wavelengths)), key=lambda i: wavelengths[i])
    place = {channel: i for i, channel in enumerate(order)}
    ranges = [[order[i] for i in run] for run in _runs(sorted(place[channel] for channel in channels))]
    held = [float(strengths[run].sum()) for run in ranges]
    main = [run for run, own in zip(ranges, held, strict=True) if own >= _MAIN * max(max(held), 1e-30)]
    return sorted(channel for run in main for channel in run) or list(channels)


def _runs(numbers: Sequence[int]) -> list[list[int]]:
    """Numbers in ascending order, cut where one is left out."""
    runs = [[numbers[0]]]
    for number in numbers[1:]:
        if number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    return runs


def channels_text(channels: Sequence[int], wavelengths: Sequence[float] | None) -> str:
    """What channels are, in words: ranges in nm, such as ``"1350 to 1430 nm"``, or their numbers.

    Args:
        channels: their numbers.
        wavelengths: of all channels, in nm, or ``None``.
    """
    return ("channels " if wavelengths is None else "") + ranges_text(channels, wavelengths)

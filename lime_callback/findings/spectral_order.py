"""Whether channels lie in the order that their wavelengths say.

Letters: ``N`` samples, ``C`` channels.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from collections.abc import Sequence

RED_EDGE = (680.0, 760.0)
"""Where plants' reflectance rises steeply, in nm: Horler, Dockray and Barber, Int. J. Remote Sensing 4 (1983)."""
_TRIES = 99
_LEAST = 1e-30
_CONSTANT = 1e-6  # of a channel's level and the largest spread
_NEXT = 2  # channels on either side are a channel's neighbours
_FARTHER, _STRANGE = 10.0, 0.1  # times as far as the likest channel, and of the usual distance between two channels
_FOREIGN, _FEWEST, _SAMPLES = 0.1, 32, 32  # part of the channels, channels and samples
_END, _PART = 2, 8  # channels that count as an end of a part, and that a part has at least
_EDGE, _NO_EDGE = 4.0, 1.0  # standard deviations of the rises elsewhere
_FITS, _WITHIN = 15.0, 0.5  # times as near where a part is turned; of the way at its ends, a step within it at most


def roughness(spectra: Tensor) -> float:
    """Mean squared step between neighbours, beside the mean squared step between channels at random: near 0 if smooth.

    Half of von Neumann's ratio (Annals of Mathematical Statistics 12, 1941), over all samples.

    Args:
        spectra: in the order of the channels, ``[N, C]``.
    """
    x = spectra.double()
    steps = x.diff(dim=1).square().mean()
    return float(steps / (2 * x.var(1, correction=0).mean()).clamp(min=_LEAST))


def is_shuffled(spectra: Tensor, wavelengths: Sequence[float], seed: int = 0) -> bool:
    """Whether spectra are smooth as the channels stand, and rough as their wavelengths say, or channels are misplaced.

    Args:
        spectra: of samples, ``[N, C]``, as the channels stand.
        wavelengths: of the channels.
        seed: of the random orders that a rough spectrum is compared with.
    """
    order = torch.tensor(sorted(range(len(wavelengths)), key=lambda i: wavelengths[i]))
    said, stands = roughness(spectra[:, order]), roughness(spectra)
    if stands < 0.25 * said and said > 0.2:
        return True
    if foreign_share(spectra[:, order]) > _FOREIGN:
        return True
    # Neither is smooth: a spectrum of a sensor is, so that a rough one is in no order at all.
    generator = torch.Generator().manual_seed(seed)
    tries = [roughness(spectra[:, torch.randperm(len(order), generator=generator)]) for _ in range(_TRIES)]
    return said > 0.6 and said >= sorted(tries)[_TRIES // 10]


def foreign_share(spectra: Tensor) -> float:
    """Part of the channels that are strangers where they stand, and have a like elsewhere.

    Neighbours of a spectrometer have nearly the same values in all samples. A channel that stands elsewhere than it
    belongs is far from its neighbours there, and near to another channel. Distances are 1 less the correlation over the
    samples, so that neither levels nor normalisation matter, and noisy channels, which are far from all, do not count.

    Args:
        spectra: in the order of the wavelengths, ``[N, C]``.

    Returns:
        From 0 to 1; 0 where channels or samples are too few, or samples do not differ.
    """
    apart, usual = distances(spectra)
    if not usual:
        return 0.0
    channels = len(apart)
    own, place = torch.eye(channels, dtype=torch.bool), torch.arange(channels)
    apart = apart.masked_fill(own, float("inf"))
    strangers = (place - place.unsqueeze(1)).abs() > _NEXT
    beside, likest = apart.masked_fill(strangers, float("inf")).amin(1), apart.amin(1)
    foreign = (beside > _FARTHER * likest.clamp(min=0)) & (beside > _STRANGE * usual)
    return float(foreign.double().mean())


def turned_part(spectra: Tensor) -> tuple[int, int] | None:
    """A part of the channels that runs the other way, as that of one detector of several may.

    Where it begins and ends neighbours are strangers, and each end is like the channels at the other one. Within it are
    no such steps: else it may be near infrared, between two ranges that are like each other.

    Args:
        spectra: in the order of the wavelengths, ``[N, C]``.

    Returns:
        The part's first channel and the one after its last; ``None`` where there is none, or it cannot be told.
    """
    apart, usual = distances(spectra)
    if not usual:
        return None
    count = len(apart)
    # How near any of the two channels from one place on is to any of the two from another one on.
    between = -torch.nn.functional.max_pool2d(-apart[None, None], _END, stride=1)[0, 0]
    places = len(between)
    beside = between.diagonal(_END)  # of the two channels before each place to the two from it on
    beside = torch.where(beside > _STRANGE * usual, beside, 0.0)
    inner = slice(_END, count - _END + 1)
    nearer = torch.zeros(2, count + 1, count + 1, dtype=apart.dtype)  # at the beginning and the end of [first, end)
    nearer[0, inner, _END:] = beside.unsqueeze(1) / between[: places - _END].clamp(min=_LEAST)
    nearer[1, :places, inner] = beside / between[:, _END:].clamp(min=_LEAST)
    nearer[0, 0], nearer[1, :, count] = torch.inf, torch.inf  # the spectrum's own ends have no neighbours
    place = torch.arange(count + 1)
    long = (place - place.unsqueeze(1) >= _PART) & (place - place.unsqueeze(1) < count)
    fits = torch.where(long, nearer.amin(0), 0.0)
    first, end = divmod(int(fits.argmax()), count + 1)
    steps = [float(beside[at - _END]) for at in (first, end) if _END <= at <= count - _END]
    within = beside[max(first + 1 - _END, 0) : max(end - _END, 0)]
    even = not len(within) or float(within.max()) <= _WITHIN * min(steps, default=0.0)
    return (first, end) if even and float(fits[first, end]) >= _FITS else None


def distances(spectra: Tensor) -> tuple[Tensor, float]:
    """How far channels are from each other: 1 less their correlation over the samples.

    Args:
        spectra: ``[N, C]``.

    Returns:
        The distances ``[C, C]``, and their median; 0 where channels or samples are too few to tell any order, or
        samples do not differ.
    """
    count, channels = spectra.shape
    if count < _SAMPLES or channels < _FEWEST:
        return spectra.new_zeros(channels, channels).double(), 0.0
    x = spectra.double()
    spread, centre = x.std(0, correction=0), x.mean(0)
    varies = spread > _CONSTANT * (centre.abs() + spread.amax())
    x = torch.where(varies, (x - centre) / spread, 0.0)  # a constant channel is like no other
    apart = 1 - x.T @ x / count
    return apart, float(apart[~torch.eye(channels, dtype=torch.bool)].median())


def is_reversed(spectra: Tensor, wavelengths: Sequence[float]) -> bool:
    """Whether the red edge is not where the wavelengths say, and is where the reversed ones say.

    Args:
        spectra: of samples, ``[N, C]``, as the channels stand.
        wavelengths: of the channels, in nm.
    """
    nm = torch.tensor(wavelengths, dtype=torch.float64)
    order = nm.argsort()
    there = edge_height(spectra[:, order].double(), nm[order])
    turned = edge_height(spectra[:, order.flip(0)].double(), nm[order])
    return there is not None and turned is not None and turned > _EDGE and there < _NO_EDGE


def edge_height(spectra: Tensor, wavelengths: Tensor) -> float | None:
    """How far spectra rise over the red edge and stay there, in standard deviations of what they rise over elsewhere.

    Args:
        spectra: ``[N, C]``, by ascending wavelength.
        wavelengths: ascending, ``[C]``.

    Returns:
        The largest such rise, of the upper tenth of the samples; ``None`` if the sensor does not reach over the edge.
    """
    low, high = RED_EDGE
    wide = high - low
    nearest = torch.searchsorted(wavelengths, wavelengths + wide).clamp(max=len(wavelengths) - 1)
    beyond = torch.searchsorted(wavelengths, wavelengths + 2 * wide).clamp(max=len(wavelengths) - 1)
    inside = (wavelengths[beyond] - wavelengths).sub(2 * wide).abs() < wide / 2
    # A rise counts as far as it is still there as many nm further on: a peak is no edge.
    rises = torch.minimum(spectra[:, nearest] - spectra, spectra[:, beyond] - spectra)[:, inside]
    begins = wavelengths[inside]
    at = (begins >= low - 15) & (begins <= low + 25)
    elsewhere = ~((begins > low - wide) & (begins < high + wide))
    if not bool(at.any()) or int(elsewhere.sum()) < 5:
        return None
    usual = rises[:, elsewhere]
    height = (rises[:, at].amax(1) - usual.mean(1)) / usual.std(1).clamp(min=_LEAST)
    return float(height.quantile(0.9))

"""Assigns each channel to a feature: the first group that claims a channel gets it; other channels are left over."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING

from lime_callback.views.channels.parts import channels_label
from lime_callback.views.feature_regrouping import unique_name

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lime_callback.views.channels.groups import Group

NOT_INCLUDED = "not_included"


@dataclass
class Assignment:
    """Which feature each channel belongs to.

    Attributes:
        labels: each channel's feature, from 0 to d - 1; a channel of -1 is never hidden.
        names: the features' names, d, all different.
        warnings: texts that the user should read.
        notes: texts for the log.
    """

    labels: list[int]
    names: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def equal_groups(bands: int, wavelengths: Sequence[float] | None, count: int) -> Assignment:
    """Split the channels into contiguous groups, in the order of their wavelengths, of sizes that differ by at most 1.

    Args:
        bands: the number of groups; if it is above ``count``, each channel forms a group and a warning says so.
        wavelengths: the channels' wavelengths in nm; ``None`` keeps the channels' own order.
        count: the number of channels.
    """
    result = Assignment(labels=[0] * count)
    if bands > count:
        result.warnings.append(
            f"`bands = {bands}` is more than the {count} channel{'s' * (count > 1)} of the inputs; each channel forms "
            f"a feature."
        )
        bands = count
    order = sorted(range(count), key=lambda channel: wavelengths[channel]) if wavelengths else list(range(count))
    # The same split as numpy.array_split: the first groups take the remainder, one channel each.
    size, remainder = divmod(count, bands)
    starts = [group * size + min(group, remainder) for group in range(bands + 1)]
    members = [order[start:end] for start, end in pairwise(starts)]
    for label, channels in enumerate(members):
        for channel in channels:
            result.labels[channel] = label
    if wavelengths:
        result.names = _ranges([(wavelengths[channels[0]], wavelengths[channels[-1]]) for channels in members])
    else:
        result.names = [channels_label(channels) for channels in members]
    return result


def assign(
    groups: Sequence[Group], wavelengths: Sequence[float] | None, count: int, *, show_not_included: bool = True
) -> Assignment:
    """Assign channels to the groups that a user named.

    Args:
        groups: the groups; of several that claim a channel, the first gets it.
        wavelengths: the channels' wavelengths in nm, or ``None``.
        count: the number of channels.
        show_not_included: whether channels without a group form the feature ``not_included``; otherwise their label is
            -1.

    Raises:
        ValueError: if no group has a channel, a channel number is not below ``count``, or a group needs wavelengths and
            ``wavelengths`` is ``None``.
    """
    result = Assignment(labels=[-1] * count)
    sensor = f"the sensor's {min(wavelengths):g}-{max(wavelengths):g} nm" if wavelengths else f"the {count} channels"
    claimed: dict[str, int] = {}
    for group in groups:
        picked = group.pick(wavelengths, count)
        name = unique_name(group.label(count), result.names)
        result.warnings += [f"{name!r}: {text}" for text in picked.warnings]
        result.notes += [f"{name!r}: {text}" for text in picked.notes]
        if picked.missing and picked.channels:
            result.warnings.append(
                f"{name!r} goes without {', '.join(picked.missing)}, of which {sensor} hold no band."
            )
        channels = list(dict.fromkeys(picked.channels))
        free = [channel for channel in channels if result.labels[channel] < 0]
        for owner, label in claimed.items():
            both = sorted(channel for channel in channels if result.labels[channel] == label)
            if both:
                result.warnings.append(
                    f"{owner!r} and {name!r} both claim {len(both)} channel{'s' * (len(both) > 1)} "
                    f"({_extent(both, wavelengths)}); {owner!r} comes first and gets "
                    f"{'them' if len(both) > 1 else 'it'}."
                )
        if not free:
            absent = ", ".join(picked.missing) or "it"
            reason = "no channel is left for it" if channels else f"{sensor} hold no band of {absent}"
            result.warnings.append(f"{name!r} is left out: {reason}.")
            continue
        claimed[name] = len(result.names)
        for channel in free:
            result.labels[channel] = claimed[name]
        result.names.append(name)
    if not result.names:
        raise ValueError(f"`bands` should name at least one channel. {' '.join(result.warnings)}")
    if show_not_included and -1 in result.labels:
        result.labels = [len(result.names) if label < 0 else label for label in result.labels]
        result.names.append(NOT_INCLUDED)
    return result


def _extent(channels: Sequence[int], wavelengths: Sequence[float] | None) -> str:
    if wavelengths is None:
        return channels_label(channels)
    nanometres = [wavelengths[channel] for channel in channels]
    return _ranges([(min(nanometres), max(nanometres))])[0]


def _ranges(ends: Sequence[tuple[float, float]]) -> list[str]:
    """Return names such as ``"400-498 nm"``, with as few decimals, at most 3, as tell them apart."""
    names: list[str] = []
    for decimals in range(4):
        pairs = [(f"{low:.{decimals}f}", f"{high:.{decimals}f}") for low, high in ends]
        names = [f"{low}-{high} nm" if low != high else f"{low} nm" for low, high in pairs]
        if len(set(names)) == len(names):
            return names
    unique: list[str] = []
    for name in names:
        unique.append(unique_name(name, unique))
    return unique

"""Which sets are hidden in the background at an explained epoch, to tell what the model rests on.

A set is a bool mask ``[1 or N, C, H, W]`` over ``N`` samples, in which axes may have size 1 and broadcast.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from lime_callback.findings.hidden.physical_ranges import (
    atmospheric_channels,
    channels_text,
    edge_channels,
    main_ranges,
    noisy_channels,
    shoulders,
)
from lime_callback.findings.hidden.picture_places import blocks_within, border, tiles
from lime_callback.sampling.band_deviations import BandDeviations
from lime_callback.sampling.random_sets import random_set_elsewhere

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

CANDIDATE, OTHER_BANDS, UNREAD = "strongest bands", "all other bands", "unused bands"
BESIDE = ", beside other bands"  # what these do not show
DEVIATION = f"{CANDIDATE}{BESIDE}"
ABSORPTION, INPUT = "absorption/", "input/"
GASES = ("water vapour", "oxygen", "carbon dioxide")
FRAME, INSIDE, OUTSIDE, PADDING = "frame", "inside", "outside", "padding"
MOST, FEWEST = 32, 12  # samples
NARROW = 0.16  # of the channels, at most, in the strongest bands
_AS_STRONG = 0.3  # of the strongest band, at least, to be taken beside it
_UNUSED = 0.45  # of what a band has on average; whether it is used, hiding tells
_RANDOM = {CANDIDATE: 4, ABSORPTION: 1, GASES: 2, FRAME: 2}
_LEAST = 0.2  # of all that hiding everything changes: no finding about a set that changes less is told
STRONGEST_CARRY = 0.4  # likewise, of the strongest bands
MANY = 40  # channels, each of which others tell
_KEPT = 12  # sets to be hidden beside others, as many as two that stand out have
_BORDER = 0.4  # of the pixels at most: a border that is half of a picture is no place


@dataclass(frozen=True, eq=False)
class HiddenSetsPlan:
    """Sets to hide, in the order of their importance.

    Most sets turn out to change little. So each is hidden alone at first, and what it is compared with only where it
    changes enough for a finding; what is never compared is never told, which keeps every p value true.

    Attributes:
        masks: by name.
        references: for some sets the names of random sets of as many elements.
        subjects: for some sets what they are, in words.
        groups: names that are of use together alone, to be hidden at first.
        beside: for some sets what is hidden where the set changes enough.
        least: for these sets which part of what hiding everything changes is enough.
        deviations: for bands of which only that is hidden which other bands do not show, learns how far they deviate.
    """

    masks: dict[str, Tensor] = field(default_factory=dict)
    references: dict[str, tuple[str, ...]] = field(default_factory=dict)
    subjects: dict[str, str] = field(default_factory=dict)
    groups: list[tuple[str, ...]] = field(default_factory=list)
    beside: dict[str, tuple[str, ...]] = field(default_factory=dict)
    least: dict[str, float] = field(default_factory=dict)
    deviations: dict[str, Callable[[], BandDeviations]] = field(default_factory=dict)

    def add(self, masks: Mapping[str, Tensor]) -> None:
        """Add sets that are of use together alone."""
        self.masks.update(masks)
        self.groups.append(tuple(masks))

    def compare(self, name: str, mask: Tensor, least: float, random: Sequence[Tensor], **others: Tensor) -> None:
        """Add a set that is compared with others where it changes enough.

        Args:
            name: of the set.
            mask: the set.
            least: which part of what hiding everything changes is enough.
            random: sets of as many elements.
            others: further sets, by their names.
        """
        self.add({name: mask})
        own = {f"{name} ~{i + 1}": one for i, one in enumerate(random)}
        self.masks.update(own | others)
        self.references[name] = tuple(own)
        self.beside[name] = (*own, *others)
        self.least[name] = least

    def compare_deviations(
        self,
        name: str,
        mask: Tensor,
        least: float,
        random: Sequence[Tensor],
        pixels: Tensor,
        wavelengths: Sequence[float],
    ) -> None:
        """Add a set of bands; where it changes enough, what other bands do not show is hidden alone, too.

        What a surface is like shows in many bands, and a model that has learnt it rests on all of them. What is written
        into a few bands, by the air or by a fault, others do not show.

        Args:
            name: of the set.
            mask: the bands.
            least: which part of what hiding everything changes is enough.
            random: sets of as many bands.
            pixels: spectra that the others' part is learnt from, ``[n, C]``.
            wavelengths: of the channels, in nm.
        """
        own = {f"{name}{BESIDE} ~{i + 1}": one for i, one in enumerate(random)}
        sets = {f"{name}{BESIDE}": mask} | own
        self.compare(name, mask, least, (), **sets)
        self.references[f"{name}{BESIDE}"] = tuple(own)
        for deviation, bands in sets.items():
            # Most are never asked, and each is a regression.
            self.deviations[deviation] = partial(BandDeviations.of, bands.flatten(), pixels, wavelengths)

    def within(self, budget: int, count: int) -> tuple[list[str], int]:
        """The sets that a budget suffices for, and of how many samples; some of it is kept for what is hidden beside.

        Args:
            budget: inputs that the model may be run on.
            count: samples that there are.
        """
        kept: list[str] = []
        for names in self.groups:
            if (len(kept) + len(names) + 1) * min(FEWEST, count) > budget and kept:
                continue
            kept += names
        rows = len(kept) + 1 + (_KEPT if self.beside else 0)
        return kept, max(min(count, MOST, budget // rows), min(count, FEWEST))

    def to_compare(self, parts: Mapping[str, float], left: int, count: int) -> list[str]:
        """The sets to hide beside those that change enough, as far as a budget suffices.

        Args:
            parts: which part of what hiding everything changes each set changes.
            left: inputs that the model may still be run on.
            count: samples.
        """
        asked: list[str] = []
        for name in sorted(self.beside, key=lambda name: -parts.get(name, 0.0)):
            others = self.beside[name]
            if parts.get(name, 0.0) >= self.least[name] and (len(asked) + len(others) + 1) * count <= left:
                asked += others
        return asked


def plan_sets(
    shape: tuple[int, int, int],
    wavelengths: Sequence[float] | None,
    pixels: Tensor,
    strongest: Sequence[int],
    unused: Sequence[int],
    strengths: Tensor | None,
    inputs: Mapping[str, tuple[int, int]],
    outside: Tensor | None,
    padding: Tensor | None,
    seed: int,
) -> HiddenSetsPlan:
    """Plan what to hide.

    Args:
        shape: channels, height and width of a sample.
        wavelengths: of the channels, in nm; ``None``: no set of bands is hidden.
        pixels: see :func:`~lime_callback.findings.hidden.physical_ranges.noisy_channels`.
        strongest: channels of the few bands that explanations show as the strongest; empty if unknown.
        unused: channels that explanations show as unused.
        strengths: how much of the attribution each channel has, ``[C]``; ``None`` if unknown.
        inputs: for several inputs, the first channel of each and the one after its last.
        outside: pixels outside of the user's mask, bool ``[N, 1, H, W]``, or ``None``.
        padding: pixels that only fill pictures up, bool ``[N, 1, H, W]``, or ``None``.
        seed: of the random sets.
    """
    channels, height, width = shape
    plan = HiddenSetsPlan()
    order = None if wavelengths is None else sorted(range(channels), key=lambda i: wavelengths[i])

    def band(numbers: Sequence[int]) -> Tensor:
        mask = torch.zeros(1, channels, 1, 1, dtype=torch.bool)
        mask[:, list(numbers)] = True
        return mask

    def random(mask: Tensor, count: int) -> list[Tensor]:
        generator = torch.Generator().manual_seed(seed)
        return [random_set_elsewhere(mask, generator, order) for _ in range(count)]

    for name, (first, stop) in inputs.items():
        plan.add({f"{INPUT}{name}": band(range(first, stop))})
    if wavelengths is not None and strongest:
        mask = band(strongest)
        if channels >= MANY:
            random_sets = random(mask, _RANDOM[CANDIDATE])
            plan.compare_deviations(CANDIDATE, mask, STRONGEST_CARRY, random_sets, pixels, wavelengths)
        else:
            plan.compare(CANDIDATE, mask, _LEAST, random(mask, _RANDOM[CANDIDATE]), **{OTHER_BANDS: ~mask})
        plan.subjects[CANDIDATE] = channels_text(strongest, wavelengths)
    places = tiles(height, width)
    if places:
        plan.add(places)
        frame = border(height, width)
        if float(frame.double().mean()) <= _BORDER:
            plan.compare(FRAME, frame, _LEAST, blocks_within(frame, _RANDOM[FRAME], seed), **{INSIDE: ~frame})
    if outside is not None and bool(outside.any()):
        plan.add({OUTSIDE: outside})
    if padding is not None:
        plan.add({PADDING: padding})
    if wavelengths is None:
        return plan
    if unused:
        plan.add({UNREAD: band(unused)})
        plan.subjects[UNREAD] = channels_text(unused, wavelengths)
    named = {gas: (numbers, f"absorption bands of {gas}") for gas, numbers in atmospheric_channels(wavelengths).items()}
    named["noise"] = noisy_channels(pixels, wavelengths), "noisy bands"
    named["edges"] = edge_channels(wavelengths), "bands at the sensor's ends"
    for kind in (*GASES, "noise", "edges"):
        numbers, text = named.get(kind, ((), ""))
        if numbers:
            name, mask = f"{ABSORPTION}{kind}", band(numbers)
            if kind in GASES and channels >= MANY:
                plan.compare_deviations(name, mask, _LEAST, random(mask, _RANDOM[GASES]), pixels, wavelengths)
            else:
                sides = [band(side) for side in shoulders(numbers, wavelengths) if side]
                plan.compare(name, mask, _LEAST, [*sides, *random(mask, _RANDOM[ABSORPTION])])
            main = numbers if strengths is None else main_ranges(numbers, strengths, wavelengths)
            mostly = "mostly " * (len(main) < len(numbers))
            plan.subjects[name] = f"{text} ({mostly}{channels_text(main, wavelengths)})"
    return plan


def strongest_channels(strengths: Tensor, groups: Sequence[Sequence[int]], channels: int) -> list[int]:
    """The channels of the strongest bands: of the first, and of those that are at least half as strong, if few.

    Args:
        strengths: of the bands, ``[d]``, at least 0.
        groups: each band's channels.
        channels: how many there are in all.
    """
    found: list[int] = []
    for i in strengths.argsort(descending=True).tolist():
        few = len(found) + len(groups[i]) <= max(NARROW * channels, 1)
        if float(strengths[i]) < _AS_STRONG * float(strengths.max()) or float(strengths[i]) <= 0 or not few:
            break
        found += groups[i]
    return sorted(found)


def unused_channels(strengths: Tensor, groups: Sequence[Sequence[int]]) -> list[int]:
    """The channels of the longest row of neighbouring bands that have little of the attribution.

    Args:
        strengths: of the bands, by wavelength, ``[d]``.
        groups: each band's channels.
    """
    weak = (strengths < _UNUSED * strengths.mean()).tolist()
    rows: list[list[int]] = [[]]
    for i, is_weak in enumerate(weak):
        if is_weak:
            rows[-1].append(i)
        elif rows[-1]:
            rows.append([])
    longest = max(rows, key=len)
    # Where it begins and ends a band may be used in part.
    first = longest[0] if longest and longest[0] == 0 else longest[1] if len(longest) > 1 else 0
    last = longest[-1] if longest and longest[-1] == len(weak) - 1 else longest[-2] if len(longest) > 1 else 0
    return sorted(channel for i in longest if first <= i <= last for channel in groups[i])

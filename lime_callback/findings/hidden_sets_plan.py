"""Which sets are hidden in the background at an explained epoch, to tell what the model rests on.

A set is a bool mask ``[1 or N, C, H, W]`` over ``N`` samples, in which axes may have size 1 and broadcast.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from lime_callback.findings.physical_ranges import (
    atmospheric_channels,
    channels_text,
    edge_channels,
    noisy_channels,
    shoulders,
)
from lime_callback.sampling.random_sets import random_set_elsewhere

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

CANDIDATE, OTHER_BANDS, UNREAD = "strongest bands", "all other bands", "unused bands"
ABSORPTION, PLACE, INPUT = "absorption/", "place/", "input/"
FRAME, INSIDE, OUTSIDE, PADDING = "frame", "inside", "outside", "padding"
MOST, FEWEST = 32, 12  # samples
NARROW = 0.16  # of the channels, at most, in the strongest bands
_AS_STRONG = 0.3  # of the strongest band, at least, to be taken beside it
_UNUSED = 0.45  # of what a band has on average; whether it is used, hiding tells
_RANDOM = {CANDIDATE: 4, ABSORPTION: 1, FRAME: 2}
_GRID = 3
_SMALLEST = 6  # pixels along a side that places can be told apart on
_ROWS, _COLUMNS = ("top", "middle", "bottom"), ("left", "middle", "right")


@dataclass(frozen=True, eq=False)
class HiddenSetsPlan:
    """Sets to hide, in the order of their importance.

    Attributes:
        masks: by name.
        references: for some sets the names of random sets of as many elements.
        subjects: for some sets what they are, in words.
        groups: names that are of use together alone.
    """

    masks: dict[str, Tensor] = field(default_factory=dict)
    references: dict[str, tuple[str, ...]] = field(default_factory=dict)
    subjects: dict[str, str] = field(default_factory=dict)
    groups: list[tuple[str, ...]] = field(default_factory=list)

    def add(self, masks: Mapping[str, Tensor], random: Mapping[str, Sequence[Tensor]] | None = None) -> None:
        """Add sets that are of use together alone, with their random sets."""
        names = list(masks)
        self.masks.update(masks)
        for name, others in (random or {}).items():
            own = {f"{name} ~{i + 1}": mask for i, mask in enumerate(others)}
            self.masks.update(own)
            self.references[name] = tuple(own)
            names += own
        self.groups.append(tuple(names))

    def within(self, budget: int, count: int) -> tuple[list[str], int]:
        """The sets that a budget suffices for, and of how many samples.

        Args:
            budget: inputs that the model may be run on.
            count: samples that there are.
        """
        kept: list[str] = []
        for names in self.groups:
            if (len(kept) + len(names) + 1) * min(FEWEST, count) > budget and kept:
                continue
            kept += names
        return kept, max(min(count, MOST, budget // (len(kept) + 1)), min(count, FEWEST))


def plan_sets(
    shape: tuple[int, int, int],
    wavelengths: Sequence[float] | None,
    pixels: Tensor,
    strongest: Sequence[int],
    unused: Sequence[int],
    inputs: Mapping[str, tuple[int, int]],
    outside: Tensor | None,
    padding: Tensor | None,
    seed: int,
) -> HiddenSetsPlan:
    """Plan what to hide.

    Args:
        shape: channels, height and width of a sample.
        wavelengths: of the channels, in nm; ``None``: no set of bands is hidden.
        pixels: see :func:`~lime_callback.findings.physical_ranges.noisy_channels`.
        strongest: channels of the few bands that explanations show as the strongest; empty if unknown.
        unused: channels that explanations show as unused.
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
        plan.add({CANDIDATE: mask, OTHER_BANDS: ~mask}, {CANDIDATE: random(mask, _RANDOM[CANDIDATE])})
        plan.subjects[CANDIDATE] = channels_text(strongest, wavelengths)
    if min(height, width) >= _SMALLEST:
        plan.add(_tiles(height, width))
        frame = _frame(height, width)
        plan.add({FRAME: frame, INSIDE: ~frame}, {FRAME: _blocks(frame, _RANDOM[FRAME], seed)})
    if outside is not None and bool(outside.any()):
        plan.add({OUTSIDE: outside})
    if padding is not None:
        turned = [padding.flip(2, 3), padding.flip(2), padding.flip(3)]  # as large, in other corners
        plan.add({PADDING: padding}, {PADDING: turned})
    if wavelengths is None:
        return plan
    if unused:
        plan.add({UNREAD: band(unused)})
        plan.subjects[UNREAD] = channels_text(unused, wavelengths)
    named = {gas: (numbers, f"absorption bands of {gas}") for gas, numbers in atmospheric_channels(wavelengths).items()}
    named["noise"] = noisy_channels(pixels, wavelengths), "noisy bands"
    named["edges"] = edge_channels(wavelengths), "bands at the sensor's ends"
    for kind in ("water vapour", "noise", "edges", "oxygen", "carbon dioxide"):
        numbers, text = named.get(kind, ((), ""))
        if numbers:
            name, mask = f"{ABSORPTION}{kind}", band(numbers)
            sides = [band(side) for side in shoulders(numbers, wavelengths) if side]
            plan.add({name: mask}, {name: [*sides, *random(mask, _RANDOM[ABSORPTION])]})
            plan.subjects[name] = f"{text} ({channels_text(numbers, wavelengths)})"
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


def _blocks(frame: Tensor, count: int, seed: int) -> list[Tensor]:
    """Blocks within a frame that have about as many pixels as it."""
    height, width = frame.shape[2:]
    wide = max(1, min(height, width) // 8)
    high = height - 2 * wide, width - 2 * wide
    side = min(round(float(frame.sum()) ** 0.5), *high)
    generator, found = torch.Generator().manual_seed(seed), []
    for _ in range(count):
        top, left = (wide + int(torch.randint(free - side + 1, (1,), generator=generator)) for free in high)
        block = torch.zeros_like(frame)
        block[..., top : top + side, left : left + side] = True
        found.append(block)
    return found


def _tiles(height: int, width: int) -> dict[str, Tensor]:
    """The eight outer tiles of a grid of three by three."""
    found = {}
    for i, row in enumerate(_ROWS):
        for j, column in enumerate(_COLUMNS):
            if i == j == 1:
                continue
            mask = torch.zeros(1, 1, height, width, dtype=torch.bool)
            mask[
                ..., i * height // _GRID : (i + 1) * height // _GRID, j * width // _GRID : (j + 1) * width // _GRID
            ] = True
            found[f"{PLACE}{row} {column}"] = mask
    return found


def _frame(height: int, width: int) -> Tensor:
    """The border, an eighth of the shorter side wide."""
    wide = max(1, min(height, width) // 8)
    mask = torch.ones(1, 1, height, width, dtype=torch.bool)
    mask[..., wide : height - wide, wide : width - wide] = False
    return mask

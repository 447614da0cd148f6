"""Swaps: a set of elements is hidden by giving it another sample's values; who swaps with whom stays for a run.

A set is a bool mask ``M [1 or N, C, H, W]`` over ``N`` samples, in which axes may have size 1 and broadcast. Sample x
with the set hidden by donor y is ``(1 - M) x + M y``. Of bands it may be hidden only what other bands do not show. Rows
go set by set: row ``r`` is sample ``r % m`` with set ``r // m`` hidden.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from lime_callback.sampling.random_sets import random_set_elsewhere

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from lime_callback.sampling.band_deviations import BandDeviations
    from lime_callback.views.layout import Layout

REFERENCES = (19, 15, 11, 7, 5, 3)  # random sets for each watched set, the more the better
ENOUGH, FEWEST = 32, 4  # samples: so many before there are more random sets, and fewer than that say nothing
_ALIKE = 0.8  # sets whose sizes differ by less stand in for each other's random sets
_FEWEST_ALIKE = 3


@dataclass(frozen=True, eq=False)
class Swaps:
    """Which sets are hidden in which samples, and whose values they take.

    Attributes:
        names: the S watched sets and bands.
        masks: their masks, then those of the random sets.
        references: for each of the S sets, where its random sets are in ``masks``.
        samples: the samples' numbers, int64 ``[m]``.
        donors: for each sample, the number of the one whose values it takes, int64 ``[m]``; never its own.
        overlaps: for each of the S sets, which part of a random set another of its random sets has, too, on average.
        deviations: for masks, by their place, that hide only what other bands do not show, how far theirs deviate.
    """

    names: tuple[str, ...]
    masks: tuple[Tensor, ...]
    references: tuple[tuple[int, ...], ...]
    samples: Tensor
    donors: Tensor
    overlaps: tuple[float, ...] = ()
    deviations: Mapping[int, BandDeviations] = field(default_factory=dict)

    @property
    def donor_rows(self) -> Tensor:
        """For each sample, its donor's place in ``samples``, int64 ``[m]``."""
        return (self.samples == self.donors.unsqueeze(1)).long().argmax(1)

    @property
    def forwards(self) -> int:
        """How many inputs the model is run on, the samples as they are among them."""
        return len(self.samples) * (len(self.masks) + 1)


def choose_swaps(
    watched: Mapping[str, Tensor],
    bands: Mapping[str, Tensor],
    count: int,
    budget: int,
    seed: int,
    order: Sequence[int] | None = None,
    references: int | None = None,
) -> Swaps | None:
    """Choose samples, donors and random sets, by the seed alone.

    A watched set has random sets of its own, made of the same ranges or patches elsewhere. Bands that are about equally
    large are each other's random sets; what has fewer than three gets three of its own.

    Args:
        watched: masks by name.
        bands: masks by name; left out where the budget does not suffice for them.
        count: N, the number of samples.
        budget: the largest number of inputs that the model may be run on.
        seed: decides all that is random.
        order: the channels' order by wavelength.
        references: number of random sets for each watched set; ``None``: as many as the budget allows.

    Returns:
        The choice, or ``None`` if the budget suffices for no set, or there are too few samples.
    """
    generator = torch.Generator().manual_seed(seed)
    choices = REFERENCES if references is None else (references,)
    enough = max(min(count, ENOUGH), FEWEST)
    if watched:
        # What a person has named comes first: bands are left out before there are too few random sets for it.
        tries = [(bands, choices[:4], enough), ({}, choices, enough), ({}, choices[-1:], FEWEST)]
    else:
        tries = [(bands, (0,), FEWEST)] if bands else []
    afforded = None
    for kept, numbers, least in tries:
        own = _own(kept)
        afforded = _afforded(len(watched), len(kept) + sum(own.values()) + 1, count, budget, numbers, least)
        if afforded is not None:
            bands = kept
            break
    if afforded is None:
        return None
    random_sets, samples = afforded
    order_of = torch.randperm(count, generator=generator)[:samples]
    asked = {**watched, **{name: mask for name, mask in bands.items() if name not in watched}}
    masks, places = list(asked.values()), []
    for name, mask in asked.items():
        few = random_sets if name in watched else own[name]
        alike = [] if few else [i for i, other in enumerate(asked) if other in bands and _are_alike(name, other, bands)]
        places.append((*alike, *range(len(masks), len(masks) + few)))
        masks += [random_set_elsewhere(mask, generator, order) for _ in range(few)]
    overlaps = tuple(overlap([masks[place] for place in own_places]) for own_places in places)
    return Swaps(tuple(asked), tuple(masks), tuple(places), order_of, order_of.roll(1), overlaps)


def overlap(masks: Sequence[Tensor]) -> float:
    """The part of one mask that lies in another one, on average over the pairs; 0 where there is no pair."""
    if len(masks) < 2:
        return 0.0
    times = sum((mask.float() for mask in masks[1:]), masks[0].float())
    shared, size = float((times * (times - 1)).sum()), float(times.sum()) / len(masks)
    return shared / (len(masks) * (len(masks) - 1) * size)


def _afforded(
    watched: int, fixed: int, count: int, budget: int, numbers: Sequence[int], least: int
) -> tuple[int, int] | None:
    """The first of ``numbers`` of random sets a watched set that leaves at least ``least`` samples, and how many."""
    for references in numbers:
        samples = min(count, budget // (fixed + watched * (1 + references)))
        if samples >= least:
            return references, samples
    return None


def _own(bands: Mapping[str, Tensor]) -> dict[str, int]:
    """How many random sets of its own each band needs."""
    return {
        name: 0 if sum(_are_alike(name, other, bands) for other in bands) >= _FEWEST_ALIKE else _FEWEST_ALIKE
        for name in bands
    }


def _are_alike(name: str, other: str, bands: Mapping[str, Tensor]) -> bool:
    sizes = sorted(int(bands[band].sum()) for band in (name, other))
    return name != other and sizes[0] >= _ALIKE * sizes[1]


@dataclass(frozen=True, eq=False)
class SwappedInputs:
    """Rows for :func:`~lime_callback.forwards.batched_forwards.perturbed_outputs`: samples with sets of theirs hidden.

    Args:
        inputs: ``[N, *dims]``.
        layout: the axes of one input.
        swaps: which sets are hidden in which samples.
        device: the model's device.
    """

    inputs: Tensor
    layout: Layout
    swaps: Swaps
    device: torch.device

    @property
    def per_input(self) -> int:
        """m, the number of rows for each set."""
        return len(self.swaps.samples)

    def evaluate(self, forward: Callable[[Tensor, Tensor], Tensor], start: int, stop: int) -> Tensor:
        """Outputs of the rows ``start`` to ``stop - 1``, ``[stop - start, K]``."""
        device = self.inputs.device
        within = torch.arange(start, stop) % self.per_input
        samples, donors = (which[within].to(device) for which in (self.swaps.samples, self.swaps.donors))
        x, other = (self.layout.canonical(self.inputs[which]) for which in (samples, donors))
        parts: list[Tensor] = []
        for number in range(start // self.per_input, (stop - 1) // self.per_input + 1):
            begin = number * self.per_input
            part = slice(max(begin, start) - start, min(begin + self.per_input, stop) - start)
            mask, values = self.swaps.masks[number].to(device), other[part]
            if number in self.swaps.deviations:
                values = self.swaps.deviations[number].deviate(x[part], values)
            parts.append(torch.where(mask if len(mask) == 1 else mask[samples[part]], values, x[part]))
        hidden = self.layout.restore(torch.cat(parts)).contiguous()
        return forward(hidden.to(self.device), samples.to(self.device))

    def release(self, *_: Any) -> None:
        """Nothing is kept between batches."""

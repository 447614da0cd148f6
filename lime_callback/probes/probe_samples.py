"""Probes: the validation samples that are explained, captured once from the batches as they pass."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from lime_callback.checks.descriptions import describe
from lime_callback.probes.batch_entries import Key, batch_entry, batch_rows, input_key, joined_batches, label_key

if TYPE_CHECKING:
    from collections.abc import Sequence

_CPU = torch.device("cpu")


@dataclass(frozen=True, eq=False)
class Probes:
    """CapturedSamples samples, on the CPU.

    Attributes:
        inputs: ``[P, *dims]``.
        labels: of a single integer a sample, int64 ``[P]``, or ``None``.
        batch: all entries of the batches, P rows each, with the inputs among them.
        key: where in ``batch`` the inputs are.
        numbers: of the samples, where they were chosen by a :class:`~lime_callback.probes.Choice`.
    """

    inputs: Tensor
    labels: Tensor | None
    batch: Any
    key: Key | None
    numbers: tuple[int, ...] | None = None

    def __len__(self) -> int:
        """P."""
        return len(self.inputs)

    def truth(self, name: Key | None = None) -> Tensor | None:
        """The labels as they are, one a sample or one row a sample ``[P, K]``, on the CPU, or ``None``.

        Args:
            name: see :func:`~lime_callback.probes.batch_entries.label_key`.
        """
        at = label_key(self.batch, name)
        found = None if at is None else batch_entry(self.batch, at)
        # A label a pixel is none of the model's outputs, and too large to be kept twice.
        one_each = isinstance(found, Tensor) and found.numel() == len(self)
        fits = one_each or (isinstance(found, Tensor) and found.ndim == 2 and len(found) == len(self))
        return found.cpu() if fits and found is not None else None

    def to(self, device: torch.device) -> Probes:
        """The same probes on another device."""
        everything = torch.arange(len(self), device=device)
        labels = None if self.labels is None else self.labels.to(device)
        batch = batch_rows(self.batch, everything, len(self), device)
        return Probes(batch_entry(batch, self.key), labels, batch, self.key, self.numbers)


@dataclass(frozen=True, eq=False)
class CapturedSamples:
    """What one process has captured: batches of a few samples each, and the place of each sample among all."""

    batches: list[Any]
    sizes: list[int]
    places: list[int]


@dataclass
class EvenCollector:
    """Takes samples that are spread evenly over the validation batches, without reading any of them twice.

    Several processes take theirs of what is one large batch: row ``r`` of process ``p`` is its row ``r * shares + p``,
    as a distributed sampler deals them. So they take together what one process would take of batches as large.

    Args:
        count: how many samples.
        batches: number of batches of each validation loader; ``inf`` where it is not known.
        input_key: see :func:`~lime_callback.probes.batch_entries.input_key`.
        share: number of this process.
        shares: of so many.

    Attributes:
        largest: size of the largest batch that samples were taken from.
        taken: samples that all processes have taken.
        captured: those of this process.
    """

    count: int
    batches: Sequence[float]
    input_key: Key | None = None
    share: int = 0
    shares: int = 1
    largest: int = field(default=0, init=False)
    taken: int = field(default=0, init=False)
    _wanted: dict[tuple[int, int], int] = field(init=False)
    _owed: int = field(default=0, init=False)
    captured: CapturedSamples = field(default_factory=lambda: CapturedSamples([], [], []), init=False)
    _shape: torch.Size = field(default=torch.Size(), init=False)

    def __post_init__(self) -> None:
        self._wanted = samples_per_batch(self.count, self.batches)

    def offer(self, batch: Any, index: int, loader: int = 0) -> None:
        """Take from a batch what is wanted of it; what it is too small for is taken from the batches after it.

        Raises:
            ValueError: if the batch holds no input.
        """
        wanted = self._wanted.pop((loader, index), 0) + self._owed
        if not wanted or self.taken >= self.count:
            return
        inputs = batch_entry(batch, input_key(batch, self.input_key))
        self.largest = max(self.largest, len(inputs))
        size = len(inputs) * self.shares
        taken = min(wanted, size, self.count - self.taken)
        self._owed = wanted - taken
        if self.taken and inputs.shape[1:] != self._shape:
            self._owed = wanted  # probes share their forwards, so they share a shape
            return
        if taken:
            self._shape = inputs.shape[1:]
            rows = [(2 * i + 1) * size // (2 * taken) for i in range(taken)]
            own = {self.taken + i: row // self.shares for i, row in enumerate(rows) if row % self.shares == self.share}
            if own:
                picked = batch_rows(batch, torch.tensor(list(own.values())), len(inputs), _CPU)
                self.captured.batches.append(picked)
                self.captured.sizes.append(len(own))
                self.captured.places.extend(own)
            self.taken += taken


def probes_of(
    captured: Sequence[CapturedSamples],
    input_name: Key | None = None,
    label_name: Key | None = None,
    count: int | None = None,
    numbers: tuple[int, ...] | None = None,
) -> Probes:
    """The probes that the processes of this run have captured, in the order of their places.

    Args:
        captured: by each process.
        input_name: see :func:`~lime_callback.probes.batch_entries.input_key`.
        label_name: see :func:`~lime_callback.probes.batch_entries.label_key`.
        count: the first so many of them; ``None``: all.
        numbers: of the samples, where they were chosen.

    Raises:
        ValueError: if there are none, or the inputs are not floating point.
    """
    batches = [batch for part in captured for batch in part.batches]
    if not batches:
        raise ValueError(
            "`probes` are taken from validation batches. Found no batch with any sample in this validation."
        )
    places = torch.tensor([place for part in captured for place in part.places])
    batch = joined_batches(batches, [size for part in captured for size in part.sizes])
    batch = batch_rows(batch, places.argsort(stable=True)[:count], len(places))
    key, at = input_key(batch, input_name), label_key(batch, label_name)
    inputs = batch_entry(batch, key)
    if not inputs.is_floating_point():
        raise ValueError(
            f"`input_key` should name floating-point images. Found {describe(inputs)}. Convert them by `.float()` in "
            f"the dataset, or name another entry of the batch, {describe(batch)}."
        )
    labels = batch_entry(batch, at) if at is not None else None
    whole = labels is not None and not labels.is_floating_point() and labels.numel() == len(inputs)
    return Probes(inputs, labels.reshape(-1).long() if whole and labels is not None else None, batch, key, numbers)


def samples_per_batch(count: int, batches: Sequence[float]) -> dict[tuple[int, int], int]:
    """How many samples to take from each batch, by loader and batch number, spread evenly over all of them.

    Loaders whose length is not known are taken from their first batch on, one sample a batch.
    """
    known = [(loader, i) for loader, size in enumerate(batches) if math.isfinite(size) for i in range(int(size))]
    if not known:
        known = [(loader, i) for i in range(count) for loader, size in enumerate(batches) if size][:count]
    wanted: dict[tuple[int, int], int] = {}
    for probe in range(count if known else 0):
        place = known[(2 * probe + 1) * len(known) // (2 * count)]
        wanted[place] = wanted.get(place, 0) + 1
    return wanted

"""Probes: the validation samples that are explained, and how they are captured from the batches."""

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
    """The captured samples, P of them, on the CPU unless they were moved.

    Attributes:
        inputs: the samples' inputs, ``[P, *dims]``.
        labels: the samples' labels, int64 ``[P]``, if each has a single integer; otherwise ``None``.
        batch: all entries of the batches, the inputs among them, with P rows each.
        key: the key of the inputs in ``batch``, see :func:`~lime_callback.probes.batch_entries.input_key`.
        numbers: the samples' numbers in the validation set, P; ``None`` if the samples were taken evenly.
    """

    inputs: Tensor
    labels: Tensor | None
    batch: Any
    key: Key | None
    numbers: tuple[int, ...] | None = None

    def __len__(self) -> int:
        """The number of samples, P."""
        return len(self.inputs)

    def truth(self, name: Key | None = None) -> Tensor | None:
        """Return the batch's labels, unchanged, on the CPU: one for each sample, or a row for each, ``[P, K]``.

        Returns ``None`` if there are no labels, or they have another shape.

        Args:
            name: see :func:`~lime_callback.probes.batch_entries.label_key`.
        """
        at = label_key(self.batch, name)
        labels = None if at is None else batch_entry(self.batch, at)
        # Labels of pixels do not belong to single outputs, and are too large to be kept twice.
        one_each = isinstance(labels, Tensor) and labels.numel() == len(self)
        fits = one_each or (isinstance(labels, Tensor) and labels.ndim == 2 and len(labels) == len(self))
        return labels.cpu() if fits and labels is not None else None

    def to(self, device: torch.device) -> Probes:
        """Return the same probes on another device."""
        everything = torch.arange(len(self), device=device)
        labels = None if self.labels is None else self.labels.to(device)
        batch = batch_rows(self.batch, everything, len(self), device)
        return Probes(batch_entry(batch, self.key), labels, batch, self.key, self.numbers)


@dataclass(frozen=True, eq=False)
class CapturedSamples:
    """The samples that a process has captured.

    Attributes:
        batches: batches of a few samples each.
        sizes: the number of samples in each of the batches.
        places: for each sample, in the order of the batches, its place among the samples of all processes.
    """

    batches: list[Any]
    sizes: list[int]
    places: list[int]


@dataclass
class EvenCollector:
    """Takes samples spread evenly over the validation batches, in one pass.

    Batches of the same number in several processes are treated as one large batch: row ``r`` of process ``p`` is row
    ``r * shares + p`` of it, as a distributed sampler deals samples. Together the processes so take the samples that a
    single process would take from the large batches.

    Args:
        count: the number of samples to take.
        batches: the number of batches of each validation loader; ``inf`` if it is unknown.
        input_key: see :func:`~lime_callback.probes.batch_entries.input_key`.
        share: this process's share, counted from 0.
        shares: the number of shares.

    Attributes:
        largest: the size of the largest batch from which samples were wanted.
        taken: the number of samples that all processes have taken so far.
        captured: the samples that this process has taken.
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
        """Take the wanted samples from a batch; later batches give those for which it is too small.

        Args:
            batch: a batch of this process.
            index: the batch's number in its loader.
            loader: the loader's number.

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
            rows_by_place = {
                self.taken + i: row // self.shares for i, row in enumerate(rows) if row % self.shares == self.share
            }
            if rows_by_place:
                picked = batch_rows(batch, torch.tensor(list(rows_by_place.values())), len(inputs), _CPU)
                self.captured.batches.append(picked)
                self.captured.sizes.append(len(rows_by_place))
                self.captured.places.extend(rows_by_place)
            self.taken += taken


def probes_of(
    captured: Sequence[CapturedSamples],
    input_name: Key | None = None,
    label_name: Key | None = None,
    count: int | None = None,
    numbers: tuple[int, ...] | None = None,
) -> Probes:
    """Join the samples of all processes, in the order of their places.

    Args:
        captured: the samples that each process has captured.
        input_name: see :func:`~lime_callback.probes.batch_entries.input_key`.
        label_name: see :func:`~lime_callback.probes.batch_entries.label_key`.
        count: how many samples to keep, the first ones; ``None`` keeps all.
        numbers: the samples' numbers in the validation set, if they were chosen.

    Raises:
        ValueError: if there is no sample, or the inputs are missing or not floating point.
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
    """Return how many samples to take from each batch, by loader and batch number, so that they spread evenly.

    If no loader's length is known, the first batches give a sample each.

    Args:
        count: the number of samples.
        batches: the number of batches of each loader; ``inf`` if it is unknown.
    """
    known = [(loader, i) for loader, size in enumerate(batches) if math.isfinite(size) for i in range(int(size))]
    if not known:
        known = [(loader, i) for i in range(count) for loader, size in enumerate(batches) if size][:count]
    wanted: dict[tuple[int, int], int] = {}
    for probe in range(count if known else 0):
        place = known[(2 * probe + 1) * len(known) // (2 * count)]
        wanted[place] = wanted.get(place, 0) + 1
    return wanted

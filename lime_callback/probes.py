"""Probes: the validation samples that are explained, captured once from the batches as they pass."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from lime_callback.batches import Key, describe, entry, input_key, joined, label_key, rows_of

if TYPE_CHECKING:
    from collections.abc import Sequence

_CPU = torch.device("cpu")


@dataclass(frozen=True, eq=False)
class Probes:
    """Captured samples, on the CPU.

    Attributes:
        inputs: ``[P, *dims]``.
        labels: of a single integer a sample, int64 ``[P]``, or ``None``.
        batch: all entries of the batches, P rows each, with the inputs among them.
        key: where in ``batch`` the inputs are.
    """

    inputs: Tensor
    labels: Tensor | None
    batch: Any
    key: Key | None

    def __len__(self) -> int:
        """P."""
        return len(self.inputs)

    def to(self, device: torch.device) -> Probes:
        """The same probes on another device."""
        everything = torch.arange(len(self), device=device)
        labels = None if self.labels is None else self.labels.to(device)
        batch = rows_of(self.batch, everything, len(self), device)
        return Probes(entry(batch, self.key), labels, batch, self.key)


@dataclass
class Collector:
    """Takes samples that are spread evenly over the validation batches, without reading any of them twice.

    Args:
        count: how many samples.
        batches: number of batches of each validation loader; ``inf`` where it is not known.
        input_key: see :func:`~lime_callback.batches.input_key`.
        label_key: see :func:`~lime_callback.batches.label_key`.

    Attributes:
        largest: size of the largest batch that samples were taken from.
    """

    count: int
    batches: Sequence[float]
    input_key: Key | None = None
    label_key: Key | None = None
    largest: int = field(default=0, init=False)
    _wanted: dict[tuple[int, int], int] = field(init=False)
    _owed: int = field(default=0, init=False)
    _parts: list[Any] = field(default_factory=list, init=False)
    _sizes: list[int] = field(default_factory=list, init=False)
    _shape: torch.Size = field(default=torch.Size(), init=False)

    def __post_init__(self) -> None:
        self._wanted = planned(self.count, self.batches)

    def offer(self, batch: Any, index: int, loader: int = 0) -> None:
        """Take from a batch what is wanted of it; what it is too small for is taken from the batches after it.

        Raises:
            ValueError: if the batch holds no input.
        """
        wanted = self._wanted.pop((loader, index), 0) + self._owed
        if not wanted or self.taken >= self.count:
            return
        inputs = entry(batch, input_key(batch, self.input_key))
        self.largest = max(self.largest, len(inputs))
        size, taken = len(inputs), min(wanted, len(inputs), self.count - self.taken)
        self._owed = wanted - taken
        if self._parts and inputs.shape[1:] != self._shape:
            self._owed = wanted  # probes share their forwards, so they share a shape
            return
        if taken:
            rows = torch.tensor([(2 * i + 1) * size // (2 * taken) for i in range(taken)])
            self._shape = inputs.shape[1:]
            self._parts.append(rows_of(batch, rows, size, _CPU))
            self._sizes.append(taken)

    @property
    def taken(self) -> int:
        """How many samples have been taken."""
        return sum(self._sizes)

    def probes(self) -> Probes:
        """What has been taken.

        Raises:
            ValueError: if nothing has.
        """
        if not self._parts:
            raise ValueError(
                "`probes` are taken from validation batches. Found no batch with any sample in this validation."
            )
        batch = joined(self._parts, self._sizes)
        key, at = input_key(batch, self.input_key), label_key(batch, self.label_key)
        inputs = entry(batch, key)
        if not inputs.is_floating_point():
            raise ValueError(f"`input_key` should name floating-point images. Found {describe(inputs)}.")
        labels = entry(batch, at) if at is not None else None
        whole = labels is not None and not labels.is_floating_point() and labels.numel() == len(inputs)
        return Probes(inputs, labels.reshape(-1).long() if whole and labels is not None else None, batch, key)


def planned(count: int, batches: Sequence[float]) -> dict[tuple[int, int], int]:
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

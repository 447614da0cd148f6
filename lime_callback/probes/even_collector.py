"""Takes samples spread evenly over the validation batches, in one pass.

The set is parted into equal stretches, and each gives a sample. Its place in the stretch differs from one stretch to
the next, since samples at equal distances may all be of one class where the labels come in turns.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

import torch

from lime_callback.probes.batch_keys import BatchKeys
from lime_callback.probes.batch_rows import batch_rows
from lime_callback.probes.captured_samples import CapturedSamples, Shape, list_place, made_inputs, shapes_of

if TYPE_CHECKING:
    from collections.abc import Sequence

_CPU = torch.device("cpu")
_LOOKS = BatchKeys()
_GOLDEN = (math.sqrt(5) - 1) / 2  # whose multiples fill the stretch before they come near one another again


@dataclass
class EvenCollector:
    """Takes samples spread evenly over the validation batches, in one pass.

    Batches of the same number in several processes are treated as one large batch: row ``r`` of process ``p`` is row
    ``r * shares + p`` of it, as a distributed sampler deals samples. Together the processes so take the samples that a
    single process would take from the large batches.

    Samples of every shape are taken where they are wanted. What is still missing of the shape that most have had so far
    comes from later batches.

    Args:
        count: the number of samples to take.
        batches: the number of batches of each validation loader; ``inf`` if it is unknown.
        keys: where in a batch the inputs are.
        share: this process's share, counted from 0.
        shares: the number of shares.
        middles: whether to take the middle of each stretch, as versions before did whose runs are resumed.

    Attributes:
        largest: the size of the largest batch from which samples were wanted.
        captured: the samples that this process has taken.
    """

    count: int
    batches: Sequence[float]
    keys: BatchKeys = _LOOKS
    share: int = 0
    shares: int = 1
    middles: bool = False
    largest: int = field(default=0, init=False)
    captured: CapturedSamples = field(default_factory=CapturedSamples, init=False)
    _wanted: dict[tuple[int, int], int] = field(init=False)
    _due: int = field(default=0, init=False)  # samples that should have been taken by now
    _placed: int = field(default=0, init=False)
    _taken: Counter[Shape] = field(default_factory=Counter, init=False)  # of all processes

    def __post_init__(self) -> None:
        self._wanted = samples_per_batch(self.count, self.batches, middles=self.middles)

    def offer(self, batch: Any, index: int, loader: int = 0) -> None:
        """Take the wanted samples from a batch; later batches give those for which it is too small.

        Args:
            batch: a batch of this process.
            index: the batch's number in its loader.
            loader: the loader's number.

        Raises:
            ValueError: if the batch holds no input.
        """
        wanted = self._wanted.pop((loader, index), 0)
        self._due += wanted
        missing = self._due - max(self._taken.values(), default=0)
        inputs = self.keys.inputs(batch) if wanted or missing > 0 else None
        if inputs is None:
            return
        self.keys = self.keys.pinned(batch)
        self.largest = max(self.largest, len(inputs))
        shapes = shapes_of(inputs)
        by_shape: dict[Shape, list[tuple[int, int]]] = {}
        for place, row in enumerate(self._rows(shapes, wanted, missing), self._placed):
            self._placed += 1
            shape = shapes[min(row // self.shares, len(shapes) - 1)]
            self._taken[shape] += 1
            if row % self.shares == self.share:
                by_shape.setdefault(shape, []).append((row // self.shares, place))
        for shape, picked in by_shape.items():
            rows, places = zip(*picked, strict=True)
            cut, made = (
                partial(batch_rows, batch, torch.tensor(rows), len(inputs), _CPU),
                made_inputs(self.keys, inputs, rows),
            )
            own = cut(list_place(self.keys, batch, cut, made))
            self.captured.add(own, shape, places, None if made is None else made.cpu())

    def _rows(self, shapes: list[Shape], wanted: int, missing: int) -> list[int]:
        """Return the rows to take of all processes' batches together, for inputs of these shapes in this one."""
        size = len(shapes) * self.shares
        most = self._taken.most_common(1)[0][0] if self._taken else shapes[0]
        if set(shapes) == {most}:
            return self._evenly(min(missing, size), size)
        rows = self._evenly(min(wanted, size), size)
        others = [row for row in range(size) if shapes[row // self.shares] == most and row not in rows]
        return rows + others[: max(0, missing - len(rows))]

    def _evenly(self, count: int, size: int) -> list[int]:
        return spread_evenly(count, size, first=self._placed, middles=self.middles)


def spread_evenly(count: int, size: int, *, first: int = 0, middles: bool = False) -> list[int]:
    """Return ``count`` different numbers below ``size``, one in each of as many equal stretches.

    Args:
        count: how many numbers, at most ``size``.
        size: what is parted into stretches.
        first: how many samples were taken before these, so that the places in stretches go on from there.
        middles: whether to take the middle of each stretch.
    """
    if middles:
        return [(2 * i + 1) * size // (2 * count) for i in range(count)]
    numbers: list[int] = []
    for i in range(count):
        place = (0.5 + (first + i) * _GOLDEN) % 1  # in the stretch, from 0 to 1
        number = int((i + place) * size / count)
        numbers.append(max(number, numbers[-1] + 1) if numbers else number)  # stretches shorter than 2 share one
    return numbers


def samples_per_batch(count: int, batches: Sequence[float], *, middles: bool = False) -> dict[tuple[int, int], int]:
    """Return how many samples to take from each batch, by loader and batch number, so that they spread evenly.

    If no loader's length is known, the first batches give a sample each.

    Args:
        count: the number of samples.
        batches: the number of batches of each loader; ``inf`` if it is unknown.
        middles: see :func:`spread_evenly`.
    """
    known = [(loader, i) for loader, size in enumerate(batches) if math.isfinite(size) for i in range(int(size))]
    if not known:
        known = [(loader, i) for i in range(count) for loader, size in enumerate(batches) if size][:count]
    wanted: dict[tuple[int, int], int] = {}
    if not known:
        return wanted
    for number in spread_evenly(count, len(known), middles=middles or count >= len(known)):
        wanted[known[number]] = wanted.get(known[number], 0) + 1
    return wanted

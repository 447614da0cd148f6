"""Keeps the samples that a choice ranks first, while the batches of a validation pass.

A sample's number is its place in the order of the validation, from 0, one loader after the other. With several
processes, the numbers are those of a distributed sampler that deals the samples in turn.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections import Counter
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import torch

from lime_callback.probes.batch_entries import labels_at
from lime_callback.probes.batch_keys import BatchKeys
from lime_callback.probes.batch_rows import batch_rows
from lime_callback.probes.captured_samples import CapturedSamples, Shape, list_place, made_inputs, shapes_of
from lime_callback.probes.even_collector import samples_per_batch, spread_evenly

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from torch import Tensor

NEVER = float("inf")
"""The rank of a sample that is not wanted."""

_CPU = torch.device("cpu")
_LOOKS = BatchKeys()
Ranked = tuple[float, int]
"""A sample's rank and number."""


class Seen(NamedTuple):
    """Samples of a batch, as a choice sees them.

    Attributes:
        numbers: the samples' numbers, m.
        labels: the batch's labels for the samples, or ``None`` if it has none.
        outputs: the model's outputs for the samples, or ``None`` if the choice does not need them.
    """

    numbers: Sequence[int]
    labels: Any
    outputs: Any


class Choice(ABC):
    """Ranks samples; those of the lowest ranks become probes.

    Attributes:
        count: the largest number of probes.
        anew: whether to choose again at each explained epoch. Explanations are not compared over epochs then.
        candidates: the number of samples among which to choose; ``None`` chooses among all.
        which: words that follow "validation samples" in messages.
        needs_outputs: whether ranks depend on the model's outputs.
        one_of_a_rank: whether only the first of several samples with equal rank is taken.
    """

    count: int
    anew: bool = False
    candidates: int | None = None
    which: ClassVar[str] = ""
    needs_outputs: ClassVar[bool] = False
    one_of_a_rank: ClassVar[bool] = False

    @property
    def key(self) -> str:
        """A text by which a checkpoint tells choices apart."""
        return f"{type(self).__name__}({self.count})"

    def named(self, class_names: Sequence[str] | None) -> Choice:
        """Return the choice with a class's number in the place of its name, by the outputs' names."""
        return self

    @abstractmethod
    def rank(self, seen: Seen) -> list[float]:
        """Return each sample's rank, m; the lowest come first, and :data:`NEVER` marks a sample that is not wanted.

        Args:
            seen: the samples.

        Raises:
            ValueError: if labels or outputs do not fit the choice.
        """

    def leading(self, ranked: Iterable[Ranked]) -> list[Ranked]:
        """Return the samples to take, (rank, number) each, at most ``count``, sorted by rank and then by number."""
        wanted = sorted({sample for sample in ranked if sample[0] < NEVER})
        if self.one_of_a_rank:
            first: dict[float, Ranked] = {}
            for sample in wanted:
                first.setdefault(sample[0], sample)
            wanted = list(first.values())
        return wanted[: self.count]


@dataclass
class RankedSamples:
    """Takes the samples that a choice ranks first, and keeps at most ``choice.count`` of them, on the CPU.

    Args:
        choice: ranks the samples.
        batches: the number of batches of each validation loader; ``inf`` if it is unknown.
        outputs: returns the model's outputs for the samples of a batch; called only if the choice needs them.
        keys: where in a batch the inputs and labels are.
        share: this process's share, counted from 0.
        shares: the number of shares.
        lockstep: whether all processes have to call ``outputs`` equally often.

    Attributes:
        largest: the size of the largest batch so far.
        forwards: the number of samples for which ``outputs`` was called.
    """

    choice: Choice
    batches: Sequence[float]
    outputs: Callable[[Any], Any]
    keys: BatchKeys = _LOOKS
    share: int = 0
    shares: int = 1
    lockstep: bool = False
    largest: int = field(default=0, init=False)
    forwards: int = field(default=0, init=False)
    _kept: dict[Ranked, tuple[Any, Tensor | None]] = field(default_factory=dict, init=False)
    _passed: int = field(default=0, init=False)
    _left: float = field(default=math.inf, init=False)
    _planned: dict[tuple[int, int], int] | None = field(default=None, init=False)
    _shape: Shape | None = field(default=None, init=False)
    _passed_over: Counter[Shape] = field(default_factory=Counter, init=False)
    _placed: int = field(default=0, init=False)  # candidates so far, of all processes

    def __post_init__(self) -> None:
        if self.choice.candidates is not None:
            self._left = self.choice.candidates
            if all(map(math.isfinite, self.batches)):
                self._planned = samples_per_batch(self.choice.candidates, self.batches)

    def offer(self, batch: Any, index: int, loader: int = 0) -> None:
        """Rank a batch's candidates, and keep those that belong to the first ``choice.count`` so far.

        Args:
            batch: a batch of this process.
            index: the batch's number in its loader.
            loader: the loader's number.

        Raises:
            ValueError: if the batch lacks the input or what the choice needs.
        """
        inputs = self.keys.inputs(batch)
        if inputs is None:
            return
        self.keys = self.keys.pinned(batch)
        size, shapes = len(inputs), shapes_of(inputs)
        self.largest = max(self.largest, size)
        first, self._passed = self._passed, self._passed + size
        rows, are_candidates = self._looked_at(size, index, loader)
        # Probes share their forwards, so they share a shape.
        shape = self._shape or (shapes[rows[0]] if rows else ())
        fitting = [row for row in rows if shapes[row] == shape]
        if are_candidates:
            self._passed_over.update(shapes[row] for row in rows if shapes[row] != shape)
        if not rows or not (fitting or self.lockstep):
            return
        rows, are_candidates = fitting or rows[:1], are_candidates and bool(fitting)
        cut, made = partial(batch_rows, batch, torch.tensor(rows), size, None), made_inputs(self.keys, inputs, rows)
        picked = cut(list_place(self.keys, batch, cut, made))
        numbers = [(first + row) * self.shares + self.share for row in rows]
        outputs = None
        if self.choice.needs_outputs:
            outputs = self.outputs(picked)
            self.forwards += len(rows)
        if are_candidates:
            seen = Seen(numbers, labels_at(picked, self.keys.label_of(batch)), outputs)
            row_of = dict(zip(zip(self.choice.rank(seen), numbers, strict=True), range(len(rows)), strict=True))
            self._take(row_of, picked, len(rows), shape, made)

    def standing(self) -> list[Ranked]:
        """Return the kept samples, (rank, number) each."""
        return list(self._kept)

    def captured(self, chosen: Sequence[Ranked]) -> CapturedSamples:
        """Return this process's samples among those chosen of all processes; their places are those in ``chosen``."""
        captured = CapturedSamples()
        for place, sample in enumerate(chosen):
            if sample in self._kept:
                batch, made = self._kept[sample]
                captured.add(batch, self._shape or (), [place], made)
        return captured

    @property
    def passed_over(self) -> dict[Shape, int]:
        """How many candidates were left out since they have another shape than those before, by their shapes."""
        return dict(self._passed_over)

    def _take(self, row_of: dict[Ranked, int], picked: Any, size: int, shape: Shape, made: Tensor | None) -> None:
        kept: dict[Ranked, tuple[Any, Tensor | None]] = {}
        for sample in self.choice.leading([*self._kept, *row_of]):
            own = self._kept.get(sample)
            if own is None:
                row = row_of[sample]
                cut = partial(batch_rows, picked, torch.tensor([row]), size, _CPU)
                mine = None if made is None else made[row : row + 1].cpu()
                own = cut(list_place(self.keys, picked, cut, mine)), mine
            kept[sample] = own
        self._kept = kept
        self._shape = shape if kept else self._shape

    def _looked_at(self, size: int, index: int, loader: int) -> tuple[list[int], bool]:
        """Return the rows of a batch to look at, and whether they are candidates."""
        whole = size * self.shares
        wanted = self._left if self._planned is None else self._planned.get((loader, index), 0)
        taken = int(min(wanted, whole))
        self._left -= taken
        spread = spread_evenly(taken, whole, first=self._placed)
        self._placed += taken
        rows = [row // self.shares for row in spread if row % self.shares == self.share]
        if not rows and taken and self.lockstep:
            return [0], False  # a forward in vain, so that the other processes do not wait
        return rows, bool(rows)

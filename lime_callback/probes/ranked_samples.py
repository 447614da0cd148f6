"""A short list of samples, kept while the batches of a validation pass: those that a choice ranks first.

Samples have numbers: their places in the order of the validation, from 0, one loader behind the other. With several
processes they are those of a distributed sampler that deals the samples out in turn.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import torch

from lime_callback.probes.batch_entries import Key, batch_entry, batch_rows, input_key, label_key
from lime_callback.probes.probe_samples import CapturedSamples, samples_per_batch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

NEVER = float("inf")
"""Rank of a sample that is not wanted."""

_CPU = torch.device("cpu")
Ranked = tuple[float, int]


class Seen(NamedTuple):
    """Samples of a batch.

    Attributes:
        numbers: of the samples, m.
        labels: their entry in the batch, or ``None``.
        outputs: of the model for them, or ``None`` where the choice does without.
    """

    numbers: Sequence[int]
    labels: Any
    outputs: Any


class Choice(ABC):
    """Which samples become probes.

    Attributes:
        count: how many at most.
        anew: whether they are chosen again at each explanation. Then nothing is compared with the one before.
        candidates: how many samples are looked at; ``None``: all.
        which: what is said of the chosen ones.
        needs_outputs: whether it ranks by the model's outputs.
        one_of_a_rank: whether of samples of equal rank one is enough.
    """

    count: int
    anew: bool = False
    candidates: int | None = None
    which: ClassVar[str] = ""
    needs_outputs: ClassVar[bool] = False
    one_of_a_rank: ClassVar[bool] = False

    @property
    def key(self) -> str:
        """Tells choices apart, in a checkpoint."""
        return f"{type(self).__name__}({self.count})"

    @abstractmethod
    def rank(self, seen: Seen) -> list[float]:
        """The rank of each sample, the lowest first; :data:`NEVER` for one that is not wanted.

        Raises:
            ValueError: if the batch does not hold what the choice needs.
        """

    def leading(self, ranked: Iterable[Ranked]) -> list[Ranked]:
        """Those samples that are taken of some, (rank, number) each, in their order; equal ranks in that of numbers."""
        wanted = sorted({one for one in ranked if one[0] < NEVER})
        if self.one_of_a_rank:
            first: dict[float, Ranked] = {}
            for one in wanted:
                first.setdefault(one[0], one)
            wanted = list(first.values())
        return wanted[: self.count]


@dataclass
class RankedSamples:
    """Takes the samples that a choice ranks first; keeps no more of them than the choice takes, on the CPU.

    Args:
        choice: what is looked for.
        batches: number of batches of each validation loader; ``inf`` where it is not known.
        outputs: the model's, for some samples of a batch; only asked where the choice needs them.
        input_name: see :func:`~lime_callback.probes.batch_entries.input_key`.
        label_name: see :func:`~lime_callback.probes.batch_entries.label_key`.
        share: number of this process.
        shares: of so many.
        lockstep: whether all processes have to ask for outputs equally often.

    Attributes:
        largest: size of the largest batch.
        forwards: samples that outputs were asked for.
    """

    choice: Choice
    batches: Sequence[float]
    outputs: Callable[[Any], Any]
    input_name: Key | None = None
    label_name: Key | None = None
    share: int = 0
    shares: int = 1
    lockstep: bool = False
    largest: int = field(default=0, init=False)
    forwards: int = field(default=0, init=False)
    _kept: dict[Ranked, Any] = field(default_factory=dict, init=False)
    _passed: int = field(default=0, init=False)
    _left: float = field(default=math.inf, init=False)
    _planned: dict[tuple[int, int], int] | None = field(default=None, init=False)
    _shape: torch.Size | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        if self.choice.candidates is not None:
            self._left = self.choice.candidates
            if all(map(math.isfinite, self.batches)):
                self._planned = samples_per_batch(self.choice.candidates, self.batches)

    def offer(self, batch: Any, index: int, loader: int = 0) -> None:
        """Take from a batch what is better than what is there.

        Raises:
            ValueError: if the batch holds no input, or not what the choice needs.
        """
        key, at = input_key(batch, self.input_name), label_key(batch, self.label_name)
        size = len(batch_entry(batch, key))
        self.largest = max(self.largest, size)
        first, self._passed = self._passed, self._passed + size
        rows, own = self._looked_at(size, index, loader)
        if not rows:
            return
        picked = batch_rows(batch, torch.tensor(rows), size)
        numbers = [(first + row) * self.shares + self.share for row in rows]
        labels = None if at is None else batch_entry(picked, at)
        outputs = None
        if self.choice.needs_outputs:
            outputs = self.outputs(picked)
            self.forwards += len(rows)
        shape = batch_entry(picked, key).shape[1:]
        if own and shape == (self._shape or shape):  # probes share their forwards, so they share a shape
            found = dict(
                zip(
                    zip(self.choice.rank(Seen(numbers, labels, outputs)), numbers, strict=True),
                    range(len(rows)),
                    strict=True,
                )
            )
            self._take(found, picked, len(rows), shape)

    def standing(self) -> list[Ranked]:
        """The samples that are kept, (rank, number) each."""
        return list(self._kept)

    def captured(self, chosen: Sequence[Ranked]) -> CapturedSamples:
        """Those of this process among the chosen of all; their places are those in which they were chosen."""
        places = [place for place, one in enumerate(chosen) if one in self._kept]
        return CapturedSamples([self._kept[chosen[place]] for place in places], [1] * len(places), places)

    def _take(self, found: dict[Ranked, int], picked: Any, size: int, shape: torch.Size) -> None:
        kept: dict[Ranked, Any] = {}
        for one in self.choice.leading([*self._kept, *found]):
            new = one not in self._kept
            kept[one] = batch_rows(picked, torch.tensor([found[one]]), size, _CPU) if new else self._kept[one]
        self._kept = kept
        self._shape = shape if kept else self._shape

    def _looked_at(self, size: int, index: int, loader: int) -> tuple[list[int], bool]:
        """Rows of a batch that are looked at, and whether they are candidates of this process."""
        whole = size * self.shares
        wanted = self._left if self._planned is None else self._planned.get((loader, index), 0)
        taken = int(min(wanted, whole))
        self._left -= taken
        spread = ((2 * i + 1) * whole // (2 * taken) for i in range(taken))
        rows = [row // self.shares for row in spread if row % self.shares == self.share]
        if not rows and taken and self.lockstep:
            return [0], False  # only so that the others need not wait
        return rows, bool(rows)

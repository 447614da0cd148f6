"""Choices by the labels, of samples or of pixels: one sample of each class, or samples that have a class."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

import torch

from lime_callback.checks.arguments import class_number
from lime_callback.checks.numbers import check_count, check_number
from lime_callback.outputs.probabilities_and_losses import are_masks, class_shares, true_classes
from lime_callback.probes.ranked_samples import NEVER, Choice, Ranked, Seen
from lime_callback.sampling.seeds import seed_for

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

_FAIR = 0.02  # of a mask's pixels, so that there is something to see
_CLASSES = 50  # of masks, a bit each of a number that is exact


@dataclass(frozen=True)
class OnePerClass(Choice):
    """The first sample of each class, by the labels.

    Of masks, the first samples that can each stand for another class, which has at least 2 % of their pixels. Classes 0
    to 49 count, so that 255 marks none.

    Args:
        count: the largest number of classes; of labels those of lowest index are taken, of masks the first samples.

    Raises:
        ValueError: if ``count`` is below 1.
        TypeError: if ``count`` is not a whole number.
    """

    count: int = 16
    which: ClassVar[str] = ", one of each class,"
    one_of_a_rank: ClassVar[bool] = True

    def __post_init__(self) -> None:
        object.__setattr__(self, "count", check_count("count", self.count))

    def rank(self, seen: Seen) -> list[float]:
        """See :class:`Choice`; of masks the classes of a sample, as a number below 0 with a bit for each."""
        if not are_masks(seen.labels):
            return true_classes(seen.labels).double().tolist()
        bits = ((class_shares(seen.labels, _CLASSES) >= _FAIR).long() << torch.arange(_CLASSES)).sum(1)
        return [-float(own) if own else NEVER for own in bits.tolist()]

    def leading(self, ranked: Iterable[Ranked]) -> list[Ranked]:
        """See :class:`Choice`."""
        wanted = {sample for sample in ranked if sample[0] < NEVER}
        if all(rank >= 0 for rank, _ in wanted):
            return super().leading(wanted)
        return with_classes_of_their_own(
            wanted, lambda sample: [label for label in range(_CLASSES) if int(-sample[0]) >> label & 1]
        )[: self.count]


@dataclass(frozen=True)
class HasClass(Choice):
    """Samples that have a class, by the labels: a random choice of those whose mask has enough of its pixels.

    Args:
        label: the class's number, or its name among the callback's ``class_names``.
        count: the number of probes, at least 1.
        share: the least share of a mask's pixels that are of the class, above 0.

    Raises:
        ValueError: if ``label`` is below 0 or no name, ``count`` is below 1, or ``share`` is not above 0 and at most 1.
        TypeError: if ``label`` or ``count`` is not a whole number, or ``share`` is not a number.
    """

    label: int | str
    count: int = 8
    share: float = _FAIR
    which: ClassVar[str] = " that have enough of the class"

    def __post_init__(self) -> None:
        if not isinstance(self.label, str):
            object.__setattr__(self, "label", check_count("label", self.label, 0))
        object.__setattr__(self, "count", check_count("count", self.count))
        if check_number("share", self.share, above=0) > 1:
            raise ValueError(f"`share` should be above 0, and at most 1. Found `share = {self.share!r}`.")

    @property
    def key(self) -> str:
        """See :class:`Choice`."""
        return f"HasClass({self.label}, {self.count}, {self.share:g})"

    def named(self, class_names: Sequence[str] | None) -> HasClass:
        """See :class:`Choice`."""
        if not isinstance(self.label, str):
            return self
        return replace(self, label=class_number("label", self.label, class_names, "a class's number, or its name"))

    def rank(self, seen: Seen) -> list[float]:
        """See :class:`Choice`; a sample has the same rank in any batch and process."""
        label = self.label
        assert not isinstance(label, str), "the callback has put the number in the place of the name"
        has = (class_shares(seen.labels, label + 1)[:, label] >= self.share).tolist()
        return [float(seed_for("has class", n)) if own else NEVER for n, own in zip(seen.numbers, has, strict=True)]


def with_classes_of_their_own(samples: Iterable[Ranked], classes: Callable[[Ranked], Sequence[int]]) -> list[Ranked]:
    """Return the samples that can each stand for another class, those of lowest number first.

    What is left out among some samples is left out among more of them, so that batches may come one after the other.

    Args:
        samples: candidates.
        classes: returns those that a sample can stand for.
    """
    standing: dict[int, Ranked] = {}

    def finds_place(sample: Ranked, tried: set[int]) -> bool:
        for label in classes(sample):
            if label in tried:
                continue
            tried.add(label)
            if label not in standing or finds_place(standing[label], tried):  # which makes room where it can
                standing[label] = sample
                return True
        return False

    return [sample for sample in sorted(samples, key=lambda one: one[1]) if finds_place(sample, set())]

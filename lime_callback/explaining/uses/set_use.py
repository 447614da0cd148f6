"""Says whether a model uses a set of channels or pixels: one of three verdicts, with the evidence, in one sentence."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal, NamedTuple, get_args

import torch

from lime_callback.outputs.targets import class_name
from lime_callback.surrogates.confidence_intervals import wilson_interval

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lime_callback.views.channels.set_extent import SetExtent

Use = Literal["not seen to use", "uses in part", "rests on"]
USES: tuple[Use, ...] = get_args(Use)
"""The verdicts, whose places are their numbers in ``measures.csv``."""

IN_PART = 0.05
"""Of the predictions, or of the outputs' standard deviation.

A model whose answers do not get worse without a set still changes a few that lie between two classes.
"""
IN_CLASS = 0.2  # of the predictions of one class
ENOUGH = 5
"""Samples of a class, at least, to say anything of it."""
HIDDEN = "hiding it (other samples' values there)"
"""What is done to a set, in words: said once in a sentence."""
CLASS_ENDS = ("", "_2", "_3")
"""Of measures' names: of each class that is named, at most."""
_WORST = -10.0  # R²: what is less is no better known


class ClassChange(NamedTuple):
    """What hiding a set changes in one class, by the labels.

    Attributes:
        label: the class.
        changed: share of its predictions that change.
        samples: number of its samples.
    """

    label: int
    changed: float
    samples: int


@dataclass(frozen=True)
class SetUse:
    """Whether a model uses a set.

    Attributes:
        use: ``"rests on"``, ``"uses in part"`` or ``"not seen to use"``, see
            :meth:`lime_callback.explaining.Reliance.use_of`.
        changed: share of the predictions that hiding the set changes; for values in their standard deviations.
        low: lower end of its 95 % interval.
        high: upper end.
        expected: the same as ``changed`` of random sets.
        samples: number of samples.
        classes: whether ``changed`` counts predictions.
        by_class: what changes in each class that has a sample, by the labels; empty where there are no such labels.
        accuracy: of the model as it is, of values R²; NaN without labels that fit.
        accuracy_hidden: the same with the set hidden.
        extent: how much of the inputs the set is, and where; ``None`` where that is unknown.
    """

    HEADER: ClassVar[tuple[str, ...]] = ("hiding it changes", "95 % interval", "as many at random", "samples", "most")

    use: Use
    changed: float
    low: float
    high: float
    expected: float
    samples: int
    classes: bool
    by_class: tuple[ClassChange, ...] = ()
    accuracy: float = math.nan
    accuracy_hidden: float = math.nan
    extent: SetExtent | None = None

    @property
    def most(self) -> tuple[ClassChange, ...]:
        """Up to three classes that surely change most, and change at least half as much as the first of them.

        Of a class with fewer than five samples nothing is said.
        """
        known = [one for one in self.by_class if one.samples >= ENOUGH and one.changed > 0]
        if not self.classes or not known:
            return ()
        _, changed, samples = (torch.tensor(column, dtype=torch.float64) for column in zip(*known, strict=True))
        lows = wilson_interval(changed, samples)[0].tolist()
        order = sorted(range(len(known)), key=lambda i: -lows[i])
        least = max(one.changed for one in known) / 2
        return tuple(known[i] for i in order if known[i].changed >= least)[: len(CLASS_ENDS)]

    def sentence(self, class_names: Sequence[str] | None = None) -> str:
        """Return the verdict with its evidence, for people.

        Args:
            class_names: the classes' names; ``None`` gives their numbers.
        """
        if self.classes:
            changes, ends = f"changes {percent(self.changed)} of the predictions", self._ends()
            high = percent(self.high)
        else:
            changes, ends = f"changes the outputs by {self.changed:.2f} standard deviations", self._ends()
            high = f"{self.high:.2f}"
        unseen = self.use == "not seen to use"
        interval = f", at most {high}" if unseen else f" ({ends})"
        evidence = [self._accuracies(), "" if unseen or not self.most else f"most in {self._classes(class_names)}"]
        return "; ".join([
            f"{verdict(self.use, 'it')}: {HIDDEN} {changes}{interval}, {self.beside()}, in {self.samples} samples",
            *filter(None, evidence),
        ])  # fmt: skip

    def beside(self) -> str:
        """Say what hiding as many elements at random changes, and so if that is no less."""
        say = percent if self.classes else "{:.2f}".format
        many = at_random(self.extent)
        alike = self.changed <= self.expected or say(self.changed) == say(self.expected)
        return f"no more than {many} ({say(self.expected)})" if alike else f"{many}: {say(self.expected)}"

    def cells(self, class_names: Sequence[str] | None = None) -> tuple[str, ...]:
        """Return the evidence as a row below :attr:`HEADER`."""
        say = percent if self.classes else "{:.2f} SD".format
        return say(self.changed), self._ends(), say(self.expected), str(self.samples), self._classes(class_names)

    def _ends(self) -> str:
        low, high = self.low, self.high
        return f"{100 * low:.0f} to {percent(high)}" if self.classes else f"{low:.2f} to {high:.2f}"

    def _accuracies(self) -> str:
        if not (math.isfinite(self.accuracy) and math.isfinite(self.accuracy_hidden)):
            return ""
        before, after = (
            f"{value:.2f}" if value >= _WORST else f"below {_WORST:.0f}"
            for value in (self.accuracy, self.accuracy_hidden)
        )
        return f"{'accuracy' if self.classes else 'R²'} {before}, {after} with it hidden"

    def _classes(self, class_names: Sequence[str] | None) -> str:
        kind = "binary" if class_names is not None and len(class_names) == 1 else None
        told = []
        for label, changed, samples in self.most:
            name = class_name(label, class_names, kind)
            told.append(f"{f'class {name}' if name == str(label) else name}: {percent(changed)} of {samples}")
        return ", ".join(told)


def verdict(use: Use, what: str) -> str:
    """Return the verdict on ``what`` as a main clause, the same words everywhere."""
    if use == "uses in part":
        return f"the model uses {what} in part"
    return f"the model {'rests on' if use == 'rests on' else 'is not seen to use'} {what}"


def at_random(extent: SetExtent | None) -> str:
    """What a set stands beside, in words: as many of its elements elsewhere."""
    return "as much at random" if extent is None else f"as many {extent.elements} at random"


def percent(share: float) -> str:
    """Write a share as people read it; above 0 and at less than 1 % it is no nothing."""
    return "<1 %" if 0 < share < 0.005 else f"{100 * share:.0f} %"

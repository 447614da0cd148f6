"""The result of a reliance measurement: what hiding sets changes beside random sets, and whether that is too much.

Letters: ``S`` sets, ``m`` samples, ``K`` classes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from lime_callback.explaining.answer_changes import deviations_text
from lime_callback.explaining.uses.set_use import (
    ENOUGH,
    HIDDEN,
    IN_CLASS,
    IN_PART,
    ClassChange,
    SetUse,
    at_random,
    percent,
)
from lime_callback.surrogates.confidence_intervals import LEVEL, critical_value, wilson_interval

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from lime_callback.views.channels.set_extent import SetExtent

_RUN = 0.05  # probability to take a difference that is not relevant for one, at one look
_SURE = 1e-3  # probability that values move more in so many samples, by chance
_NO_R2 = -1e9  # labels that do not vary have none
RELEVANT = 0.1  # of the predictions, or of the outputs' spread: a smaller difference is not worth an alarm


def stands_out(changed: Tensor, expected: Tensor, everything: Tensor) -> Tensor:
    """Whether a set matters much more than random sets as large, bool ``[S]``.

    Some range of channels is always the most important one, and may change half as much again as the others. So the
    set has to change twice as much as expected, or at least half of what then is left to change. Where hiding random
    sets changes nearly as much as hiding everything, nothing is left.

    Args:
        changed: what hiding the set changes, ``[S]``.
        expected: what hiding random sets changes, ``[S]``.
        everything: what hiding all elements changes, ``[S]`` or one number.
    """
    excess, left = changed - expected, everything - expected
    return (excess > RELEVANT) & ((excess > expected) | ((left > 2 * RELEVANT) & (excess > left / 2)))


@dataclass(frozen=True, eq=False, repr=False)
class Reliance:
    """What hiding each of S sets changes, beside random sets. Tensors are float64 ``[S]``, on the CPU.

    ``print`` shows it as a table; :meth:`use_of` says of a set whether the model uses it.

    Attributes:
        names: the sets' names.
        changed: share of predictions that become another class; for values their mean absolute change, divided by their
            standard deviation.
        changed_error: its standard error over the samples.
        expected: mean of ``changed`` over random sets of as many elements, made of the same ranges or patches.
        excess_error: standard error of ``changed - expected`` over the samples.
        everything: ``changed`` if all elements were hidden: the samples' own outputs beside those of their donors.
        spread: standard deviation of ``changed`` between random sets, as if they had no elements in common.
        chance: p value: the probability of at least as much change, if the set were one of its random sets.
        accuracy_drop: how far the accuracy falls; ``None`` without labels that fit.
        expected_accuracy_drop: likewise for random sets.
        loss_increase: how far the cross-entropy rises, or the squared error divided by the labels' variance; ``None``
            without labels that fit.
        expected_loss_increase: likewise for random sets.
        share: share of all elements that are in the set, from 0 to 1.
        references: number of random sets, int64.
        samples: number of samples, m, int64.
        classes: whether ``changed`` counts predictions.
        class_changed: ``changed`` among the samples of each class by their labels, ``[S, K]``, NaN where there is none;
            ``None`` without labels of classes.
        class_samples: number of samples of each class, int64 ``[S, K]``; ``None`` likewise.
        accuracy: of the model as it is, the same for each set; ``None`` without labels of classes.
        r2: its R² where outputs are values, likewise; ``None`` without such labels.
        r2_drop: how far that falls.
        rank_chance: of values, ``chance`` by signed ranks: a few samples that change far more than all others, as with
            values of many sizes, make the mean uncertain, and not that the set is used. ``None`` for classes.
        extents: how much of the inputs each set is, and where; empty where that is unknown.
    """

    names: tuple[str, ...]
    changed: Tensor
    changed_error: Tensor
    expected: Tensor
    excess_error: Tensor
    everything: Tensor
    spread: Tensor
    chance: Tensor
    accuracy_drop: Tensor | None
    expected_accuracy_drop: Tensor | None
    loss_increase: Tensor | None
    expected_loss_increase: Tensor | None
    share: Tensor
    references: Tensor
    samples: Tensor
    classes: bool
    class_changed: Tensor | None = None
    class_samples: Tensor | None = None
    accuracy: Tensor | None = None
    r2: Tensor | None = None
    r2_drop: Tensor | None = None
    rank_chance: Tensor | None = None
    extents: tuple[SetExtent, ...] = ()

    def __repr__(self) -> str:
        return f"<Reliance on {', '.join(map(repr, self.names))}; print it for a table>"

    def __str__(self) -> str:
        return self.table()

    @property
    def excess(self) -> Tensor:
        """``changed - expected``."""
        return self.changed - self.expected

    def half_width(self, level: float = LEVEL) -> Tensor:
        """Half the interval of ``changed`` over all samples that these were drawn from."""
        return self.changed_error * critical_value(self.samples - 1, level)

    def interval(self, level: float = LEVEL) -> tuple[Tensor, Tensor]:
        """Lower and upper end of the interval of ``changed`` over all such samples, Wilson's where it is a share."""
        if self.classes:
            return wilson_interval(self.changed, self.samples, level)
        half = self.half_width(level)
        return (self.changed - half).clamp(min=0), self.changed + half

    def use_of(self, name: str, bound: float | None = None, alpha: float = 0.05) -> SetUse:
        """Say whether the model rests on a set, uses it in part, or is not seen to use it.

        It rests on the set where :meth:`relies` says so. It uses the set in part where hiding it surely changes more
        than 5 % of the predictions, or of the outputs' standard deviation, or 20 % of the predictions of one class,
        whatever random sets change; of values also where it does so on average, twice as much as random sets, and more
        in nearly all samples. Of a class with fewer than five samples nothing is said.

        Args:
            name: of the set.
            bound: see :meth:`relies`.
            alpha: see :meth:`relies`.

        Raises:
            ValueError: if there is no such set.
        """
        i = self._place(name)
        low, high = (float(end[i]) for end in self.interval())
        in_part = low > IN_PART or self._sure_class_change(i) > IN_CLASS or self._surely_moves(i)
        rests = bool(self.relies(bound, alpha)[i])
        return SetUse(
            "rests on" if rests else "uses in part" if in_part else "not seen to use",
            float(self.changed[i]), low, high, float(self.expected[i]), int(self.samples[i]), self.classes,
            self._by_class(i), *self._accuracies(i), self._extent(i),
        )  # fmt: skip

    def table(self, class_names: Sequence[str] | None = None) -> str:
        """Return a table for people: for each set whether it is used, and what hiding it changes.

        Args:
            class_names: the classes' names; ``None`` gives their numbers.
        """
        rows = [("set", "hidden", "verdict", *SetUse.HEADER, *(() if self.accuracy_drop is None else ("accuracy",)))]
        for i, name in enumerate(self.names):
            use = self.use_of(name)
            fall = () if self.accuracy_drop is None else (f"{-100 * float(self.accuracy_drop[i]):+.0f} points",)
            rows.append((name, "" if use.extent is None else use.extent.text, use.use, *use.cells(class_names), *fall))
        kept = [k for k in range(len(rows[0])) if any(row[k] for row in rows[1:])]
        widths = {k: max(len(row[k]) for row in rows) for k in kept}
        return "\n".join("  ".join(row[k].ljust(widths[k]) for k in kept).rstrip() for row in rows)

    def relies(self, bound: float | None = None, alpha: float = 0.05) -> Tensor:
        """Whether the model rests on each set, bool ``[S]``: hiding it changes more than expected, not by chance.

        Without a bound, three things are asked. The difference is no chance (``chance``). No random set is likely to
        change as much (``spread``). And the set matters much more than random sets, see :func:`stands_out`, also if
        the change is less by its error.

        Args:
            bound: the excess has to exceed this by more than its error; ``None``: as above.
            alpha: probability of a false alarm.
        """
        level = 1 - 2 * alpha  # of an interval whose one side counts
        among = self.references.double()
        # The mean of the random sets is uncertain; without a bound, one more of them may lie so much further.
        error = self.spread * (1 / among + (bound is None)).sqrt()
        over_sets = torch.where(error > 0, error * critical_value(among - 1, level), 0.0)
        if bound is None:
            # One look's error beside the run's: how large the difference is matters less than that there is one.
            surely = self.changed - self.excess_error * critical_value(self.samples - 1, 1 - 2 * _RUN)
            relevant = stands_out(surely, self.expected, self.everything)
            return relevant & (self.chance <= alpha) & (self.excess > over_sets)
        over_samples = self.excess_error * critical_value(self.samples - 1, level)
        return (self.excess - over_samples > bound) & (self.excess - over_sets > bound)

    def only(self, names: Iterable[str]) -> Reliance:
        """The result for those of these sets that it has."""
        kept = set(names)
        rows = [i for i, name in enumerate(self.names) if name in kept]
        tensors = {
            f.name: getattr(self, f.name)[rows] for f in fields(self) if isinstance(getattr(self, f.name), Tensor)
        }
        extents = tuple(self.extents[i] for i in rows) if self.extents else ()
        return replace(self, names=tuple(self.names[i] for i in rows), extents=extents, **tensors)

    def renamed(self, names: Iterable[str]) -> Reliance:
        """The same result with other names, in the same order."""
        return replace(self, names=tuple(names))

    def text(self, name: str) -> str:
        """Says in words what hiding a set changes.

        Raises:
            ValueError: if there is no such set.
        """
        i = self._place(name)
        there, usual, beside = float(self.changed[i]), float(self.expected[i]), at_random(self._extent(i))
        if self.classes:
            return f"{HIDDEN} changes {percent(there)} of the predictions, {beside}: {percent(usual)}"
        return (
            f"{HIDDEN} changes the outputs by {deviations_text(there)} standard deviations, {beside}: "
            f"{deviations_text(usual)}"
        )

    def joined(self, other: Reliance) -> Reliance:
        """The results of these sets, then those of other sets of the same model."""
        tensors: dict[str, Any] = {}
        for f in fields(self):
            pair = [getattr(one, f.name) for one in (self, other)]
            if all(isinstance(value, Tensor) for value in pair):
                classes = max(value.shape[-1] for value in pair) if pair[0].ndim > 1 else 0
                tensors[f.name] = torch.cat([_widened(value, classes) for value in pair])
            elif f.name not in ("names", "classes", "extents"):
                tensors[f.name] = None
        extents = self.extents + other.extents if self.extents and other.extents else ()
        return replace(self, names=self.names + other.names, extents=extents, **tensors)

    def _place(self, name: str) -> int:
        if name not in self.names:
            raise ValueError(f"`name` should be one of {list(self.names)}. Found `name = {name!r}`.")
        return self.names.index(name)

    def _by_class(self, i: int) -> tuple[ClassChange, ...]:
        """What changes in each class that has a sample."""
        if self.class_changed is None or self.class_samples is None or not self.classes:
            return ()
        rows = zip(self.class_changed[i].tolist(), self.class_samples[i].tolist(), strict=True)
        return tuple(ClassChange(label, changed, count) for label, (changed, count) in enumerate(rows) if count)

    def _sure_class_change(self, i: int) -> float:
        """The most that surely changes of one class's predictions, with the choice of the class paid for."""
        known = [one for one in self._by_class(i) if one.samples >= ENOUGH]
        if not known:
            return 0.0
        _, changed, count = (torch.tensor(column, dtype=torch.float64) for column in zip(*known, strict=True))
        return float(wilson_interval(changed, count, of=len(known))[0].max())

    def _surely_moves(self, i: int) -> bool:
        """Whether values move more than by random sets, in so many samples that it is no chance."""
        if self.rank_chance is None:
            return False
        far = float(self.changed[i]) > max(IN_PART, 2 * float(self.expected[i]))
        return far and float(self.rank_chance[i]) <= _SURE

    def _accuracies(self, i: int) -> tuple[float, float]:
        """The accuracy, or R², as the model is and with a set hidden; NaN where they are unknown."""
        before, drop = (self.accuracy, self.accuracy_drop) if self.classes else (self.r2, self.r2_drop)
        if before is None or drop is None or float(before[i]) < _NO_R2:
            return math.nan, math.nan
        return float(before[i]), float(before[i] - drop[i])

    def _extent(self, i: int) -> SetExtent | None:
        return self.extents[i] if self.extents else None


def _widened(values: Tensor, classes: int) -> Tensor:
    """Values of classes ``[S, K]``, with as many classes as others have, of which there is no sample."""
    if values.ndim < 2:
        return values
    empty = math.nan if values.is_floating_point() else 0
    return torch.nn.functional.pad(values, (0, classes - values.shape[1]), value=empty)

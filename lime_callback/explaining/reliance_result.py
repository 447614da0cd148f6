"""The result of a reliance measurement: what hiding sets changes beside random sets, and whether that is too much.

Letters: ``S`` sets, ``m`` samples.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from lime_callback.surrogates.confidence_intervals import LEVEL, critical_value

if TYPE_CHECKING:
    from collections.abc import Iterable

_RUN = 0.05  # probability to take a difference that is not relevant for one, at one look
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


@dataclass(frozen=True, eq=False)
class Reliance:
    """What hiding each of S sets changes, beside random sets. Tensors are float64 ``[S]``, on the CPU.

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
        samples: number of samples, m.
        classes: whether ``changed`` counts predictions.
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
    samples: int
    classes: bool

    @property
    def excess(self) -> Tensor:
        """``changed - expected``."""
        return self.changed - self.expected

    def half_width(self, level: float = LEVEL) -> Tensor:
        """Half the interval of ``changed`` over all samples that these were drawn from."""
        return self.changed_error * float(critical_value(self.samples - 1, level))

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
        return replace(self, names=tuple(self.names[i] for i in rows), **tensors)

    def renamed(self, names: Iterable[str]) -> Reliance:
        """The same result with other names, in the same order."""
        return replace(self, names=tuple(names))

    def text(self, name: str) -> str:
        """Says in words what hiding a set changes.

        Raises:
            ValueError: if there is no such set.
        """
        if name not in self.names:
            raise ValueError(f"`name` should be one of {list(self.names)}. Found `name = {name!r}`.")
        i = self.names.index(name)
        there, usual = float(self.changed[i]), float(self.expected[i])
        if self.classes:
            return (
                f"hiding it changes {there:.0%} of the predictions, where {usual:.0%} are expected of random sets as "
                "large"
            )
        return (
            f"hiding it changes the outputs by {there:.2f} standard deviations, where {usual:.2f} are expected of "
            "random sets as large"
        )

"""What hiding sets changes, beside random sets: the result, its intervals, and whether the model rests on a set.

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

RELEVANT = 0.1  # of the predictions, or of the outputs' spread: a smaller difference is not worth an alarm


@dataclass(frozen=True, eq=False)
class Reliance:
    """What hiding each of S sets changes, beside random sets. Tensors are float64 ``[S]``, on the CPU.

    Attributes:
        names: of the sets.
        changed: share of predictions that become another class; for values that are no classes, their mean absolute
            change as a share of their standard deviation.
        changed_error: its standard error over the samples.
        expected: the same of random sets of as many elements, made of the same ranges or patches.
        excess_error: standard error of ``changed - expected`` over the samples.
        spread: standard deviation of ``changed`` between random sets, as if they had no elements in common.
        chance: probability of so much change or more, if in each sample the set were one of its random sets.
        accuracy_drop: by how much the accuracy falls; ``None`` without labels that fit.
        expected_accuracy_drop: likewise, of random sets.
        loss_increase: by how much the cross-entropy rises, or the squared error as a share of the labels' variance;
            ``None`` without labels that fit.
        expected_loss_increase: likewise, of random sets.
        share: of all elements that are in the set, from 0 to 1.
        references: how many random sets there were, int64.
        samples: how many there were, m.
        classes: whether ``changed`` counts predictions.
    """

    names: tuple[str, ...]
    changed: Tensor
    changed_error: Tensor
    expected: Tensor
    excess_error: Tensor
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
        """What is changed beyond what is expected."""
        return self.changed - self.expected

    def half_width(self, level: float = LEVEL) -> Tensor:
        """Half of the interval of ``changed`` over all samples of which these are some."""
        return self.changed_error * float(critical_value(self.samples - 1, level))

    def relies(self, bound: float | None = None, alpha: float = 0.05) -> Tensor:
        """Whether the model rests on each set, bool ``[S]``: more is changed than expected, and not by chance.

        Without a bound, the difference has to be relevant (0.1), too large for a chance within the samples, and the set
        has to stand out from its random sets: some range of channels always is the most important one.

        Args:
            bound: the difference that has to be exceeded, beyond its error; ``None``: as above.
            alpha: probability to say so without a cause.
        """
        level = 1 - 2 * alpha  # of an interval of which one side counts
        among = self.references.double()
        # The mean of the random sets is uncertain; without a bound, one more of them may lie so much further.
        error = self.spread * (1 / among + (bound is None)).sqrt()
        over_sets = torch.where(error > 0, error * critical_value(among - 1, level), 0.0)
        if bound is None:
            return (self.excess > RELEVANT) & (self.chance <= alpha) & (self.excess > over_sets)
        over_samples = self.excess_error * critical_value(self.samples - 1, level)
        return (self.excess - over_samples > bound) & (self.excess - over_sets > bound)

    def only(self, names: Iterable[str]) -> Reliance:
        """The same of some sets, as far as they are there."""
        kept = set(names)
        rows = [i for i, name in enumerate(self.names) if name in kept]
        tensors = {
            f.name: getattr(self, f.name)[rows] for f in fields(self) if isinstance(getattr(self, f.name), Tensor)
        }
        return replace(self, names=tuple(self.names[i] for i in rows), **tensors)

    def renamed(self, names: Iterable[str]) -> Reliance:
        """The same under other names, in the same order."""
        return replace(self, names=tuple(names))

    def text(self, name: str) -> str:
        """What hiding a set changes, in words.

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

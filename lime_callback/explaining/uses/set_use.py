"""Says whether a model uses a set of channels or pixels: one of three verdicts, with the evidence, in one sentence."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal, get_args

from lime_callback.outputs.targets import class_name

if TYPE_CHECKING:
    from collections.abc import Sequence

Use = Literal["not seen to use", "uses in part", "rests on"]
USES: tuple[Use, ...] = get_args(Use)
"""The verdicts, whose places are their numbers in ``measures.csv``."""

IN_PART = 0.05
"""Of the predictions, or of the outputs' standard deviation.

A model whose answers do not get worse without a set still changes a few that lie between two classes.
"""
IN_CLASS = 0.2  # of the predictions of one class
_BEGINNINGS = {
    "rests on": "the model rests on it: hiding it",
    "uses in part": "the model uses it in part: hiding it",
    "not seen to use": "not seen to be used: hiding it",
}


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
        worst_class: the class, by the labels, that surely changes most; ``None`` where none is known to change.
        class_changed: share of its predictions that change; NaN without such a class.
        class_samples: number of its samples.
    """

    HEADER: ClassVar[tuple[str, ...]] = ("hiding it changes", "95 % interval", "random sets", "samples", "most")

    use: Use
    changed: float
    low: float
    high: float
    expected: float
    samples: int
    classes: bool
    worst_class: int | None = None
    class_changed: float = math.nan
    class_samples: int = 0

    def sentence(self, class_names: Sequence[str] | None = None) -> str:
        """Return the verdict with its evidence, for people.

        Args:
            class_names: the classes' names; ``None`` gives their numbers.
        """
        if self.classes:
            changes, usual = f"changes {percent(self.changed)} of the predictions", percent(self.expected)
            ends, high = f"{100 * self.low:.0f} to {percent(self.high)}", percent(self.high)
        else:
            changes, usual = f"changes the outputs by {self.changed:.2f} standard deviations", f"{self.expected:.2f}"
            ends, high = f"{self.low:.2f} to {self.high:.2f}", f"{self.high:.2f}"
        unseen = self.use == "not seen to use"
        interval = f", at most {high}" if unseen else f" ({ends})"
        most = "" if unseen or self.worst_class is None else f"; most in {self._worst(class_names)}"
        return f"{_BEGINNINGS[self.use]} {changes}{interval}, random sets {usual}, in {self.samples} samples{most}"

    def cells(self, class_names: Sequence[str] | None = None) -> tuple[str, ...]:
        """Return the evidence as a row below :attr:`HEADER`."""
        say = percent if self.classes else "{:.2f} SD".format
        ends = f"{100 * self.low:.0f} to {percent(self.high)}" if self.classes else f"{self.low:.2f} to {self.high:.2f}"
        worst = "" if self.worst_class is None else self._worst(class_names)
        return say(self.changed), ends, say(self.expected), str(self.samples), worst

    def _worst(self, class_names: Sequence[str] | None) -> str:
        assert self.worst_class is not None, "there is one"
        kind = "binary" if class_names is not None and len(class_names) == 1 else None
        name = class_name(self.worst_class, class_names, kind)
        told = f"class {name}" if name == str(self.worst_class) else name
        return f"{told}: {percent(self.class_changed)} of {self.class_samples}"


def percent(share: float) -> str:
    """Write a share as people read it; above 0 and at less than 1 % it is no nothing."""
    return "<1 %" if 0 < share < 0.005 else f"{100 * share:.0f} %"

"""Hides sets in samples of the background, and says what that changes, of all outputs together and of each.

Letters: ``m`` samples, ``K`` outputs.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import torch

from lime_callback.findings.epoch_facts import HiddenSets
from lime_callback.findings.hidden.hidden_sets_plan import FEWEST

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from torch import Tensor

    from lime_callback.explaining.answer_changes import AnswerChanges
    from lime_callback.explaining.hidden_sets import HiddenOutputs
    from lime_callback.sampling.value_swaps import Swaps

_MOST_OUTPUTS = 8  # values that are looked at one by one


@dataclass(frozen=True, eq=False)
class SetChanges:
    """Outputs of the same samples with sets hidden.

    Attributes:
        whole: with nothing hidden, ``[m, K]``.
        hidden: with each set hidden, ``[m, K]``, by its name.
        shares: each set's share of all elements.
        everything: with all elements hidden, ``[m, K]``.
        answers: compares outputs.
    """

    whole: Tensor
    hidden: Mapping[str, Tensor]
    shares: Mapping[str, float]
    everything: Tensor
    answers: AnswerChanges

    @classmethod
    def of(cls, swaps: Swaps, found: HiddenOutputs) -> SetChanges:
        """Name the outputs by the sets that were hidden for them."""
        shares = {name: float(mask.double().mean()) for name, mask in zip(swaps.names, swaps.masks, strict=True)}
        hidden = dict(zip(swaps.names, found.hidden, strict=True))
        return cls(found.whole, hidden, shares, found.everything, found.answers)

    def and_those_of(self, others: SetChanges) -> SetChanges:
        """Return these sets and others that were hidden in the same samples."""
        return replace(self, hidden={**self.hidden, **others.hidden}, shares={**self.shares, **others.shares})

    def together(self, references: Mapping[str, Sequence[str]]) -> HiddenSets:
        """What hiding each set changes, over all outputs.

        Args:
            references: names of the random sets of some of the sets.
        """
        answers = self.answers
        values = replace(answers, kind="values", labels=None)
        right = {name: answers.right(hidden) for name, hidden in self.hidden.items()}
        everything = self.everything.unsqueeze(0)
        return HiddenSets(
            self.shares,
            {name: answers.changed(self.whole, hidden.unsqueeze(0))[0] for name, hidden in self.hidden.items()},
            {name: values.changed(self.whole, hidden.unsqueeze(0))[0] for name, hidden in self.hidden.items()},
            {name: value for name, value in right.items() if value is not None},
            {name: tuple(own) for name, own in references.items() if own and all(one in self.hidden for one in own)},
            answers.changed(self.whole, everything)[0],
            values.changed(self.whole, everything)[0],
            answers.right(self.whole),
            answers.kind != "values",
            answers.known is not None,
        )

    def by_output(self, references: Mapping[str, Sequence[str]]) -> tuple[HiddenSets, ...]:
        """The same for each of several values, which may hang on different things; for classes all outputs together."""
        outputs = self.whole.shape[1]
        if self.answers.kind != "values" or not 1 < outputs <= _MOST_OUTPUTS:
            return (self.together(references),)
        return tuple(self._of_one(i).together(references) for i in range(outputs))

    def _of_one(self, i: int) -> SetChanges:
        """The same for an output by itself, in the samples that have it, if these are enough."""
        rows, known = torch.arange(len(self.whole)), self.answers.known
        if known is not None and int(known[:, i].sum()) >= FEWEST:
            rows = known[:, i].nonzero().flatten()
        return replace(
            self,
            whole=self.whole[rows, i : i + 1],
            hidden={name: hidden[rows, i : i + 1] for name, hidden in self.hidden.items()},
            everything=self.everything[rows, i : i + 1],
            answers=self.answers.of_one(i, rows),
        )

    def largest_parts(self) -> dict[str, float]:
        """For each set the largest part of what hiding everything changes, of all outputs together and of each."""
        looked_at = (self.together({}), *self.by_output({}))
        return {name: max(one.part(name) for one in looked_at) for name in self.hidden}

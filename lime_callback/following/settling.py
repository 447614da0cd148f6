"""When a view's explanations settled: since when nothing that matters has moved.

A run that creeps moves little from each epoch to the next and much over all of them. Explanations are therefore held
against one that stays the same, the anchor, for as long as they stay close to it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from lime_callback.comparing.drift import compare

if TYPE_CHECKING:
    from lime_callback.comparing.drift import Drift
    from lime_callback.explaining.explanation import Explanation


@dataclass
class Settling:
    """Whether explanations have settled, and since when.

    Attributes:
        anchor: the explanation that later ones are held against, on the CPU; ``None`` before the first.
        since: epochs trained when an explanation was first found to have moved by less than what matters, with
            confidence, and all later ones stayed there; -1 while there is none.
    """

    anchor: Explanation | None = None
    since: float = -1.0

    def take(
        self, explanation: Explanation, epochs: float, step: tuple[Explanation, Drift] | None,
        gate: float | None, relevant_change: float,
    ) -> None:  # fmt: skip
        """Take an explanation in.

        Nothing is learned from explanations that do not pass the gate.

        Args:
            explanation: the new one.
            epochs: trained so far.
            step: the explanation before and the drift from it, where it is known: it is not asked for again.
            gate: see :func:`~lime_callback.comparing.compare`.
            relevant_change: share of the attribution below which nothing that matters has moved.
        """
        if self.anchor is None:
            self.anchor = explanation
            return
        known = step is not None and step[0] is self.anchor
        drift = step[1] if known and step is not None else compare(self.anchor, explanation, gate, relevant_change)
        if not bool(drift.kept.any()):
            return
        if drift.moved_bound() < relevant_change:
            self.since = self.since if self.since >= 0 else epochs
        else:
            self.anchor, self.since = explanation, -1.0

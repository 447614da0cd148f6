"""When a view's explanations settled: since when nothing that matters has moved.

A run that creeps moves little from each epoch to the next and much over all of them. Explanations are therefore held
against one that stays the same, the anchor, for as long as they stay close to it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

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

    def take(self, explanation: Explanation, epochs: float, drift: Drift | None, least: float) -> None:
        """Take an explanation in.

        Nothing is learned from explanations that do not pass the gate.

        Args:
            explanation: the new one.
            epochs: trained so far.
            drift: of the new one from the anchor; ``None`` if there is no anchor.
            least: share of the attribution below which nothing that matters has moved.
        """
        if self.anchor is None or drift is None:
            self.anchor = explanation
            return
        if not bool(drift.kept.any()):
            return
        if drift.moved_bound() < least:
            self.since = self.since if self.since >= 0 else epochs
        else:
            self.anchor, self.since = explanation, -1.0

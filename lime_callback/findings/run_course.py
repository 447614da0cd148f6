"""How the background's answers have changed over a run so far: losses, what was right, and how far outputs moved."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

    from lime_callback.explaining.answer_changes import AnswerChanges

SWINGS = 4  # steps from epoch to epoch that are looked at


@dataclass
class RunCourse:
    """Keeps a few numbers of each explained epoch, and the outputs of the last one.

    Attributes:
        losses: mean loss over the background at each epoch so far.
        recalls: of each class, how many samples were right, at each epoch so far.
        spreads: of values, each output's standard deviation over the background, at each epoch so far.
        swaps: of each view, each band's share of what other samples' values in bands change, ``[d]``, at the last
            epochs in a row at which that was measured.
        moves: how far outputs moved since the epoch before, in standard deviations over the background, at each epoch
            but the first; the mean over samples of the output that moved most.
        before: outputs of the background at the last epoch, ``[N, K]``.
        reference_loss: mean loss of the weights that the run is compared with; ``None`` where they are unknown.
    """

    losses: list[float] = field(default_factory=list)
    recalls: list[dict[int, tuple[int, int]]] = field(default_factory=list)
    spreads: list[list[float]] = field(default_factory=list)
    moves: list[float] = field(default_factory=list)
    swaps: dict[str, list[Tensor]] = field(default_factory=dict)
    before: Tensor | None = None
    reference_loss: float | None = None

    def take(self, outputs: Tensor, answers: AnswerChanges, labels: Tensor | None) -> Tensor | None:
        """Take in an epoch; return the outputs of the one before.

        Args:
            outputs: of the background, ``[N, K]``.
            answers: compares them with their labels.
            labels: classes of the samples, or ``None``.
        """
        loss = answers.loss(outputs)
        if loss is not None and bool(loss.isfinite().any()):
            self.losses.append(float(loss.nanmean()))
        self.spreads.append(outputs.std(0).tolist() if answers.kind == "values" else [])
        right = answers.right(outputs)
        if right is not None and labels is not None:
            self.recalls.append(
                {
                    int(label): (int(right[labels == label].nansum()), int((labels == label).sum()))
                    for label in torch.unique(labels).tolist()
                    if label >= 0
                }
            )
        before, self.before = self.before, outputs
        if before is not None and before.shape == outputs.shape:
            spread = outputs.std(0).clamp(min=torch.finfo(outputs.dtype).tiny)
            self.moves.append(float(((outputs - before).abs().mean(0) / spread).amax()))
        return before

    def take_swaps(self, view: str, shares: Tensor, *, anew: bool) -> tuple[Tensor, ...]:
        """Take in what swaps in each band of a view change; return that of the last epochs in a row, this one's last.

        Args:
            view: its name.
            shares: which sum to 1, ``[d]``; all 0 where it was not measured.
            anew: whether the view's bands are others than before.
        """
        known = [] if anew or not bool(shares.any()) else self.swaps.get(view, [])
        self.swaps[view] = [*known, shares][-SWINGS - 1 :] if bool(shares.any()) else []
        return tuple(self.swaps[view])

    def state(self) -> dict[str, Any]:
        """What a resumed run needs."""
        return {
            "before": self.before,
            "losses": list(self.losses),
            "moves": list(self.moves),
            "reference loss": self.reference_loss,
            "spreads": [list(spread) for spread in self.spreads],
            "swaps": {view: [one.tolist() for one in shares] for view, shares in self.swaps.items()},
            "recalls": [[[label, *counts] for label, counts in recall.items()] for recall in self.recalls],
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """The inverse of :meth:`state`."""
        self.before, self.reference_loss = state["before"], state["reference loss"]
        self.losses = [float(loss) for loss in state["losses"]]
        self.moves = [float(move) for move in state.get("moves", [])]  # which versions before did not keep
        self.swaps = {
            str(view): [torch.tensor(one, dtype=torch.float64) for one in shares]
            for view, shares in state.get("swaps", {}).items()
        }
        self.spreads = [[float(one) for one in spread] for spread in state["spreads"]]
        self.recalls = [
            {int(label): (int(right), int(count)) for label, right, count in recall} for recall in state["recalls"]
        ]

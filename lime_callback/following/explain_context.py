"""What stays the same while the probes are explained by one view after the other."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lime_callback.forwards.processes import ALONE, Ranks
from lime_callback.forwards.tokens.patch_grid import patches_of
from lime_callback.forwards.tokens.token_blocks import AbsentError

if TYPE_CHECKING:
    from torch import Tensor

    from lime_callback.probes.model_wrapper import ModelWrapper
    from lime_callback.views.layout import Layout


@dataclass(frozen=True, eq=False)
class ExplainContext:
    """How to explain, and what.

    Args:
        model: the model with the probes.
        batch_size: perturbed inputs a forward at most.
        ranks: the processes that share the forwards.
        ends: when the epoch's time budget is used up, by ``time.perf_counter``; ``None`` where there is no budget.
    """

    model: ModelWrapper
    batch_size: int
    ranks: Ranks = ALONE
    ends: float | None = None

    def is_late(self) -> bool:
        """Whether the time budget is used up in any process, on which all agree."""
        return self.ends is not None and max(self.ranks.gather(time.perf_counter() - self.ends)) > 0

    def patches(self, layout: Layout) -> Tensor:
        """The patches that the model sees as tokens, see :func:`~lime_callback.forwards.model_patches`.

        Args:
            layout: the axes of one probe.

        Raises:
            AbsentError: if it has no such tokens, or its weights are sharded.
        """
        if self.ranks.lockstep:
            raise AbsentError("the model's weights are sharded over processes")
        model = self.model
        return patches_of(model.module, model, model.probes.inputs[:1], layout)

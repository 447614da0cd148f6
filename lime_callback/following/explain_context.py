"""What stays the same while the probes are explained by one view after the other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from lime_callback.forwards.processes import ALONE, Ranks

if TYPE_CHECKING:
    from lime_callback.probes.model_wrapper import ModelWrapper


@dataclass(frozen=True, eq=False)
class ExplainContext:
    """How to explain, and what.

    Args:
        model: the model with the probes.
        batch_size: perturbed inputs a forward at most.
        ranks: the processes that share the forwards.
    """

    model: ModelWrapper
    batch_size: int
    ranks: Ranks = ALONE

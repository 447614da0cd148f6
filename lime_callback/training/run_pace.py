"""Which validations of a run are explained."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lime_callback.following.callback_config import CallbackConfig


@dataclass
class RunPace:
    """Decides when it is time to explain; in a run without validation, ends of training epochs stand for validations.

    Args:
        config: the user's arguments.

    Attributes:
        epoch: the last explained epoch, counted from 0; ``None`` before the first.
    """

    config: CallbackConfig
    epoch: int | None = None

    def is_due(self, epoch: int) -> bool:
        """Return whether a validation in this epoch, counted from 0, is explained."""
        return self.epoch is None or epoch == self.epoch or epoch - self.epoch >= self.config.every_n_epochs

    def text(self, trainer: Any) -> str:
        """Say when explanations are made; nothing outside of a training, where there is one."""
        every = self.config.every_n_epochs
        if trainer.state.fn != "fit":
            return ""
        often = f"{every} epochs" if every > 1 else "epoch" if trainer.training else "validation"
        return f" at the end of every {often}"

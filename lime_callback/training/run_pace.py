"""Which validations of a run are explained."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lime_callback.following.callback_config import CallbackConfig


@dataclass
class RunPace:
    """Decides when it is time to explain; in a run without validation, ends of training epochs stand for validations.

    The first validation is explained. Then each one is, or one of every ``every_n_validations``, or the first one
    after ``every_n_epochs``.

    Args:
        config: the user's arguments.

    Attributes:
        epoch: the last explained epoch, counted from 0; ``None`` before the first.
        passed: validations that were not explained since the last one that was.
    """

    config: CallbackConfig
    epoch: int | None = None
    passed: int = 0

    def is_due(self, epoch: int) -> bool:
        """Return whether a validation in this epoch, counted from 0, is explained."""
        every, validations = self.config.every_n_epochs, self.config.every_n_validations
        if self.epoch is None:
            return True
        if validations is not None:
            return self.passed + 1 >= validations
        return every == 1 or epoch - self.epoch >= every

    def take(self, epoch: int) -> bool:
        """Count a validation at its end, and return whether it is explained."""
        due = self.is_due(epoch)
        self.epoch, self.passed = (epoch, 0) if due else (self.epoch, self.passed + 1)
        return due

    def text(self, trainer: Any) -> str:
        """Say when explanations are made; nothing outside of a training, where there is one."""
        every, validations = self.config.every_n_epochs, self.config.every_n_validations or 1
        if trainer.state.fn != "fit":
            return ""
        loop = "epoch" if trainer.training else "validation"
        often = f"{every} epochs" if every > 1 else f"{validations} {loop}s" if validations > 1 else loop
        return f" at the end of every {often}"

    def impatient(self, trainer: Any) -> Iterator[str]:
        """Yield a sentence for each ``EarlyStopping`` that would stop on values which were only not measured anew."""
        between = self._validations_between(trainer)
        for callback in trainer.callbacks:
            monitor, patience = getattr(callback, "monitor", None), getattr(callback, "patience", None)
            ours = isinstance(monitor, str) and monitor.startswith(f"{self.config.name}/")
            if ours and isinstance(patience, int) and patience < between:
                yield (
                    f"`EarlyStopping({monitor!r}, patience={patience})` sees a new value only once in {between} "
                    f"validations, and would stop on repeated ones. Pass `patience={patience * between}` to wait for "
                    f"{patience} explanations, or explain more often."
                )

    def _validations_between(self, trainer: Any) -> int:
        if self.config.every_n_validations is not None:
            return self.config.every_n_validations
        if self.config.every_n_epochs == 1:
            return 1
        batches, interval = trainer.num_training_batches, getattr(trainer, "val_check_batch", math.inf)
        inside = batches // interval if 0 < interval <= batches < math.inf else 1
        return int(max(1, self.config.every_n_epochs * inside // (trainer.check_val_every_n_epoch or 1)))

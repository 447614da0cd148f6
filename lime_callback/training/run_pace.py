"""Which validations of a run are explained."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lime_callback.training import trainer_facts
from lime_callback.training.first_sample import has_validation

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lime_callback.following.callback_config import CallbackConfig

SHARE = 0.1
"""Of a run's time, what explanations take at most where the callback decides how often to explain."""
CAUTION = 0.8  # of that share is aimed at, since later explanations may take longer than the one that is measured
_WARM = 2  # explanations, before what one takes is known: the first one also starts and compiles what others find ready


@dataclass
class RunPace:
    """Decides when it is time to explain; in a run without validation, ends of training epochs stand for validations.

    The first validation is explained. Then each one is, or one of every ``every_n_validations``, or the first one
    after ``every_n_epochs``. With ``"auto"`` the second is explained, too; what that took decides once how many are
    left out from then on, and the last one of the run is explained.

    Args:
        config: the user's arguments.

    Attributes:
        epoch: the last explained epoch, counted from 0; ``None`` before the first.
        passed: validations that were not explained since the last one that was.
        steps: of the optimizers until the last validation; ``None`` where there was none in this process.
        explained: how many were explained in this process since the run began or was resumed.
        chosen: with ``"auto"``, one of how many validations is explained; ``None`` before it is known.
    """

    config: CallbackConfig
    epoch: int | None = None
    passed: int = 0
    steps: int | None = None
    explained: int = 0
    chosen: int | None = None

    @property
    def is_automatic(self) -> bool:
        """Whether the callback decides how often to explain."""
        return self.config.every_n_epochs == "auto" and self.config.every_n_validations is None

    def is_due(self, trainer: Any) -> bool:
        """Return whether the validation that runs, or has just ended, is explained."""
        every, validations, epoch = self.config.every_n_epochs, self.config.every_n_validations, trainer.current_epoch
        if self.epoch is None:
            return True
        if self.is_automatic:
            return self.passed + 1 >= (self.chosen or 1) or trainer_facts.is_last_validation(trainer)
        if validations is not None or every == "auto":
            return self.passed + 1 >= (validations or 1)
        return every == 1 or epoch - self.epoch >= every

    def take(self, trainer: Any) -> bool:
        """Count a validation at its end, and return whether it is explained."""
        self.steps = trainer.global_step
        if not self.is_due(trainer):
            self.passed += 1
            return False
        self.epoch, self.passed = trainer_facts.epoch_number(trainer) - 1, 0
        self.explained += 1
        return True

    def is_owed(self, trainer: Any) -> bool:
        """At the training's end: whether its last validation was left out, since others were expected after it.

        So it is after ``EarlyStopping``, which decides when the validation's explanation is over.
        """
        return self.is_automatic and self.passed > 0 and trainer.state.fn == "fit"

    def unvalidated(self, trainer: Any) -> str:
        """At the training's end, say so where it went on after its last validation, as ``max_steps`` may let it."""
        if self.steps is None or trainer.global_step <= self.steps:
            return ""
        return (
            "the training ended within an epoch, after its last validation. The last explanation is of the final "
            f"weights, after {trainer_facts.epochs_trained(trainer):.4g} epochs, which no validation has seen."
        )

    @property
    def is_open(self) -> bool:
        """Whether what the last explanation took decides how often there is one."""
        return self.is_automatic and self.chosen is None and self.explained >= _WARM

    def choose(self, share: float, left: int | None) -> str:
        """Choose how many validations are left out, and return what is to be said of it; nothing where it is none.

        Args:
            share: what an explanation takes, as a multiple of the time from one validation to the next.
            left: how many validations are still to come, if that is known: the last of them is explained, too.
        """
        aim = CAUTION * SHARE
        between = share * (1 - aim) / aim
        self.chosen = max(1, math.ceil(between))
        if left is not None and self.chosen > 1 and (affordable := int(left / between)):
            self.chosen = max(self.chosen, math.ceil(left / affordable))
        if self.chosen == 1:
            return ""
        return (
            f"an explanation takes {share:.2g} times as long as the training between two validations, so one "
            f"validation in {self.chosen} is explained from now on, and the last one: that is at most {SHARE:.0%} "
            "of the run's time. `every_n_epochs=1` explains each; fewer `probes` or `n_perturbations` take less."
        )

    def text(self, trainer: Any) -> str:
        """Say when explanations are made; nothing outside of a training, where there is one."""
        if trainer.state.fn != "fit":
            return ""
        loop = "validation" if has_validation(trainer) else "epoch"
        if self.is_automatic and (self.chosen or 2) > 1:
            return f" at the end of every {loop}, or of fewer where they take more than {SHARE:.0%} of the run's time"
        every, validations = self.config.every_n_epochs, self.config.every_n_validations or 1
        several = isinstance(every, int) and every > 1
        often = f"{every} epochs" if several else f"{validations} {loop}s" if validations > 1 else loop
        return f" at the end of every {often}"

    def impatient(self, trainer: Any) -> Iterator[str]:
        """Yield a sentence for each ``EarlyStopping`` that would stop on values which were only not measured anew."""
        between = self._validations_between(trainer)
        for monitor, patience in self._waiting(trainer):
            if patience < between:
                yield (
                    f"`EarlyStopping({monitor!r}, patience={patience})` sees a new value only once in {between} "
                    f"validations, and would stop on repeated ones. Pass `patience={patience * between}` to wait for "
                    f"{patience} explanations, or explain more often."
                )

    def serve(self, trainer: Any) -> None:
        """With ``"auto"``, explain each validation where ``EarlyStopping`` or its like waits for new values."""
        if self.is_automatic and any(self._waiting(trainer)):
            self.chosen = 1

    def _waiting(self, trainer: Any) -> Iterator[tuple[str, int]]:
        """Yield the metric and the patience of each callback that waits for one of ours."""
        for callback in trainer.callbacks:
            monitor, patience = getattr(callback, "monitor", None), getattr(callback, "patience", None)
            if isinstance(monitor, str) and monitor.startswith(f"{self.config.name}/") and isinstance(patience, int):
                yield monitor, patience

    def _validations_between(self, trainer: Any) -> int:
        every = self.config.every_n_epochs
        if self.config.every_n_validations is not None:
            return self.config.every_n_validations
        if every == "auto" or every == 1:
            return 1
        batches, interval = trainer.num_training_batches, getattr(trainer, "val_check_batch", math.inf)
        inside = batches // interval if 0 < interval <= batches < math.inf else 1
        return int(max(1, every * inside // (trainer.check_val_every_n_epoch or 1)))

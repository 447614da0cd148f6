"""An explained epoch on its way from its loop to the publisher, which waits until the loop's step is known."""

from __future__ import annotations

import math
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from lime_callback.forwards.profiler_sections import profiled
from lime_callback.publishing.publisher import Publisher
from lime_callback.training import trainer_facts

if TYPE_CHECKING:
    from pathlib import Path

    from lime_callback.following.callback_config import CallbackConfig
    from lime_callback.publishing.explained_epoch import ExplainedEpoch
    from lime_callback.publishing.sinks.console import Console


class LoopReport:
    """Publishes what was explained at the step at which Lightning logs the scalars of the same loop.

    A module that logs a value named ``"step"`` chooses that step, and may do so after the explanation, in its own
    ``on_validation_epoch_end``.

    Args:
        config: the user's arguments.
        console: tells the user what failed.
        beside: the report of the run, in whose folder this one has a folder; ``None`` for the run's own.

    Attributes:
        step: of the last explained epoch.
        epochs: the epochs trained until then.
        seconds: what it took to write the last one, and to hand it over.
    """

    def __init__(self, config: CallbackConfig, console: Console, beside: LoopReport | None = None) -> None:
        self.publisher = Publisher(console, config)
        self.step, self.epochs, self.seconds = 0, math.nan, 0.0
        self._config, self._console, self._beside = config, console, beside
        self._waiting: tuple[Any, ExplainedEpoch] | None = None

    def keep(self, trainer: Any, explained: ExplainedEpoch, epochs: float) -> None:
        """Keep an epoch until its loop ends, see :meth:`present`.

        Args:
            trainer: the trainer.
            explained: the epoch, with the training's step.
            epochs: the epochs trained so far.
        """
        self.present()
        if _writes(trainer):
            self.publisher.expect(trainer.loggers, self._place(trainer), explained.views)
        self.step, self.epochs, self._waiting = explained.step, epochs, (trainer, explained)

    def present(self, ended: bool = False) -> None:
        """Write what waits, and begin to show it; nothing where nothing waits.

        Args:
            ended: whether its loop has just ended. Else, as where an exception ended it, it gets the training's step.
        """
        if self._waiting is None:
            return
        (trainer, explained), self._waiting, began = self._waiting, None, time.perf_counter()
        if ended:  # in all processes, since the state of all of them is saved
            with self._console.contained("the step that was logged"):
                self.step = trainer_facts.logging_step(trainer)
        profile = trainer.profiler.profile
        if _writes(trainer):
            with profile("[LimeCallback]explain"), profiled(profile):
                self.publisher.publish(trainer.loggers, self._place(trainer), replace(explained, step=self.step))
        self.seconds = time.perf_counter() - began

    def show_again(self, trainer: Any, explained: ExplainedEpoch) -> None:
        """Show an epoch that is in the history already."""
        if _writes(trainer):
            self.publisher.show(trainer.loggers, self._place(trainer), explained)

    def shown_at(self, trainer: Any) -> str:
        """Say where explained epochs will be seen; to be asked where nothing is on its way yet."""
        if trainer.fast_dev_run:
            return "nowhere, since a `fast_dev_run` writes nothing"
        return self.publisher.shown_at(trainer.loggers, self._place(trainer)) if _writes(trainer) else ""

    def _place(self, trainer: Any) -> Path:
        """Where the run's folder is, see :mod:`lime_callback.publishing.run_place`."""
        run = self._beside or self
        place = trainer_facts.run_folder(trainer) / run._config.name
        if away := trainer_facts.away_text(place):
            self._console.remark(away, key="away")
        if self._beside is None:
            return place
        return run.publisher.folder(place) / self._config.name.removeprefix(f"{run._config.name}/")


def _writes(trainer: Any) -> bool:
    return bool(trainer.is_global_zero and not trainer.fast_dev_run)

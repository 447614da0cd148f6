"""The callback's hooks: when probes are captured and explained. The work, and what is kept, is in a session."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from weakref import ref

import torch
from lightning.pytorch.callbacks import Callback

from lime_callback.forwards.no_trace_guard import guarded
from lime_callback.training.first_sample import first_sample, has_validation
from lime_callback.training.logged_metrics import last_texts, measured_metrics, stand_ins
from lime_callback.training.probe_session import ProbeSession
from lime_callback.training.trainer_facts import evaluated_batches

if TYPE_CHECKING:
    from lime_callback.following.callback_config import CallbackConfig
    from lime_callback.following.followed_view import FollowedView


class Hooks(Callback):
    """What Lightning calls, and when.

    There are two sets of probes: one of the validation (or training) set, kept over the run and in checkpoints; and one
    that is new with each ``trainer.test`` and ``trainer.validate``.

    Args:
        config: the user's arguments.
    """

    def __init__(self, config: CallbackConfig) -> None:
        self.config = config
        self._stage = "fit"
        self._run: tuple[ref[Any], ref[Any]] | None = None  # the trainer and the module of the last training
        self._start_anew()

    def _start_anew(self) -> None:
        self._validation = ProbeSession(self.config)
        self._outside: ProbeSession | None = None  # of the last `trainer.test` or `trainer.validate`
        self._latest = self._validation  # the session that explained last: the one that the user can ask
        self._rehearsed = self._without_validation = self._started = False

    def __getstate__(self) -> dict[str, Any]:
        """Leave out weak references, which cannot be copied or sent to another process."""
        return {**vars(self), "_run": None}

    @property
    def state_key(self) -> str:
        """Different for callbacks of different names, so that several can be in one trainer."""
        return self._generate_state_key(name=self.config.name)

    def setup(self, trainer: Any, pl_module: Any, stage: str) -> None:
        """Go first among the callbacks, and begin a new run where another trainer or module is trained than before.

        So does a run of another validation set, which shows at the end of its first validation.

        Going first, the callback explains the weights that were validated, before weight averaging puts others back,
        gets the probes as the loader gave them, and has its values there when monitors look.
        """
        self._stage, self._started = stage, False
        goes_on = self._run is not None and self._run[0]() is trainer and self._run[1]() is pl_module
        if stage == "fit" and self._validation.probes is not None:
            if not goes_on:
                self._start_anew()  # as in cross-validation, where each fold has probes and explanations of its own
            self._validation.pinned.recheck = goes_on  # with another validation set it does not go on, either
        if stage == "fit" or self._run is None:
            self._run = ref(trainer), ref(pl_module)
        if self in trainer.callbacks:  # a wrapper may call in its stead
            trainer.callbacks.remove(self)
            trainer.callbacks.insert(0, self)

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        """Where there was no sanity check, try everything once; where there is no validation, do without."""
        self._start(trainer)
        if not self._without_validation and self._validation.probes is None and not self._rehearsed:
            _try_out(self._validation, trainer, pl_module)

    def on_validation_start(self, trainer: Any, pl_module: Any) -> None:
        """Begin to listen; with probes of their own outside of a training."""
        if trainer.state.fn == "validate":
            self._begin_outside("validate", trainer, pl_module)
        else:
            self._validation.begin(trainer, pl_module, rehearsal=trainer.sanity_checking)

    def on_validation_batch_start(
        self, trainer: Any, pl_module: Any, batch: Any, batch_idx: int, dataloader_idx: int = 0
    ) -> None:
        """Capture the probes, before a validation step can write into the batch."""
        counts = trainer.num_sanity_val_batches if trainer.sanity_checking else trainer.num_val_batches
        batches = evaluated_batches(trainer, counts)
        session = self._outside if trainer.state.fn == "validate" else self._validation
        if session is not None:
            session.pinned.offer(batches, batch, batch_idx, dataloader_idx)
            session.pinned.watch_step(pl_module, batch)

    def on_validation_batch_end(
        self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int, dataloader_idx: int = 0
    ) -> None:
        """Look at no more steps than the first."""
        session = self._outside if trainer.state.fn == "validate" else self._validation
        if session is not None:
            session.pinned.watch.end()

    def on_validation_epoch_end(self, trainer: Any, pl_module: Any) -> None:
        """Explain, draw and log; in the sanity check, try everything once on one sample, so that errors come early."""
        if trainer.sanity_checking:
            self._validation.rehearse(trainer, pl_module)
            self._rehearsed = True
        elif trainer.state.fn == "validate":
            self._explain_outside(trainer, pl_module)
        else:
            if (before := self._validation).sees_other_set():
                self._finish()
                self._start_anew()
                self._validation.take_over(before)
            self._validation.explain(trainer, pl_module)
            self._log(self._validation, trainer, pl_module)

    def on_validation_end(self, trainer: Any, pl_module: Any) -> None:
        """Publish what was explained, at the step at which Lightning has logged this validation's scalars."""
        self._present(trainer)

    def on_train_epoch_start(self, trainer: Any, pl_module: Any) -> None:
        """Without validation: begin to listen to training batches, if probes are wanted."""
        if not self._started:
            self._start(trainer)  # was appended to the callbacks of a training that runs
        if self._without_validation:
            self._validation.begin(trainer, pl_module)

    def on_train_batch_start(self, trainer: Any, pl_module: Any, batch: Any, batch_idx: int) -> None:
        """Look at the first few batches' inputs; without validation, capture the probes from them."""
        if self._validation.questions.wants_training_batches:
            self._validation.questions.watch_training(batch)
        if self._without_validation:
            self._validation.pinned.offer([trainer.num_training_batches], batch, batch_idx)

    def on_train_batch_end(self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        """Hand pictures that have been drawn meanwhile to loggers that take them on this thread alone."""
        self._validation.deliver()

    def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:
        """Without validation: explain samples of the training set, at the step that its epoch's scalars get."""
        if not self._started and not has_validation(trainer):
            self._validation.console.remark(
                "was appended within an epoch, without validation: explains from the next epoch on, if there is one."
            )
        if self._without_validation:
            self._validation.explain(trainer, pl_module)
            self._log(self._validation, trainer, pl_module)
            self._validation.present()

    def on_train_end(self, trainer: Any, pl_module: Any) -> None:
        """Explain the final weights, if the last validation was left out and only now is known to have been the last.

        Lightning takes no values here any more, so they go to the loggers themselves.
        """
        if not self._validation.pace.is_owed(trainer):
            return
        if text := self._validation.pace.unvalidated(trainer):
            self._validation.console.info(text)
        self._validation.explain(trainer, pl_module)
        self._validation.present()
        costs = self._validation.costs | self._validation.questions.metrics()
        metrics = measured_metrics(self.config.name, self._validation.loop.views, costs)
        for logger in trainer.loggers:
            with self._validation.console.contained("the last epoch's metrics"):
                logger.log_metrics(dict(metrics), step=self._validation.report.step)
        values = metrics | stand_ins(self.config.name, self._validation.loop.views)
        trainer.callback_metrics.update({name: torch.tensor(value) for name, value in values.items()})

    def on_test_start(self, trainer: Any, pl_module: Any) -> None:
        """Begin to listen, with probes of their own."""
        self._begin_outside("test", trainer, pl_module)

    def on_test_batch_start(
        self, trainer: Any, pl_module: Any, batch: Any, batch_idx: int, dataloader_idx: int = 0
    ) -> None:
        """Capture the probes of the test set."""
        if self._outside is not None:
            batches = evaluated_batches(trainer, trainer.num_test_batches)
            self._outside.pinned.offer(batches, batch, batch_idx, dataloader_idx)

    def on_test_epoch_end(self, trainer: Any, pl_module: Any) -> None:
        """Explain the test set's probes; their metrics, tags and files begin with ``<name>/test``."""
        self._explain_outside(trainer, pl_module)

    def on_test_end(self, trainer: Any, pl_module: Any) -> None:
        """Publish what was explained of the test set."""
        self._present(trainer)

    def on_fit_end(self, trainer: Any, pl_module: Any) -> None:
        """Say when the explanations settled, and whether the model uses what is watched."""
        for text in last_texts(self._validation.loop.views, self._validation.loop.watches):
            self._validation.console.info(text)

    def on_exception(self, trainer: Any, pl_module: Any, exception: BaseException) -> None:
        """The run ends early: what was explained still reaches the loggers."""
        for session in (self._validation, self._outside):
            if session is not None:
                session.pinned.watch.end()
        self._finish()

    def teardown(self, trainer: Any, pl_module: Any, stage: str) -> None:
        """The loggers are about to be closed: wait for what is on its way to them."""
        self._finish()

    def state_dict(self) -> dict[str, Any]:
        """What a resumed run needs, in tensors and plain values; small, and without images."""
        return self._validation.state()

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on where the checkpoint was written; checked against the probes at the next validation.

        Lightning restores callbacks for ``trainer.validate`` and ``trainer.test``, too, which belong to no run.
        """
        if self._stage != "fit":
            return
        if self._validation.probes is not None:
            self._start_anew()  # what came after the checkpoint counts for nothing
        self._validation.restore(state_dict)

    def _asked(self, view: str) -> FollowedView:
        """What is known of a view; where no trainer has called this object, say where another one's results are.

        Raises:
            ValueError: if there is no such view.
        """
        asked = self._latest.loop.view(view)
        if asked.last is None and self._run is None:
            self._latest.console.once(
                "nothing was explained in this process. Did others train, as with 'ddp_spawn', 'ddp_fork' or "
                f"'ddp_notebook'? Their results are files: `Explanation.load('{self.config.name}/{view}.npz')` in the "
                "run's folder, which is `trainer.log_dir`, or `trainer.default_root_dir` without a logger; `python -m "
                "lime_callback report` shows them. Or explain the trained model here: "
                "`Trainer(devices=1, callbacks=[callback]).validate(model, loader)`.",
                key="elsewhere",
            )
        return asked

    def _start(self, trainer: Any) -> None:
        self._started = True
        self._validation.begin_lap()
        self._validation.pace.serve(trainer)
        for text in self._validation.pace.impatient(trainer):
            self._validation.console.once(text)
        self._without_validation = not has_validation(trainer)

    def _begin_outside(self, what: str, trainer: Any, pl_module: Any) -> None:
        self._outside = ProbeSession(replace(self.config, name=f"{self.config.name}/{what}"), self._validation)
        _try_out(self._outside, trainer, pl_module)
        self._outside.begin(trainer, pl_module)

    def _explain_outside(self, trainer: Any, pl_module: Any) -> None:
        if self._outside is not None:
            self._outside.explain(trainer, pl_module)
            self._log(self._outside, trainer, pl_module)

    def _present(self, trainer: Any) -> None:
        session = self._validation if trainer.state.fn == "fit" else self._outside
        if session is not None:
            session.present()

    def _log(self, session: ProbeSession, trainer: Any, pl_module: Any) -> None:
        """Log what a session has measured, and let monitors of the validation find a value of every metric."""
        self._latest = session
        pl_module.log_dict(
            measured_metrics(session.config.name, session.loop.views, session.costs | session.questions.metrics()),
            on_step=False,
            on_epoch=True,
            batch_size=1,
            sync_dist=trainer.world_size > 1,
        )
        if session is self._validation:
            # Logged with `logger=False` they could not be logged with it later: Lightning wants one way a name.
            values = stand_ins(session.config.name, session.loop.views)
            trainer.callback_metrics.update({name: torch.tensor(value) for name, value in values.items()})

    def _finish(self) -> None:
        for session in (self._validation, self._outside):
            if session is not None:
                session.close()


def _try_out(session: ProbeSession, trainer: Any, pl_module: Any) -> None:
    """Try everything once on one sample where no sanity check does, so that wrong arguments raise before the work."""
    sample = None
    # What is wrong with the data shows in the loop itself.
    with suppress(Exception), guarded(pl_module):
        sample = first_sample(trainer)
    session.begin(trainer, pl_module, rehearsal=True)
    if sample is not None:
        session.pinned.offer([1], sample, 0)
    session.rehearse(trainer, pl_module)

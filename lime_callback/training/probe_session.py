"""A set of probes and what has been found about them: captured once, explained again and again, and kept over a run."""

from __future__ import annotations

import time
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import torch

from lime_callback.explaining.input_checks import fingerprint
from lime_callback.following.followed_view import FollowedView
from lime_callback.forwards.processes import ALONE, Ranks
from lime_callback.forwards.profiler_sections import profiled
from lime_callback.probes.capture import Capture
from lime_callback.probes.model_wrapper import ModelWrapper
from lime_callback.probes.probe_choices import Evenly, Numbered
from lime_callback.publishing.publisher import Publisher
from lime_callback.publishing.run_description import settings_of
from lime_callback.publishing.run_metadata import RunMetadata
from lime_callback.publishing.sinks.console import Console
from lime_callback.training.perturbation_count import PerturbationCount
from lime_callback.training.progress_bar import shown
from lime_callback.training.trainer_facts import epochs_trained, logging_step, run_folder, validation_size
from lime_callback.training.view_loop import ViewLoop

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lime_callback.following.callback_config import CallbackConfig
    from lime_callback.probes.probe_samples import Probes
    from lime_callback.probes.ranked_samples import Choice


class ProbeSession:
    """Captures probes from batches as they pass, explains them, and writes what was found.

    Args:
        plan: what the user asked for.
        on_error: whether failures are reported, ``"warn"``, or let through, ``"raise"``.

    Attributes:
        probes: what is explained; ``None`` before it was captured.
        background: other samples of the same batches, captured once with the first probes and alike in all processes;
            ``None`` before that, and where there is none.
        costs: what the last explanation took: seconds, forwards of one sample, perturbations of each probe and view.
    """

    def __init__(self, plan: CallbackConfig, on_error: Any) -> None:
        self.plan = plan
        self.console = Console(plan.name, on_error)
        self.inquiry = ViewLoop(plan, self.console)
        self.publisher = Publisher(
            self.console, plan.wavelengths, plan.class_names, plan.pictures, settings_of(plan), RunMetadata(plan)
        )
        self.probes: Probes | None = None
        self.background: Probes | None = None
        self._capture: Capture | None = None
        self._pinned: Choice = plan.choice
        self._resumed: dict[str, Any] | None = None
        self._epoch: int | None = None
        self._step = 0
        self._batch_size = 1
        self._pace = PerturbationCount(plan, self.console)
        self._alarms: dict[str, str] = {}
        self._owed: dict[str, str] | None = None
        self.costs = {"seconds": 0.0, "forwards": 0.0, "perturbations": 0.0}
        self._ranks = ALONE
        self._began = self._lap = time.perf_counter()

    def begin(self, trainer: Any, module: Any, rehearsal: bool = False) -> None:
        """A loop over batches begins; in all processes.

        Args:
            trainer: the trainer.
            module: the LightningModule.
            rehearsal: whether one sample is enough.
        """
        self.finish(wait=False)
        self._ranks = Ranks.of(trainer, module)
        self._began = time.perf_counter()
        again = self.plan.choice.anew and not rehearsal and self._is_due(trainer.current_epoch)
        self._capture = None
        if self.probes is None or again:
            choice, model = Evenly(1) if rehearsal else self._pinned, partial(self._model, trainer, module)
            besides = 0 if rehearsal or self.background is not None else self.plan.background
            self._capture = Capture(
                choice, self._ranks, model, besides, input_key=self.plan.input_key, label_key=self.plan.label_key
            )

    @property
    def listens(self) -> bool:
        """Whether batches are looked at."""
        return self._capture is not None

    def begin_lap(self) -> None:
        """From now on the time is measured that an explanation should stay below."""
        self._began = self._lap = time.perf_counter()

    def offer(self, batches: Sequence[float], batch: Any, index: int, loader: int = 0) -> None:
        """Take from a batch what is wanted of it, see :meth:`~lime_callback.probes.capture.Capture.offer`."""
        if self._capture is not None:
            self._capture.offer(batches, batch, index, loader)

    def rehearse(self, trainer: Any, module: Any) -> None:
        """Try everything once on one sample, so that arguments that do not fit raise before training starts."""
        capture, probes = self._capture, self._taken(required=False)
        if capture is not None and probes is not None:
            model = self._model(trainer, module, probes, probes if self.plan.background else None)
            self.inquiry.rehearse(model, self._batch_size, self._ranks)
            self._ranks.together(partial(capture.rehearse, self.plan.choice, probes, validation_size(trainer)))
            self._announce()

    def explain(self, trainer: Any, module: Any) -> None:
        """At the end of a loop over batches: pin the probes if they are not yet, and explain them if it is time."""
        ready, spent = not self.plan.choice.anew, self._capture
        with self.console.contained("the capture of the probes"):
            if self.listens:
                probes = self._taken()
                ready = probes is not None
                if probes is not None:
                    self._pin(probes)
                    if self.background is None and spent is not None:
                        self.background = spent.background(probes)
                else:
                    which = self.plan.choice.which
                    self.console.remark(f"there are no validation samples{which}, so none is explained.", key="none")
        if ready and self.probes is not None and self._owed is not None:
            self._show_owed(trainer, module, self.probes)
        if ready and self.probes is not None and self._is_due(trainer.current_epoch):
            self._epoch = trainer.current_epoch
            profile = trainer.profiler.profile
            with profile("[LimeCallback]explain"), profiled(profile):
                self._explain(trainer, module, self.probes, spent)

    def finish(self, wait: bool) -> bool:
        """See to it that the last report is where it should be; ``False`` if it is not yet, and nobody waits."""
        presenter = self.publisher.presenter
        if wait or presenter.is_ready:
            presenter.finish()
        return presenter.is_idle

    def close(self) -> None:
        """Wait for what is on its way to the loggers, and keep no thread or process for more."""
        self.publisher.presenter.close()

    def state(self) -> dict[str, Any]:
        """What a resumed run needs, in tensors and plain values; small, and without images.

        A last report that cannot be seen yet is owed by the run that goes on, unless its probes are others there.
        """
        if self.probes is None:
            return self._resumed or {}
        return {
            "fingerprint": fingerprint(self.probes.inputs),
            "numbers": None if self.probes.numbers is None else list(self.probes.numbers),
            "choice": self.plan.choice.key,
            "epoch": self._epoch,
            "step": self._step,
            "costs": dict(self.costs),
            "used": self._pace.used,
            "owed": None if self.finish(wait=self.plan.choice.anew) else dict(self._alarms),
            "history": self.publisher.history,
            "said": list(self.console.said),
            "asked": self.inquiry.asked,
            "tracks": {name: track.state() for name, track in self.inquiry.tracks.items()},
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go on where :meth:`state` was taken; checked against the probes when they are known.

        A state that cannot be read, as of another version, is left out, and explanations begin anew.
        """
        with self.console.contained("the callback's state in the checkpoint"):
            self._restore(state)

    def _restore(self, state: dict[str, Any]) -> None:
        tracks = {name: track for name, track in state["tracks"].items() if name in self.inquiry.tracks}
        for name, track in tracks.items():
            FollowedView(self.inquiry.tracks[name].view).restore(
                track
            )  # all of it can be read, or nothing is taken over
        history, said = state["history"], list(state["said"])
        self._epoch, self._step = state["epoch"], state["step"]
        self.costs = self.costs | state["costs"]
        # What was used is a budget's affair, and asked of it anew where the user has changed the number.
        self._pace.used = min(state.get("used", self._pace.used), self._pace.used)
        self._owed = state.get("owed")
        if state.get("numbers") and state.get("choice") == self.plan.choice.key and not self.plan.choice.anew:
            self._pinned = Numbered(state["numbers"])
        self._resumed, self.console.said, self.inquiry.asked = state, said, int(state.get("asked", 0))
        if history is not None:
            self.publisher.interrupted = (history, self._step)
        for name, track in tracks.items():
            self.inquiry.tracks[name].restore(track)

    def _explain(self, trainer: Any, module: Any, probes: Probes, spent: Capture | None) -> None:
        choosing = 0.0 if spent is None else spent.seconds
        started = time.perf_counter() - choosing
        model = self._model(trainer, module, probes)
        allowed = None if self.plan.time_budget is None else self.plan.time_budget.allowed(started - self._began)
        with self.console.contained("the measurement of a forward's time"):
            if allowed is not None and not self._pace.begun:
                inputs = len(probes) * (len(self.plan.views) + self.inquiry.relying.expected)
                self._pace.begin(model, inputs, allowed, self._batch_size, self._ranks)
        asked = time.perf_counter()
        when, n = epochs_trained(trainer), self._pace.used
        with shown(trainer, self.console.contained, self.inquiry.sweeps, len(probes) * n):
            tracks, self._batch_size = self.inquiry.ask(model, self._batch_size, n, when, self._ranks)
        asked = time.perf_counter() - asked
        self._step = logging_step(trainer)
        self._rely(trainer, module, len(probes) * n, tracks)
        alarms, stop = self.inquiry.alarms(self.plan.name, tracks, f"epoch {when:g}")
        trainer.should_stop = trainer.should_stop or stop
        if self._writes(trainer):
            folder = run_folder(trainer) / self.plan.name
            self.publisher.publish(trainer.loggers, folder, trainer.current_epoch, self._step, probes, tracks, alarms)
        self._alarms = alarms
        seconds = time.perf_counter() - started
        judged = 0 if spent is None else sum(self._ranks.gather(spent.forwards))
        relying = self.inquiry.relying.forwards if tracks else 0
        forwards = judged + self.inquiry.aside + relying + len(probes) * sum(track.forwards for track in tracks)
        self.costs = {"seconds": seconds, "forwards": float(forwards), "perturbations": float(n)}
        if allowed is not None:
            # What was chosen once is not chosen again.
            rest = seconds - asked - (0.0 if self.plan.choice.anew else choosing)
            self._pace.keep(max(self._ranks.gather(rest)), max(self._ranks.gather(asked)) / n, allowed)
        else:
            self._pace.compare(seconds, started - self._lap)
        self.begin_lap()

    def _rely(self, trainer: Any, module: Any, budget: int, tracks: Sequence[FollowedView]) -> None:
        """Measure what hiding sets changes, if there is a background whose values can stand in for theirs."""
        background, ranks = self.background, self._ranks
        if background is None or not tracks or not self.inquiry.relying.sets(self.inquiry.tracks):
            return
        # Rows of a large one are moved to the device batch by batch, where nothing else of it is asked for.
        small = self.plan.forward is not None or len(background) <= 2 * self._batch_size
        here = background.to(module.device) if small else background
        model = ModelWrapper(
            module, trainer.precision_plugin.val_step_context, here, self.plan.forward, self.plan.output_key
        )
        self.inquiry.rely(model, here, budget, self._batch_size, ranks, module.device)

    def _show_owed(self, trainer: Any, module: Any, probes: Probes) -> None:
        """Show what the interrupted run had explained, where its checkpoint was written before it could be seen."""
        self._alarms, self._owed = self._owed or {}, None
        tracks = self.inquiry.recall(self._model(trainer, module, probes), self._batch_size, self._ranks)
        if tracks and self._epoch is not None and self._writes(trainer):
            folder = run_folder(trainer) / self.plan.name
            self.publisher.show_owed(trainer.loggers, folder, self._epoch, self._step, probes, tracks, self._alarms)

    def _writes(self, trainer: Any) -> bool:
        return bool(trainer.is_global_zero and not trainer.fast_dev_run)

    def _taken(self, required: bool = True) -> Probes | None:
        """The probes that were captured; ``None`` if there are none to be explained."""
        capture, self._capture = self._capture, None
        if capture is None:
            return None
        probes, largest = capture.taken(required)
        if self.probes is None:
            self._batch_size = self.plan.max_batch_size or max(1, largest)
        return probes

    def _pin(self, probes: Probes) -> None:
        """Explain these from now on."""
        if self.plan.choice.anew:
            self.inquiry.renew()
        else:
            self._check_resumed(probes)
        self.probes = probes
        self._announce()
        if probes.numbers is not None:
            fewer = f", fewer than {self.plan.probes}" if len(probes) < self.plan.probes else ""
            self.console.remark(f"explains the samples {', '.join(map(str, probes.numbers))}{fewer}.", key="chosen")

    def _is_due(self, epoch: int) -> bool:
        return self._epoch is None or epoch == self._epoch or epoch - self._epoch >= self.plan.every_n_epochs

    def _check_resumed(self, probes: Probes) -> None:
        """Forget what a checkpoint says of probes that are not these."""
        if self._resumed is None:
            return
        before, now = self._resumed["fingerprint"], fingerprint(probes.inputs)
        if before.shape != now.shape or not torch.allclose(before, now, rtol=1e-6, atol=1e-9):
            for track in self.inquiry.tracks.values():
                track.forget()
            self.console.once("the validation set is not the one of the checkpoint, so drift begins anew.")

    def _model(self, trainer: Any, module: Any, probes: Probes, background: Probes | None = None) -> ModelWrapper:
        autocast, plan, beside = trainer.precision_plugin.val_step_context, self.plan, background or self.background
        model = ModelWrapper(module, autocast, probes.to(module.device), plan.forward, plan.output_key)
        return model if beside is None else replace(model, background=beside.inputs)

    def _announce(self) -> None:
        plan = self.plan
        names = [view.name for view in plan.views]
        self.console.announce(plan.probes, plan.choice.which, names, plan.settings.n_perturbations, plan.every_n_epochs)

"""A set of probes and what has been found about them: captured once, explained again and again, and kept over a run."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lime_callback.explaining.input_checks import fingerprint
from lime_callback.following.followed_view import FollowedView
from lime_callback.following.run_question import question_of
from lime_callback.forwards.profiler_sections import profiled
from lime_callback.forwards.stop_requests import StopExplaining, stoppable
from lime_callback.probes.probe_samples import not_finite_text, passed_over_text
from lime_callback.publishing.explained_epoch import ExplainedEpoch
from lime_callback.publishing.run_place import Interrupted
from lime_callback.publishing.sinks.console import Console
from lime_callback.training import trainer_facts
from lime_callback.training.announcement import Announcement
from lime_callback.training.background_questions import BackgroundQuestions
from lime_callback.training.loop_report import LoopReport
from lime_callback.training.perturbation_count import PerturbationCount, is_late
from lime_callback.training.pinned_probes import PinnedProbes, same_samples
from lime_callback.training.progress_bar import shown
from lime_callback.training.resumed_state import ResumedState
from lime_callback.training.run_pace import RunPace
from lime_callback.training.view_loop import ViewLoop

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lime_callback.following.callback_config import CallbackConfig
    from lime_callback.probes.probe_samples import Probes


class ProbeSession:
    """Captures probes from batches as they pass, explains them, and publishes what was found.

    Args:
        config: the user's arguments.
        beside: the session of the run, in whose folder this one has a folder; ``None`` for the run's own.

    Attributes:
        pinned: the samples that are explained, and those beside them.
        pace: which validations are explained.
        questions: reliance and findings.
        costs: what the last explained epoch took: seconds, with those of writing the one before, since this one is
            written later; inputs that the model was run on in all processes; perturbations of each probe and view.
        report: brings what was explained to the publisher when its loop ends.
        alarms: the news of the last explained epoch, texts by their places.
    """

    def __init__(self, config: CallbackConfig, beside: ProbeSession | None = None) -> None:
        self.config = config
        self.console = Console(config.name, config.on_error)
        self.pinned = PinnedProbes(config)
        self.loop = ViewLoop(config, self.console)
        self.report: LoopReport = LoopReport(config, self.console, None if beside is None else beside.report)
        self.publisher = self.report.publisher
        self._announcement = Announcement(config, self.console, self.report)
        self.costs = {"seconds": 0.0, "forwards": 0.0, "perturbations": 0.0}
        self._count = PerturbationCount(config, self.console)
        self.questions = BackgroundQuestions(config, self.console, once=beside is not None)
        self.pace = RunPace(config)
        self.alarms: dict[str, str] = {}
        self._resumed: ResumedState | None = None
        self._draws_again = False
        self._began = self._lap = time.perf_counter()

    @property
    def probes(self) -> Probes | None:
        """The samples that are explained; ``None`` before they were captured."""
        return self.pinned.probes

    def begin(self, trainer: Any, module: Any, rehearsal: bool = False) -> None:
        """A loop over batches begins, in all processes; for a rehearsal, one sample is enough."""
        self.deliver()
        self._began = time.perf_counter()
        self.pinned.begin(trainer, module, rehearsal=rehearsal, due=self.pace.is_due(trainer))

    def begin_lap(self) -> None:
        """Measure from now on the time that an explanation should stay below."""
        self._began = self._lap = time.perf_counter()

    def rehearse(self, trainer: Any, module: Any) -> None:
        """Try everything once on one sample, so that arguments that do not fit raise before training starts."""
        pinned = self.pinned
        capture, probes = pinned.capture, pinned.taken(required=False)
        if capture is not None and probes is not None:
            probes = probes.without_nan()  # which are a matter of single samples, and not of arguments
            model = pinned.model(trainer, module, probes, probes if self.config.background else None)
            self.loop.rehearse(pinned.context(model))
            self._announcement.begin(trainer, probes, self.pace.text(trainer))
            self._tell_difference(trainer, module)  # where arguments do not fit, their error says so by itself
            with pinned.ranks.together():
                capture.rehearse(self.config.choice, probes, trainer_facts.validation_size(trainer))

    def explain(self, trainer: Any, module: Any) -> None:
        """At the end of a loop over batches: pin the probes if they are not yet, and explain them if it is time."""
        capture, ready = self.pinned.capture, self._pin_captured(trainer)
        probes, config, ranks = self.probes, self.config, self.pinned.ranks
        if probes is None or not ready:
            return
        if self._draws_again and trainer.state.fn == "fit":
            self._draw_again(trainer, module, probes)
        if not self.pace.take(trainer):
            return
        with trainer.profiler.profile("[LimeCallback]explain"), profiled(trainer.profiler.profile):
            choosing = 0.0 if capture is None else capture.seconds
            started = time.perf_counter() - choosing
            allowed = None if config.time_budget is None else config.time_budget.allowed(started - self._began)
            ends = None if allowed is None else started + allowed
            context = self.pinned.context(self.pinned.model(trainer, module, probes), ends)
            self._tell_difference(trainer, module)
            when, views, explaining, stop = trainer_facts.epochs_trained(trainer), list[FollowedView](), 0.0, False
            try:
                with stoppable(lambda: trainer_facts.ends_soon(trainer)):
                    if allowed is not None and not self._count.begun:
                        with self.console.contained("the measurement of a forward's time"):
                            self._count.begin(context, len(config.views) + self.loop.relying.expected, allowed)
                    n, began = self._count.used, time.perf_counter()
                    with shown(trainer, self.console.contained, self.loop.sweeps, len(probes) * n):
                        self.pinned.batch_size = self.loop.explain(context, n, when, views)
                    explaining = time.perf_counter() - began
                    if views:
                        epoch = max(trainer_facts.epoch_number(trainer) - 1, 0)
                        stop = self.questions.ask(trainer, module, self.pinned, self.loop, epoch, len(probes) * n, ends)
            except StopExplaining:
                done = " and ".join(f"view {view.view.name!r}" for view in views) or "no view"
                self.console.info(f"SIGTERM was received: this explanation ends early, with {done} explained.")
            self.alarms, alarmed = self.loop.alarms(config.name, views, f"epoch {when:g}")
            self.alarms |= self.questions.alarms()
            trainer.should_stop = trainer.should_stop or stop or alarmed
            step = trainer_facts.training_step(trainer)
            late = is_late(context, self.console)
            explained = self._as_explained(trainer, trainer_facts.epoch_number(trainer), step, probes, views, late)
            self.report.keep(trainer, explained, when)
            seconds = time.perf_counter() - started + self.report.seconds
            forwards = float(sum(ranks.gather(self.pinned.forwards.inputs)))
            self.costs = {"seconds": seconds, "forwards": forwards, "perturbations": float(self._count.used)}
            if allowed is not None and explaining:
                # What was chosen once is not chosen again.
                rest = seconds - explaining - (0.0 if config.choice.anew else choosing)
                each = explaining / n
                self._count.keep(*(max(ranks.gather(value)) for value in (rest, each, allowed)))
            elif not self.pace.is_automatic and trainer.state.fn == "fit":
                self._count.compare(seconds, started - self._lap)
            if self.pace.is_open and trainer.state.fn == "fit":
                share = seconds / max(started - self._lap - self.report.seconds, 1e-9)
                if text := self.pace.choose(max(ranks.gather(share)), trainer_facts.validations_left(trainer)):
                    self.console.info(text)
            self.begin_lap()

    def sees_other_set(self) -> bool:
        """At the end of a validation: whether it was of another set than the training before, on the same trainer."""
        with self.console.contained("the comparison of validation sets"):
            return self.pinned.is_other_set()
        return False

    def take_over(self, before: ProbeSession) -> None:
        """Begin a new run with what another session has just captured."""
        self.pinned, self._began, self._lap = before.pinned, before._began, before._lap
        self.pinned.forget()
        self.console.info("the validation set is not that of the training before, so all begins anew.")

    def _tell_difference(self, trainer: Any, module: Any) -> None:
        """Warn once where validation gives the model another input than the callback does."""
        with self.console.contained("the look at the validation step"):
            if text := self.pinned.step_difference(trainer, module):
                self.console.once(text, key="step")

    def present(self) -> None:
        """The loop has ended, and all is logged: publish what it explained."""
        self.report.present(ended=True)

    def deliver(self) -> None:
        """Finish the last report if that takes no waiting."""
        self.report.present()
        if self.publisher.delivery.is_ready:
            self.publisher.delivery.finish()

    def close(self) -> None:
        """Wait for what is on its way to the loggers, and keep no thread or process for more."""
        self.report.present()
        self.publisher.delivery.close()

    def state(self) -> dict[str, Any]:
        """What a resumed run needs, in tensors and plain values; small, and without images."""
        if self.probes is None:
            return {} if self._resumed is None else self._resumed.whole
        self.report.present()
        if self.config.choice.anew:  # the run that goes on has other probes, and cannot draw these again
            self.publisher.delivery.finish()
        return {
            "fingerprint": fingerprint(self.probes.inputs),
            "numbers": None if self.probes.numbers is None else list(self.probes.numbers),
            "choice": self.config.choice.key,
            "middles": self.pinned.middles,
            "question": question_of(self.config),
            "epoch": self.pace.epoch,
            "passed": self.pace.passed,
            "pace": self.pace.chosen,
            "step": self.report.step,
            "epochs": self.report.epochs,
            "costs": dict(self.costs),
            "used": self._count.used,
            "alarms": dict(self.alarms),
            "history": self.publisher.history,
            "said": list(self.console.said),
            "asked": self.loop.watches.asked,
            "questions": self.questions.state(),
            "tracks": {name: followed.state() for name, followed in self.loop.views.items()},
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go on where :meth:`state` was taken; checked against the probes when they are known.

        A state that cannot be read, as of another version, is left out, and explanations begin anew. Where arguments
        differ that decide what is explained, the new ones hold, and so do explanations.
        """
        with self.console.contained("the callback's state in the checkpoint"):
            self._go_on(ResumedState.of(state, self.config))

    def _go_on(self, before: ResumedState) -> None:
        self._resumed = before
        self.pace.epoch, self.pace.passed, self.pace.chosen = before.epoch, before.passed, before.pace
        self.report.step, self.report.epochs, self.alarms = before.step, before.epochs, before.alarms
        self.costs |= before.costs
        if before.used is not None:
            self._count.used = min(before.used, self._count.used)
        self._draws_again = self.probes is None and before.epoch is not None
        self.pinned.choice, self.pinned.middles = before.chosen or self.pinned.choice, before.middles
        self.console.said, self.loop.watches.asked = before.said, before.asked
        self.questions.restore(before.questions)
        if before.history is not None:
            self.publisher.resume(Interrupted(Path(before.history), before.step, before.epochs))
        for name, track in before.tracks.items():
            self.loop.views[name].restore(track)
        for name in before.forgotten:
            self.loop.views[name].forget()
        if before.changed:
            self.console.once(before.change)

    def _draw_again(self, trainer: Any, module: Any, probes: Probes) -> None:
        """After a resume, draw the last explained epoch again: before it was seen, the run may have been killed."""
        self._draws_again = False
        views = self.loop.recall(self.pinned.context(self.pinned.model(trainer, module, probes)))
        if views and self.pace.epoch is not None:
            explained = self._as_explained(trainer, self.pace.epoch + 1, self.report.step, probes, views)
            self.report.show_again(trainer, explained)

    def _as_explained(
        self, trainer: Any, epoch: int, step: int, probes: Probes, views: Sequence[FollowedView], late: bool = False
    ) -> ExplainedEpoch:
        self.publisher.forgotten = self.loop.forgotten
        last = trainer_facts.is_last_explained(trainer, epoch, self.config.every_n_epochs)
        return ExplainedEpoch(epoch, step, probes, views, self.alarms, last, last or not late, self.questions.found)

    def _pin_captured(self, trainer: Any) -> bool:
        """Pin the probes that were captured, if any were asked for; whether there are probes for this epoch."""
        ready, capture = not self.config.choice.anew, self.pinned.capture
        if capture is None:
            return ready
        with self.console.contained("the capture of the probes"):
            captured = self.pinned.taken()
            probes = None if captured is None else captured.finite()
            ready = probes is not None
            if captured is not None and (probes is None or probes.not_finite):
                self.console.once(not_finite_text(captured, probes), key="not finite")
            elif probes is None:
                samples = trainer_facts.samples_text(trainer, self.config.choice.which)
                self.console.remark(f"there are no {samples}, so none is explained.", key="none")
            if probes is not None:
                self._pin(trainer, probes)
                if probes.passed_over:
                    self.console.once(passed_over_text(probes, self.config.probes), key="shapes")
                self.pinned.background = self.pinned.background or capture.background(probes)
                self._announcement.found(trainer, probes, self.pinned.background)
        return ready

    def _pin(self, trainer: Any, probes: Probes) -> None:
        """Explain these from now on."""
        if self.config.choice.anew:
            self.loop.renew()
        else:
            self._check_resumed(probes)
        self.pinned.probes = probes
        self._announcement.begin(trainer, probes, self.pace.text(trainer))

    def _check_resumed(self, probes: Probes) -> None:
        """Forget what a checkpoint says of probes that are not these."""
        if self._resumed is None or "probes" in self._resumed.changed:
            return
        before, now = self._resumed.fingerprint, fingerprint(probes.inputs)
        if not same_samples(before, now):
            for followed in self.loop.views.values():
                followed.forget()
            self.console.once("the validation set is not the one of the checkpoint, so drift begins anew.")

"""A set of probes and what has been found about them: captured once, explained again and again, and kept over a run."""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING, Any

import torch

from lime_callback.explaining.input_checks import fingerprint
from lime_callback.following.explain_context import ExplainContext
from lime_callback.following.followed_view import FollowedView
from lime_callback.forwards.processes import ALONE, Ranks
from lime_callback.forwards.profiler_sections import profiled
from lime_callback.probes.capture import Capture
from lime_callback.probes.model_wrapper import ForwardCount, ModelWrapper
from lime_callback.probes.probe_choices import Evenly, Numbered
from lime_callback.publishing.explained_epoch import ExplainedEpoch
from lime_callback.publishing.publisher import Publisher
from lime_callback.publishing.sinks.console import Console
from lime_callback.training import trainer_facts
from lime_callback.training.perturbation_count import PerturbationCount
from lime_callback.training.progress_bar import shown
from lime_callback.training.view_loop import ViewLoop

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from lime_callback.following.callback_config import CallbackConfig
    from lime_callback.probes.probe_samples import Probes
    from lime_callback.probes.ranked_samples import Choice


class ProbeSession:
    """Captures probes from batches as they pass, explains them, and publishes what was found.

    Args:
        config: the user's arguments.

    Attributes:
        probes: the samples that are explained; ``None`` before they were captured.
        background: other samples of the same batches, captured once with the first probes and alike in all processes;
            ``None`` before that, and where there is none.
        costs: what the last explained epoch took: seconds, inputs that the model was run on in all processes, and
            perturbations of each probe and view.
    """

    def __init__(self, config: CallbackConfig) -> None:
        self.config = config
        self.console = Console(config.name, config.on_error)
        self.loop = ViewLoop(config, self.console)
        self.publisher = Publisher(self.console, config)
        self.probes: Probes | None = None
        self.background: Probes | None = None
        self.costs = {"seconds": 0.0, "forwards": 0.0, "perturbations": 0.0}
        self._capture: Capture | None = None
        self._choice: Choice = config.choice
        self._count = PerturbationCount(config, self.console)
        self._forwards = ForwardCount()
        self._batch_size = 1
        self._epoch: int | None = None  # the last explained one
        self._step = 0
        self._alarms: dict[str, str] = {}
        self._resumed: dict[str, Any] | None = None
        self._draws_again = False
        self._ranks = ALONE
        self._began = self._lap = time.perf_counter()

    def begin(self, trainer: Any, module: Any, rehearsal: bool = False) -> None:
        """A loop over batches begins, in all processes; for a rehearsal, one sample is enough."""
        config = self.config
        self.deliver()
        self._ranks = Ranks.of(trainer, module)
        self._began = time.perf_counter()
        self._forwards.inputs = 0
        again = config.choice.anew and not rehearsal and self._is_due(trainer.current_epoch)
        self._capture = None
        if self.probes is None or again:
            choice, model = Evenly(1) if rehearsal else self._choice, partial(self._model, trainer, module)
            besides = 0 if rehearsal or self.background is not None else config.background
            self._capture = Capture(
                choice, self._ranks, model, besides, input_key=config.input_key, label_key=config.label_key
            )

    def begin_lap(self) -> None:
        """Measure from now on the time that an explanation should stay below."""
        self._began = self._lap = time.perf_counter()

    def offer(self, batches: Sequence[float], batch: Any, index: int, loader: int = 0) -> None:
        """Take from a batch what is wanted of it, see :meth:`~lime_callback.probes.capture.Capture.offer`."""
        if self._capture is not None:
            self._capture.offer(batches, batch, index, loader)

    def rehearse(self, trainer: Any, module: Any) -> None:
        """Try everything once on one sample, so that arguments that do not fit raise before training starts."""
        capture, probes = self._capture, self._captured(required=False)
        if capture is not None and probes is not None:
            model = self._model(trainer, module, probes, probes if self.config.background else None)
            self.loop.rehearse(self._context(model))
            with self._ranks.together():
                capture.rehearse(self.config.choice, probes, trainer_facts.validation_size(trainer))
            self._announce()

    def explain(self, trainer: Any, module: Any) -> None:
        """At the end of a loop over batches: pin the probes if they are not yet, and explain them if it is time."""
        capture, ready = self._capture, self._pin_captured()
        probes, config, ranks = self.probes, self.config, self._ranks
        if probes is None or not ready:
            return
        if self._draws_again and trainer.state.fn == "fit":
            self._draw_again(trainer, module, probes)
        if not self._is_due(trainer.current_epoch):
            return
        self._epoch = trainer.current_epoch
        profile = trainer.profiler.profile
        with profile("[LimeCallback]explain"), profiled(profile):
            choosing = 0.0 if capture is None else capture.seconds
            started = time.perf_counter() - choosing
            context = self._context(self._model(trainer, module, probes))
            allowed = None if config.time_budget is None else config.time_budget.allowed(started - self._began)
            if allowed is not None and not self._count.begun:
                with self.console.contained("the measurement of a forward's time"):
                    self._count.begin(context, len(config.views) + self.loop.relying.expected, allowed)
            explaining, n, when = time.perf_counter(), self._count.used, trainer_facts.epochs_trained(trainer)
            with shown(trainer, self.console.contained, self.loop.sweeps, len(probes) * n):
                views, self._batch_size = self.loop.explain(context, n, when)
            explaining = time.perf_counter() - explaining
            self._step = trainer_facts.logging_step(trainer)
            if views:
                self._rely(trainer, module, len(probes) * n)
            self._alarms, stop = self.loop.alarms(config.name, views, f"epoch {when:g}")
            trainer.should_stop = trainer.should_stop or stop
            if self._writes(trainer):
                explained = self._as_explained(trainer, trainer_facts.epoch_number(trainer), probes, views)
                self.publisher.publish(trainer.loggers, trainer_facts.run_folder(trainer) / config.name, explained)
            seconds, forwards = time.perf_counter() - started, float(sum(ranks.gather(self._forwards.inputs)))
            self.costs = {"seconds": seconds, "forwards": forwards, "perturbations": float(n)}
            if allowed is not None:
                # What was chosen once is not chosen again.
                rest = seconds - explaining - (0.0 if config.choice.anew else choosing)
                self._count.keep(max(ranks.gather(rest)), max(ranks.gather(explaining)) / n, allowed)
            else:
                self._count.compare(seconds, started - self._lap)
            self.begin_lap()

    def deliver(self) -> None:
        """Finish the last report if that takes no waiting."""
        if self.publisher.delivery.is_ready:
            self.publisher.delivery.finish()

    def close(self) -> None:
        """Wait for what is on its way to the loggers, and keep no thread or process for more."""
        self.publisher.delivery.close()

    def state(self) -> dict[str, Any]:
        """What a resumed run needs, in tensors and plain values; small, and without images."""
        if self.probes is None:
            return self._resumed or {}
        if self.config.choice.anew:  # the run that goes on has other probes, and cannot draw these again
            self.publisher.delivery.finish()
        return {
            "fingerprint": fingerprint(self.probes.inputs),
            "numbers": None if self.probes.numbers is None else list(self.probes.numbers),
            "choice": self.config.choice.key,
            "epoch": self._epoch,
            "step": self._step,
            "costs": dict(self.costs),
            "used": self._count.used,
            "alarms": dict(self._alarms),
            "history": self.publisher.history,
            "said": list(self.console.said),
            "asked": self.loop.asked,
            "tracks": {name: followed.state() for name, followed in self.loop.views.items()},
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go on where :meth:`state` was taken; checked against the probes when they are known.

        A state that cannot be read, as of another version, is left out, and explanations begin anew.
        """
        with self.console.contained("the callback's state in the checkpoint"):
            self._restore(state)

    def _restore(self, state: dict[str, Any]) -> None:
        views = {name: view for name, view in state["tracks"].items() if name in self.loop.views}
        for name, view in views.items():  # all of it can be read, or nothing is taken over
            FollowedView(self.loop.views[name].view, self.config).restore(view)
        history, said, asked = state["history"], list(state["said"]), int(state.get("asked", 0))
        epoch, step = None if state["epoch"] is None else int(state["epoch"]), int(state["step"])
        costs, alarms = {name: float(cost) for name, cost in state["costs"].items()}, dict(state.get("alarms", {}))
        used = int(state.get("used", self._count.used))
        self._epoch, self._step, self.costs, self._alarms = epoch, step, self.costs | costs, alarms
        # What was used is a budget's affair, and asked of it anew where the user has changed the number.
        self._count.used = min(used, self._count.used)
        self._draws_again = self.probes is None and self._epoch is not None
        if state.get("numbers") and state.get("choice") == self.config.choice.key and not self.config.choice.anew:
            self._choice = Numbered(state["numbers"])
        self._resumed, self.console.said, self.loop.asked = state, said, asked
        if history is not None:
            self.publisher.interrupted = (history, self._step)
        for name, view in views.items():
            self.loop.views[name].restore(view)

    def _rely(self, trainer: Any, module: Any, budget: int) -> None:
        """Measure what hiding sets changes, if there is a background whose values can stand in for theirs."""
        background = self.background
        if background is None or not self.loop.relying.sets(self.loop.views):
            return
        # Rows of a large one are moved to the device batch by batch, where nothing else of it is asked for.
        small = self.config.forward is not None or len(background) <= 2 * self._batch_size
        here = background.to(module.device) if small else background
        self.loop.rely(self._context(self._wrapped(trainer, module, here)), here, budget, module.device)

    def _draw_again(self, trainer: Any, module: Any, probes: Probes) -> None:
        """After a resume, draw the last explained epoch again: before it was seen, the run may have been killed."""
        self._draws_again = False
        views = self.loop.recall(self._context(self._model(trainer, module, probes)))
        if views and self._epoch is not None and self._writes(trainer):
            explained = self._as_explained(trainer, self._epoch + 1, probes, views)
            self.publisher.show(trainer.loggers, trainer_facts.run_folder(trainer) / self.config.name, explained)

    def _as_explained(self, trainer: Any, epoch: int, probes: Probes, views: Sequence[FollowedView]) -> ExplainedEpoch:
        last = trainer_facts.is_last_explained(trainer, epoch, self.config.every_n_epochs)
        return ExplainedEpoch(epoch, self._step, probes, views, self._alarms, last)

    def _writes(self, trainer: Any) -> bool:
        return bool(trainer.is_global_zero and not trainer.fast_dev_run)

    def _pin_captured(self) -> bool:
        """Pin the probes that were captured, if any were asked for; whether there are probes for this epoch."""
        ready, capture = not self.config.choice.anew, self._capture
        if capture is None:
            return ready
        with self.console.contained("the capture of the probes"):
            probes = self._captured()
            ready = probes is not None
            if probes is None:
                none = f"there are no validation samples{self.config.choice.which}, so none is explained."
                self.console.remark(none, key="none")
            else:
                self._pin(probes)
                self.background = self.background or capture.background(probes)
        return ready

    def _captured(self, required: bool = True) -> Probes | None:
        """The probes that were captured; ``None`` if there are none to be explained."""
        capture, self._capture = self._capture, None
        if capture is None:
            return None
        probes, largest = capture.taken(required)
        if self.probes is None:
            self._batch_size = self.config.max_batch_size or max(1, largest)
        return probes

    def _pin(self, probes: Probes) -> None:
        """Explain these from now on."""
        if self.config.choice.anew:
            self.loop.renew()
        else:
            self._check_resumed(probes)
        self.probes = probes
        self._announce()
        if probes.numbers is not None:
            fewer = f", fewer than {self.config.probes}" if len(probes) < self.config.probes else ""
            self.console.remark(f"explains the samples {', '.join(map(str, probes.numbers))}{fewer}.", key="chosen")

    def _is_due(self, epoch: int) -> bool:
        return self._epoch is None or epoch == self._epoch or epoch - self._epoch >= self.config.every_n_epochs

    def _check_resumed(self, probes: Probes) -> None:
        """Forget what a checkpoint says of probes that are not these."""
        if self._resumed is None:
            return
        before, now = self._resumed["fingerprint"], fingerprint(probes.inputs)
        if before.shape != now.shape or not torch.allclose(before, now, rtol=1e-6, atol=1e-9):
            for followed in self.loop.views.values():
                followed.forget()
            self.console.once("the validation set is not the one of the checkpoint, so drift begins anew.")

    def _context(self, model: ModelWrapper) -> ExplainContext:
        return ExplainContext(model, self._batch_size, self._ranks)

    def _model(self, trainer: Any, module: Any, probes: Probes, background: Probes | None = None) -> ModelWrapper:
        """The model with probes on its device, and with the background."""
        beside = background or self.background
        return self._wrapped(trainer, module, probes.to(module.device), None if beside is None else beside.inputs)

    def _wrapped(self, trainer: Any, module: Any, probes: Probes, background: Tensor | None = None) -> ModelWrapper:
        autocast, config = trainer.precision_plugin.val_step_context, self.config
        return ModelWrapper(module, autocast, probes, config.forward, config.output_key, background, self._forwards)

    def _announce(self) -> None:
        config, names = self.config, [view.name for view in self.config.views]
        n = config.settings.n_perturbations
        self.console.announce(config.probes, config.choice.which, names, n, config.every_n_epochs)

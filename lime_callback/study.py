"""A set of probes and what has been found about them: captured once, explained again and again, and kept over a run."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import torch

from lime_callback.budget import affordable
from lime_callback.distributed import ALONE, Ranks
from lime_callback.inputs import fingerprint
from lime_callback.inquiry import Inquiry
from lime_callback.model import Model
from lime_callback.probes import Captured, Collector, Probes, probes_of
from lime_callback.publishing import Publisher
from lime_callback.sinks.console import Console
from lime_callback.tracks import Track
from lime_callback.trainer_facts import epochs_trained, logging_step, run_folder

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lime_callback.plan import Plan


class Study:
    """Captures probes from batches as they pass, explains them, and writes what was found.

    Args:
        plan: what the user asked for.
        on_error: whether failures are reported, ``"warn"``, or let through, ``"raise"``.
    """

    def __init__(self, plan: Plan, on_error: Any) -> None:
        self.plan = plan
        self.console = Console(plan.name, on_error)
        self.inquiry = Inquiry(plan, self.console)
        self.publisher = Publisher(self.console, plan.wavelengths, plan.class_names, plan.pictures)
        self.probes: Probes | None = None
        self._collector: Collector | None = None
        self._failure: Exception | None = None
        self._resumed: dict[str, Any] | None = None
        self._epoch: int | None = None
        self._step = 0
        self._batch_size = 1
        self._used = plan.settings.n_perturbations
        self._paced = False
        self._costs = {"seconds": 0.0, "forwards": 0.0, "perturbations": 0.0}
        self._ranks = ALONE
        self._began = self._lap = time.perf_counter()

    def begin(self, trainer: Any, module: Any) -> None:
        """A loop over batches begins; in all processes."""
        self._ranks = Ranks.of(trainer, module)
        self._collector, self._failure = None, None
        self._began = time.perf_counter()

    def begin_lap(self) -> None:
        """From now on the time is measured that an explanation should stay below."""
        self._began = self._lap = time.perf_counter()

    def offer(
        self, batches: Sequence[float], batch: Any, index: int, loader: int = 0, count: int | None = None
    ) -> None:
        """Take from a batch what is wanted of it, before anyone can write into it.

        Args:
            batches: number of batches of each loader.
            batch: of this process.
            index: of the batch.
            loader: its number.
            count: of the samples that are wanted; ``None``: as planned.
        """
        if self.probes is not None or self._failure is not None:
            return
        try:
            if self._collector is None:
                wanted = self.plan.probes if count is None else count
                ranks = self._ranks
                self._collector = Collector(wanted, batches, self.plan.input_key, ranks.share, ranks.shares)
            self._collector.offer(batch, index, loader)
        except Exception as error:  # told when all processes can hear it
            self._failure = error

    def rehearse(self, trainer: Any, module: Any) -> None:
        """Try everything once on one sample, so that arguments that do not fit raise before training starts."""
        collector, self._collector = self._collector, None
        parts = self._captured(collector)
        if any(part.sizes for part in parts):
            probes = probes_of(parts, self.plan.input_key, self.plan.label_key, count=1)
            model = self._model(trainer, module, probes)
            self.inquiry.rehearse(model, self._batch_size, self._ranks)
            self._announce()

    def explain(self, trainer: Any, module: Any) -> None:
        """At the end of a loop over batches: pin the probes if they are not yet, and explain them if it is time."""
        with self.console.contained("the capture of the probes"):
            if self.probes is None:
                collector, self._collector = self._collector, None
                probes = probes_of(self._captured(collector), self.plan.input_key, self.plan.label_key)
                self._check_resumed(probes)
                self.probes = probes
                self._announce()
        if self.probes is not None and self._is_due(trainer.current_epoch):
            self._epoch = trainer.current_epoch
            with trainer.profiler.profile("[LimeCallback]explain"):
                self._explain(trainer, module, self.probes)

    def metrics(self) -> dict[str, float]:
        """The last finite values of everything, so that monitors find them at every validation."""
        name = self.plan.name
        metrics = {f"{name}/{what}": value for what, value in self._costs.items()}
        for view, track in self.inquiry.tracks.items():
            metrics |= {f"{name}/{view}/{what}": value for what, value in track.metrics.items()}
        return metrics

    def say_when_settled(self) -> None:
        """Say of each view when its drift came within its noise."""
        for name, track in self.inquiry.tracks.items():
            if track.last is not None:
                when = track.series.settled
                what = f"settled after epoch {when:g}" if when >= 0 else "has not settled: its drift is above its noise"
                self.console.info(f"view '{name}' {what}.")

    def state(self) -> dict[str, Any]:
        """What a resumed run needs, in tensors and plain values; small, and without images."""
        if self.probes is None:
            return self._resumed or {}
        return {
            "fingerprint": fingerprint(self.probes.inputs),
            "epoch": self._epoch,
            "step": self._step,
            "costs": dict(self._costs),
            "used": self._used,
            "history": self.publisher.history,
            "said": list(self.console.said),
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
            Track(self.inquiry.tracks[name].view).restore(track)  # all of it can be read, or nothing is taken over
        history, said = state["history"], list(state["said"])
        self._epoch, self._step = state["epoch"], state["step"]
        self._costs = self._costs | state["costs"]
        # What was used is a budget's affair, and asked of it anew where the user has changed the number.
        self._used = min(state.get("used", self._used), self._used)
        self._resumed, self.console.said = state, said
        if history is not None:
            self.publisher.interrupted = (history, self._step)
        for name, track in tracks.items():
            self.inquiry.tracks[name].restore(track)

    def _explain(self, trainer: Any, module: Any, probes: Probes) -> None:
        started = time.perf_counter()
        model = self._model(trainer, module, probes)
        allowed = None if self.plan.time_budget is None else self.plan.time_budget.allowed(started - self._began)
        with self.console.contained("the measurement of a forward's time"):
            self._pace(model, allowed)
        asked = time.perf_counter()
        when, n = epochs_trained(trainer), self._used
        tracks, self._batch_size = self.inquiry.ask(model, self._batch_size, n, when, self._ranks)
        asked = time.perf_counter() - asked
        self._step = logging_step(trainer)
        alarms, stop = self.inquiry.alarms(self.plan.name, tracks, f"epoch {trainer.current_epoch}")
        trainer.should_stop = trainer.should_stop or stop
        if trainer.is_global_zero and not trainer.fast_dev_run:
            folder = run_folder(trainer) / self.plan.name
            self.publisher.publish(trainer.loggers, folder, trainer.current_epoch, self._step, probes, tracks, alarms)
        seconds = time.perf_counter() - started
        # A design may have fewer rows than were asked for, because there are no more.
        made = [track.last.n_perturbations for track in tracks if track.last is not None]
        forwards = len(probes) * sum(rows + 1 for rows in made)
        self._costs = {"seconds": seconds, "forwards": float(forwards), "perturbations": float(n)}
        if allowed is not None:
            self._afford(max(self._ranks.gather(seconds - asked)), max(self._ranks.gather(asked)) / n, allowed)
        elif seconds > started - self._lap:
            self._tell_of_cost(seconds, started - self._lap)
        self.begin_lap()

    def _pace(self, model: Model, allowed: float | None) -> None:
        """Before the first explanation, find out what the budget of time affords."""
        if allowed is not None and not self._paced:
            rows = len(model.probes) * len(self.plan.views) / self._ranks.shares
            each = rows * self.inquiry.seconds_per_row(model, self._batch_size, self._ranks)
            self._afford(0.0, each, max(self._ranks.gather(allowed)))
            self._paced = True

    def _afford(self, fixed: float, each: float, allowed: float) -> None:
        """Use fewer perturbations from now on if those of now take too long; never more, so that epochs compare."""
        most, settings = self._used, self.plan.settings
        group = max(settings.design.group(2), 1)
        self._used = affordable(most, group, fixed, each, allowed)
        if self._used < most:
            self.console.info(
                f"the time budget of {self.plan.time_budget} affords {self._used} of {settings.n_perturbations} "
                "perturbations, the first ones of each design; the errors grow accordingly."
            )
        if fixed + each * self._used > allowed:
            self.console.once(
                f"the time budget of {self.plan.time_budget} is too small: {self._used} perturbations take "
                f"{each * self._used:.3g} s, and the rest, such as pictures, {fixed:.3g} s. Explain less often with "
                "`every_n_epochs`, fewer `probes` or `views`, or pass `pictures=False`.",
                key="time budget",
            )

    def _tell_of_cost(self, seconds: float, lap: float) -> None:
        self.console.remark(
            f"explaining took {seconds:.3g} s, longer than the {lap:.3g} s of training before it. Less often with "
            "`every_n_epochs`, fewer `n_perturbations`, `probes` or `views`, `pictures=False`, or a `time_budget` "
            "would make it cheaper.",
            key="cost",
        )

    def _captured(self, collector: Collector | None) -> list[Captured]:
        """What all processes have captured."""

        def own() -> Captured:
            if self._failure is not None:
                raise self._failure
            return Captured([], [], []) if collector is None else collector.captured

        parts = self._ranks.gather(self._ranks.together(own))
        largest = max(self._ranks.gather(0 if collector is None else collector.largest))
        self._batch_size = self.plan.max_batch_size or max(1, largest)
        return parts

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

    def _model(self, trainer: Any, module: Any, probes: Probes) -> Model:
        autocast = trainer.precision_plugin.val_step_context
        return Model(module, autocast, probes.to(module.device), self.plan.forward, self.plan.output_key)

    def _announce(self) -> None:
        plan = self.plan
        names = [view.name for view in plan.views]
        self.console.announce(plan.probes, names, plan.settings.n_perturbations, plan.every_n_epochs)

"""What is asked of the model beside the views: reliance, and whether anything is wrong. Both use the background."""

from __future__ import annotations

from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from lime_callback.comparing.reference import weights_of
from lime_callback.findings.detectors import detectors_of, patience_of
from lime_callback.findings.epoch_facts import WeightFacts
from lime_callback.findings.investigation import Investigation
from lime_callback.findings.ledger import Ledger
from lime_callback.findings.shown_where import picture_of_run
from lime_callback.findings.training_statistics import TrainingStatistics
from lime_callback.findings.weights_watch import WeightsWatch
from lime_callback.forwards.no_trace_guard import guarded
from lime_callback.forwards.profiler_sections import stage
from lime_callback.training.perturbation_count import is_late

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from lime_callback.findings.epoch_facts import EpochFacts
    from lime_callback.findings.suspicion import Suspicion
    from lime_callback.following.callback_config import CallbackConfig
    from lime_callback.following.explain_context import ExplainContext
    from lime_callback.probes.probe_samples import Probes
    from lime_callback.publishing.finding import Finding
    from lime_callback.publishing.sinks.console import Console
    from lime_callback.training.pinned_probes import PinnedProbes
    from lime_callback.training.view_loop import ViewLoop

SHARE = 5  # a finding's forwards are at most one fifth of the explanations'


class BackgroundQuestions:
    """Asks them at every explained epoch, after the views were explained.

    Args:
        config: the user's arguments.
        console: says what fails and what is found.
        once: whether there is one look alone, as at a finished model; what is suspected then is told at once.

    Attributes:
        ledger: what was found so far.
        news: findings to tell at this epoch.
    """

    def __init__(self, config: CallbackConfig, console: Console, *, once: bool) -> None:
        self.config, self._console, self._once = config, console, once
        self._detectors = detectors_of(config.findings)
        self.ledger = Ledger(config.name)
        self.news: list[Finding] = []
        self._investigation = Investigation(config)
        self._weights = WeightsWatch()
        self._training = TrainingStatistics(config.layout)
        self._first_layer: float | None = None

    @property
    def wants_training_batches(self) -> bool:
        """Whether the inputs of training batches are looked at, as those of the first few are."""
        return bool(self._detectors) and not self._training.is_full

    def watch_training(self, batch: Any) -> None:
        """Take in the inputs of a training batch; one of another structure than validation's tells nothing."""
        with suppress(Exception):
            inputs = self.config.keys.inputs(batch)
            if isinstance(inputs, Tensor):
                self._training.take(inputs)
                return
        self._training.batches += 1

    def ask(
        self, trainer: Any, module: Any, pinned: PinnedProbes, loop: ViewLoop, epoch: int, used: int, ends: float | None
    ) -> bool:
        """Measure reliance, then look for what is wrong.

        Args:
            trainer: the trainer.
            module: the model.
            pinned: the samples.
            loop: the views, which have just been explained.
            epoch: the epoch's number, counted from 0.
            used: inputs that the model was run on for a view's explanation.
            ends: when the time budget is used up, or ``None``.

        Returns:
            Whether the training should stop.
        """
        self.news = []
        background = pinned.background
        if background is None:
            context = pinned.context(pinned.model(trainer, module, pinned.probes), ends) if pinned.probes else None
        else:
            # Rows of a large one are moved to the device batch by batch, where nothing else of it is asked for.
            small = self.config.forward is not None or len(background) <= 2 * pinned.batch_size
            background = background.to(module.device) if small else background
            context = pinned.context(pinned.wrapped(trainer, module, background), ends)
            if loop.relying.sets(loop.views):
                loop.rely(context, background, used, module.device)
        if not self._detectors or context is None or is_late(context, self._console):
            return False
        with self._console.contained("the search for findings"):
            budget = used * len(loop.views) // SHARE
            facts = self._facts(context, background, pinned.probes, loop, epoch, budget, module)
            suspected = self._suspected(facts, loop)
            patience = dict.fromkeys((one.name for one in self._detectors), 1) if self._once else None
            patience = patience or patience_of(self._detectors)
            self.news = self.ledger.take(epoch, suspected, patience, facts.independent)
            for finding in self.news:
                key = f"finding/{finding.name}/{finding.subject}/{epoch}"
                self._console.once(finding.line, key=key)
        return bool(self.news) and self.config.findings == "stop"

    @property
    def found(self) -> tuple[Finding, ...] | None:
        """All that was told so far, open and closed; ``None`` where nothing is looked for."""
        return tuple(self.ledger.findings) if self._detectors else None

    def metrics(self) -> dict[str, float]:
        """How many findings are open, and the largest severity of each name."""
        return self.ledger.metrics([one.name for one in self._detectors]) if self._detectors else {}

    def alarms(self) -> dict[str, str]:
        """The news as alarms: texts by their places; findings of one name share one."""
        texts: dict[str, str] = {}
        for one in self.news:
            place = f"{self.config.name}/finding/{one.name}"
            texts[place] = f"{texts[place]}\n{one.line}" if place in texts else one.line
        return texts

    def state(self) -> dict[str, Any]:
        """What a resumed run needs, to find the same and to tell nothing twice."""
        return {
            "ledger": self.ledger.state(),
            "investigation": self._investigation.course.state(),
            "weights": self._weights.state(),
            "training": self._training.state(),
            "first layer": self._first_layer,
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """The inverse of :meth:`state`; of a state without findings nothing is taken over.

        Raises:
            Exception: if any of it cannot be read.
        """
        if state:
            ledger, investigation = Ledger(self.config.name), Investigation(self.config)
            ledger.restore(state["ledger"])
            investigation.course.restore(state["investigation"])
            weights, training = WeightsWatch(), TrainingStatistics(self.config.layout)
            weights.restore(state["weights"])
            training.restore(state["training"])
            self.ledger, self._investigation, self._weights, self._training = ledger, investigation, weights, training
            self._first_layer = state["first layer"]

    def _facts(
        self,
        context: ExplainContext,
        background: Probes | None,
        probes: Probes | None,
        loop: ViewLoop,
        epoch: int,
        budget: int,
        module: Any,
    ) -> EpochFacts:
        ranks, weights, size, training = context.ranks, WeightFacts(), self._first_layer, None
        assert probes is not None, "they were explained"
        with guarded(module), stage("findings"):
            reference = self.config.reference
            compared = reference is not None and reference.checkpoint is not None and not ranks.lockstep
            if compared and background is not None and not self.ledger.looks:
                with ranks.together():
                    before = loop.reference_weights(context.model, ranks)
                with weights_of(context.model.module, before):
                    self._investigation.meet_reference(context, background, module.device)
            with ranks.together():
                training = self._training.found
                if not ranks.lockstep:
                    weights = WeightFacts() if self._once else self._weights.look(module)
                    if size is None:
                        self._first_layer = size = first_layer_size(context)
            # Each process saw batches of its own: all go by what the first one saw.
            training, weights, size = ranks.gather((training, weights, size))[0]
            return self._investigation.ask(
                context,
                background,
                probes.inputs,
                loop.views,
                self.ledger.looks + 1,
                epoch,
                budget,
                weights,
                training,
                size,
                module.device,
            )

    def _suspected(self, facts: EpochFacts, loop: ViewLoop) -> dict[str, Sequence[Suspicion]]:
        """What each detector says, with the run's own pictures; of one that fails nothing is known."""
        suspected: dict[str, Sequence[Suspicion]] = {}
        for detector in self._detectors:
            with self._console.contained(f"the finding '{detector.name}'"):
                said = list(detector.look(facts))
                suspected[detector.name] = [
                    replace(one, picture=picture_of_run(one.picture, loop.views.values())) for one in said
                ]
        return suspected


def first_layer_size(context: ExplainContext) -> float | None:
    """Root mean square of what the first layer with weights gets; ``None`` where that cannot be seen.

    Args:
        context: how to run the model, and the samples.
    """
    model = context.model
    rows = torch.arange(min(4, len(model.probes)), device=model.probes.inputs.device)
    seen: list[float] = []
    with suppress(Exception), _first_inputs(model.module, seen), torch.no_grad():
        place = next(model.module.parameters()).device
        model(model.probes.inputs[rows].clone().to(place), rows.to(place))
    return seen[0] if seen else None


@contextmanager
def _first_inputs(module: nn.Module, seen: list[float]) -> Iterator[None]:
    def note(_: nn.Module, given: tuple[Any, ...]) -> None:
        if not seen and given and isinstance(given[0], Tensor) and given[0].is_floating_point():
            seen.append(float(given[0].detach().float().square().mean().sqrt()))

    layers = [part for part in module.modules() if any(own.ndim > 1 for own in part.parameters(recurse=False))]
    handles = [part.register_forward_pre_hook(note) for part in layers]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()

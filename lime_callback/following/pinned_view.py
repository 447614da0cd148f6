"""A view as it is pinned for a run: its features of the probes, its targets, and where watches lie among them."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from lime_callback.explaining.explain_batch import ExplainedBatch, explain_batch
from lime_callback.explaining.input_checks import check_inputs
from lime_callback.forwards.batched_forwards import predictions
from lime_callback.forwards.processes import ALONE, Ranks
from lime_callback.outputs.output_kinds import Kind, Scale, kind_of, scale_of, targets_of, told
from lime_callback.sampling.seeds import key
from lime_callback.views.watch import can_follow, elements, overlap
from lime_callback.views.watch_borders import cut

if TYPE_CHECKING:
    from torch import Tensor

    from lime_callback.explaining.strategies import Strategies
    from lime_callback.following.callback_config import CallbackConfig
    from lime_callback.probes.model_wrapper import ModelWrapper
    from lime_callback.views import View
    from lime_callback.views.features import Features
    from lime_callback.views.watch import Overlap


@dataclass
class PinnedView:
    """A view, and what stays the same at all of its explanations.

    Attributes:
        view: the view.
        features: of the probes, on the CPU; ``None`` before the first explanation.
        targets: which outputs are explained, int64 ``[P, T]``, on the CPU; ``None`` likewise.
        pinned: what an output reducer has pinned of the probes, ``[P, ...]``, on the CPU; ``None`` for the others.
        outputs: how many the model has; 0 before they were asked for.
        kind: what they are; ``None`` likewise.
        scale: of the explained outputs, where the user left it open; ``None`` otherwise.
        asked: in one sentence what is explained; empty where that was said before.
        truth: the probes' labels, on the CPU, or ``None``.
        whole: the features as the view cuts them; those of ``features`` are cut at the watches' borders besides.
        watched: for each watch that this view can follow where its set lies among the features.
    """

    view: View
    features: Features | None = None
    targets: Tensor | None = None
    pinned: Tensor | None = None
    outputs: int = 0
    kind: Kind | None = None
    scale: Scale | None = None
    asked: str = ""
    truth: Tensor | None = None
    whole: Features | None = None
    watched: dict[str, Overlap] = field(default_factory=dict)

    def pin(self, model: ModelWrapper, plan: CallbackConfig, batch_size: int, ranks: Ranks = ALONE) -> None:
        """Cut the probes into features, and choose the targets: both stay for the run.

        Raises:
            ValueError: if the probes, the view's settings, the model's output, the target and the watches do not fit
                each other.
        """
        probes = model.probes
        plan.layout.check(tuple(probes.inputs.shape), "the validation batch")
        check_inputs(probes.inputs)
        batch = probes.batch if isinstance(probes.batch, dict) else None
        features = self.view.features(probes.inputs, layout=plan.layout, wavelengths=plan.wavelengths, batch=batch).to(
            "cpu"
        )
        features.check(tuple(probes.inputs.shape))
        own = getattr(self.view, "wavelengths", None)
        nm = plan.wavelengths if own is None else own
        sets = {
            name: elements(one, probes.inputs, plan.layout, nm, batch)
            for name, one in plan.watch.items()
            if can_follow(one, features, probes.inputs)
        }
        self.whole, features = features, cut(features, sets)
        self.watched = {name: overlap(inside, features, len(probes)) for name, inside in sets.items()}
        self.truth = probes.truth(plan.label_key)
        if self.targets is None or self.kind is None or (plan.auto_output and self.scale is None):
            self._ask(model, plan, batch_size, ranks)
        self.features = features

    def _ask(self, model: ModelWrapper, plan: CallbackConfig, batch_size: int, ranks: Ranks) -> None:
        """Find out what the outputs are, and choose the targets and their scale, once; what is chosen stays."""
        outputs, pinned = predictions(model, model.probes.inputs, plan.settings.output, batch_size, ranks)
        self.outputs, own = outputs.shape[1], outputs.cpu()
        self.kind = self.kind or kind_of(own, self.truth, plan.settings.output)
        if plan.auto_output:
            self.scale = self.scale or scale_of(self.kind, own, plan.layout)
        if self.targets is None:
            self.pinned = None if pinned is None else pinned.cpu()
            self.targets = targets_of(plan.target, self.kind, outputs, self.truth).cpu()
            scale = self.scale if plan.auto_output else None
            self.asked = told(plan.target, self.kind, scale, self.outputs, self.truth, plan.class_names)

    def settings(self, plan: CallbackConfig) -> Strategies:
        """How this view is explained: on the scale of the outputs that was chosen where the user left it open."""
        return replace(plan.settings, output=self.scale) if plan.auto_output and self.scale else plan.settings

    def explain(
        self,
        model: ModelWrapper,
        plan: CallbackConfig,
        batch_size: int,
        used: int | None = None,
        ranks: Ranks = ALONE,
        *,
        checked: bool = False,
    ) -> ExplainedBatch:
        """Explain the probes, by the same perturbations each time; the explanation is on the CPU.

        Args:
            model: with the probes.
            plan: what the user asked for.
            batch_size: rows a forward.
            used: perturbations of each probe; ``None``: all.
            ranks: the processes.
            checked: whether to measure the faithfulness, too.
        """
        assert self.features is not None, "pin comes first"
        inputs = model.probes.inputs
        found = explain_batch(
            model,
            inputs,
            self.features.to(inputs.device),
            self.targets,
            settings=self.settings(plan),
            batch_size=batch_size,
            seeds=[key(plan.seed, probe, self.view.name) for probe in range(len(inputs))],
            used=used,
            ranks=ranks,
            module=model.module,
            pinned=None if self.pinned is None else self.pinned.to(inputs.device),
            background=model.background,
            checked=checked,
        )
        return found._replace(explanation=found.explanation.to("cpu"))

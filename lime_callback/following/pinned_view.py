"""A view as it is pinned for a run: its features of the probes, its targets, and where watches lie among them."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from lime_callback.explaining.explain_batch import ExplainedBatch, explain_batch
from lime_callback.explaining.input_checks import check_inputs
from lime_callback.forwards.batched_forwards import unperturbed_outputs
from lime_callback.forwards.tokens.token_blocks import AbsentError
from lime_callback.outputs.by_shape import ByShape
from lime_callback.outputs.output_kinds import (
    Kind,
    Scale,
    check_pixel_labels,
    explained_outputs_text,
    kind_of,
    scale_of,
    targets_of,
)
from lime_callback.outputs.probabilities_and_losses import are_masks, check_class_labels
from lime_callback.outputs.segmentation_reducers import OfPixels, Reducer
from lime_callback.probes.batch_entries import key_text
from lime_callback.sampling.default_baseline import DefaultBaseline
from lime_callback.sampling.seeds import seed_for
from lime_callback.views.channels.group_doubts import group_doubts
from lime_callback.views.watch import can_follow, watch_overlap, watched_elements
from lime_callback.views.watch_borders import cut_at_watches

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from torch import Tensor

    from lime_callback.explaining.strategies import Strategies
    from lime_callback.following.callback_config import CallbackConfig
    from lime_callback.following.explain_context import ExplainContext
    from lime_callback.probes.probe_samples import Probes
    from lime_callback.views import View
    from lime_callback.views.features import Features
    from lime_callback.views.watch import WatchOverlap


@dataclass
class PinnedView:
    """A view, and what stays the same at all of its explanations.

    Attributes:
        view: the view.
        config: the user's arguments.
        features: the probes' features, on the CPU; ``None`` before the first explanation.
        targets: the outputs that are explained, int64 ``[P, T]``, on the CPU; ``None`` before the first explanation.
        pinned: what an output reducer has pinned of the probes, ``[P, ...]``, on the CPU; ``None`` for other outputs.
        outputs: how many outputs the model has; 0 before the model was run.
        kind: what the outputs are; ``None`` before the model was run.
        scale: the explained outputs' scale, where the user left it open; ``None`` otherwise.
        asked: one sentence that says what is explained; empty where that was said before.
        truth: the probes' labels, on the CPU, or ``None``.
        whole: the features as the view cuts them; ``features`` are cut at the watches' borders besides.
        by_mask: the argument that takes a class's region from the batch's mask.
        hides: why hidden elements get values where the user asked for none, see
            :class:`~lime_callback.sampling.Absent`; empty where they do not.
        watched: for each watch that this view can follow, where its set lies among the features.
    """

    view: View
    config: CallbackConfig
    features: Features | None = None
    targets: Tensor | None = None
    pinned: Tensor | None = None
    outputs: int = 0
    kind: Kind | None = None
    scale: Scale | None = None
    asked: str = ""
    by_mask: str = "output=ClassRegion(region='mask')"
    truth: Tensor | None = None
    whole: Features | None = None
    watched: dict[str, WatchOverlap] = field(default_factory=dict)
    hides: str = ""

    def pin(self, context: ExplainContext) -> None:
        """Cut the probes into features, and choose the targets: both stay for the run. All processes do so together.

        Raises:
            ValueError: if the probes, the view's settings, the model's output, the target and the watches do not fit
                each other.
            RankError: if something failed in another process.
        """
        config, ranks, probes = self.config, context.ranks, context.model.probes
        # The cut may fail in one process alone. It ends before the forwards begin, in which processes may wait for each
        # other.
        with ranks.together():
            whole, features, watched = self._cut(context)
        self.whole, self.watched, self.truth = whole, watched, probes.truth()
        if are_masks(probes.label_entry):
            self.by_mask = f"output=ClassRegion(region={key_text(probes.label_key)})"
        if self.targets is None or self.kind is None or (config.auto_output and self.scale is None):
            output = config.asked.for_inputs(config.layout, probes.inputs.shape).output
            with ranks.together():
                given = output.given(probes.batch) if isinstance(output, Reducer) else None
            with ranks.together():
                outputs, pinned, *_ = unperturbed_outputs(
                    context.model, probes.inputs, output, context.batch_size, ranks, given
                )
            with ranks.together():
                self._choose(outputs, pinned, probes)
        self.features = features

    def _cut(self, context: ExplainContext) -> tuple[Features, Features, dict[str, WatchOverlap]]:
        """The features as the view cuts them, those that are cut at the watches' borders besides, and the watches."""
        probes, config, layout = context.model.probes, self.config, self.config.layout
        inputs = probes.inputs
        layout.check(tuple(inputs.shape), "the validation batch")
        if config.wavelengths is None:
            layout.check_plausible(tuple(inputs.shape))
        check_inputs(inputs)
        batch = probes.batch
        whole = self.view.features(
            inputs,
            layout=layout,
            wavelengths=config.wavelengths,
            batch=batch,
            parts=probes.parts,
            patches=partial(context.patches, layout),
        ).to("cpu")
        whole.check(tuple(inputs.shape))
        nm = self.wavelengths
        sets = {
            name: watched_elements(watch, inputs, layout, nm, batch)
            for name, watch in config.watch.items()
            if can_follow(watch, whole, inputs)
        }
        features = cut_at_watches(whole, sets)
        places = {name: watch_overlap(inside, features, len(probes), nm) for name, inside in sets.items()}
        return whole, features, places

    @property
    def wavelengths(self) -> Sequence[float] | None:
        """Of the channels, in nm; the view's own come first."""
        own: Sequence[float] | None = getattr(self.view, "wavelengths", None)
        return self.config.wavelengths if own is None else own

    def watch_doubts(self) -> Iterator[str]:
        """Yield what the user may have meant otherwise in the bands of the watches that the view follows."""
        for name in self.watched if self.whole is not None else ():
            bands, count = self.config.watch[name].bands, self.whole.canonical.shape[1]  # type: ignore[union-attr]
            if bands is not None and self.wavelengths is not None and count == len(self.wavelengths):
                yield from group_doubts(f"watch '{name}'", bands, self.wavelengths, count)

    def _choose(self, outputs: Tensor, pinned: Tensor | None, probes: Probes) -> None:
        """Find out what the outputs ``[P, K]`` are, and choose the targets and their scale once: they stay."""
        config, own = self.config, outputs.cpu()
        self.outputs = outputs.shape[1]
        self.kind = self.kind or kind_of(
            own, self.truth, config.settings.output, len(config.class_names or ()),
            regions=config.auto_output and pinned is not None,
        )  # fmt: skip
        if config.auto_output:
            self.scale = self.scale or scale_of(self.kind, own, config.layout, regions=pinned is not None)
            if self.scale == "ClassRegion()":
                check_pixel_labels(probes.label_entry)
        if self.targets is None:
            if config.target == "label" and isinstance(config.target, str):
                check_class_labels(probes.label_entry, len(outputs))
            self.pinned = None if pinned is None else pinned.cpu()
            self.targets = targets_of(config.target, self.kind, outputs, self.truth).cpu()
            scale = self.scale if config.auto_output else None
            if not isinstance(config.settings.output, OfPixels):  # of which all was said before the training
                self.asked = explained_outputs_text(
                    config.target, self.kind, scale, self.outputs, self.truth, config.class_names, self.by_mask
                )

    @property
    def settings(self) -> Strategies:
        """How this view is explained: on the outputs' scale that was chosen where the user left it open."""
        chosen = self.config.settings
        if self.hides:
            chosen = replace(chosen, baseline=DefaultBaseline())
        if not self.config.auto_output or self.scale is None:
            return chosen
        return (
            replace(chosen, output=ByShape()) if self.scale == "ClassRegion()" else replace(chosen, output=self.scale)
        )

    def explain(self, context: ExplainContext, used: int | None = None, *, checked: bool = False) -> ExplainedBatch:
        """Explain the probes, by the same perturbations each time; the explanation is on the CPU.

        Args:
            context: how to explain, and the probes.
            used: perturbations of each probe; ``None``: all.
            checked: whether it is the run's own explanation, whose faithfulness is measured, and in which classes that
                were predicted nowhere before get their region.
        """
        assert self.features is not None, "pin comes first"
        model, inputs = context.model, context.model.probes.inputs
        arguments: dict[str, Any] = {
            "batch_size": context.batch_size,
            "seeds": [seed_for(self.config.seed, probe, self.view.name) for probe in range(len(inputs))],
            "used": used,
            "ranks": context.ranks,
            "module": model.module,
            "pinned": None if self.pinned is None else self.pinned.to(inputs.device),
            "pins_more": checked,  # an explanation by other weights is not the run's own
            "background": model.background,
            "checked": checked,
            "leaves_out": True,
        }
        features = self.features.to(inputs.device)
        try:
            result = explain_batch(model, inputs, features, self.targets, settings=self.settings, **arguments)
        except AbsentError as error:
            self.hides = error.reason
            result = explain_batch(model, inputs, features, self.targets, settings=self.settings, **arguments)
        if checked and result.pinned is not None:
            self.pinned = result.pinned.cpu()
        return result._replace(explanation=result.explanation.to("cpu"))

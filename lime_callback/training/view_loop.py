"""Goes through the views at every explained epoch: the same views, perturbations and watches each time."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from lime_callback.checks.arguments import check_class_names_fit
from lime_callback.comparing.drift import check_comparable
from lime_callback.comparing.reference import check_fits, load_weights, weights_of
from lime_callback.explaining.degenerate_fits import BrokenOutputsError, few_rows_advice
from lime_callback.explaining.explanation import Explanation
from lime_callback.following import second_baseline
from lime_callback.following.followed_view import FollowedView
from lime_callback.following.run_reliance import RunReliance
from lime_callback.following.watch_alarms import WatchAlarms
from lime_callback.forwards.no_trace_guard import guarded
from lime_callback.forwards.profiler_sections import progress_unheard, stage
from lime_callback.forwards.stop_requests import stop_if_asked
from lime_callback.training.perturbation_count import is_late
from lime_callback.views.watch import check_followed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from lime_callback.explaining.explain_batch import ExplainedBatch
    from lime_callback.following.callback_config import CallbackConfig
    from lime_callback.following.explain_context import ExplainContext
    from lime_callback.forwards.processes import Ranks
    from lime_callback.probes.model_wrapper import ModelWrapper
    from lime_callback.probes.probe_samples import Probes
    from lime_callback.publishing.sinks.console import Console


@dataclass
class ViewLoop:
    """Explains the probes by every view, and keeps what was found.

    Args:
        config: the user's arguments.
        console: says what fails and what is found.

    Attributes:
        watches: says whether the model uses them, and raises their alarms.
        relying: the run's reliance.
        views: the views by their names, each with what is kept of it.
    """

    config: CallbackConfig
    console: Console
    watches: WatchAlarms = field(init=False)
    relying: RunReliance = field(init=False)
    views: dict[str, FollowedView] = field(init=False)

    def __post_init__(self) -> None:
        self.watches = WatchAlarms(self.config)
        self.relying = RunReliance(self.config)
        self.views = {view.name: FollowedView(view, self.config) for view in self.config.views}

    def view(self, name: str) -> FollowedView:
        """What is kept of a view.

        Raises:
            ValueError: if there is no such view.
        """
        if name not in self.views:
            raise ValueError(f"`view` should be one of {list(self.views)}. Found `view = {name!r}`.")
        return self.views[name]

    def renew(self) -> None:
        """Forget what is pinned for the probes, since others come; the last values stand until they are explained."""
        self.views = {name: followed.renewed() for name, followed in self.views.items()}

    @property
    def forgotten(self) -> frozenset[str]:
        """Names of the views of which the run that this one resumes says nothing."""
        return frozenset(name for name, followed in self.views.items() if followed.forgotten)

    @property
    def sweeps(self) -> int:
        """How often the next explained epoch goes through a view's perturbations, as far as is known."""
        reference = self.config.reference
        again = reference is not None and reference.checkpoint is not None
        return sum(1 + (again and followed.reference is None) for followed in self.views.values())

    def rehearse(self, context: ExplainContext) -> None:
        """Explain by two perturbations, and keep nothing: for the errors that wrong arguments raise."""
        config, ranks = self.config, context.ranks
        few = replace(config, settings=replace(config.settings, n_perturbations=2))
        rehearsed = [FollowedView(view, few) for view in config.views]
        for followed in rehearsed:
            name = followed.view.name
            with guarded(context.model.module):
                with stage("features"), self.console.heard(f"view '{name}'"):
                    followed.pin(context)
                assert followed.features is not None, "the view is pinned"
                self._doubt(followed)
                advice = few_rows_advice(config.settings.n_perturbations, followed.features.most)
                if advice:
                    self.console.remark(f"view '{name}': {advice}.", key=f"{name}: few rows")
                try:
                    result = followed.explain(context)
                except BrokenOutputsError as error:
                    if config.makes_outputs:
                        raise
                    self.console.once(f"view '{name}': in a first try, {error}", key=f"{name}: broken")
                    continue
            with ranks.together():
                self._check_saved(name, result.explanation)
        watched = [name for followed in rehearsed for name in followed.watched]
        known = any(followed.wavelengths is not None for followed in rehearsed)
        check_followed(config.watch, watched, [followed.view.name for followed in rehearsed], wavelengths=known)
        check_class_names_fit(config.class_names, rehearsed[0].outputs, binary=rehearsed[0].kind == "binary")
        if config.reference is not None and config.reference.checkpoint is not None:
            with ranks.together():
                self.reference_weights(context.model, ranks)

    def explain(self, context: ExplainContext, used: int, epochs_trained: float, explained: list[FollowedView]) -> int:
        """Explain the probes by every view; a failure in one leaves it out, in all processes.

        Args:
            context: how to explain, and the probes.
            used: perturbations of each probe and view.
            epochs_trained: so far.
            explained: gets the views that were explained.

        Returns:
            The batch size for which memory sufficed.

        Raises:
            StopExplaining: if a process was asked to stop; the views that were explained until then are.
        """
        ranks, probes = context.ranks, context.model.probes
        for name, followed in self.views.items():
            with self.console.contained(f"view '{name}'"), guarded(context.model.module):
                with ranks.together():
                    stop_if_asked()
                if followed.features is None:
                    self._pin(followed, context)
                result = followed.explain(context, used, checked=True)
                followed.know(result.outputs, result.regions, epochs_trained)
                self._say(followed, result, context.model)
                with self.console.contained(f"the reference of view '{name}'"):
                    self._find_reference(followed, context, result.explanation)
                with stage("drift"), ranks.together():
                    followed.take_result(result, epochs_trained, probes.labels)
                explained.append(followed)
                context = replace(context, batch_size=result.batch_size)
                with self.console.contained(f"the second baseline of view '{name}'"):
                    self._ask_otherwise(followed, context)
        return context.batch_size

    def recall(self, context: ExplainContext) -> list[FollowedView]:
        """After a resume, before anything is explained, the views with an explanation in the checkpoint."""
        recalled = []
        for name, followed in self.views.items():
            with self.console.contained(f"view '{name}'"), guarded(context.model.module):
                self._pin(followed, context)
                if followed.last is not None:
                    recalled.append(followed)
        return recalled

    def rely(self, context: ExplainContext, background: Probes, budget: int, device: Any) -> None:
        """Measure what hiding watches and superbands changes; nothing else waits for it.

        Args:
            context: how to run the model, which has the background as its probes.
            background: the samples.
            budget: inputs that the model may be run on: as many as for one view's explanation.
            device: where the model is.
        """
        if not self.relying.sets(self.views):
            return
        if is_late(context, self.console):
            for followed in self.views.values():
                followed.rely(None)
            return
        with self.console.contained("the measurement of reliance"), guarded(context.model.module), stage("reliance"):
            self.relying.measure(context, background, self.views, budget, device)
        if self.relying.impossible:
            self.console.remark(f"measures no reliance, since {self.relying.impossible}.", key="reliance")
            return
        for followed in self.views.values():
            followed.rely(self.relying.of(followed))

    def alarms(self, prefix: str, explained: Sequence[FollowedView], when: str) -> tuple[dict[str, str], bool]:
        """Warn of the watches' alarms; see :class:`WatchAlarms`.

        Args:
            prefix: first part of the alarms' places.
            explained: the views that were explained.
            when: said in the alarm.

        Returns:
            New alarms by their place, and whether a watch asks for the training to stop.
        """
        return self.watches.take(self.views.values(), explained, prefix, when, self.console.once, self.console.over)

    def _pin(self, followed: FollowedView, context: ExplainContext) -> None:
        """Cut the probes into features, and take over what a checkpoint says of these."""
        with stage("features"):
            with self.console.heard(f"view '{followed.view.name}'"):
                followed.pin(context)
            self._doubt(followed)
            with context.ranks.together():
                same = followed.recall()
        if not same:
            self.console.once(
                f"the features of view '{followed.view.name}' are not those of the checkpoint: its drift begins anew."
            )

    def _doubt(self, followed: FollowedView) -> None:
        """Warn once of watches that may hold other bands than was meant."""
        for text in followed.watch_doubts():
            self.console.once(text, key=text)

    def _say(self, followed: FollowedView, result: ExplainedBatch, model: ModelWrapper) -> None:
        """Say what is explained, and what is wrong with the fits."""
        name = followed.view.name
        if followed.asked:
            self.console.remark(followed.asked, key="asked")
        for key, warning in followed.region_warnings().items():
            self.console.once(warning, key=key)
        self.console.degenerate(name, followed.other_reasons(result.degenerate), model.elsewhere)
        for reason in sorted(set(result.weak.values())):
            self.console.remark(f"view '{name}': {reason}.", key=f"{name}: few rows")
        self.console.hiding(name, followed.hides, result.remarks)
        if result.unfolded:
            self.console.remark(
                f"view '{name}' takes longer than it could, since {result.unfolded}. The explanation is the same."
            )

    def _ask_otherwise(self, followed: FollowedView, context: ExplainContext) -> None:
        """Once a run, say where another baseline finds the opposite."""
        asked = f"{followed.view.name}: baselines"
        if context.model.background is None or asked in self.console.said or is_late(context, self.console):
            return
        self.console.said.append(asked)  # also where it fails
        with progress_unheard():
            text = second_baseline.ask(followed, context)
        if text is not None:
            self.console.remark(text)

    def _find_reference(self, followed: FollowedView, context: ExplainContext, explanation: Explanation) -> None:
        """Explain by the reference's weights, or load its explanation; once."""
        reference = self.config.reference
        if reference is None or followed.reference is not None:
            return
        ranks, model = context.ranks, context.model
        if reference.checkpoint is not None:
            with ranks.together():
                weights = self.reference_weights(model, ranks)
            with weights_of(model.module, weights):
                followed.reference = followed.explain(context, explanation.n_perturbations).explanation
        elif followed.view.name in reference.explanations:
            path = reference.explanations[followed.view.name]
            with ranks.together():
                reference_explanation = Explanation.load(path)
                check_comparable(reference_explanation, explanation)
                followed.reference = reference_explanation

    def reference_weights(self, model: ModelWrapper, ranks: Ranks) -> dict[str, Tensor]:
        """The weights of the reference's checkpoint; a :class:`ValueError` if the model's are sharded."""
        assert self.config.reference is not None and self.config.reference.checkpoint is not None  # noqa: PT018
        if ranks.lockstep:
            raise ValueError(
                "`reference` should be a saved explanation where the model's weights are sharded over processes. Found "
                f"the checkpoint {str(self.config.reference.checkpoint)!r}; explain it in one process, and pass what "
                "`Explanation.save` wrote."
            )
        return load_weights(self.config.reference.checkpoint, model.module)

    def _check_saved(self, view: str, explanation: Explanation) -> None:
        reference = self.config.reference
        if reference is not None and view in reference.explanations:
            check_fits(Explanation.load(reference.explanations[view]), explanation, view)

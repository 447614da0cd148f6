"""What is asked of the model at every explained epoch: the same views, perturbations and watches each time."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from lime_callback.checks.arguments import check_class_names_fit
from lime_callback.comparing.drift import check_comparable
from lime_callback.comparing.prediction_change import has_classes
from lime_callback.comparing.reference import check_fits, load_weights, weights_of
from lime_callback.explaining.explanation import Explanation
from lime_callback.following import second_baseline
from lime_callback.following.followed_view import FollowedView
from lime_callback.following.run_reliance import RunReliance
from lime_callback.following.watch_alarms import beside, level, questions, reliance_alarm, share_alarm
from lime_callback.forwards.no_trace_guard import guarded
from lime_callback.forwards.profiler_sections import stage, unheard
from lime_callback.views.watch import check_followed

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from torch import Tensor

    from lime_callback.explaining.explain_batch import ExplainedBatch
    from lime_callback.following.callback_config import CallbackConfig
    from lime_callback.forwards.processes import Ranks
    from lime_callback.probes.model_wrapper import ModelWrapper
    from lime_callback.probes.probe_samples import Probes
    from lime_callback.publishing.sinks.console import Console


@dataclass
class ViewLoop:
    """Explains the probes by every view, and keeps what was found.

    Args:
        plan: what the user asked for.
        console: for what fails and what is found.

    Attributes:
        asked: explained epochs at which watches were asked about.
        relying: what is known of the run's reliance.
        tracks: of the views, by their names.
        aside: forwards of one sample that the last explanation took besides those of its perturbations.
    """

    plan: CallbackConfig
    console: Console
    asked: int = 0
    relying: RunReliance = field(init=False)
    tracks: dict[str, FollowedView] = field(init=False)
    aside: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        anew = self.plan.choice.anew
        self.relying = RunReliance(self.plan)
        self.tracks = {
            view.name: FollowedView(view, gate=self.plan.gate, anew=anew, relevant_change=self.plan.relevant_change)
            for view in self.plan.views
        }

    def track(self, view: str) -> FollowedView:
        """The track of a view.

        Raises:
            ValueError: if there is no such view.
        """
        if view not in self.tracks:
            raise ValueError(f"`view` should be one of {list(self.tracks)}. Found `view = {view!r}`.")
        return self.tracks[view]

    def renew(self) -> None:
        """Forget what is pinned for the probes, since others come; the last values stand until they are explained."""
        for name, track in self.tracks.items():
            self.tracks[name] = FollowedView(
                track.view,
                gate=track.gate,
                anew=True,
                metrics=track.metrics,
                relevant_change=track.relevant_change,
                kind=track.kind,
                scale=track.scale,
            )

    @property
    def sweeps(self) -> int:
        """How often perturbations will be gone through the next time, as far as is known."""
        reference = self.plan.reference
        again = reference is not None and reference.checkpoint is not None
        return sum(1 + (again and track.reference is None) for track in self.tracks.values())

    def rehearse(self, model: ModelWrapper, batch_size: int, ranks: Ranks) -> None:
        """Explain by two perturbations, and keep nothing: for the errors that wrong arguments raise."""
        few = replace(self.plan, settings=replace(self.plan.settings, n_perturbations=2))
        tracks = [FollowedView(view) for view in self.plan.views]
        for track in tracks:
            with guarded(model.module):
                found = self._explain(track, model, few, batch_size, None, ranks)
            ranks.together(partial(self._check_saved, track.view.name, found.explanation))
        followed = [name for track in tracks for name in track.watched]
        check_followed(self.plan.watch, followed, [track.view.name for track in tracks])
        check_class_names_fit(self.plan.class_names, tracks[0].outputs)
        if self.plan.reference is not None and self.plan.reference.checkpoint is not None:
            ranks.together(lambda: self._reference_weights(model, ranks))

    def ask(
        self, model: ModelWrapper, batch_size: int, used: int, epochs_trained: float, ranks: Ranks
    ) -> tuple[list[FollowedView], int]:
        """Explain the probes by every view; a failure in one leaves it out, in all processes.

        Args:
            model: with the probes.
            batch_size: rows a forward.
            used: perturbations of each probe and view.
            epochs_trained: so far.
            ranks: the processes.

        Returns:
            The tracks of the views that were explained, and the batch size for which memory sufficed.
        """
        explained, self.aside = [], 0
        for name, track in self.tracks.items():
            with self.console.contained(f"view '{name}'"), guarded(model.module):
                found = self._explain(track, model, self.plan, batch_size, used, ranks, checked=True)
                track.know(found.outputs, self.plan)
                if track.asked:
                    self.console.remark(track.asked, key="asked")
                self.console.degenerate(name, found.degenerate)
                for reason in sorted(set(found.weak.values())):
                    self.console.remark(f"view '{name}': {reason}.", key=f"{name}: few rows")
                if found.unfolded:
                    self.console.remark(f"perturbed inputs are made for view '{name}', since {found.unfolded}.")
                with self.console.contained(f"the reference of view '{name}'"):
                    self._find_reference(track, model, batch_size, found.explanation, ranks)
                with stage("drift"):
                    ranks.together(partial(self._take, track, found, epochs_trained, model.probes.labels))
                batch_size = found.batch_size
                with self.console.contained(f"the second baseline of view '{name}'"):
                    self._ask_otherwise(track, model, batch_size, ranks)
                explained.append(track)
        return explained, batch_size

    def recall(self, model: ModelWrapper, batch_size: int, ranks: Ranks) -> list[FollowedView]:
        """After a resume, before anything is explained, the tracks of views with an explanation in the checkpoint."""
        recalled = []
        for name, track in self.tracks.items():
            with self.console.contained(f"view '{name}'"), guarded(model.module):
                self._pin(track, model, self.plan, batch_size, ranks)
                if track.last is not None:
                    recalled.append(track)
        return recalled

    def rely(
        self, model: ModelWrapper, background: Probes, budget: int, batch_size: int, ranks: Ranks, device: Any
    ) -> None:
        """Measure what hiding watches and superbands changes; nothing else waits for it.

        Args:
            model: with the background as its probes.
            background: samples.
            budget: inputs that the model may be asked about: as many as one view's explanation asks about.
            batch_size: rows a forward.
            ranks: the processes.
            device: where the model is.
        """
        if not self.relying.sets(self.tracks):
            return
        with self.console.contained("the measurement of reliance"), guarded(model.module), stage("reliance"):
            self.relying.measure(model, background, self.tracks, budget, batch_size, ranks, device)
        if self.relying.impossible:
            self.console.remark(f"measures no reliance, since {self.relying.impossible}.", key="reliance")
            return
        for track in self.tracks.values():
            track.rely(self.relying.of(track))

    def alarms(self, prefix: str, tracks: Sequence[FollowedView], when: str) -> tuple[dict[str, str], bool]:
        """Warn of the watches' alarms; each is asked at the level that its epoch has in the whole run.

        Args:
            prefix: first part of their places.
            tracks: that were explained.
            when: said in the alarm.

        Returns:
            New alarms by their place, and whether a watch asks for the training to stop.
        """
        self.asked += 1
        news: dict[str, str] = {}
        stop, watches, told = False, self.plan.watch, set[str]()
        everywhere = [track.watched for track in self.tracks.values()]
        alpha = level(self.asked, questions(everywhere, watches, self.plan.reliance))
        for track in tracks:
            for name in track.watched:
                share = track.shares.get(name)  # none before an explanation has passed the gate
                found = {"watch": None if share is None else share_alarm(watches[name], share, alpha)}
                if name not in told:  # which is the same in all views
                    found["reliance"] = reliance_alarm(name, watches[name], track.reliance, alpha)
                    told.add(name)
                for what, trouble in found.items():
                    place = f"{prefix}/{track.view.name}/{what}/{name}"
                    if trouble is None:
                        self.console.over(place)
                        continue
                    known = beside(what, name, watches[name], track)
                    text = f"'{name}' {trouble} in view '{track.view.name}', {when}{known}."
                    if self.console.once(text, key=place):
                        news[place] = text
                    stop = stop or watches[name].stops(what)
        return news, stop

    def _explain(
        self,
        track: FollowedView,
        model: ModelWrapper,
        plan: CallbackConfig,
        batch_size: int,
        used: int | None,
        ranks: Ranks,
        *,
        checked: bool = False,
    ) -> ExplainedBatch:
        self._pin(track, model, plan, batch_size, ranks)
        return track.explain(model, plan, batch_size, used, ranks, checked=checked)

    def _pin(
        self, track: FollowedView, model: ModelWrapper, plan: CallbackConfig, batch_size: int, ranks: Ranks
    ) -> None:
        if track.features is None:
            with stage("features"):
                ranks.together(lambda: track.pin(model, plan, batch_size, ranks))

    def _take(self, track: FollowedView, found: ExplainedBatch, epochs_trained: float, labels: Tensor | None) -> None:
        track.shorten(found.explanation, self.plan.settings.surrogate)
        track.take(found.explanation, epochs_trained)
        track.trust(found.faithfulness)
        track.forwards = found.forwards
        track.hear(found.outputs.cpu(), classes=has_classes(found.outputs, labels))

    def _ask_otherwise(self, track: FollowedView, model: ModelWrapper, batch_size: int, ranks: Ranks) -> None:
        """Once a run, say where another baseline finds the opposite."""
        asked = f"{track.view.name}: baselines"
        if model.background is None or asked in self.console.said:
            return
        self.console.said.append(asked)  # also of one that fails
        with unheard():
            text, forwards = second_baseline.ask(track, model, self.plan, batch_size, ranks)
        self.aside += forwards
        if text is not None:
            self.console.remark(text)

    def _find_reference(
        self, track: FollowedView, model: ModelWrapper, batch_size: int, explanation: Explanation, ranks: Ranks
    ) -> None:
        """Explain by the reference's weights, or load its explanation; once."""
        reference = self.plan.reference
        if reference is None or track.reference is not None:
            return
        if reference.checkpoint is not None:
            weights = ranks.together(lambda: self._reference_weights(model, ranks))
            with weights_of(model.module, weights):
                found = self._explain(track, model, self.plan, batch_size, explanation.n_perturbations, ranks)
            track.reference = found.explanation
        elif track.view.name in reference.explanations:
            path = reference.explanations[track.view.name]
            track.reference = ranks.together(lambda: self._load(path, explanation))

    def _reference_weights(self, model: ModelWrapper, ranks: Ranks) -> dict[str, Tensor]:
        assert self.plan.reference is not None
        assert self.plan.reference.checkpoint is not None
        if ranks.lockstep:
            raise ValueError(
                "`reference` should be a saved explanation where the model's weights are sharded over processes. Found "
                f"the checkpoint {str(self.plan.reference.checkpoint)!r}; explain it in one process, and pass what "
                "`Explanation.save` wrote."
            )
        return load_weights(self.plan.reference.checkpoint, model.module)

    def _check_saved(self, view: str, explanation: Explanation) -> None:
        reference = self.plan.reference
        if reference is not None and view in reference.explanations:
            check_fits(Explanation.load(reference.explanations[view]), explanation, view)

    def _load(self, path: Path, explanation: Explanation) -> Explanation:
        found = Explanation.load(path)
        check_comparable(found, explanation)
        return found

"""What is asked of the model at every explained epoch: the same views, perturbations and watches each time."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from lime_callback.drift import check_comparable
from lime_callback.explanation import Explanation
from lime_callback.inference import guarded
from lime_callback.reference import Reference, load_weights, weights_of
from lime_callback.tracks import Track
from lime_callback.watch import Watch, alarms_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from lime_callback.explainer import Settings
    from lime_callback.layout import Layout
    from lime_callback.model import Model
    from lime_callback.sinks.console import Console
    from lime_callback.views import View


@dataclass
class Inquiry:
    """Explains the probes by every view, and keeps what was found.

    Args:
        views: ways to cut the probes into features.
        settings: how to explain.
        layout: the axes of one sample.
        wavelengths: of the channels, in nm, or ``None``.
        target: which outputs.
        watch: sets whose share of the attribution is followed.
        gate: explanations with a lower score are kept out of the drift.
        reference: what to compare with besides.
        seed: of the designs.
        console: for what fails and what is found.
    """

    views: Sequence[View]
    settings: Settings
    layout: Layout
    wavelengths: Sequence[float] | None
    target: Any
    watch: Mapping[str, Watch]
    gate: float | None
    reference: Reference | None
    seed: int
    console: Console
    tracks: dict[str, Track] = field(init=False)

    def __post_init__(self) -> None:
        self.tracks = {view.name: Track(view, gate=self.gate) for view in self.views}

    def track(self, view: str) -> Track:
        """The track of a view.

        Raises:
            ValueError: if there is no such view.
        """
        if view not in self.tracks:
            raise ValueError(f"`view` should be one of {list(self.tracks)}. Found `view = {view!r}`.")
        return self.tracks[view]

    def rehearse(self, model: Model, batch_size: int) -> None:
        """Explain by two perturbations, and keep nothing: for the errors that wrong arguments raise."""
        few = replace(self.settings, n_perturbations=2)
        for view in self.views:
            with guarded(model.module):
                self._explain(Track(view), model, few, batch_size)
        if self.reference is not None and self.reference.checkpoint is not None:
            load_weights(self.reference.checkpoint, model.module)

    def ask(self, model: Model, batch_size: int, epochs_trained: float) -> list[Track]:
        """Explain the probes by every view; a failure in one leaves it out.

        Returns:
            The tracks of the views that were explained.
        """
        explained = []
        for name, track in self.tracks.items():
            with self.console.contained(f"view '{name}'"), guarded(model.module):
                explanation, degenerate = self._explain(track, model, self.settings, batch_size)
                self.console.degenerate(name, degenerate)
                with self.console.contained(f"the reference of view '{name}'"):
                    self._find_reference(track, model, batch_size, explanation)
                track.take(explanation, epochs_trained)
                explained.append(track)
        return explained

    def alarms(self, prefix: str, tracks: Sequence[Track], when: str) -> tuple[dict[str, str], bool]:
        """Warn of the watches' alarms.

        Args:
            prefix: first part of their places.
            tracks: that were explained.
            when: said in the alarm.

        Returns:
            New alarms by their place, and whether a watch asks for the training to stop.
        """
        news, stop = {}, False
        for track in tracks:
            for name, trouble in alarms_of(self.watch, track.metrics).items():
                place = f"{prefix}/{track.view.name}/watch/{name}"
                if trouble is None:
                    self.console.over(place)
                    continue
                text = f"'{name}' {trouble} in view '{track.view.name}', {when}."
                if self.console.once(text, key=place):
                    news[place] = text
                stop = stop or self.watch[name].stop
        return news, stop

    def _explain(
        self, track: Track, model: Model, settings: Settings, batch_size: int
    ) -> tuple[Explanation, dict[int, str]]:
        if track.features is None:
            track.pin(model, settings, self.layout, self.wavelengths, self.target, self.watch)
        return track.explain(model, settings, batch_size, self.seed)

    def _find_reference(self, track: Track, model: Model, batch_size: int, explanation: Explanation) -> None:
        """Explain by the reference's weights, or load its explanation; once."""
        if self.reference is None or track.reference is not None:
            return
        if self.reference.checkpoint is not None:
            with weights_of(model.module, load_weights(self.reference.checkpoint, model.module)):
                track.reference, _ = self._explain(track, model, self.settings, batch_size)
        elif track.view.name in self.reference.explanations:
            found = Explanation.load(self.reference.explanations[track.view.name])
            check_comparable(found, explanation)
            track.reference = found

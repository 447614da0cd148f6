"""What is kept of a view over a run: in memory, and in checkpoints."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from lime_callback.following.epoch_series import EpochSeries
from lime_callback.following.explanation_checkpoint import (
    explanation_of,
    explanation_state,
    features_key,
    packed,
    unpacked,
)
from lime_callback.following.metric_table import change_names, worst_values
from lime_callback.following.pinned_view import PinnedView
from lime_callback.following.probe_predictions import ProbePredictions, predicted
from lime_callback.following.settling import Settling

if TYPE_CHECKING:
    from typing import Self

    from torch import Tensor

    from lime_callback.comparing.watch_shares import MeanWatchShare
    from lime_callback.explaining.explanation import Explanation
    from lime_callback.explaining.reliance_result import Reliance


@dataclass
class KeptView(PinnedView):
    """A view, and what its explanations have been so far.

    Attributes:
        now: what the model predicts for the probes at the last explanation, and the truth.
        shares: the last share of the attribution of each of these.
        first: the first explanation, on the CPU.
        last: the last.
        reference: explanation of the reference, if there is one.
        reliance: what hiding this view's watches and superbands changed, where that was measured.
        metrics: of the last explanation, by their names in the log.
        unmeasured: names of metrics that the last explanation did not measure; what stands for them is for monitors.
        series: what has been over the epochs.
        settling: whether explanations have settled.
        answers: all outputs of the model for the probes at the last explanation, ``[P, K]``, on the CPU.
        alarmed: names of the watches of which something is wrong at the last explanation.
        alarmed_elsewhere: the same of watches that only other views follow, each with such a view's name.
        forgotten: whether the run that this one resumes had another question, other probes or other features, so that
            its rows of the history say nothing of this view.
    """

    now: ProbePredictions | None = None
    shares: dict[str, MeanWatchShare] = field(default_factory=dict)
    first: Explanation | None = None
    last: Explanation | None = None
    reference: Explanation | None = None
    reliance: Reliance | None = None
    metrics: dict[str, float] = field(default_factory=worst_values)
    unmeasured: set[str] = field(default_factory=lambda: set(worst_values()))
    series: EpochSeries = field(default_factory=EpochSeries)
    settling: Settling = field(default_factory=Settling)
    answers: Tensor | None = None
    alarmed: set[str] = field(default_factory=set)
    alarmed_elsewhere: dict[str, str] = field(default_factory=dict)
    forgotten: bool = False
    _saved: dict[str, Any] = field(default_factory=dict)

    def recall(self) -> bool:
        """Take over what a checkpoint holds of the view's explanations, after :meth:`pin`; without one, nothing.

        Returns:
            Whether the features are those of the checkpoint, if there is one.
        """
        assert self.features is not None, "pin comes first"
        saved, self._saved = self._saved, {}
        if not saved:
            return True
        features, key = self.features, features_key(self.features)
        first, last = (explanation_of(saved[name], features) if saved.get(name) else None for name in ("first", "last"))
        if (saved.get("features") or key) != key or (first is None and saved.get("first")):
            self._begin_anew()
            return False
        self.first, self.last = first, last
        self.settling.anchor = self._anchor(saved.get("anchor"))
        if len(self.series.epochs) == 1:  # nothing comes before it that could be shown beside it
            self.last = self.first
        if saved.get("now") is not None:
            self.know(saved["now"])
        return True

    def renewed(self) -> Self:
        """The view for other probes: nothing is pinned, and the last values stand until these are explained."""
        return type(self)(self.view, self.config, metrics=self.metrics, kind=self.kind, scale=self.scale)

    def state(self) -> dict[str, Any]:
        """What a resumed run needs to go on as if it had not been interrupted."""
        if self._saved:
            return self._saved
        first, last = (explanation and explanation_state(explanation) for explanation in (self.first, self.last))
        return {
            "features": None if self.features is None else features_key(self.features),
            "targets": self.targets,
            "pinned": None if self.pinned is None else packed(self.pinned),
            "kind": self.kind,
            "scale": self.scale,
            "now": None if self.now is None else self.now.outputs,
            "metrics": dict(self.metrics),
            "series": self.series.state(),
            "first": first,
            "last": last,
            "unmeasured": sorted(self.unmeasured),
            "anchor": self._anchor_state(),
            "since": self.settling.since,
            "answers": self.answers,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Take over what :meth:`state` gave; the explanations follow when the features are known."""
        self.targets, self.metrics = state["targets"], worst_values() | state["metrics"]
        self.pinned = None if state.get("pinned") is None else unpacked(state["pinned"])
        # Before there was a choice, outputs were explained as they are: what is compared stays comparable.
        self.kind, self.scale = state.get("kind"), state.get("scale", "raw")
        self.series = EpochSeries.of_state(state["series"])
        early = change_names() if len(self.series.epochs) < 2 else ()
        self.unmeasured = set(state.get("unmeasured", early))
        # What an earlier version called settled was another thing: it is found out anew.
        self.settling = Settling(since=state.get("since", -1.0))
        self.answers = state.get("answers")
        self._saved = state

    def forget(self) -> None:
        """Begin anew, because the question or the probes are not the same any more."""
        self.targets = self.pinned = self.kind = self.scale = self.now = None
        self._begin_anew()

    def _begin_anew(self) -> None:
        self.first = self.last = self.answers = None
        self.metrics, self.unmeasured = worst_values(), set(worst_values())
        self.series, self.settling, self._saved, self.forgotten = EpochSeries(), Settling(), {}, True

    def know(self, outputs: Tensor) -> None:
        """Take in what the model says of the probes now, ``[P, K]``."""
        assert self.kind is not None, "pin comes first"
        self.now = predicted(outputs.cpu(), self.truth, self.kind, self.settings.output)

    def _anchor_state(self) -> Any:
        """The anchor by its name where it is the first or the last explanation, which is most of the time."""
        anchor = self.settling.anchor
        named = "last" if anchor is self.last else "first" if anchor is self.first else None
        return named if anchor is None or named else explanation_state(anchor)

    def _anchor(self, state: Any) -> Explanation | None:
        if state is None or isinstance(state, str):
            return {"first": self.first, "last": self.last}.get(state or "last")
        return explanation_of(state, self.features) if self.features is not None else None

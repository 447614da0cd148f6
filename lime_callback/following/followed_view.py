"""A view's track through a run: its features, its pinned targets, and what its explanations have been so far."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from lime_callback.comparing.drift import Drift, compare
from lime_callback.comparing.prediction_change import has_classes, prediction_changed
from lime_callback.comparing.reference import ReferenceRow, reference_rows
from lime_callback.comparing.score_gate import is_informative, passes_gate
from lime_callback.explaining.explanation_from_fit import refitted_like
from lime_callback.following.epoch_metrics import change, scores, similarity, watched_shares
from lime_callback.following.epoch_series import EpochSeries
from lime_callback.following.explanation_checkpoint import explanation_of, explanation_state, packed, unpacked
from lime_callback.following.metric_table import change_names, worst_of_watch, worst_values
from lime_callback.following.pinned_view import PinnedView
from lime_callback.following.probe_predictions import ProbePredictions, predicted
from lime_callback.following.settling import Settling

if TYPE_CHECKING:
    from torch import Tensor

    from lime_callback.comparing.watch_shares import MeanWatchShare
    from lime_callback.explaining.explain_batch import ExplainedBatch
    from lime_callback.explaining.explanation import Explanation
    from lime_callback.explaining.reliance_result import Reliance


@dataclass
class FollowedView(PinnedView):
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
    _saved: dict[str, Any] = field(default_factory=dict)

    @property
    def anew(self) -> bool:
        """Whether the probes are not those of the explanation before."""
        return self.config.choice.anew

    @property
    def least_change(self) -> float:
        """The share of the attribution below which nothing that matters has moved."""
        return self.config.relevant_change

    def recall(self) -> None:
        """Take over what a checkpoint holds of the view's explanations, after :meth:`pin`; without one, nothing."""
        assert self.features is not None, "pin comes first"
        saved, self._saved = self._saved, {}
        if not saved:
            return
        features = self.features
        self.first, self.last = (
            explanation_of(saved[name], features) if saved.get(name) else None for name in ("first", "last")
        )
        self.settling.anchor = self._anchor(saved.get("anchor"))
        if len(self.series.epochs) == 1:  # nothing comes before it that could be shown beside it
            self.last = self.first
        if saved.get("now") is not None:
            self.know(saved["now"])

    def renewed(self) -> FollowedView:
        """The view for other probes: nothing is pinned, and the last values stand until these are explained."""
        return FollowedView(self.view, self.config, metrics=self.metrics, kind=self.kind, scale=self.scale)

    def state(self) -> dict[str, Any]:
        """What a resumed run needs to go on as if it had not been interrupted."""
        if self._saved:
            return self._saved
        first, last = (explanation and explanation_state(explanation) for explanation in (self.first, self.last))
        return {
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
        """Begin anew, because the probes are not the same any more."""
        self.targets = self.pinned = self.first = self.last = self.answers = None
        self.kind = self.scale = self.now = None
        self.series, self.settling, self._saved = EpochSeries(), Settling(), {}

    def shorten(self, later: Explanation) -> None:
        """Let earlier explanations have no more perturbations than later ones will, so that they share all rows."""
        surrogate = self.config.settings.surrogate
        anchored = self.settling.anchor is self.last
        for name in ("first", "last", "reference"):
            earlier = getattr(self, name)
            if earlier is not None:
                setattr(self, name, refitted_like(earlier, later, surrogate))
        if self.settling.anchor is not None:
            self.settling.anchor = self.last if anchored else refitted_like(self.settling.anchor, later, surrogate)

    def know(self, outputs: Tensor) -> None:
        """Take in what the model says of the probes now, ``[P, K]``."""
        assert self.kind is not None, "pin comes first"
        self.now = predicted(outputs.cpu(), self.truth, self.kind, self.settings.output)

    def take_result(self, result: ExplainedBatch, epochs_trained: float, labels: Tensor | None) -> None:
        """Take in all that was found about the probes at an epoch.

        Args:
            result: the explanation, on the CPU, and what came with it.
            epochs_trained: so far.
            labels: the probes' labels, int64 ``[P]``, or ``None``.
        """
        self.shorten(result.explanation)
        self.take(result.explanation, epochs_trained)
        self.trust(result.faithfulness)
        self.hear(result.outputs.cpu(), classes=has_classes(result.outputs, labels))

    def take(self, explanation: Explanation, epochs_trained: float) -> None:
        """Take an explanation in: its score, and its drift against the one before, the first, and the reference."""
        told, counts = is_informative(explanation), passes_gate(explanation, self.config.gate)
        values = worst_values()
        self.unmeasured = set(values)
        self._measure(values, scores(explanation, told, counts))
        drift = None if self.last is None else self._against(self.last, explanation)
        step = None if drift is None else change(drift, "before")
        if step is not None:
            self._measure(values, step)
        elif drift is not None:  # nothing that could be relied on: the last value stands
            values |= {name: self.metrics[name] for name in change_names()}
        if self.last is not None and self.first is not None:
            values |= similarity(self.last, explanation)
            way = change(self._against(self.first, explanation), "start")
            if way is None:
                values |= {name: self.metrics[name] for name in change_names("start")}
            else:
                self._measure(values, way)
        if self.reference is not None:
            values |= change(self._against(self.reference, explanation), "reference") or {}
        self._take_shares(explanation, counts, values)
        reliances = {name: value for name, value in self.metrics.items() if name.startswith("reliance/")}
        values |= reliances
        self.unmeasured |= reliances.keys()  # until `rely` measures them anew
        anchor = self.settling.anchor
        since = drift if anchor is None or anchor is self.last else self._against(anchor, explanation)
        self.settling.take(explanation, epochs_trained, since, self.config.relevant_change)
        self.series.add(explanation, epochs_trained, values, step, counts)
        self.series.settled = values["settled"] = self.settling.since
        if self.settling.since >= 0:
            self.unmeasured.discard("settled")
        self.metrics = values
        self.first = self.first or explanation
        self.last = explanation

    def _take_shares(self, explanation: Explanation, counts: Tensor, values: dict[str, float]) -> None:
        for name, share in watched_shares(explanation, self.watched, counts).items():
            watch, error = f"watch/{name}", f"watch_error/{name}"
            values[f"watch_reference/{name}"] = float(self.watched[name].share.mean())
            if share is not None:
                self.shares[name] = share
                values |= {watch: share.mean, error: share.error}
            else:  # no explanation passes the gate: monitors find the last value, or the worst
                values[watch] = self.metrics.get(watch, worst_of_watch("watch/<watch>"))
                values[error] = self.metrics.get(error, worst_of_watch("watch_error/<watch>"))
                self.unmeasured |= {watch, error}

    def rely(self, reliance: Reliance | None) -> None:
        """Note what hiding the watches changed; ``None`` where it could not be measured.

        Monitors then find the last value, or the worst that there can be.
        """
        self.reliance = reliance
        for name in self.watched:
            if reliance is not None and name not in reliance.names:  # a mask for each probe fits no other samples
                continue
            now = None if reliance is None else reliance.names.index(name)
            for measure, pattern in (("changed", "reliance/<watch>"), ("expected", "reliance/<watch>_expected")):
                metric = pattern.replace("<watch>", name)
                if reliance is not None and now is not None:
                    self._measure(self.metrics, {metric: float(getattr(reliance, measure)[now])})
                else:
                    self.metrics.setdefault(metric, worst_of_watch(pattern))
                    self.unmeasured.add(metric)

    def trust(self, faithfulness: Tensor | None) -> None:
        """Note how faithful the last explanations are, ``[P]``, after :meth:`take`: the mean of those that count."""
        if faithfulness is None or self.last is None:
            return
        counts = passes_gate(self.last, self.config.gate)[:, 0]
        if bool(counts.any()):
            self._measure(self.metrics, {"faithfulness": float(faithfulness.cpu()[counts].double().mean())})

    def hear(self, outputs: Tensor, *, classes: bool) -> None:
        """Take in what the model says of the probes itself, after :meth:`take`.

        Args:
            outputs: all of the model's outputs for them, ``[P, K]``, on the CPU.
            classes: whether these are of classes, see :func:`~lime_callback.comparing.prediction_change.has_classes`.
        """
        if self.answers is not None and self.answers.shape == outputs.shape:
            changed = prediction_changed(self.answers, outputs, classes=classes)
            self._measure(self.metrics, {"prediction_changed": changed})
        self.answers = outputs

    @property
    def measured(self) -> dict[str, float]:
        """The metrics that were measured by the last explanation; what stands for the others is for monitors alone."""
        left_out = self.unmeasured | (change_names() if self.anew else set())
        return {name: value for name, value in self.metrics.items() if name not in left_out}

    def settled_text(self) -> str:
        """Since when nothing that matters has moved, in words."""
        when = self.settling.since
        if when >= 0:
            return f"settled after epoch {when:g}"
        return f"has not settled: more than {self.config.relevant_change:.0%} of the attribution may move"

    def _measure(self, values: dict[str, float], found: dict[str, float]) -> None:
        values |= found
        self.unmeasured -= found.keys()

    def _against(self, before: Explanation, explanation: Explanation) -> Drift:
        return compare(before, explanation, self.config.gate, self.config.relevant_change)

    def _anchor_state(self) -> Any:
        """The anchor by its name where it is the first or the last explanation, which is most of the time."""
        anchor = self.settling.anchor
        named = "last" if anchor is self.last else "first" if anchor is self.first else None
        return named if anchor is None or named else explanation_state(anchor)

    def _anchor(self, state: Any) -> Explanation | None:
        if state is None or isinstance(state, str):
            return {"first": self.first, "last": self.last}.get(state or "last")
        return explanation_of(state, self.features) if self.features is not None else None

    def drift_from_reference(self) -> Drift:
        """The last explanation against the reference.

        Raises:
            ValueError: if there is no reference, or nothing has been explained.
        """
        if self.reference is None or self.last is None:
            raise ValueError(f"View {self.view.name!r} has no reference, or was not explained yet. Pass `reference=`.")
        return self._against(self.reference, self.last)

    def reference_table(self) -> list[ReferenceRow]:
        """The last explanation against the reference, one row a feature.

        Raises:
            ValueError: as :meth:`drift_from_reference`.
        """
        return reference_rows(self.reference, self.last, self.drift_from_reference())

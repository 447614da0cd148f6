"""A view followed through a run: each explanation is taken in, and compared with those before."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from lime_callback.comparing.drift import Drift, compare
from lime_callback.comparing.prediction_change import has_classes, prediction_changed
from lime_callback.comparing.reference import ReferenceRow, reference_rows
from lime_callback.comparing.score_gate import is_informative
from lime_callback.explaining.explanation_from_fit import refitted_like
from lime_callback.following.epoch_metrics import change, scores, similarity, watched_shares
from lime_callback.following.kept_view import KeptView
from lime_callback.following.metric_table import change_names, worst_of_watch, worst_values

if TYPE_CHECKING:
    from torch import Tensor

    from lime_callback.explaining.explain_batch import ExplainedBatch
    from lime_callback.explaining.explanation import Explanation
    from lime_callback.explaining.reliance_result import Reliance


@dataclass
class FollowedView(KeptView):
    """A view, and what is taken in of its explanations; fields are those of :class:`KeptView`."""

    @property
    def anew(self) -> bool:
        """Whether the probes are not those of the explanation before."""
        return self.config.choice.anew

    @property
    def least_change(self) -> float:
        """The share of the attribution below which nothing that matters has moved."""
        return self.config.relevant_change

    def take_result(self, result: ExplainedBatch, epochs_trained: float, labels: Tensor | None) -> None:
        """Take in all that was found about the probes at an epoch.

        Args:
            result: the explanation, on the CPU, and what came with it.
            epochs_trained: so far.
            labels: the probes' labels, int64 ``[P]``, or ``None``.
        """
        self.take(result.explanation, epochs_trained)
        self.trust(result.faithfulness)
        self.hear(result.outputs.cpu(), classes=has_classes(result.outputs, labels))

    def take(self, explanation: Explanation, epochs_trained: float) -> None:
        """Take an explanation in: its score, and its drift against the one before, the first, and the reference."""
        told, counts = is_informative(explanation), self.counts(explanation)
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
            values |= similarity(*self._on_shared_rows(self.last, explanation))
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
        counts = self.counts(self.last)[:, 0]
        if bool(counts.any()):
            self._measure(self.metrics, {"faithfulness": float(faithfulness.cpu()[counts].double().mean())})

    def hear(self, outputs: Tensor, *, classes: bool) -> None:
        """Take in what the model says of the probes itself, after :meth:`take`.

        Args:
            outputs: all of the model's outputs for them, ``[P, K]``, on the CPU.
            classes: whether these are of classes, see :func:`~lime_callback.comparing.prediction_change.has_classes`.
        """
        if self.regions is not None and self.targets is not None:  # a mean over a region is no class of the input
            moved = self.regions.moved.gather(1, self.targets)
            if bool(moved.isfinite().any()):
                self._measure(self.metrics, {"prediction_changed": float(moved.nanmean())})
        elif self.answers is not None and self.answers.shape == outputs.shape:
            changed = prediction_changed(self.answers, outputs, classes=classes and self.kind != "pixels")
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
        pair = self._on_shared_rows(before, explanation)
        drift = compare(*pair, self.config.gate, self.config.relevant_change)
        return replace(drift, kept=drift.kept & self.explains(pair[0]) & self.explains(pair[1]))

    def _on_shared_rows(self, before: Explanation, after: Explanation) -> tuple[Explanation, Explanation]:
        """Two explanations on the perturbations that both have, so that their noise cancels.

        A budget of time changes how many there are; both keep all of theirs for other comparisons.
        """
        surrogate = self.config.settings.surrogate
        return refitted_like(before, after, surrogate), refitted_like(after, before, surrogate)

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
        drift = self.drift_from_reference()
        assert self.reference is not None
        assert self.last is not None, "both are there"
        return reference_rows(*self._on_shared_rows(self.reference, self.last), drift)

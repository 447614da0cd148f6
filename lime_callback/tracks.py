"""A view's track through a run: its features, its pinned targets, and what its explanations have been so far."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch

from lime_callback.designs import key
from lime_callback.drift import compare
from lime_callback.explainer import Settings, check_inputs, run
from lime_callback.sinks.history import HistoryRow
from lime_callback.targets import scores, select

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from torch import Tensor

    from lime_callback.explanation import Explanation
    from lime_callback.features import Features
    from lime_callback.layout import Layout
    from lime_callback.model import Model
    from lime_callback.views import View

# Monitors need a finite value from the first validation on. Where there is nothing to compare with yet, it is the worst
# there can be: it stops no run, and no later epoch is worse than it.
NOTHING_YET = {
    "score": 0.0,
    "score_min": 0.0,
    "drift": 2.0,
    "drift_from_start": 2.0,
    "rank_correlation": -1.0,
    "top5_overlap": 0.0,
}


@dataclass
class Track:
    """What is pinned for a view, and what has been seen.

    Attributes:
        view: the view.
        features: of the probes, on the CPU; ``None`` before the first explanation.
        targets: which outputs are explained, int64 ``[P, T]``, on the CPU; ``None`` likewise.
        first: the first explanation, on the CPU.
        previous: the one before the last.
        last: the last.
        metrics: of the last explanation, by their names in the log.
        epochs: epochs trained at each explanation so far, with ``scores`` and ``drifts`` beside it.
        scores: mean R² of each.
        drifts: mean drift of each against the one before; NaN for the first.
        reach: the largest absolute coefficient so far: the length of the axes, which so do not shrink during a run.
    """

    view: View
    features: Features | None = None
    targets: Tensor | None = None
    first: Explanation | None = None
    previous: Explanation | None = None
    last: Explanation | None = None
    metrics: dict[str, float] = field(default_factory=lambda: dict(NOTHING_YET))
    epochs: list[float] = field(default_factory=list)
    scores: list[float] = field(default_factory=list)
    drifts: list[float] = field(default_factory=list)
    reach: float = 0.0

    def pin(
        self, model: Model, settings: Settings, layout: Layout, wavelengths: Sequence[float] | None, target: Any
    ) -> None:
        """Cut the probes into features, and choose the targets: both stay for the run.

        Raises:
            ValueError: if the probes, the view's settings, the model's output and the target do not fit each other.
        """
        probes = model.probes
        layout.check(tuple(probes.inputs.shape), "the validation batch")
        check_inputs(probes.inputs)
        batch = probes.batch if isinstance(probes.batch, dict) else None
        features = self.view.features(probes.inputs, layout=layout, wavelengths=wavelengths, batch=batch)
        rows = torch.arange(len(probes), device=probes.inputs.device)
        outputs = scores(model(probes.inputs.clone(), rows), len(probes), settings.output)
        self.targets = pinned_targets(target, outputs, probes.labels).cpu()
        self.features = features.to("cpu")

    def explain(self, model: Model, settings: Settings, batch_size: int, seed: int) -> dict[int, str]:
        """Explain the probes; the result is the last explanation from now on.

        Returns:
            For each probe whose fit is degenerate the reason.
        """
        assert self.features is not None, "pin comes first"
        inputs = model.probes.inputs
        explanation, degenerate = run(
            model,
            inputs,
            self.features.to(inputs.device),
            self.targets,
            settings=settings,
            batch_size=batch_size,
            seeds=[key(seed, probe, self.view.name) for probe in range(len(inputs))],
        )
        self.previous, self.last = self.last, explanation.to("cpu")
        return degenerate

    def take(self, epochs_trained: float) -> None:
        """Take the last explanation in: its score, and its drift against the one before and the first."""
        assert self.last is not None, "explain comes first"
        found = self.last.score.double()
        self.metrics = NOTHING_YET | {"score": float(found.mean()), "score_min": float(found.min())}
        if self.first is not None and self.previous is not None:
            step = compare(self.previous, self.last).mean()
            self.metrics |= {
                "drift": step["cosine"],
                "drift_from_start": compare(self.first, self.last).mean()["cosine"],
                "rank_correlation": step["rank_correlation"],
                "top5_overlap": step["top_overlap"],
            }
        self.epochs.append(epochs_trained)
        self.scores.append(self.metrics["score"])
        self.drifts.append(self.metrics["drift"] if self.previous is not None else float("nan"))
        self.first = self.first or self.last
        self.reach = max(self.reach, float(self.last.coefficients.abs().max()))


def pinned_targets(target: Any, outputs: Tensor, labels: Tensor | None) -> Tensor:
    """The outputs that are explained, int64 ``[P, T]``.

    Args:
        target: ``"predicted"``, ``"label"``, ``"all"``, an index or a list of indices.
        outputs: of the model for the probes, ``[P, K]``.
        labels: of the probes, ``[P]``, or ``None`` if there are none.

    Raises:
        ValueError: if labels are asked for and there are none, or a target is not below K.
    """
    batch, size = outputs.shape
    if target == "predicted":
        return outputs.argmax(1, keepdim=True)
    if target == "label":
        if labels is None:
            raise ValueError(
                "`target = 'label'` needs one integer label for each sample. Found none in the validation batch; pass "
                "`label_key=`, or `target='predicted'`."
            )
        return select(labels, batch, size, outputs.device)
    return select(None if target == "all" else target, batch, size, outputs.device)


def target_name(index: int, class_names: Sequence[str] | None) -> str:
    """The output's name, or its number."""
    return class_names[index] if class_names is not None and index < len(class_names) else str(index)


def history_rows(track: Track, epoch: int, step: int, class_names: Sequence[str] | None) -> Iterator[HistoryRow]:
    """The last explanation as rows of the history: one for each probe, target and feature that the probe has."""
    assert track.last is not None, "explain comes first"
    explanation = track.last
    names, present = (
        explanation.features.names,
        explanation.features.present.expand(len(explanation.score), -1).tolist(),
    )
    coefficients, errors = explanation.coefficients.tolist(), explanation.standard_error.tolist()
    for probe, targets in enumerate(explanation.targets.tolist()):
        for t, target in enumerate(targets):
            score = float(explanation.score[probe, t])
            for i, name in enumerate(names):
                if present[probe][i]:
                    yield HistoryRow(
                        epoch, step, track.view.name, probe, target_name(target, class_names), name,
                        coefficients[probe][t][i], errors[probe][t][i], score,
                    )  # fmt: skip

"""All metrics that a run logs, in one table.

A measure of :class:`~lime_callback.comparing.Drift` becomes a metric by a row here alone: it is then computed, logged,
found by monitors, and no picture takes its name. Other metrics are computed where
:class:`~lime_callback.following.followed_view.FollowedView` takes in what they need.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Literal

Origin = Literal["before", "start", "reference"]


@dataclass(frozen=True)
class Metric:
    """One scalar.

    Args:
        name: its name behind ``<callback>/<view>/``. ``<watch>`` stands for a watch's name.
        worst: the value that monitors find until the metric is measured; loggers never get it. It is the worst that
            there can be, so it stops no run, and no later epoch is worse. ``None``: monitors find nothing, either.
        since: the explanation that the newest one is compared with: the one ``"before"``, that of the ``"start"``, or
            the ``"reference"``. ``None``: the newest one alone.
        measure: the measure of :class:`~lime_callback.comparing.Drift` whose mean is the value; ``None``: another way.
        nonnegative: whether a mean below 0, which is noise, counts as 0.
        constant: whether it stays the same over a run; loggers never get it, since a flat line is a chart too many.
        words: what it says, for people who see the name alone.
    """

    name: str
    worst: float | None = None
    since: Origin | None = None
    measure: str | None = None
    nonnegative: bool = False
    constant: bool = False
    words: str = field(kw_only=True)


# fmt: off
METRICS = [
    Metric("score", 0.0,
           words="R² of rows that the fit has not seen, mean over the probes; below 0.5 do not read the pictures"),
    Metric("score_min", 0.0,
           words="the same of the worst probe"),
    Metric("gated", 0.0,
           words="explanations whose R² is below the gate, or whose perturbations are too few; they do not count"),
    Metric("faithfulness", 0.0,
           words="how much sooner the output falls and rises in the explanation's order than in a random one"),
    Metric("drift", 2.0, "before", "drift", nonnegative=True,
           words="cosine distance of the coefficients, without what noise adds"),
    Metric("drift_from_start", 2.0, "start", "drift", nonnegative=True,
           words="the same from the first explanation"),
    Metric("noise_floor", 2.0, "before", "noise_floor",
           words="the drift that noise alone would show"),
    Metric("rank_correlation", -1.0, "before", "rank_correlation",
           words="Spearman's correlation of the coefficients"),
    Metric("top5_overlap", 0.0, "before", "top_overlap",
           words="share of the five strongest features that stay among them"),
    Metric("changed", 1.0, "before", "changed",
           words="share of the features whose share of the attribution changed by what matters"),
    Metric("moved", 1.0, "before", "moved", nonnegative=True,
           words="share of the attribution that went elsewhere, without what noise adds"),
    Metric("moved_from_start", 1.0, "start", "moved", nonnegative=True,
           words="the same from the first explanation"),
    Metric("scale", 20.0, "before", "scale",  # the largest that it is clamped to
           words="binary logarithm of how many times larger the attribution became"),
    Metric("flipped", 1.0, "before", "flipped",
           words="share of the attribution whose sign turned"),
    Metric("prediction_changed", 1.0, "before",
           words="share of the probes that another class is predicted for; of values or regions, their mean change"),
    Metric("settled", -1.0, "before",
           words="the epoch since which no more has moved than what matters"),
    Metric("similarity", None, "before",
           words="concordance of the maps: 1 for equal ones, about 0 for unrelated, at most 0 for opposite"),
    Metric("drift_from_reference", None, "reference", "drift", nonnegative=True,
           words="the drift from the reference"),
    Metric("moved_from_reference", None, "reference", "moved", nonnegative=True,
           words="share of the attribution that lies elsewhere than in the reference"),
    Metric("changed_from_reference", None, "reference", "changed",
           words="share of the features that differ from the reference by what matters"),
    Metric("watch/<watch>", 1.0,
           words="a watched set's share of the attribution"),
    Metric("watch_error/<watch>", 0.0,
           words="standard error of that share over the probes"),
    Metric("watch_reference/<watch>", constant=True,
           words="the set's share of the channels or pixels"),
    Metric("reliance/<watch>", 1.0,
           words="share of the predictions that change when the set is hidden by other samples' values"),
    Metric("reliance/<watch>_expected", 0.0,
           words="the same for random sets as large"),
]
# fmt: on

COSTS = ("seconds", "forwards", "perturbations")
"""What an explained epoch took, logged as ``<callback>/<cost>``."""


def worst_values() -> dict[str, float]:
    """For each metric that every view has, the value that monitors find until it is measured."""
    return {metric.name: metric.worst for metric in METRICS if metric.worst is not None and "<" not in metric.name}


def worst_of_watch(name: str) -> float:
    """The same value for a watch's metric, by its pattern such as ``watch/<watch>``."""
    worst = next(metric.worst for metric in METRICS if metric.name == name)
    assert worst is not None, "monitors find one"
    return worst


def change_names(*since: Origin) -> set[str]:
    """Metrics that every view has, and that compare with one of these explanations; without any, with the run's own."""
    origins = since or ("before", "start")
    return {metric.name for metric in METRICS if metric.worst is not None and metric.since in origins}


def drift_metrics(means: dict[str, float], since: Origin) -> dict[str, float]:
    """Metrics that are means of drift measures.

    Args:
        means: see :meth:`lime_callback.comparing.Drift.mean`.
        since: the explanation that the drift is measured from.
    """
    rows = [(metric, metric.measure) for metric in METRICS if metric.since == since and metric.measure is not None]
    return {metric.name: max(0.0, means[measure]) if metric.nonnegative else means[measure] for metric, measure in rows}


def is_metric(name: str) -> bool:
    """Whether a scalar's name, behind ``<callback>/<view>/`` or ``<callback>/``, is in the table."""
    return name in COSTS or any(re.fullmatch(_pattern(metric.name), name) for metric in METRICS)


def is_constant(name: str) -> bool:
    """Whether a metric, by its name behind ``<callback>/<view>/``, stays the same over a run."""
    return any(metric.constant and re.fullmatch(_pattern(metric.name), name) for metric in METRICS)


def _pattern(name: str) -> str:
    return ".+".join(map(re.escape, name.split("<watch>")))

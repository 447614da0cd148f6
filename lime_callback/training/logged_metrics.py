"""The metrics of all views, by the names under which loggers and monitors find them."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from lime_callback.following.metric_table import change_names, is_constant

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from lime_callback.following.followed_view import FollowedView
    from lime_callback.following.watch_alarms import WatchAlarms


def measured_metrics(name: str, views: Mapping[str, FollowedView], costs: Mapping[str, float]) -> dict[str, float]:
    """The last values of what was measured and can change, for loggers and monitors.

    Args:
        name: first part of all names.
        views: the views, by their names.
        costs: of the last explanation, and what was found.
    """
    metrics = {f"{name}/{what}": value for what, value in costs.items()}
    for view, followed in views.items():
        changing = {what: value for what, value in followed.measured.items() if not is_constant(what)}
        metrics |= {f"{name}/{view}/{what}": value for what, value in changing.items()}
    return metrics


def stand_ins(name: str, views: Mapping[str, FollowedView]) -> dict[str, float]:
    """Finite values for monitors alone: constants, and what stands for metrics that have not been measured."""
    values: dict[str, float] = {}
    for view, followed in views.items():
        names = followed.metrics.keys() - followed.measured.keys() - (change_names() if followed.anew else set())
        constant = {what for what in followed.measured if is_constant(what)}
        values |= {f"{name}/{view}/{what}": followed.metrics[what] for what in sorted(names | constant)}
    return values


def last_texts(views: Mapping[str, FollowedView], watches: WatchAlarms) -> Iterator[str]:
    """What is said when a training ends: a sentence for each view, and one for each watch."""
    yield from settled_texts(views)
    yield from watches.lines()


def settled_texts(views: Mapping[str, FollowedView]) -> Iterator[str]:
    """A sentence for each view: since when nothing that matters has moved. None where nothing could be compared."""
    for name, followed in views.items():
        if not followed.anew and (followed.settling.since >= 0 or any(map(math.isfinite, followed.series.moves))):
            yield f"view '{name}' {followed.settled_text()}."

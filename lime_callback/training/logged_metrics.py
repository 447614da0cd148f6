"""The metrics of all views, by the names under which loggers and monitors find them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lime_callback.following.metric_table import change_names

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from lime_callback.following.followed_view import FollowedView


def measured_metrics(name: str, tracks: Mapping[str, FollowedView], costs: Mapping[str, float]) -> dict[str, float]:
    """The last values of what was measured, for loggers and monitors.

    Args:
        name: first part of all names.
        tracks: of the views, by their names.
        costs: of the last explanation.
    """
    metrics = {f"{name}/{what}": value for what, value in costs.items()}
    for view, track in tracks.items():
        metrics |= {f"{name}/{view}/{what}": value for what, value in track.measured.items()}
    return metrics


def stand_ins(name: str, tracks: Mapping[str, FollowedView]) -> dict[str, float]:
    """Finite values of what has not been measured, for monitors, which have to find one at every validation."""
    found: dict[str, float] = {}
    for view, track in tracks.items():
        names = track.metrics.keys() - track.measured.keys() - (change_names() if track.anew else set())
        found |= {f"{name}/{view}/{what}": track.metrics[what] for what in sorted(names)}
    return found


def settled_texts(tracks: Mapping[str, FollowedView]) -> Iterator[str]:
    """A sentence for each view: since when nothing that matters has moved."""
    for name, track in tracks.items():
        if track.last is not None and not track.anew:
            when, share = track.settling.since, f"{track.relevant_change:.0%} of the attribution"
            what = f"settled after epoch {when:g}" if when >= 0 else f"has not settled: more than {share} may move"
            yield f"view '{name}' {what}."

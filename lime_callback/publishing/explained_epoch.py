"""What an explained epoch hands to those who write and show it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from lime_callback.following.followed_view import FollowedView
    from lime_callback.probes.probe_samples import Probes


@dataclass(frozen=True, eq=False)
class ExplainedEpoch:
    """An explained epoch.

    Args:
        epoch: its number, counted from 0.
        step: the step under which Lightning logs its scalars.
        probes: the samples that were explained.
        views: the views that were explained.
        alarms: new alarms, by their place.
    """

    epoch: int
    step: int
    probes: Probes
    views: Sequence[FollowedView]
    alarms: Mapping[str, str]

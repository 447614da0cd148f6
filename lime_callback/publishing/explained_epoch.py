"""The results of an explained epoch, as the publisher takes them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from lime_callback.following.followed_view import FollowedView
    from lime_callback.probes.probe_samples import Probes
    from lime_callback.publishing.finding import Finding


@dataclass(frozen=True, eq=False)
class ExplainedEpoch:
    """An explained epoch and its results.

    Args:
        epoch: the epoch's number, counted from 1; 0 before any training.
        step: the step under which Lightning logs this epoch's scalars.
        probes: the explained samples.
        views: the explained views.
        alarms: the texts of new alarms, by their place, such as ``"lime/spectral/watch/water"``.
        is_last: whether no later epoch will be explained, as far as is known. Its pictures then are full; those of
            other epochs are compact, which take half the space.
        pictures: whether there is time to draw any.
        findings: all that were told in the run so far, open and closed; ``None`` where nobody looks.
    """

    epoch: int
    step: int
    probes: Probes
    views: Sequence[FollowedView]
    alarms: Mapping[str, str]
    is_last: bool = True
    pictures: bool = True
    findings: Sequence[Finding] | None = None

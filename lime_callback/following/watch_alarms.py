"""Alarms of watches: when a share or a reliance is beyond its bound, over a whole run and not by chance.

A run asks many questions: of each watch at each explained epoch. So each is asked at a level of its own, such that all
levels of a run together come to 5 %, however long it will be.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from lime_callback.surrogates.confidence_intervals import critical_value

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from lime_callback.comparing.watch_shares import MeanWatchShare
    from lime_callback.explaining.reliance_result import Reliance
    from lime_callback.following.followed_view import FollowedView
    from lime_callback.views.watch import Watch

RUN = 0.05  # probability of any alarm without a cause in a run


def level(epoch: int, questions: int, run: float = RUN) -> float:
    """Probability to raise an alarm without a cause, of one question at one epoch.

    ``6 / (π k)²`` of all goes to the k-th explained epoch: these sum to 1 over any number of them.

    Args:
        epoch: which explained epoch it is, counted from 1.
        questions: asked at each epoch.
        run: probability of any such alarm in the whole run.
    """
    return run * 6 / (math.pi * epoch) ** 2 / max(questions, 1)


def share_alarm(watch: Watch, share: MeanWatchShare, alpha: float) -> str | None:
    """What is wrong with a share, beyond its error; ``None`` if nothing is.

    Args:
        watch: with its bounds.
        share: of the set.
        alpha: probability to say so without a cause.
    """
    factor = float(critical_value(share.freedom, 1 - 2 * alpha))
    width = share.error * factor if share.error or not share.freedom else 0.0
    for bound, beyond, which in (
        (watch.above, share.mean - width, "above"),
        (watch.below, -(share.mean + width), "below"),
    ):
        if bound is not None and beyond > (bound if which == "above" else -bound):
            return f"has {share.mean:.3f} ± {share.error:.3f} of the attribution, {which} {bound:g}"
    return None


def reliance_alarm(name: str, watch: Watch, reliance: Reliance | None, alpha: float) -> str | None:
    """What is wrong with what hiding a set changes; ``None`` if nothing is, or it was not measured.

    Args:
        name: of the set.
        watch: with its bounds.
        reliance: of the run's sets.
        alpha: probability to say so without a cause.
    """
    if reliance is None or name not in reliance.names or not watch.asks_reliance:
        return None
    i = reliance.names.index(name)
    if not bool(reliance.relies(watch.reliance, alpha)[i]):
        return None
    bound = "" if watch.reliance is None else f", more than {watch.reliance:g} beyond that"
    return f"is what the model rests on, since {reliance.text(name)}{bound},"


def questions(followed: Sequence[Iterable[str]], watches: Mapping[str, Watch], measured: bool) -> int:
    """How many questions an epoch asks.

    Args:
        followed: for each view the names of the watches that it follows.
        watches: by name.
        measured: whether reliance is.
    """
    bounds = sum(
        (watches[name].above is not None) + (watches[name].below is not None) for names in followed for name in names
    )
    asked = {name for names in followed for name in names if watches[name].asks_reliance}
    return bounds + (len(asked) if measured else 0)


def beside(what: str, name: str, watch: Watch, track: FollowedView) -> str:
    """What else is known of a watch, in words, behind its alarm of one kind.

    Args:
        what: the alarm's kind, ``"watch"`` or ``"reliance"``.
        name: of the watch.
        watch: of this name.
        track: of a view that follows it.
    """
    share, reliance = track.shares.get(name), track.reliance
    reference = float(track.watched[name].share.mean())
    of = f"{reference:.2f} of the {'pixels' if watch.bands is None else 'channels'}"
    if what == "reliance":
        has = "" if share is None else f"has {share.mean:.2f} of the attribution and "
        return f"; it {has}is {of}"
    known = reliance is not None and name in reliance.names
    return f"; it is {of}" + (f", and {reliance.text(name)}" if reliance is not None and known else "")

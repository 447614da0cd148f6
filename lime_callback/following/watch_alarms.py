"""Alarms of watches: when a share or a reliance is beyond its bound, over a whole run and not by chance.

A run asks many questions: of each watch at each explained epoch. So each is asked at a level of its own, such that all
levels of a run together come to 5 %, however long it will be.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from lime_callback.surrogates.confidence_intervals import critical_value

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from lime_callback.comparing.watch_shares import MeanWatchShare
    from lime_callback.explaining.reliance_result import Reliance
    from lime_callback.explaining.uses.set_use import SetUse
    from lime_callback.following.callback_config import CallbackConfig
    from lime_callback.following.followed_view import FollowedView
    from lime_callback.views.channels.set_extent import SetExtent
    from lime_callback.views.watch import Watch

_RESTS = "is what the model rests"
RUN = 0.05  # probability of any alarm without a cause in a run


@dataclass
class WatchAlarms:
    """Says of each watch at each explained epoch whether the model uses it, and raises its alarms.

    Args:
        config: the user's arguments.

    Attributes:
        asked: how many explained epochs have asked about watches.
        uses: the verdict on each watch whose reliance was measured last.
        extents: how much of the inputs each watch is, and where.
        troubles: what is wrong with each watch at the last explained epoch, in words; only of those that have an alarm.
    """

    config: CallbackConfig
    asked: int = 0
    uses: dict[str, SetUse] = field(default_factory=dict)
    extents: dict[str, SetExtent] = field(default_factory=dict)
    troubles: dict[str, list[str]] = field(default_factory=dict)

    def take(
        self,
        views: Iterable[FollowedView],
        explained: Sequence[FollowedView],
        prefix: str,
        when: str,
        warn: Callable[[str, str], bool],
        over: Callable[[str], None],
    ) -> tuple[dict[str, str], bool]:
        """Ask about all watches; each question has the level that its epoch has in the whole run.

        Args:
            views: all views.
            explained: those that were explained.
            prefix: first part of the alarms' places.
            when: said in the alarm.
            warn: warns with a text, unless it has for this place; returns whether it did.
            over: notes that there is no alarm at a place.

        Returns:
            New alarms by their place, and whether a watch asks for the training to stop.
        """
        self.asked += 1
        self.uses, self.troubles = {}, {}
        news: dict[str, str] = {}
        stop, watches = False, self.config.watch
        alpha = level(self.asked, questions([one.watched for one in views], watches, bool(self.config.reliance)))
        for followed in explained:
            followed.alarmed, followed.uses = set(), {}
            self.extents |= {name: place.extent for name, place in followed.watched.items() if place.extent}
        for followed in explained:
            for name in followed.watched:
                for what, trouble in self._ask(name, followed, alpha):
                    place = f"{prefix}/{followed.view.name}/{what}/{name}"
                    if trouble is None:
                        # While it is used at all, an alarm that comes again is no news.
                        use = None if what == "watch" else self.uses.get(name)
                        if use is None or use.use == "not seen to use":
                            over(place)
                        continue
                    self.troubles.setdefault(name, []).append(trouble.rstrip(","))
                    for other in (followed,) if what == "watch" else explained:
                        other.alarmed |= {name} & other.watched.keys()
                    known = beside(what, name, watches[name], followed)
                    text = f"'{name}' {trouble} in view '{followed.view.name}', {when}{known}."
                    if warn(text, place):
                        news[place] = text
                    stop = stop or watches[name].stops(what)
        for followed in explained:
            followed.uses = {name: self.uses[name] for name in followed.watched if name in self.uses}
            followed.alarmed_elsewhere = {
                name: other.view.name for other in explained for name in sorted(other.alarmed - followed.watched.keys())
            }
        return news, stop

    def lines(self) -> Iterator[str]:
        """Yield one line for each watch: whether the model uses it, and its alarms; none before anything was asked."""
        for name in self.config.watch if self.asked else ():
            use, troubles = self.uses.get(name), self.troubles.get(name, [])
            said = "its reliance was not measured" if use is None else use.sentence(self.config.class_names)
            # That the model rests on it is said by then.
            shares = [one.split(", since")[0] for one in troubles if use is None or not one.startswith(_RESTS)]
            extent = self.extents.get(name)
            where = "" if extent is None else f" ({extent.text})"
            yield f"watch '{name}'{where}: {said}{'; it ' * bool(shares)}{', and '.join(shares)}."

    @property
    def in_part(self) -> list[str]:
        """Names of the watches that are used in part, and raise no alarm, but for those that should be used."""
        watches = self.config.watch
        return [
            name for name, use in self.uses.items()
            if use.use == "uses in part" and name not in self.troubles and watches[name].below is None
        ]  # fmt: skip

    def _ask(self, name: str, followed: FollowedView, alpha: float) -> Iterator[tuple[str, str | None]]:
        """Yield each kind of alarm and what is wrong; what hiding a set changes is the same in all views."""
        watch, share, reliance = self.config.watch[name], followed.shares.get(name), followed.reliance
        yield "watch", None if share is None else share_alarm(watch, share, alpha)  # none before one passed the gate
        if name in self.uses or reliance is None or name not in reliance.names:
            return
        self.uses[name] = reliance.use_of(name, watch.reliance, alpha)
        yield "reliance", reliance_alarm(name, watch, reliance, alpha)
        yield "changed", changed_alarm(name, watch, reliance, alpha)


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
            has = f"{100 * share.mean:.1f} ± {100 * share.error:.1f} %"
            return f"has {has} of the attribution, {which} {_percent(bound)}"
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
    beyond = "" if watch.reliance is None else _percent(watch.reliance) if reliance.classes else f"{watch.reliance:g}"
    bound = f", more than {beyond} beyond that" if beyond else ""
    return f"{_RESTS} on, since {reliance.text(name)}{bound},"


def changed_alarm(name: str, watch: Watch, reliance: Reliance | None, alpha: float) -> str | None:
    """What is wrong with what hiding a set changes, whatever random sets change; ``None`` if nothing is.

    Args:
        name: of the set.
        watch: with its bounds.
        reliance: of the run's sets.
        alpha: probability to say so without a cause.
    """
    if reliance is None or name not in reliance.names or watch.changed is None:
        return None
    low, _ = reliance.interval(1 - 2 * alpha)
    if not float(low[reliance.names.index(name)]) > watch.changed:
        return None
    share = f"{_percent(watch.changed)} of the predictions"
    what = share if reliance.classes else f"{watch.changed:g} standard deviations of the outputs"
    return f"changes more than {what}, since {reliance.text(name)},"


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
    names = {name for of_view in followed for name in of_view}
    asked = sum(watches[name].asks_reliance + (watches[name].changed is not None) for name in names)
    return bounds + (asked if measured else 0)


def beside(what: str, name: str, watch: Watch, track: FollowedView) -> str:
    """What else is known of a watch, in words, behind its alarm of one kind.

    Args:
        what: the alarm's kind, ``"watch"``, ``"reliance"`` or ``"changed"``.
        name: of the watch.
        watch: of this name.
        track: of a view that follows it.
    """
    share, reliance = track.shares.get(name), track.reliance
    place = track.watched[name]
    of = f"{100 * float(place.share.mean()):.0f} % of the {'pixels' if watch.bands is None else 'channels'}"
    of = of if place.extent is None else place.extent.text
    if what != "watch":
        has = "" if share is None else f"has {100 * share.mean:.0f} % of the attribution and "
        return f"; it {has}is {of}"
    known = reliance is not None and name in reliance.names
    return f"; it is {of}" + (f", and {reliance.text(name)}" if reliance is not None and known else "")


def _percent(share: float) -> str:
    """A bound as the user gave it, in per cent."""
    return f"{100 * share:g} %"

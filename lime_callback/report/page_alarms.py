"""Decides which alarms of watches the page shows, for each view and explained epoch."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, get_args

import torch

from lime_callback.explaining.reliance_result import stands_out
from lime_callback.explaining.uses.set_use import CLASS_ENDS, USES, ClassChange, SetUse
from lime_callback.following.watch_alarms import level
from lime_callback.surrogates.confidence_intervals import critical_value, wilson_interval
from lime_callback.views.channels.set_extent import Elements, SetExtent

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from lime_callback.report.history_tables import ViewTable
    from lime_callback.report.run_contents import RunContents


def watch_alarms(run: RunContents, table: ViewTable, measures: Mapping[str, Sequence[float | None]]) -> list[Any]:
    """Return a list of alarms for each moment.

    Args:
        run: the run, whose ``about`` holds the watches.
        table: the view's table.
        measures: the view's measures at each moment, see :func:`lime_callback.report.history_tables.measures_of`.

    Returns:
        For each moment its alarms, each with the ``watch``, the words ``said`` after its name, and a ``text``; and
        hints on superbands without a watch, each with the ``band``.
    """
    reaches, classes = alarm_reaches(run, table), _of_classes(measures)

    def at(moment: int, name: str) -> float:
        value = measures[name][moment] if name in measures else None
        return math.nan if value is None else value

    def of(moment: int) -> Iterator[dict[str, str]]:
        for name, watch in run.about.get("watch", {}).items():
            half = (reaches[moment] or 0.0) * at(moment, f"watch_error/{name}")
            yield from _share_alarm(name, watch, at(moment, f"watch/{name}"), half)
            everything = at(moment, "reliance_everything")
            reliance = (at(moment, f"reliance/{name}"), at(moment, f"reliance/{name}_expected"), everything)
            use = _use(at, moment, name, watch, classes)
            yield from _reliance_alarm(name, watch, *reliance, None if use is None else use.use == "rests on")
            if use is not None:
                yield from _changed_alarm(watch, name, use, level(moment + 1, _questions(run)))
        for name in _bands(run, measures):
            numbers = (at(moment, f"reliance/{name}"), at(moment, f"reliance/{name}_expected"))
            if _stands_out(*numbers, at(moment, "reliance_everything")):
                yield {"band": name}

    return [list(of(moment)) for moment in range(len(table.which))]


def watch_uses(
    run: RunContents, table: ViewTable, measures: Mapping[str, Sequence[float | None]]
) -> list[dict[str, Any]]:
    """Return for each moment and each watch the run's verdict: its ``use`` and its ``text``, a sentence."""

    def at(moment: int, name: str) -> float:
        value = measures[name][moment] if name in measures else None
        return math.nan if value is None else value

    classes, uses = _of_classes(measures), list[dict[str, Any]]()
    for moment in range(len(table.which)):
        known = {name: _use(at, moment, name, watch, classes) for name, watch in run.about.get("watch", {}).items()}
        names = run.about.get("class_names")
        uses.append({
            name: {"use": use.use, "text": f"{use.sentence(names)}."} for name, use in known.items() if use is not None
        })  # fmt: skip
    return uses


def alarm_reaches(run: RunContents, table: ViewTable) -> list[float | None]:
    """Return by how many standard errors a watch's share has to exceed its bound at each moment to raise an alarm.

    The run itself uses the same numbers, see :mod:`lime_callback.following.watch_alarms`. With a single probe, the
    standard error is that of the perturbations.

    Args:
        run: the run with its watches and measures.
        table: the view's table.

    Returns:
        A number for each moment; ``None`` if the view was not explained.
    """
    questions = _questions(run)
    reaches: list[float | None] = []
    for k, which in enumerate(table.which, start=1):
        probes = len({probe for probe, _ in table.who[which]}) if which >= 0 else 0
        freedom = probes - 1 if probes > 1 else math.inf
        reaches.append(float(critical_value(freedom, 1 - 2 * level(k, questions))) if probes else None)
    return reaches


def _share_alarm(name: str, watch: Mapping[str, Any], share: float, half: float) -> Iterator[dict[str, str]]:
    above, below = watch.get("above"), watch.get("below")
    if above is not None and share - half > above:
        than = f"more of the attribution than {_percent(above)}"
    elif below is not None and share + half < below:
        than = f"less of the attribution than {_percent(below)}"
    else:
        return
    yield {"watch": name, "said": f": {_percent(share)}", "text": f"It has {than}."}


def _reliance_alarm(
    name: str,
    watch: Mapping[str, Any],
    changed: float,
    expected: float,
    everything: float,
    rests: bool | None,
) -> Iterator[dict[str, str]]:
    """Yield a hint if hiding a set changes much more than random sets do.

    A run's own alarm also needs a p value, which its measures do not hold; ``rests`` says what the run said, if it did.
    """
    if rests is not None:
        if rests and _asks_reliance(watch):
            yield {"watch": name, "said": ": the model rests on it", "text": ""}
        return
    bound = watch.get("reliance")
    beyond = _stands_out(changed, expected, everything) if bound is None else changed - expected > bound
    if _asks_reliance(watch) and beyond:
        # The bound is a share of the predictions for classes, else standard deviations; the words fit both.
        than = "much more than" if bound is None else f"more than {_number(bound)} beyond"
        text = f"That is {than} what as much at random changes."
        yield {"watch": name, "said": ": the model may rest on it", "text": text}


def _changed_alarm(watch: Mapping[str, Any], name: str, use: SetUse, alpha: float) -> Iterator[dict[str, str]]:
    """Yield an alarm if hiding a set changes more than its bound; of values by their 95 % interval."""
    bound = watch.get("changed")
    share = torch.tensor(use.changed, dtype=torch.float64)
    low = float(wilson_interval(share, use.samples, 1 - 2 * alpha)[0]) if use.classes else use.low
    if bound is not None and low > bound:
        amount = _percent(bound) if use.classes else f"{_number(bound)} SD"
        yield {"watch": name, "said": f": hiding it changes more than {amount}", "text": ""}


def _use(
    at: Callable[[int, str], float], moment: int, name: str, watch: Mapping[str, Any], classes: bool
) -> SetUse | None:
    """Return what a run said of a watch; ``None`` of runs that did not."""
    verdict, low, high, samples, accuracy, hidden = (
        at(moment, f"reliance_{what}/{name}")
        for what in ("use", "low", "high", "samples", "accuracy", "accuracy_hidden")
    )
    changed, expected = at(moment, f"reliance/{name}"), at(moment, f"reliance/{name}_expected")
    if verdict not in range(len(USES)) or not all(map(math.isfinite, (changed, expected, low, high, samples))):
        return None
    by_class = []
    for end in CLASS_ENDS:
        facts = [at(moment, f"reliance_{what}{end}/{name}") for what in ("class", "class_changed", "class_samples")]
        if all(map(math.isfinite, facts)):
            by_class.append(ClassChange(int(facts[0]), facts[1], int(facts[2])))
    return SetUse(
        USES[int(verdict)], changed, low, high, expected, int(samples), classes, tuple(by_class), accuracy, hidden,
        _extent(watch),
    )  # fmt: skip


def _extent(watch: Mapping[str, Any]) -> SetExtent | None:
    """Return how much of the inputs a watch is, as far as the run says."""
    text = watch.get("extent")
    kinds: list[Elements] = [kind for kind in get_args(Elements) if kind == watch.get("elements")]
    return SetExtent(text, kinds[0]) if text and kinds else None


def _of_classes(measures: Mapping[str, Sequence[float | None]]) -> bool:
    """Return whether reliance counts predictions of classes, as far as the run says."""
    return all(value != 0 for value in measures.get("reliance_of_classes", ()))


def _stands_out(changed: float, expected: float, everything: float) -> bool:
    """Return whether a set changes much more than random sets do.

    Earlier versions did not write what hiding everything changes: it is taken for all predictions then.
    """
    if math.isnan(changed) or math.isnan(expected):
        return False
    everything = 1.0 if math.isnan(everything) else everything
    return bool(stands_out(*torch.tensor([[changed], [expected], [everything]], dtype=torch.float64)))


def _bands(run: RunContents, measures: Mapping[str, Any]) -> list[str]:
    """Return the superbands whose reliance was measured."""
    names = (name.removeprefix("reliance/") for name in measures if name.startswith("reliance/"))
    return [name for name in names if not name.endswith("_expected") and name not in run.about.get("watch", {})]


def _asks_reliance(watch: Mapping[str, Any]) -> bool:
    """Return :attr:`lime_callback.Watch.asks_reliance` for a watch in ``run.json``."""
    return watch.get("reliance") is not None or watch.get("below") is None


def _questions(run: RunContents) -> int:
    """Return how many alarms an epoch could raise: one for each bound of a watch in a view, and for each reliance."""
    watches: dict[str, dict[str, Any]] = run.about.get("watch", {})
    measured = {(row.view, row.measure) for row in run.measures}
    bounds = sum(
        (watch.get("above") is not None) + (watch.get("below") is not None)
        for name, watch in watches.items()
        for _, measure in measured
        if measure == f"watch/{name}"
    )
    relied = {
        name
        for name, watch in watches.items()
        if _asks_reliance(watch) and any(measure == f"reliance/{name}" for _, measure in measured)
    }
    bounded = {
        name
        for name, watch in watches.items()
        if watch.get("changed") is not None and any(measure == f"reliance/{name}" for _, measure in measured)
    }
    return bounds + len(relied) + len(bounded)


def _percent(share: float) -> str:
    return f"{math.floor(100 * share + 0.5)} %"


def _number(value: float) -> str:
    """Write a number with two digits."""
    return f"{float(f'{value:.2g}'):g}".replace("-", "\N{MINUS SIGN}")

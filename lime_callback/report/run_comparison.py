"""Puts two runs side by side: findings, and metrics and effects at the last epoch that both explained."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from lime_callback.report.feature_places import named_places
from lime_callback.report.history_tables import means, moments_of, tables_of
from lime_callback.report.run_findings import by_weight

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from lime_callback.publishing.finding import Finding
    from lime_callback.report.history_tables import ViewTable
    from lime_callback.report.run_contents import RunContents

_METRICS, _FEATURES = 200, 40  # rows of the table, and of the bars of a view
_NAMED = 8  # features that a note names
# Beginnings of measures:
_LEFT_OUT = ("epochs", "reliance_use/", "reliance_samples/", "reliance_class", "reliance_accuracy")


class Row(NamedTuple):
    """A line of a table, in words: what it is about, and what each run has."""

    about: str
    first: str
    second: str


class FindingPair(NamedTuple):
    """A finding in words: what it is, what each run says of it, and the sentence of the run in which it is worse."""

    about: str
    first: str
    second: str
    sentence: str


class EffectRow(NamedTuple):
    """A feature's effects in both runs, means over the probes.

    Attributes:
        feature: its name.
        size: mean absolute effects.
        mean: mean effects.
        half: halves of their 95 % intervals; NaN where unknown.
    """

    feature: str
    size: tuple[float, float]
    mean: tuple[float, float]
    half: tuple[float, float]


@dataclass(frozen=True)
class Comparison:
    """Two runs side by side.

    Attributes:
        names: of the runs.
        findings: a row for each finding of either run, the worst first.
        epoch: the last epoch that both explained, counted from 1; ``None`` where there is none.
        metrics: a row for each measure that both have at that epoch.
        effects: for each view that both have, the features that both have, the strongest first.
        settings: a row for each setting that differs.
        notes: sentences on what cannot be compared.
    """

    names: tuple[str, str]
    findings: list[FindingPair]
    epoch: int | None
    metrics: list[Row]
    effects: Mapping[str, list[EffectRow]]
    settings: list[Row]
    notes: list[str]


def compare_runs(first: RunContents, second: RunContents) -> Comparison:
    """Put two runs side by side.

    Effects are those of the last epoch that both explained. Views whose features differ from probe to probe, as SLIC's
    superpixels do, have no features in common.

    Args:
        first: a run, as :func:`lime_callback.report.read` returns it.
        second: the other one.
    """
    runs = (first, second)
    notes = [f"{run.name}: {note}" for run in runs for note in run.notes]
    for run in runs:
        if run.findings is None:
            notes.append(f"{run.name}: nobody looked for findings, or their file is missing.")
    both = set.intersection(*({row.epoch for row in run.history} for run in runs))
    epoch = max(both, default=None)
    effects: dict[str, list[EffectRow]] = {}
    metrics: list[Row] = []
    if epoch is None:
        notes.append("No epoch was explained in both runs, so metrics and effects have nothing in common.")
    else:
        metrics = _metrics(runs, epoch)
        effects = _effects(runs, epoch, notes)
    if len(metrics) > _METRICS:
        notes.append(f"The first {_METRICS} of {len(metrics)} metrics are shown.")
    names = (first.name, second.name) if first.name != second.name else (str(first.path), str(second.path))
    return Comparison(names, _findings(runs), epoch, metrics[:_METRICS], effects, _settings(runs), notes)


def number(value: float) -> str:
    """Write a number with three digits, as people read it."""
    if not math.isfinite(value):
        return "not known"
    return f"{value:.3g}".replace("-", "\N{MINUS SIGN}")


def _findings(runs: Sequence[RunContents]) -> list[FindingPair]:
    # A finding that came back counts as it was told last.
    told = [{(one.name, one.subject): one for one in run.findings or ()} for run in runs]
    worst: dict[tuple[str, str], Finding] = {}
    for one in by_weight([one for of_run in told for one in of_run.values()]):
        worst.setdefault((one.name, one.subject), one)
    pairs = []
    for key, one in worst.items():
        first, second = (_state(run, of_run.get(key)) for run, of_run in zip(runs, told, strict=True))
        pairs.append(FindingPair(f"{one.name.replace('_', ' ')}: {one.subject}", first, second, one.sentence))
    return pairs


def _state(run: RunContents, finding: Finding | None) -> str:
    if finding is None:
        return "nobody looked" if run.findings is None else "not found"
    if finding.closed is not None:
        return f"over, from epoch {finding.epoch + 1} to {finding.closed + 1}, severity {finding.severity:.0%}"
    return f"since epoch {finding.epoch + 1}, severity {finding.severity:.0%}"


def _metrics(runs: Sequence[RunContents], epoch: int) -> list[Row]:
    """Return a row for each measure that both runs have at an epoch, at its last step."""
    known: list[dict[tuple[str, str], float]] = []
    for run in runs:
        scores: dict[str, dict[int, dict[tuple[int, str], float]]] = {}
        for row in run.history:
            if row.epoch == epoch:
                scores.setdefault(row.view, {}).setdefault(row.step, {})[row.probe, row.target] = row.score
        last = {view: steps[max(steps)].values() for view, steps in scores.items()}
        values = {(view, "score"): _mean(list(each)) for view, each in last.items()}
        # Rows come in the order of their steps.
        values |= {(row.view, row.measure): row.value for row in run.measures if row.epoch == epoch}
        known.append(values)
    shared = [key for key in known[0] if key in known[1] and not key[1].startswith(_LEFT_OUT)]
    expected = {key for key in shared if key[1].endswith("_expected")}
    return [
        Row(f"{view} {name}", *(_value(values, view, name) for values in known))
        for view, name in sorted(set(shared) - expected, key=lambda key: (key[0], "/" in key[1], shared.index(key)))
    ]


def _value(values: Mapping[tuple[str, str], float], view: str, name: str) -> str:
    expected = values.get((view, f"{name}_expected"))
    text = number(values[view, name])
    return text if expected is None else f"{text} ({number(expected)} of random sets)"


def _mean(values: list[float]) -> float:
    finite = [value for value in values if math.isfinite(value)]
    return sum(finite) / len(finite) if finite else math.nan


def _effects(runs: Sequence[RunContents], epoch: int, notes: list[str]) -> dict[str, list[EffectRow]]:
    tables = [{table.view: table for table in tables_of(run, moments_of(run))} for run in runs]
    effects: dict[str, list[EffectRow]] = {}
    for view in tables[0]:
        if view not in tables[1]:
            continue
        pair = [of_run[view] for of_run in tables]
        at = [_moment(run, table, epoch) for run, table in zip(runs, pair, strict=True)]
        if at[0] is None or at[1] is None:
            continue
        if not all(_shares_features(run, table) for run, table in zip(runs, pair, strict=True)):
            notes.append(f"View {view!r}: each probe has features of its own, so they are not compared.")
            continue
        if pair[0].who[pair[0].which[at[0]]] != pair[1].who[pair[1].which[at[1]]]:
            notes.append(
                f"View {view!r}: the runs explain other probes or classes, so effects may differ for that alone."
            )
        rows = _effect_rows(runs, pair, (at[0], at[1]))
        if rows and set(pair[0].features) != set(pair[1].features):
            notes.append(
                f"View {view!r}: the runs cut the inputs into other features, so effects are shares of other wholes. "
                f"{_alone(runs, pair)}"
            )
        if not rows:
            notes.append(f"View {view!r}: the runs have no feature in common.")
        elif len(rows) > _FEATURES:
            notes.append(f"View {view!r}: the strongest {_FEATURES} of {len(rows)} features are shown.")
        if rows:
            effects[view] = rows[:_FEATURES]
    return effects


def _effect_rows(runs: Sequence[RunContents], pair: Sequence[ViewTable], at: tuple[int, int]) -> list[EffectRow]:
    a, b = (means(table, moment, run.about.get("gate")) for run, table, moment in zip(runs, pair, at, strict=True))
    place = {name: i for i, name in enumerate(pair[1].features)}
    rows = [
        EffectRow(
            name, (float(a.size[i]), float(b.size[place[name]])), (float(a.mean[i]), float(b.mean[place[name]])),
            (float(a.half[i]), float(b.half[place[name]])),
        )
        for i, name in enumerate(pair[0].features) if name in place
    ]  # fmt: skip
    return sorted(rows, key=lambda row: -max(row.size))


def _moment(run: RunContents, table: ViewTable, epoch: int) -> int | None:
    """Return the number of the last moment of an epoch at which a view was explained; ``None`` if there is none."""
    moments = moments_of(run)
    there = [i for i, (known, _) in enumerate(moments) if known == epoch and table.which[i] >= 0]
    return there[-1] if there else None


def _shares_features(run: RunContents, table: ViewTable) -> bool:
    """Return whether a feature is the same in all probes: superpixel 3 of one need not be that of another."""
    explanation = run.explanations.get(table.view)
    if explanation is None:
        return named_places(table.features) is not None
    return len(explanation.features.mask) == 1


def _alone(runs: Sequence[RunContents], pair: Sequence[ViewTable]) -> str:
    """Name the features that one run alone has, of which no bars are shown."""
    told = []
    for run, own, other in zip(runs, pair, reversed(pair), strict=True):
        if alone := [name for name in own.features if name not in other.features]:
            more = f" and {len(alone) - _NAMED} more" if len(alone) > _NAMED else ""
            told.append(f"{run.name} alone has {', '.join(alone[:_NAMED])}{more}")
    return f"Not shown: {'; '.join(told)}."


def _cuts(run: RunContents) -> dict[str, str]:
    """Return how each view cuts the inputs; nothing of a run of a version that did not write it."""
    return {f"view {view['name']!r}": view["cut"] for view in run.about.get("views") or [] if view.get("cut")}


def _settings(runs: Sequence[RunContents]) -> list[Row]:
    first, second = (dict(run.about.get("settings", {})) | _cuts(run) for run in runs)
    names = dict.fromkeys([*first, *second])
    return [
        Row(name, *(str(of_run.get(name, "not known"))[:200] for of_run in (first, second)))
        for name in names
        if first and second and first.get(name) != second.get(name)
    ]

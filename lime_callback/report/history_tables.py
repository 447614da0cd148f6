"""Turns a history's rows into arrays, one table a view.

Letters: ``E`` moments, which are the run's explained epochs and steps; ``S`` slots, each a pair of a probe and a target
at a moment; ``d`` features. Values that the history does not have are NaN.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch

from lime_callback.explaining.effects import effects, magnitudes
from lime_callback.surrogates.confidence_intervals import mean_over_probes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from lime_callback.publishing.sinks.history_csv import HistoryRow
    from lime_callback.report.run_contents import RunContents

Moment = tuple[int, int]
"""Epoch, counted from 1, and step."""


@dataclass(frozen=True, eq=False)
class ViewTable:
    """A view's part of a history.

    Attributes:
        view: the view's name.
        features: the features' names, d.
        who: the different lists of slots; a slot is a probe's number and a target's name.
        which: for each moment the number of its list in ``who``, E; -1 if the view was not explained.
        coefficients: the coefficients, float32 ``[E, S, d]``, in units of the output.
        errors: the coefficients' standard errors from the perturbations, float32 ``[E, S, d]``.
        scores: the scores, float32 ``[E, S]``.
        predicted: what the model predicts, and ``""`` where that is unknown, ``[E][S]``.
        chances: the predicted classes' probabilities, float32 ``[E, S]``.
        truths: the classes or values of the labels, and ``""`` where they are unknown, ``[E][S]``.
        regions: of the explained class's region the pixels, the share that has the class, and since when it is, float64
            ``[E, S, 3]``, see :class:`~lime_callback.publishing.sinks.history_csv.HistoryRow`.
    """

    view: str
    features: list[str]
    who: list[list[tuple[int, str]]]
    which: list[int]
    coefficients: NDArray[np.float32]
    errors: NDArray[np.float32]
    scores: NDArray[np.float32]
    predicted: list[list[str]]
    chances: NDArray[np.float32]
    truths: list[list[str]]
    regions: NDArray[np.float64]


class ViewMeans(NamedTuple):
    """A view's means over the probes at a moment.

    Attributes:
        mean: mean effect of each feature, ``[d]``.
        half: half of the mean's 95 % interval, ``[d]``; NaN if it is unknown.
        size: mean absolute effect of each feature, ``[d]``.
    """

    mean: NDArray[np.float64]
    half: NDArray[np.float64]
    size: NDArray[np.float64]


def means(table: ViewTable, moment: int, gate: float | None) -> ViewMeans:
    """Average a view over the probes that pass the gate, or over all probes if none passes.

    Each probe's targets are averaged first. The interval comes from the spread over the probes, and is unknown for a
    single probe.

    Args:
        table: the view's table.
        moment: the moment's number, at which the view was explained.
        gate: the lowest score of a slot that counts; ``None`` counts all.
    """
    slots = table.who[table.which[moment]]
    (values, _), known = effects_at(table, moment), np.isfinite(table.coefficients[moment, : len(slots)])
    passed = np.ones(len(slots), bool) if gate is None else table.scores[moment, : len(slots)] >= gate
    passed &= table.regions[moment, : len(slots), 0] != 0  # without a pixel of the class there is nothing to explain
    passed = passed if passed.any() else ~passed
    probes = np.array([probe for probe, _ in slots])
    each = [np.flatnonzero((probes == probe) & passed) for probe in dict.fromkeys(probes[passed].tolist())]
    by_probe, size = (np.stack([_mean(part[rows], known[rows]) for rows in each]) for part in (values, np.abs(values)))
    each_probe, is_known = torch.from_numpy(by_probe), torch.from_numpy(np.isfinite(by_probe))
    over = mean_over_probes(each_probe, torch.zeros_like(each_probe), is_known)
    half = over.half_width().numpy()
    return ViewMeans(
        over.mean.numpy(), np.where(np.isfinite(half), half, np.nan), np.nan_to_num(_mean(size, is_known.numpy()))
    )


def effects_at(table: ViewTable, moment: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the effects of the slots of a moment and their standard errors, both ``[slots, d]``.

    A feature that a probe does not have, which is NaN, has effect 0. An error is infinite if it is unknown.
    """
    slots = len(table.who[table.which[moment]])
    b, e = (
        torch.from_numpy(np.nan_to_num(part[moment, :slots].astype(np.float64), posinf=np.inf))
        for part in (table.coefficients, table.errors)
    )
    total = magnitudes(b, e).sum(-1, keepdim=True)
    return effects(b, e).numpy(), torch.where(total > 0, e / torch.where(total > 0, total, 1.0), torch.inf).numpy()


def _mean(values: NDArray[Any], known: NDArray[Any]) -> NDArray[Any]:
    """Average the known values over the first axis; NaN where none is known."""
    count = known.sum(0)
    return np.where(count > 0, np.where(known, values, 0.0).sum(0) / np.maximum(count, 1), np.nan)


def moments_of(run: RunContents) -> list[Moment]:
    """Return all moments at which a view was explained, in order of their steps."""
    return sorted({(row.epoch, row.step) for row in run.history}, key=lambda moment: (moment[1], moment[0]))


def epochs_trained(run: RunContents, moments: Sequence[Moment]) -> list[float]:
    """Return the number of epochs trained at each moment.

    The measures tell it. If they do not, moments within an epoch are taken to divide the epoch equally.
    """
    known = {(row.epoch, row.step): row.value for row in run.measures if row.measure == "epochs"}
    count: dict[int, int] = {}
    for epoch, _ in moments:
        count[epoch] = count.get(epoch, 0) + 1
    seen, trained = dict.fromkeys(count, 0), []
    for moment in moments:
        epoch = moment[0]
        seen[epoch] += 1
        trained.append(known.get(moment, epoch - 1 + seen[epoch] / count[epoch]))
    return trained


def tables_of(run: RunContents, moments: Sequence[Moment]) -> list[ViewTable]:
    """Return the views' tables, in the order in which the history names the views."""
    views: dict[str, list[HistoryRow]] = {}
    for row in run.history:
        views.setdefault(row.view, []).append(row)
    return [_table(view, rows, moments, _names(run, view, rows)) for view, rows in views.items()]


def _names(run: RunContents, view: str, rows: Sequence[HistoryRow]) -> list[str]:
    """Return the features' names in the order of the last explanation if it has them all, else of the history."""
    in_history = list(dict.fromkeys(row.feature for row in rows))
    known = run.explanations.get(view)
    return (
        list(known.features.names) if known is not None and set(in_history) <= set(known.features.names) else in_history
    )


def _table(view: str, rows: Sequence[HistoryRow], moments: Sequence[Moment], features: list[str]) -> ViewTable:
    at = {moment: i for i, moment in enumerate(moments)}
    number = {name: i for i, name in enumerate(features)}
    slots: list[dict[tuple[int, str], int]] = [{} for _ in moments]
    for row in rows:
        slots_then = slots[at[row.epoch, row.step]]
        slots_then.setdefault((row.probe, row.target), len(slots_then))
    most = max(map(len, slots))
    shape = (len(moments), most, len(features))
    coefficients, errors = (np.full(shape, np.nan, np.float32) for _ in range(2))
    scores, chances = (np.full(shape[:2], np.nan, np.float32) for _ in range(2))
    regions = np.full((*shape[:2], 3), -1.0)
    predicted, truths = ([[""] * most for _ in moments] for _ in range(2))
    with np.errstate(over="ignore"):  # numbers too large for float32 become infinite
        for row in rows:
            i = at[row.epoch, row.step]
            s, f = slots[i][row.probe, row.target], number[row.feature]
            coefficients[i, s, f], errors[i, s, f] = row.coefficient, row.standard_error
            scores[i, s], chances[i, s] = row.score, row.probability
            predicted[i][s], truths[i][s] = row.predicted, row.truth
            regions[i, s] = row.region_pixels, row.region_share, row.region_since
    who: dict[tuple[tuple[int, str], ...], int] = {}
    which = [who.setdefault(tuple(pairs), len(who)) if pairs else -1 for pairs in slots]
    lists = [list(pairs) for pairs in who]
    return ViewTable(view, features, lists, which, coefficients, errors, scores, predicted, chances, truths, regions)


def measures_of(run: RunContents, view: str, moments: Sequence[Moment]) -> dict[str, list[float | None]]:
    """Return a view's measures by name, each with a value for each moment; ``None`` if a value is unknown."""
    at = {moment: i for i, moment in enumerate(moments)}
    lines: dict[str, list[Any]] = {}
    for row in run.measures:
        if row.view == view and (row.epoch, row.step) in at:
            line = lines.setdefault(row.measure, [None] * len(moments))
            line[at[row.epoch, row.step]] = row.value if np.isfinite(row.value) else None
    return lines

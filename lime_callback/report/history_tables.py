"""Turns a history's rows into arrays, one table a view.

Letters: ``E`` moments, which are the explained epochs and steps of the run; ``S`` slots, which are the pairs of a probe
and a target at one moment; ``d`` features. What is not there is NaN.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch

from lime_callback.explaining.effects import effects
from lime_callback.surrogates.confidence_intervals import mean_over_probes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from lime_callback.publishing.sinks.history_csv import HistoryRow
    from lime_callback.report.run_contents import RunContents

Moment = tuple[int, int]
"""Epoch, counted from 0, and step."""


@dataclass(frozen=True, eq=False)
class ViewTable:
    """One view's part of a history.

    Attributes:
        view: its name.
        features: names, d.
        who: the different lists of slots, each slot a probe and a target.
        which: for each moment the number of its list in ``who``, -1 where the view was not explained; E.
        coefficients: float32 ``[E, S, d]``.
        errors: likewise.
        scores: float32 ``[E, S]``.
    """

    view: str
    features: list[str]
    who: list[list[tuple[int, str]]]
    which: list[int]
    coefficients: NDArray[np.float32]
    errors: NDArray[np.float32]
    scores: NDArray[np.float32]


class ViewMeans(NamedTuple):
    """ViewMeans over the probes of one moment, each ``[d]``: coefficients, half of their interval, absolute effects."""

    mean: NDArray[np.float64]
    half: NDArray[np.float64]
    size: NDArray[np.float64]


def means(table: ViewTable, moment: int, gate: float | None) -> ViewMeans:
    """Average over the probes that pass the gate, or over all where none does; first over the targets of each.

    The interval comes from the spread over the probes, and is not known of a single one.

    Args:
        table: a view's.
        moment: the moment's number.
        gate: slots with a lower score do not count; ``None``: all do.
    """
    slots = table.who[table.which[moment]]
    values, errors = (part[moment, : len(slots)].astype(np.float64) for part in (table.coefficients, table.errors))
    passed = np.ones(len(slots), bool) if gate is None else table.scores[moment, : len(slots)] >= gate
    passed = passed if passed.any() else ~passed
    # Features that a probe does not have are NaN, and no part of its attribution.
    sizes = effects(*(torch.from_numpy(np.nan_to_num(part, posinf=np.inf)) for part in (values, errors))).abs().numpy()
    probes = np.array([probe for probe, _ in slots])
    each = [np.flatnonzero((probes == probe) & passed) for probe in dict.fromkeys(probes[passed].tolist())]
    known = np.isfinite(values)
    own, size = (
        np.stack([_mean(part[rows], known[rows]) for rows in each]) for part in (values, np.where(known, sizes, np.nan))
    )
    each_probe, there = torch.from_numpy(own), torch.from_numpy(np.isfinite(own))
    over = mean_over_probes(each_probe, torch.zeros_like(each_probe), there)
    half = over.half_width().numpy()
    return ViewMeans(
        over.mean.numpy(), np.where(np.isfinite(half), half, np.nan), np.nan_to_num(_mean(size, there.numpy()))
    )


def _mean(values: NDArray[Any], known: NDArray[Any]) -> NDArray[Any]:
    """Mean of the known values over the first axis; NaN where none is known."""
    count = known.sum(0)
    return np.where(count > 0, np.where(known, values, 0.0).sum(0) / np.maximum(count, 1), np.nan)


def moments_of(run: RunContents) -> list[Moment]:
    """All moments at which a view was explained, in order."""
    return sorted({(row.epoch, row.step) for row in run.history}, key=lambda moment: (moment[1], moment[0]))


def epochs_trained(run: RunContents, moments: Sequence[Moment]) -> list[float]:
    """Epochs trained at each moment: as measured, else counted from the history, with parts within an epoch."""
    known = {(row.epoch, row.step): row.value for row in run.measures if row.measure == "epochs"}
    count: dict[int, int] = {}
    for epoch, _ in moments:
        count[epoch] = count.get(epoch, 0) + 1
    seen, found = dict.fromkeys(count, 0), []
    for moment in moments:
        epoch = moment[0]
        seen[epoch] += 1
        found.append(known.get(moment, epoch + seen[epoch] / count[epoch]))
    return found


def tables_of(run: RunContents, moments: Sequence[Moment]) -> list[ViewTable]:
    """The views' tables, in the order in which they were explained."""
    views: dict[str, list[HistoryRow]] = {}
    for row in run.history:
        views.setdefault(row.view, []).append(row)
    return [_table(view, rows, moments, _names(run, view, rows)) for view, rows in views.items()]


def _names(run: RunContents, view: str, rows: Sequence[HistoryRow]) -> list[str]:
    """The features in the view's own order where its last explanation has them all, else as they come."""
    found = list(dict.fromkeys(row.feature for row in rows))
    known = run.explanations.get(view)
    return list(known.features.names) if known is not None and set(found) <= set(known.features.names) else found


def _table(view: str, rows: Sequence[HistoryRow], moments: Sequence[Moment], features: list[str]) -> ViewTable:
    at = {moment: i for i, moment in enumerate(moments)}
    number = {name: i for i, name in enumerate(features)}
    slots: list[dict[tuple[int, str], int]] = [{} for _ in moments]
    for row in rows:
        here = slots[at[row.epoch, row.step]]
        here.setdefault((row.probe, row.target), len(here))
    most = max(map(len, slots))
    shape = (len(moments), most, len(features))
    coefficients, errors = (np.full(shape, np.nan, np.float32) for _ in range(2))
    scores = np.full(shape[:2], np.nan, np.float32)
    with np.errstate(over="ignore"):  # a number beyond float32 becomes infinite
        for row in rows:
            i = at[row.epoch, row.step]
            s, f = slots[i][row.probe, row.target], number[row.feature]
            coefficients[i, s, f], errors[i, s, f] = row.coefficient, row.standard_error
            scores[i, s] = row.score
    who: dict[tuple[tuple[int, str], ...], int] = {}
    which = [who.setdefault(tuple(one), len(who)) if one else -1 for one in slots]
    return ViewTable(view, features, [list(one) for one in who], which, coefficients, errors, scores)


def measures_of(run: RunContents, view: str, moments: Sequence[Moment]) -> dict[str, list[float | None]]:
    """A view's measures at each moment; ``None`` where one is not known."""
    at = {moment: i for i, moment in enumerate(moments)}
    found: dict[str, list[Any]] = {}
    for row in run.measures:
        if row.view == view and (row.epoch, row.step) in at:
            line = found.setdefault(row.measure, [None] * len(moments))
            line[at[row.epoch, row.step]] = row.value if np.isfinite(row.value) else None
    return found

"""A run in a notebook: a table of its views, and a figure of its score and drift."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING

import numpy as np

from lime_callback.pictures.html_table import html_table
from lime_callback.report.history_tables import epochs_trained, means, measures_of, moments_of, tables_of
from lime_callback.report.interval_widths import quantiles

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from lime_callback.report.history_tables import ViewTable
    from lime_callback.report.run_contents import RunContents


def history_html(run: RunContents) -> str:
    """What there is, and the strongest features of each view at the last explained epoch."""
    moments = moments_of(run)
    rows = (
        (table.view, _score(table), _drift(run, table.view), _strongest(run, table))
        for table in tables_of(run, moments)
    )
    head = ("view", "R² of rows left out", "drift", "strongest at the last epoch, ± 95 % interval")
    caption = f"{run.name}: {len(moments)} explained epochs, the last after {epochs_trained(run, moments)[-1]:g}"
    notes = "".join(f"<p>{html.escape(note)}</p>" for note in run.notes)
    return f"<div>{html_table(caption, head, rows)}{notes}</div>"


def history_figure(run: RunContents) -> Figure:
    """The score of each view over the epochs, and the drift from each to the next with its noise."""
    from lime_callback.figures import history_lines

    moments = moments_of(run)
    scores, drifts, floors = {}, {}, {}
    for table in tables_of(run, moments):
        counts = np.isfinite(table.scores).sum(1)
        sums = np.nansum(table.scores, axis=1)
        scores[table.view] = np.where(counts > 0, sums / np.maximum(counts, 1), np.nan).tolist()
        measures, unknown = measures_of(run, table.view, moments), [None] * len(moments)
        drifts[table.view], floors[table.view] = (
            [np.nan if value is None else value for value in measures.get(name, unknown)]
            for name in ("drift", "noise_floor")
        )
    return history_lines(
        epochs_trained(run, moments), scores, drifts, noise_floor=floors, gate=run.about.get("gate"), caption=run.name
    )


def _score(table: ViewTable) -> str:
    last = table.scores[_last(table)]
    return f"{np.nanmean(last):.2f} (worst {np.nanmin(last):.2f})"


def _drift(run: RunContents, view: str) -> str:
    found = [row.value for row in run.measures if row.view == view and row.measure == "drift"]
    return f"{found[-1]:.3f}" if found else "not known"


def _strongest(run: RunContents, table: ViewTable, most: int = 3) -> str:
    """By the mean share of the attribution over the probes; or of single probes, where each has parts of its own."""
    last = _last(table)
    coefficients, errors = table.coefficients[last].astype(np.float64), table.errors[last].astype(np.float64)
    explanation = run.explanations.get(table.view)
    slots = table.who[table.which[last]]
    if explanation is not None and len(explanation.features.mask) > 1:
        names = [f"probe {probe} · {name}" for probe, _ in slots for name in table.features]
        reach = quantiles(table, explanation)[1]  # of all features of a probe at once: the strongest ones are picked
        mean, half = coefficients[: len(slots)].reshape(-1), reach * errors[: len(slots)].reshape(-1)
        size = np.nan_to_num(np.abs(mean))
    else:
        names = table.features
        found = means(table, last, run.about.get("gate"))
        mean, half, size = found.mean, found.half, found.size
    order = np.argsort(-size, kind="stable")[:most]
    return ", ".join(
        f"{names[i]} {mean[i]:+.3g}" + (f" ± {half[i]:.2g}" if np.isfinite(half[i]) else "") for i in order
    )


def _last(table: ViewTable) -> int:
    return max(i for i, which in enumerate(table.which) if which >= 0)

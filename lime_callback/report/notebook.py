"""Shows a run in a notebook: a table of its views, and a figure of its score and drift."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING

import numpy as np

from lime_callback.pictures.html_table import html_table
from lime_callback.report.history_tables import (
    effects_at,
    epochs_trained,
    means,
    measures_of,
    moments_of,
    tables_of,
)
from lime_callback.report.interval_widths import quantiles
from lime_callback.report.run_findings import by_weight

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from lime_callback.report.history_tables import ViewTable
    from lime_callback.report.run_contents import RunContents


def history_html(run: RunContents) -> str:
    """Return an HTML table with each view's score, drift and strongest features at its last explained epoch.

    Below it stands what was found wrong and is not over.
    """
    moments = moments_of(run)
    rows = (
        (table.view, _score(table), _drift(run, table.view), _strongest(run, table))
        for table in tables_of(run, moments)
    )
    head = ("view", "R² of rows left out", "drift", "largest effects at the last epoch, ± 95 % interval")
    caption = f"{run.name}: {len(moments)} explained epochs, the last after {epochs_trained(run, moments)[-1]:g}"
    lines = [*(f"Found wrong: {one.line}" for one in by_weight(run.findings or ()) if one.is_open), *run.notes]
    notes = "".join(f"<p>{html.escape(line)}</p>" for line in lines)
    return f"<div>{html_table(caption, head, rows)}{notes}</div>"


def history_figure(run: RunContents) -> Figure:
    """Draw each view's score over the epochs, and how much of the attribution moved from an epoch to the next."""
    from lime_callback.figures import history_lines

    moments = moments_of(run)
    scores, moved = {}, {}
    for table in tables_of(run, moments):
        counts = np.isfinite(table.scores).sum(1)
        sums = np.nansum(table.scores, axis=1)
        scores[table.view] = np.where(counts > 0, sums / np.maximum(counts, 1), np.nan).tolist()
        measured = measures_of(run, table.view, moments).get("moved", [None] * len(moments))
        moved[table.view] = [np.nan if value is None else value for value in measured]
    return history_lines(epochs_trained(run, moments), scores, moved, gate=run.about.get("gate"), caption=run.name)


def _score(table: ViewTable) -> str:
    last = table.scores[_last(table)]
    return f"{np.nanmean(last):.2f} (worst {np.nanmin(last):.2f})"


def _drift(run: RunContents, view: str) -> str:
    drifts = [row.value for row in run.measures if row.view == view and row.measure == "drift"]
    return f"{drifts[-1]:.3f}" if drifts else "not known"


def _strongest(run: RunContents, table: ViewTable, most: int = 3) -> str:
    """Return the strongest features as a text: by mean absolute effect, or by probe if the probes' features differ."""
    last = _last(table)
    explanation = run.explanations.get(table.view)
    slots = table.who[table.which[last]]
    if explanation is not None and len(explanation.features.mask) > 1:
        names = [f"probe {probe} · {name}" for probe, _ in slots for name in table.features]
        # Intervals hold for all of a probe's features at once, since the strongest are picked.
        mean, half = (part.reshape(-1) for part in effects_at(table, last))
        half = quantiles(table, explanation)[1] * half
        size = np.abs(mean)
    else:
        names = table.features
        averages = means(table, last, run.about.get("gate"))
        mean, half, size = averages.mean, averages.half, averages.size
    order = np.argsort(-size, kind="stable")[:most]
    return ", ".join(
        f"{names[i]} {mean[i]:+.3g}" + (f" ± {half[i]:.2g}" if np.isfinite(half[i]) else "") for i in order
    )


def _last(table: ViewTable) -> int:
    return max(i for i, which in enumerate(table.which) if which >= 0)

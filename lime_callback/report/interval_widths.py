"""How many standard errors the page's intervals and alarms reach: by Student's t, which a browser does not have."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from lime_callback.following.watch_alarms import level
from lime_callback.surrogates.confidence_intervals import critical_value

if TYPE_CHECKING:
    from lime_callback.explaining.explanation import Explanation
    from lime_callback.report.history_tables import Table
    from lime_callback.report.run_contents import RunContents

# No standard error is stated of coefficients with fewer degrees of freedom, so that no interval is too short with it.
FEWEST = 20.0


def quantiles(table: Table, last: Explanation | None) -> list[float]:
    """Standard errors to either side of one coefficient, for its own 95 % interval, and for those of all at once.

    A history does not tell the degrees of freedom. The last explanation does, whose rows are those of all epochs, or a
    part of them; without it there are taken to be as few as there can be.

    Args:
        table: of a view.
        last: its last explanation, or ``None``.
    """
    known = [] if last is None else [freedom for freedom in last.freedom.tolist() if freedom > 0]
    freedom = min(known, default=FEWEST)
    there = np.isfinite(table.coefficients).sum(-1).max(initial=1)
    return [float(critical_value(freedom, of=of)) for of in (1, max(int(there), 1))]


def alarm_reaches(run: RunContents, table: Table) -> list[float | None]:
    """How many errors beyond its bound a watch's share has to be, at each moment; ``None`` where it is not known.

    It is what the run itself goes by, see :mod:`lime_callback.following.watch_alarms`; of a single probe the
    perturbations' error counts.

    Args:
        run: with its watches and measures.
        table: of a view.
    """
    asked = _questions(run)
    found: list[float | None] = []
    for k, which in enumerate(table.which, start=1):
        probes = len({probe for probe, _ in table.who[which]}) if which >= 0 else 0
        freedom = probes - 1 if probes > 1 else math.inf
        found.append(float(critical_value(freedom, 1 - 2 * level(k, asked))) if probes else None)
    return found


def _questions(run: RunContents) -> int:
    """How many questions an epoch asked of the watches."""
    watches: dict[str, dict[str, Any]] = run.about.get("watch", {})
    measured = {(row.view, row.measure) for row in run.measures}
    bounds = sum(
        (one.get("above") is not None) + (one.get("below") is not None)
        for name, one in watches.items()
        for _, measure in measured
        if measure == f"watch/{name}"
    )
    relied = {
        name
        for name, one in watches.items()
        if (one.get("reliance") is not None or one.get("below") is None)
        and any(measure == f"reliance/{name}" for _, measure in measured)
    }
    return bounds + len(relied)

"""How many standard errors the page's intervals reach: by Student's t, which a browser does not have."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lime_callback.surrogates.confidence_intervals import critical_value

if TYPE_CHECKING:
    from collections.abc import Iterable

    from lime_callback.explaining.explanation import Explanation
    from lime_callback.report.history_tables import ViewTable
    from lime_callback.report.run_contents import RunContents

# No standard error is stated of coefficients with fewer degrees of freedom, so that no interval is too short with it.
FEWEST = 20.0


def quantiles(table: ViewTable, last: Explanation | None) -> list[float]:
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


def student_quantiles(runs: Iterable[RunContents]) -> list[float]:
    """Standard errors to either side of a mean over 2, 3, ... probes, for its 95 % interval: as many as a run has."""
    most = max((len({row.probe for row in run.history}) for run in runs), default=0)
    return [float(critical_value(count - 1)) for count in range(2, most + 1)]

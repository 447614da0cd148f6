"""Computes how many standard errors the page's intervals reach, by Student's t, which browsers do not have."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lime_callback.surrogates.confidence_intervals import critical_value

if TYPE_CHECKING:
    from collections.abc import Iterable

    from lime_callback.explaining.explanation import Explanation
    from lime_callback.report.history_tables import ViewTable
    from lime_callback.report.run_contents import RunContents

# Fits with fewer degrees of freedom state no standard error, so intervals with this number are never too short.
FEWEST = 20.0


def quantiles(table: ViewTable, last: Explanation | None) -> list[float]:
    """Return the half widths, in standard errors, of 95 % intervals for a coefficient and for all of a probe's at once.

    A history does not hold the degrees of freedom. The last explanation does: earlier ones have at least as many. If it
    is missing, the least possible number is taken.

    Args:
        table: the view's table.
        last: the view's last explanation, or ``None``.
    """
    known = [] if last is None else [freedom for freedom in last.freedom.tolist() if freedom > 0]
    freedom = min(known, default=FEWEST)
    most_features = np.isfinite(table.coefficients).sum(-1).max(initial=1)
    return [float(critical_value(freedom, of=features)) for features in (1, max(int(most_features), 1))]


def student_quantiles(runs: Iterable[RunContents]) -> list[float]:
    """Return the half widths, in standard errors, of 95 % intervals of means over 2, 3, ... probes.

    The list ends with the largest number of probes that a run has.
    """
    most = max((len({row.probe for row in run.history}) for run in runs), default=0)
    return [float(critical_value(count - 1)) for count in range(2, most + 1)]

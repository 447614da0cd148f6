"""Keeps a run's tables within memory: a table has a cell for each moment, slot and feature, filled or not.

A run fills most cells. A few thousand rows that somebody else has written, each of another probe and feature, could ask
for gigabytes.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lime_callback.explaining.explanation import Explanation
    from lime_callback.publishing.sinks.history_csv import HistoryRow
    from lime_callback.publishing.sinks.measures_csv import MeasureRow

_CELLS = 1_000_000  # of small runs, at some 50 bytes each on the way to the page
_LEAST = 20  # cells that a moment of a view counts for, since it takes as much time as these
_PER_ROW = 30  # cells for each row of a large run


def fitting(
    history: list[HistoryRow],
    measures: list[MeasureRow],
    explanations: Mapping[str, Explanation],
    notes: list[str],
) -> tuple[list[HistoryRow], list[MeasureRow]]:
    """Leave out views, and then the measures, whose tables would be far larger than their rows; add a note on each.

    Args:
        history: the rows of the history.
        measures: the rows of the measures.
        explanations: the last explanations by their views, whose features a table has, too.
        notes: gets the notes.
    """
    most = max(_CELLS, _PER_ROW * len(history))
    moments = len({(row.epoch, row.step) for row in history})
    features: dict[str, set[str]] = defaultdict(set)
    slots: dict[str, dict[tuple[int, int], set[tuple[int, str]]]] = defaultdict(lambda: defaultdict(set))
    for row in history:
        features[row.view].add(row.feature)
        slots[row.view][row.epoch, row.step].add((row.probe, row.target))
    left_out = set()
    for view, names in features.items():
        known = len(explanations[view].features.names) if view in explanations else 0
        at_moment = max(map(len, slots[view].values())) * max(len(names), known)
        cells = moments * max(at_moment, _LEAST)
        if cells > most:
            left_out.add(view)
            notes.append(
                f"View {view[:40]!r} is left out: its rows name so many different epochs, probes and features that a "
                f"table of them would have {cells:.2g} cells."
            )
        else:
            most -= cells
    lines = len({(row.view, row.measure) for row in measures})
    if lines * moments > max(_CELLS, _PER_ROW * len(measures)):
        notes.append(f"measures.csv is left out: it names {lines} different measures.")
        measures = []
    return [row for row in history if row.view not in left_out], measures

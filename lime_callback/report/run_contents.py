"""What is known of a run: its history, and what there is of measures, explanations and settings beside it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

    from lime_callback.explaining.explanation import Explanation
    from lime_callback.publishing.sinks.history_csv import HistoryRow
    from lime_callback.publishing.sinks.measures_csv import MeasureRow


@dataclass(frozen=True, eq=False)
class RunContents:
    """A run as its folder tells it.

    Attributes:
        path: where the history is.
        history: its rows.
        measures: score, drift and the like of each explained epoch; empty where they were not written.
        explanations: the last one of each view that has one.
        about: how the run was explained, and its probes, see :mod:`lime_callback.publishing.run_metadata`; empty where
            it is not known.
        notes: what is missing, for a reader.
    """

    path: Path
    history: list[HistoryRow]
    measures: list[MeasureRow] = field(default_factory=list)
    explanations: dict[str, Explanation] = field(default_factory=dict)
    about: dict[str, Any] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    @property
    def name(self) -> str:
        """The run's folder, without the callback's own below it."""
        folder = self.path.absolute().parent
        own = str(self.about.get("name", "lime")).split("/")
        while own and folder.name == own[-1] and folder.parent != folder:
            folder, own = folder.parent, own[:-1]
        kept = folder.parts[-2:] if folder.name.startswith("version_") else folder.parts[-1:]
        part = self.path.absolute().parent.name if self.path.absolute().parent.name == "test" else ""
        return "/".join(kept) + (f" ({part})" if part else "")

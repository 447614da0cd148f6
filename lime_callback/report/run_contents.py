"""The contents of a run's folder: its history, and measures, explanations and settings if it holds them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

    from lime_callback.explaining.explanation import Explanation
    from lime_callback.publishing.finding import Finding
    from lime_callback.publishing.sinks.history_csv import HistoryRow
    from lime_callback.publishing.sinks.measures_csv import MeasureRow


@dataclass(frozen=True, eq=False)
class RunContents:
    """The contents of a run's folder.

    Attributes:
        path: the path of the history.
        history: the history's rows.
        measures: the rows of the measures, such as score and drift; empty if they were not written.
        explanations: the last explanation of each view whose file exists, by the view's name.
        about: the run's settings and probes, see :mod:`lime_callback.publishing.run_metadata`; empty if they are
            unknown.
        findings: what was found wrong with the run, open and closed; ``None`` where nobody looked.
        notes: sentences that tell a reader which files are missing.
    """

    path: Path
    history: list[HistoryRow]
    measures: list[MeasureRow] = field(default_factory=list)
    explanations: dict[str, Explanation] = field(default_factory=dict)
    about: dict[str, Any] = field(default_factory=dict)
    findings: tuple[Finding, ...] | None = None
    notes: list[str] = field(default_factory=list)

    @property
    def name(self) -> str:
        """The name of the run's folder, which holds the callback's folder."""
        folder = self.path.absolute().parent
        callback_folders = str(self.about.get("name", "lime")).split("/")
        while callback_folders and folder.name == callback_folders[-1] and folder.parent != folder:
            folder, callback_folders = folder.parent, callback_folders[:-1]
        kept = folder.parts[-2:] if folder.name.startswith("version_") else folder.parts[-1:]
        part = self.path.absolute().parent.name if self.path.absolute().parent.name == "test" else ""
        return "/".join(kept) + (f" ({part})" if part else "")

"""Reads a run's folder: its history, and measures, explanations and settings if it holds them."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lime_callback.checks.arguments import check_name
from lime_callback.explaining.explanation import Explanation
from lime_callback.publishing.findings_file import FINDINGS
from lime_callback.publishing.sinks.history_csv import read_history
from lime_callback.publishing.sinks.measures_csv import MeasureRow, read_measures
from lime_callback.report.notebook import history_figure, history_html
from lime_callback.report.run_contents import RunContents
from lime_callback.report.run_findings import read_findings
from lime_callback.report.run_settings import read_settings
from lime_callback.report.table_sizes import fitting

if TYPE_CHECKING:
    from collections.abc import Callable

    from matplotlib.figure import Figure

    from lime_callback.publishing.finding import Finding

_HISTORY = "history.csv"


@dataclass(frozen=True, eq=False)
class Run(RunContents):
    """A run, which shows itself in a notebook.

    Attributes:
        path: of the history, ``history.csv``.
        history: its rows: a coefficient each.
        measures: the rows of the measures, such as score and drift; empty if they were not written.
        explanations: the last explanation of each view whose file exists, by the view's name.
        about: the run's settings and probes; empty if they are unknown.
        findings: what was found wrong with the run, open and closed; ``None`` where nobody looked.
        notes: sentences that tell a reader which files are missing.
    """

    def plot(self) -> Figure:
        """Draw each view's score over the epochs, and its drift from an epoch to the next."""
        return history_figure(self)

    def _repr_html_(self) -> str:
        return history_html(self)


def find_runs(path: str | os.PathLike[str]) -> list[Path]:
    """Find the histories of one or several runs.

    Args:
        path: a ``history.csv``, or a folder with such files in it or below it.

    Returns:
        The paths of the histories, sorted.

    Raises:
        FileNotFoundError: if there is no history; the message lists what the folder holds.
    """
    path = Path(path)
    if path.is_file():
        return [path]
    histories = sorted(filter(Path.is_file, path.rglob(_HISTORY))) if path.is_dir() else []
    if not histories:
        names = sorted(entry.name for entry in islice(path.iterdir(), 1000)) if path.is_dir() else []
        contents = f"a folder with {', '.join(names[:8])}{', …' * (len(names) > 8)}" if names else "an empty folder"
        raise FileNotFoundError(
            f"`RUN_DIR` should be the folder of a run, with a `{_HISTORY}` in it or below it. Looked for "
            f"`{_HISTORY}` in {str(path)!r} and all folders there. Found "
            f"{contents if path.is_dir() else 'no such file or folder'}. The callback writes it to "
            "`<log_dir>/lime/history.csv` at the first explained epoch."
        )
    return histories


def read(path: str | os.PathLike[str]) -> Run:
    """Read one run.

    Args:
        path: a ``history.csv``, or a folder with exactly one in it or below it.

    Returns:
        The run; its ``notes`` tell which of the other files are missing or could not be read.

    Raises:
        FileNotFoundError: if there is no history.
        ValueError: if there are several histories, or the history cannot be read or has no row that can be shown.
    """
    paths = find_runs(path)
    if len(paths) > 1:
        first_paths = ", ".join(repr(str(explanation)) for explanation in paths[:4])
        raise ValueError(f"`path` should lead to one run. Found {len(paths)}: {first_paths}{', …' * (len(paths) > 4)}.")
    (history_path,) = paths
    history = read_history(history_path)
    if not history:
        raise ValueError(f"`path` should be a history with at least one row. Found none in {str(history_path)!r}.")
    folder, notes = history_path.parent, list[str]()
    measures: list[MeasureRow] = _optional(notes, folder / "measures.csv", read_measures, [])
    about: dict[str, Any] = _optional(notes, folder / "run.json", lambda path: read_settings(path, notes), {})
    findings: tuple[Finding, ...] | None = None
    if os.path.lexists(folder / FINDINGS):  # a run that does not look writes none
        findings = _optional(notes, folder / FINDINGS, lambda path: read_findings(path, notes), None)
    explanations = {}
    for view in dict.fromkeys(row.view for row in history):
        explanation = _optional(notes, folder / f"{view}.npz", partial(_explanation, view=view), None)
        if explanation is not None:
            explanations[view] = explanation
    history, measures = fitting(history, measures, explanations, notes)
    if not history:
        raise ValueError(f"`path` should be a history of a run. Found {str(history_path)!r}. {' '.join(notes)}")
    return Run(history_path, history, measures, explanations, about, findings, notes)


def _explanation(path: Path, view: str) -> Explanation:
    try:
        check_name("view", view)
    except ValueError:
        raise ValueError("no view has such a name") from None
    return Explanation.load(path)


_MISSED = {
    FINDINGS: "nothing is said of what was found wrong",
    "measures.csv": "drift is the plain cosine distance, and its noise is not known",
    "run.json": "there are no pictures of the probes, no wavelengths and no settings",
}


def _optional(notes: list[str], path: Path, load: Callable[[Path], Any], otherwise: Any) -> Any:
    """Load a file. If it is missing or cannot be read, add a note and return ``otherwise``: the run is shown anyway."""
    missed = _MISSED.get(path.name, "it is not known where its features lie")
    try:
        return load(path)
    except FileNotFoundError:
        notes.append(f"{path.name[-100:]} is not there: {missed}.")
    except (OSError, ValueError) as error:
        notes.append(f"{path.name[-100:]} could not be read ({str(error.__cause__ or error)[:200]}): {missed}.")
    return otherwise

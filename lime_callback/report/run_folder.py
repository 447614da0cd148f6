"""What a run's folder holds, read: its history, and beside it what there is of measures, explanations and settings."""

from __future__ import annotations

import json
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lime_callback.explaining.explanation import Explanation
from lime_callback.publishing.run_metadata import FORMAT
from lime_callback.publishing.sinks.history_csv import read_history
from lime_callback.publishing.sinks.measures_csv import MeasureRow, read_measures
from lime_callback.report.notebook import history_figure, history_html
from lime_callback.report.run_contents import RunContents

if TYPE_CHECKING:
    import os
    from collections.abc import Callable

    from matplotlib.figure import Figure

_HISTORY = "history.csv"


@dataclass(frozen=True, eq=False)
class Run(RunContents):
    """A run as its folder tells it; in a notebook it shows itself. Attributes are those of :class:`RunContents`."""

    def plot(self) -> Figure:
        """The score of each view over the epochs, and the drift from each to the next."""
        return history_figure(self)

    def _repr_html_(self) -> str:
        return history_html(self)


def find_runs(path: str | os.PathLike[str]) -> list[Path]:
    """The histories of one or several runs.

    Args:
        path: a ``history.csv``, or a folder that holds one, itself or below it.

    Returns:
        Their paths, in the order of their names.

    Raises:
        FileNotFoundError: if there is none; it says what was found instead.
    """
    path = Path(path)
    if path.is_file():
        return [path]
    found = sorted(path.rglob(_HISTORY)) if path.is_dir() else []
    if not found:
        names = sorted(one.name for one in islice(path.iterdir(), 1000)) if path.is_dir() else []
        there = f"a folder with {', '.join(names[:8])}{', …' * (len(names) > 8)}" if names else "an empty folder"
        raise FileNotFoundError(
            f"`RUN_DIR` should be the folder of a run, with a `{_HISTORY}` in it or below it. Looked for "
            f"`{_HISTORY}` in {str(path)!r} and all folders there. Found "
            f"{there if path.is_dir() else 'no such file or folder'}. The callback writes it to "
            "`<log_dir>/lime/history.csv` at the first explained epoch."
        )
    return found


def read(path: str | os.PathLike[str]) -> Run:
    """Read one run.

    Args:
        path: as for :func:`find_runs`.

    Raises:
        FileNotFoundError: if there is no history.
        ValueError: if there are several, or the one there is cannot be read or is empty.
    """
    paths = find_runs(path)
    if len(paths) > 1:
        some = ", ".join(repr(str(one)) for one in paths[:4])
        raise ValueError(f"`path` should lead to one run. Found {len(paths)}: {some}{', …' * (len(paths) > 4)}.")
    (found,) = paths
    history = read_history(found)
    if not history:
        raise ValueError(f"`path` should be a history with at least one row. Found none in {str(found)!r}.")
    folder, notes = found.parent, list[str]()
    measures: list[MeasureRow] = _optional(notes, folder / "measures.csv", read_measures, [])
    about: dict[str, Any] = _optional(notes, folder / "run.json", _about, {})
    explanations = {}
    for view in dict.fromkeys(row.view for row in history):
        one = _optional(notes, folder / f"{view}.npz", Explanation.load, None)
        if one is not None:
            explanations[view] = one
    return Run(found, history, measures, explanations, about, notes)


def _about(path: Path) -> dict[str, Any]:
    about = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(about, dict) or about.get("format") != FORMAT:
        raise ValueError("it is not of this format")
    return about


_MISSED = {
    "measures.csv": "drift is the plain cosine distance, and its noise is not known",
    "run.json": "there are no pictures of the probes, no wavelengths and no settings",
}


def _optional(notes: list[str], path: Path, load: Callable[[Path], Any], otherwise: Any) -> Any:
    """What a file holds, and a note where it is missing or cannot be read: a report is made all the same."""
    missed = _MISSED.get(path.name, "it is not known where its features lie")
    try:
        return load(path)
    except FileNotFoundError:
        notes.append(f"{path.name} is not there: {missed}.")
    except (OSError, ValueError, KeyError, TypeError) as error:
        notes.append(f"{path.name} could not be read ({str(error)[:200]}): {missed}.")
    return otherwise

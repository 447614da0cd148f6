"""From an explained epoch to the history, the pictures and the loggers."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lime_callback.forwards.profiler_sections import stage
from lime_callback.pictures.view_pictures import requests
from lime_callback.publishing.delivered_step import forget_shown, go_on_from, mark_shown, shown_up_to
from lime_callback.publishing.delivery_thread import DeliveryThread
from lime_callback.publishing.history_rows import history_rows
from lime_callback.publishing.logger_numbers import view_data
from lime_callback.publishing.run_description import card
from lime_callback.publishing.sinks import HistoryFile, Report, Sink, ViewData, sinks_for, unserved

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from lime_callback.figures.figure_requests import Request
    from lime_callback.following.followed_view import FollowedView
    from lime_callback.probes.probe_samples import Probes
    from lime_callback.publishing.run_metadata import RunMetadata
    from lime_callback.publishing.sinks.console import Console
    from lime_callback.publishing.sinks.history_csv import HistoryRow


@dataclass
class Publisher:
    """Writes what there is to see of an epoch; on rank zero alone.

    Args:
        console: for what fails on the way.
        wavelengths: of the channels, in nm, or ``None``.
        class_names: of the outputs, or ``None``.
        pictures: whether to draw.
        settings: of the callback, plain values; told once.
        record: what a report needs beside the history; ``None`` leaves it out.
        interrupted: where and up to which step the run that is gone on with wrote its history; ``None`` for a new run.
    """

    console: Console
    wavelengths: Sequence[float] | None
    class_names: Sequence[str] | None
    pictures: bool = True
    settings: Mapping[str, Any] = field(default_factory=dict)
    record: RunMetadata | None = None
    interrupted: tuple[str, int] | None = None
    presenter: DeliveryThread = field(init=False)
    _history: HistoryFile | None = None
    _sinks: list[Sink] = field(default_factory=list, init=False)
    _served: tuple[Any, ...] = field(default=(), init=False)
    _told: bool = field(default=False, init=False)

    def __post_init__(self) -> None:
        self.presenter = DeliveryThread(self.console)

    @property
    def history(self) -> str | None:
        """Where the history is."""
        if self._history is not None:
            return str(self._history.path)
        return self.interrupted[0] if self.interrupted is not None else None

    def publish(
        self,
        loggers: Sequence[Any],
        folder: Path,
        epoch: int,
        step: int,
        probes: Probes,
        tracks: Sequence[FollowedView],
        alarms: Mapping[str, str],
    ) -> None:
        """Append to the history, save the last explanations, and begin to draw and to tell the loggers.

        Args:
            loggers: of the trainer.
            folder: for the history, and for pictures where no logger takes them.
            epoch: counted from 0.
            step: as Lightning logs it.
            probes: what was explained.
            tracks: of the views that were explained.
            alarms: new ones, by their place.
        """
        rows: dict[str, list[HistoryRow]] = {}
        written = False
        with stage("logging"), self.console.contained("the history file"):
            rows = {track.view.name: self._rows_of(track, epoch, step, probes) for track in tracks}
            # In one go: a crash leaves an epoch whole, or leaves it out.
            self._open(folder).append(row for of_view in rows.values() for row in of_view)
            written = True
        if written and self.record is not None:  # without a history there is nothing to report on
            with stage("logging"), self.console.contained("the files for the report"):
                self.record.write(folder, epoch, step, probes, tracks, self.interrupted)
        with stage("logging"), self.console.contained("saving the explanations"):
            for track in tracks:
                if track.last is not None:
                    track.last.save(folder / f"{track.view.name}.npz")
        self._show(loggers, folder, epoch, step, probes, tracks, alarms, rows)

    def show_owed(
        self,
        loggers: Sequence[Any],
        folder: Path,
        epoch: int,
        step: int,
        probes: Probes,
        tracks: Sequence[FollowedView],
        alarms: Mapping[str, str],
    ) -> None:
        """Show an epoch whose numbers the interrupted run has written, unless it showed it after its checkpoint, too.

        Args: see :meth:`publish`.
        """
        if self.interrupted is not None and shown_up_to(Path(self.interrupted[0]).parent) < step:
            rows = {track.view.name: self._rows_of(track, epoch, step, probes) for track in tracks}
            self._show(loggers, folder, epoch, step, probes, tracks, alarms, rows)

    def _rows_of(self, track: FollowedView, epoch: int, step: int, probes: Probes) -> list[HistoryRow]:
        return list(history_rows(track, epoch, step, self.class_names, probes.numbers))

    def _show(
        self,
        loggers: Sequence[Any],
        folder: Path,
        epoch: int,
        step: int,
        probes: Probes,
        tracks: Sequence[FollowedView],
        alarms: Mapping[str, str],
        rows: Mapping[str, list[HistoryRow]],
    ) -> None:
        """Begin to draw, and to tell the loggers."""
        name, views = self.console.name, dict[str, ViewData]()
        asked: dict[str, dict[str, Request]] = {}
        for track in tracks if self.pictures else ():
            tag = f"{name}/{track.view.name}"
            with stage("drawing"), self.console.contained(f"the pictures of view '{track.view.name}'"):
                of_view = requests(track, probes, self.wavelengths, self.class_names)
                asked[track.view.name] = {f"{tag}/{what}": one for what, one in of_view.items()}
            with stage("logging"), self.console.contained(f"the numbers of view '{track.view.name}' for the loggers"):
                views[tag] = view_data(track, probes, rows.get(track.view.name, []), self.wavelengths, self.class_names)
        texts = {f"{place}/alarm": text for place, text in alarms.items()}
        sinks = self._open_sinks(loggers, folder)
        if self.pictures and not self._told:
            with stage("logging"), self.console.contained("the card that explains the run"):
                texts[f"{name}/about"] = card(name, self.settings, probes, tracks, self.class_names)
            self._told = True
        report = Report(epoch, step, {}, texts, alarms, views, name, self.settings)
        self.presenter.present(sinks, report, asked, partial(mark_shown, folder, step))

    def _open_sinks(self, loggers: Sequence[Any], folder: Path) -> list[Sink]:
        """The sinks of these loggers: the same ones as long as the loggers are, since some go on where they were."""
        if self._served != (served := (folder, *loggers)):
            self._sinks, self._served, self._told = sinks_for(loggers, folder), served, False
            if self.pictures and (others := unserved(loggers)):
                self.console.remark(
                    f"{' and '.join(others)} gets numbers alone; the pictures are files in {folder}.", key="unserved"
                )
        return self._sinks

    def _open(self, folder: Path) -> HistoryFile:
        """The run's history; of an interrupted run the rows up to its checkpoint, wherever they were written."""
        if self._history is None or self._history.path.parent != folder:
            history = HistoryFile(folder / "history.csv")
            if self.interrupted is None:
                history.start()
                forget_shown(folder)
            else:
                before, step = Path(self.interrupted[0]), self.interrupted[1]
                history.go_on(before, step)
                go_on_from(before.parent, folder, step)
            self._history = history
        return self._history

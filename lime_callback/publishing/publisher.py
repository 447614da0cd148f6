"""Writes an explained epoch to the history, and has its pictures drawn and its report shown by the loggers."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from lime_callback.forwards.profiler_sections import stage
from lime_callback.pictures.view_pictures import requests
from lime_callback.publishing.delivery_thread import DeliveryThread
from lime_callback.publishing.findings_file import write_findings
from lime_callback.publishing.history_rows import history_rows
from lime_callback.publishing.logger_numbers import view_data
from lime_callback.publishing.run_description import card, settings_of
from lime_callback.publishing.run_metadata import RunMetadata
from lime_callback.publishing.run_place import Interrupted, claimed, free, goes_on_in
from lime_callback.publishing.sinks import HistoryFile, Report, Sink, ViewData, sinks_for, unserved
from lime_callback.publishing.sinks.csv_tables import ForeignRowsError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from lime_callback.figures.figure_requests import Request
    from lime_callback.following.callback_config import CallbackConfig
    from lime_callback.following.followed_view import FollowedView
    from lime_callback.publishing.explained_epoch import ExplainedEpoch
    from lime_callback.publishing.sinks.console import Console
    from lime_callback.publishing.sinks.history_csv import HistoryRow

    Rows = Mapping[str, list[HistoryRow]]


@dataclass
class Publisher:
    """Writes and shows explained epochs; exists on rank zero alone.

    Args:
        console: tells the user what failed.
        config: the user's arguments.

    Attributes:
        interrupted: the run that this one resumes; ``None`` for a new run.
        forgotten: names of the views whose rows are not taken over from that run.
        delivery: brings reports to the loggers while training goes on.
    """

    console: Console
    config: CallbackConfig
    interrupted: Interrupted | None = None
    forgotten: frozenset[str] = frozenset()
    delivery: DeliveryThread = field(init=False)
    _settings: Mapping[str, Any] = field(init=False)
    _metadata: RunMetadata = field(init=False)
    _history: HistoryFile | None = field(default=None, init=False)
    _place: tuple[Path, Path] | None = field(default=None, init=False)  # what was asked for, and what it became
    _told: Path | None = field(default=None, init=False)  # where the user was told to look
    _sinks: list[Sink] = field(default_factory=list, init=False)
    _served: tuple[Any, ...] = field(default=(), init=False)
    _card_shown: bool = field(default=False, init=False)

    def __post_init__(self) -> None:
        self.delivery = DeliveryThread(self.console)
        self._settings, self._metadata = settings_of(self.config), RunMetadata(self.config)

    @property
    def history(self) -> str | None:
        """The path of the history; ``None`` before a new run has written it."""
        if self._history is not None:
            return str(self._history.path)
        return str(self.interrupted.history) if self.interrupted is not None else None

    def resume(self, before: Interrupted) -> None:
        """Go on with the files of an interrupted run from now on."""
        self.interrupted, self._history, self._place = before, None, None
        self._metadata = RunMetadata(self.config)

    def folder(self, place: Path) -> Path:
        """Return the folder that this run has for ``place``; before it has one, ``place``."""
        return self._place[1] if self._place is not None and self._place[0] == place else place

    def shown_at(self, loggers: Sequence[Any], place: Path) -> str:
        """Say where reports will be seen, and how they become a page; makes no folder."""
        folder = self.folder(place)
        if folder == place:
            folder = self._going_on(place) or free(place)
        self._told = folder
        there = [where for sink in sinks_for(loggers, folder) if (where := sink.where)]
        there = there or [str(folder)]
        taken = "" if folder == place or self._going_on(place) else f" ({place.name} holds another run)"
        return f"in {' and '.join(there)}; as a page by `python -m lime_callback report {folder}`{taken}"

    def expect(self, loggers: Sequence[Any], place: Path, views: Sequence[FollowedView]) -> None:
        """Tell the loggers of the views' metrics, before Lightning logs them."""
        metrics = {f"{self.config.name}/{followed.view.name}/{name}" for followed in views for name in followed.metrics}
        with suppress(Exception):  # a logger that is away is told when a report is shown
            for sink in sinks_for(loggers, place):
                sink.expect(metrics)

    def publish(self, loggers: Sequence[Any], place: Path, explained: ExplainedEpoch) -> None:
        """Append to the history, save the last explanations, and begin to draw and to show them, see :meth:`show`.

        Args:
            loggers: the trainer's loggers.
            place: where the folder is for the history, and for pictures if no logger takes them, see
                :mod:`lime_callback.publishing.run_place`.
            explained: the epoch.
        """
        rows: Rows = {}
        written = False
        with stage("logging"), self.console.contained("the history file"):
            rows = self._rows(explained)
            # All rows go in one write, so that a crash leaves either the whole epoch or nothing of it.
            self._append(place, [row for of_view in rows.values() for row in of_view])
            written = True
        folder = self.folder(place)
        if written:  # without a history there is nothing to report on
            with stage("logging"), self.console.contained("the files for the report"):
                self._metadata.write(folder, explained, self.interrupted, self.forgotten)
            with stage("logging"), self.console.contained("the file of the findings"):
                if explained.findings is not None:
                    write_findings(folder, explained.findings)
        with stage("logging"), self.console.contained("saving the explanations"):
            for followed in explained.views:
                if followed.last is not None:
                    followed.last.save(folder / f"{followed.view.name}.npz")
        self.show(loggers, place, explained, rows)

    def show(self, loggers: Sequence[Any], place: Path, explained: ExplainedEpoch, rows: Rows | None = None) -> None:
        """Begin to draw an epoch's pictures, and to hand its report to the loggers.

        Args:
            loggers: the trainer's loggers.
            place: where the folder is for pictures if no logger takes them.
            explained: the epoch.
            rows: the history's rows by view; ``None`` makes them here.
        """
        config, probes, views = self.config, explained.probes, dict[str, ViewData]()
        if rows is None:
            rows = {}
            with self.console.contained("the rows of an epoch that is drawn again"):
                rows = self._rows(explained)
        requests_of_views: dict[str, dict[str, Request]] = {}
        for followed in explained.views if config.pictures else ():
            name = followed.view.name
            tag = f"{config.name}/{name}"
            with stage("drawing"), self.console.contained(f"the pictures of view '{name}'"):
                if explained.pictures:
                    pictures = requests(followed, probes, config.wavelengths, config.class_names)
                    requests_of_views[name] = {f"{tag}/{figure}": request for figure, request in pictures.items()}
            with stage("logging"), self.console.contained(f"the numbers of view '{name}' for the loggers"):
                views[tag] = view_data(followed, probes, rows.get(name, []), config.wavelengths, config.class_names)
        texts = {f"{place}/alarm": text for place, text in explained.alarms.items()}
        with self.console.contained("the run's folder"):
            self._find(place)
        sinks = self._open_sinks(loggers, self.folder(place))
        if config.pictures and not self._card_shown:
            with stage("logging"), self.console.contained("the card that explains the run"):
                texts[f"{config.name}/about"] = card(config, explained)
            self._card_shown = True
        report = Report(
            explained.epoch,
            explained.step,
            {},
            texts,
            explained.alarms,
            views,
            config.name,
            self._settings,
            charts=config.charts,
            findings=explained.findings or (),
        )
        self.delivery.present(sinks, report, requests_of_views, scale=2.0 if explained.is_last else 1.0)

    def _rows(self, explained: ExplainedEpoch) -> Rows:
        class_names = self.config.class_names
        return {
            followed.view.name: list(history_rows(followed, explained, class_names)) for followed in explained.views
        }

    def _open_sinks(self, loggers: Sequence[Any], folder: Path) -> list[Sink]:
        """Return the loggers' sinks; the same sinks for the same loggers, since some remember what they have shown."""
        if self._served != (served := (folder, *loggers)):
            self._sinks, self._served, self._card_shown = sinks_for(loggers, folder), served, False
            if self.config.pictures and (others := unserved(loggers)):
                self.console.remark(
                    f"{' and '.join(others)} gets numbers alone; the pictures are files in {folder}.", key="unserved"
                )
        return self._sinks

    def _append(self, place: Path, rows: Sequence[HistoryRow]) -> None:
        """Append to the history; where another run writes into the same file, go on in a folder of our own."""
        try:
            self._open(self._find(place)).append(rows)
        except ForeignRowsError as error:
            folder = claimed(place)
            self._place, self.interrupted = (place, folder), None
            self.console.once(f"{error}; this run goes on in {folder}.", key=f"foreign rows: {folder}")
            self._open(folder).append(rows)

    def _find(self, place: Path) -> Path:
        """Return the run's folder: that of the run which it resumes, or one that no other run has."""
        if self._place is None or self._place[0] != place:
            going_on = self._going_on(place)
            folder = going_on or claimed(place)
            if going_on is None and folder not in (place, self._told):
                self.console.info(f"writes to {folder}, since {place} holds another run.")
            self._place = place, folder
        return self._place[1]

    def _going_on(self, place: Path) -> Path | None:
        """Return the folder of the run that this one resumes; with another question the files are another run's."""
        before = self.interrupted
        same = before is not None and not self.forgotten and goes_on_in(place, before)
        return before.history.parent if same and before is not None else None

    def _open(self, folder: Path) -> HistoryFile:
        """Return the run's history file, which begins with the rows of an interrupted run up to its checkpoint."""
        if self._history is None or self._history.path.parent != folder:
            history = HistoryFile(folder / "history.csv")
            if self.interrupted is None:
                history.start()
            else:
                before = self.interrupted
                history.go_on(before.history, before.step, self.forgotten, before.epochs)
            self._history = history
        return self._history

"""From an explained epoch to the history, the pictures and the loggers."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lime_callback.forwards.profiler_sections import stage
from lime_callback.pictures.view_pictures import requests
from lime_callback.publishing.delivery_thread import DeliveryThread
from lime_callback.publishing.history_rows import history_rows
from lime_callback.publishing.logger_numbers import view_data
from lime_callback.publishing.run_description import card, settings_of
from lime_callback.publishing.run_metadata import RunMetadata
from lime_callback.publishing.sinks import HistoryFile, Report, Sink, ViewData, sinks_for, unserved

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from lime_callback.figures.figure_requests import Request
    from lime_callback.following.callback_config import CallbackConfig
    from lime_callback.publishing.explained_epoch import ExplainedEpoch
    from lime_callback.publishing.sinks.console import Console
    from lime_callback.publishing.sinks.history_csv import HistoryRow

    Rows = Mapping[str, list[HistoryRow]]


@dataclass
class Publisher:
    """Writes what there is to see of an epoch; on rank zero alone.

    Args:
        console: says what fails on the way.
        config: the user's arguments.

    Attributes:
        interrupted: where the run that this one goes on with wrote its history, and up to which step it counts;
            ``None`` for a new run.
        delivery: brings reports to the loggers beside the training.
    """

    console: Console
    config: CallbackConfig
    interrupted: tuple[str, int] | None = None
    delivery: DeliveryThread = field(init=False)
    _settings: Mapping[str, Any] = field(init=False)
    _metadata: RunMetadata = field(init=False)
    _history: HistoryFile | None = field(default=None, init=False)
    _sinks: list[Sink] = field(default_factory=list, init=False)
    _served: tuple[Any, ...] = field(default=(), init=False)
    _told: bool = field(default=False, init=False)

    def __post_init__(self) -> None:
        self.delivery = DeliveryThread(self.console)
        self._settings, self._metadata = settings_of(self.config), RunMetadata(self.config)

    @property
    def history(self) -> str | None:
        """Where the history is."""
        if self._history is not None:
            return str(self._history.path)
        return self.interrupted[0] if self.interrupted is not None else None

    def publish(self, loggers: Sequence[Any], folder: Path, explained: ExplainedEpoch) -> None:
        """Append to the history, save the last explanations, and begin to draw and to tell the loggers.

        Args:
            loggers: the trainer's.
            folder: for the history, and for pictures where no logger takes them.
            explained: the epoch.
        """
        rows: Rows = {}
        written = False
        with stage("logging"), self.console.contained("the history file"):
            rows = self._rows(explained)
            # In one go: a crash leaves an epoch whole, or leaves it out.
            self._open(folder).append(row for of_view in rows.values() for row in of_view)
            written = True
        if written:  # without a history there is nothing to report on
            with stage("logging"), self.console.contained("the files for the report"):
                self._metadata.write(folder, explained, self.interrupted)
        with stage("logging"), self.console.contained("saving the explanations"):
            for followed in explained.views:
                if followed.last is not None:
                    followed.last.save(folder / f"{followed.view.name}.npz")
        self.show(loggers, folder, explained, rows)

    def show(self, loggers: Sequence[Any], folder: Path, explained: ExplainedEpoch, rows: Rows | None = None) -> None:
        """Begin to draw, and to tell the loggers.

        Args:
            loggers: the trainer's.
            folder: for pictures where no logger takes them.
            explained: the epoch.
            rows: the history's rows of each view, where they are known.
        """
        config, probes, views = self.config, explained.probes, dict[str, ViewData]()
        if rows is None:
            rows = {}
            with self.console.contained("the rows of an epoch that is drawn again"):
                rows = self._rows(explained)
        asked: dict[str, dict[str, Request]] = {}
        for followed in explained.views if config.pictures else ():
            name = followed.view.name
            tag = f"{config.name}/{name}"
            with stage("drawing"), self.console.contained(f"the pictures of view '{name}'"):
                pictures = requests(followed, probes, config.wavelengths, config.class_names)
                asked[name] = {f"{tag}/{what}": request for what, request in pictures.items()}
            with stage("logging"), self.console.contained(f"the numbers of view '{name}' for the loggers"):
                views[tag] = view_data(followed, probes, rows.get(name, []), config.wavelengths, config.class_names)
        texts = {f"{place}/alarm": text for place, text in explained.alarms.items()}
        sinks = self._open_sinks(loggers, folder)
        if config.pictures and not self._told:
            with stage("logging"), self.console.contained("the card that explains the run"):
                texts[f"{config.name}/about"] = card(config, explained)
            self._told = True
        report = Report(
            explained.epoch, explained.step, {}, texts, explained.alarms, views, config.name, self._settings
        )
        self.delivery.present(sinks, report, asked)

    def _rows(self, explained: ExplainedEpoch) -> Rows:
        class_names = self.config.class_names
        return {one.view.name: list(history_rows(one, explained, class_names)) for one in explained.views}

    def _open_sinks(self, loggers: Sequence[Any], folder: Path) -> list[Sink]:
        """The sinks of these loggers: the same ones as long as the loggers are, since some go on where they were."""
        if self._served != (served := (folder, *loggers)):
            self._sinks, self._served, self._told = sinks_for(loggers, folder), served, False
            if self.config.pictures and (others := unserved(loggers)):
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
            else:
                history.go_on(Path(self.interrupted[0]), self.interrupted[1])
            self._history = history
        return self._history

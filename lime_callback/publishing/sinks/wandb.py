"""Shows reports in Weights & Biases."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lime_callback.publishing.sinks.finding_rows import FindingRow, finding_rows
from lime_callback.publishing.sinks.history_csv import HistoryRow
from lime_callback.publishing.sinks.sink import Sink, media_tag
from lime_callback.publishing.sinks.wandb_media import charts_of, html_of, masked_image

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from lime_callback.publishing.sinks.sink import Report
    from lime_callback.publishing.sinks.view_data import Segmented, ViewData

_REGIONS = 255  # a mask is an image of 8 bits, in which 0 stands for what is never hidden
_MASKED = 8  # probes with masks, since W&B writes the names of all regions again for each probe
_STEP = "trainer/global_step"


@dataclass(eq=False)
class WandbSink(Sink):
    """Shows pictures, interactive charts, probes with their regions as masks, and a table of all coefficients.

    Findings are a table, ``lime/findings_table``, which is logged again as a whole when they change.
    Each report is a row of the run's history. How many rows come before it depends on how long its pictures took to be
    drawn; so each row says its epoch and step, and W&B draws everything of ours over that step. Alarms become alerts.
    The run's configuration holds the settings under the callback's name (``lime_callback`` where the user has an entry
    ``lime``), and the summary holds the least, the largest
    and the last value of each metric.

    Args:
        logger: a ``WandbLogger``, of ``lightning.pytorch`` or of ``pytorch_lightning``.
    """

    logger: Any
    _tables: dict[str, Any] = field(default_factory=dict, init=False)
    _found: dict[str, list[FindingRow]] = field(default_factory=dict, init=False)
    _defined: set[str] = field(default_factory=set, init=False)
    _numbered: dict[tuple[str, str], Sequence[int]] = field(default_factory=dict, init=False)

    @property
    def where(self) -> str:
        """W&B, and the run's address; offline, the command that sends it."""
        run = self.logger.experiment
        return f"W&B ({run.url or f'offline: `wandb sync {Path(run.dir).parent}`'})"

    def open(self) -> None:
        """Create the run, if the logger has not done so."""
        _ = self.logger.experiment

    def expect(self, metrics: set[str]) -> None:
        """Tell W&B what its summary keeps of metrics: it does so for those alone that come after it was told."""
        self._summarise(self.logger.experiment, metrics)

    def _summarise(self, run: Any, metrics: set[str]) -> None:
        for name in sorted(metrics - self._defined):
            run.define_metric(name, summary="min,max,last", step_metric=_STEP)
        self._defined |= metrics

    def begin(self, report: Report) -> Callable[[], None]:
        """Turn the report into a row of the run's history, and return the call that logs it.

        The training's thread has to make that call: W&B counts rows without a lock, so that of two threads that log at
        the same time one could lose its row. The step is a value of the row, as in Lightning; with W&B's ``step=``, a
        row that comes late would be dropped.
        """
        import wandb

        row: dict[str, Any] = {
            media_tag(tag): wandb.Image(picture, caption=f"{_view_of(tag)}, {report.moment}")
            for tag, picture in report.pictures.items()
        }
        row |= {media_tag(tag): html_of(text) for tag, text in report.texts.items()}
        for tag, view in report.views.items():
            row |= charts_of(tag, view)
            probes = view.segmented()[:_MASKED]
            if probes:
                moment = f"{tag.rpartition('/')[2]}, {report.moment}"
                row[f"{tag}/probes"] = [
                    masked_image(probe, view.names, self._regions(tag, probe, view), moment) for probe in probes
                ]
        if any(view.rows for view in report.views.values()):
            row[f"{report.name}/history"] = self._table(report)
        found = finding_rows(report.findings)
        if found and found != self._found.get(report.name):
            row[f"{report.name}/findings_table"] = wandb.Table(
                columns=list(FindingRow._fields), data=list(map(list, found))
            )
            self._found[report.name] = found
        return partial(self._log, row, report)

    def _regions(self, tag: str, probe: Segmented, view: ViewData) -> Sequence[int]:
        """Return the regions that a probe's mask shows, in the order of their numbers in it, the same during a run.

        W&B keeps only the last list of names for a mask's name, so a number must mean the same region at every epoch.
        """
        if len(view.names) <= _REGIONS:
            return range(len(view.names))
        return self._numbered.setdefault((tag, probe.name), sorted(probe.regions[:_REGIONS]))

    def _log(self, row: dict[str, Any], report: Report) -> None:
        run = self.logger.experiment
        self._define(run, report, row)
        if row:
            run.log({**row, f"{report.name}/epoch": report.epoch, _STEP: report.step})
            if f"{report.name}/history" in row:
                self._forget(report.name)
        for place, text in report.alarms.items():
            run.alert(title=place, text=text)

    def _define(self, run: Any, report: Report, row: dict[str, Any]) -> None:
        """Tell W&B the step of all that is new, and what its summary keeps of metrics; store the settings."""
        metrics = {f"{tag}/{name}" for tag, view in report.views.items() for name in (*view.metrics, *view.later)}
        self._summarise(run, metrics)
        media = row.keys() | ({f"{report.name}/epoch"} if row else set())
        for name in sorted(media - self._defined):
            run.define_metric(name, step_metric=_STEP)
        if report.views and report.name not in self._defined:
            run.config.update({_config_key(run.config, report): dict(report.settings)}, allow_val_change=True)
            self._defined.add(report.name)
        self._defined |= metrics | media

    def _forget(self, name: str) -> None:
        """Free the rows that the table has logged, which W&B would hold to the end: it only needs their number."""
        data = self._tables[name].data
        data[:] = data[-1:] * len(data)  # one row, repeated, takes hardly any memory

    def _table(self, report: Report) -> Any:
        """Add the report's rows to the table, of which W&B writes only new rows."""
        import wandb

        if report.name not in self._tables:
            self._tables[report.name] = wandb.Table(columns=list(HistoryRow._fields), log_mode="INCREMENTAL")
        table = self._tables[report.name]
        for view in report.views.values():
            for history_row in view.rows:
                table.add_data(*history_row)
        return table


def _config_key(config: Mapping[str, Any], report: Report) -> str:
    """Return the name of the settings in the run's configuration: the callback's, unless the user has such an entry."""
    for key in (report.name, *(f"{report.name}_callback{number}" for number in ("", *range(2, 100)))):
        there = config.get(key)
        ours = isinstance(there, Mapping) and there.keys() >= report.settings.keys()  # of a run that is resumed
        if there is None or ours:
            return key
    return report.name


def _view_of(tag: str) -> str:
    """Return the view's name in a picture's tag: ``spatial`` in ``lime/spatial/attributions``."""
    return tag.rpartition("/")[0].rpartition("/")[2]

"""Shows reports in MLflow."""

from __future__ import annotations

import math
import os
import re
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from lime_callback.publishing.findings_file import plain_finding
from lime_callback.publishing.sinks.history_csv import HistoryRow
from lime_callback.publishing.sinks.picture_files import safe_name
from lime_callback.publishing.sinks.sink import Sink, media_tag

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lime_callback.publishing.sinks.sink import Report
    from lime_callback.publishing.sinks.view_data import Means, ViewData

_TAG = 5000  # characters that MLflow allows a tag's value


@dataclass(eq=False)
class MLflowSink(Sink):
    """Shows pictures as images with a slider over the steps, a table and files.

    The pictures of the first explanation are logged at step 0, too. The metric ``lime/epoch`` says which epoch a step
    belongs to. A folder with the callback's name among the run's artifacts holds the settings, the texts, all findings
    as ``findings.json``, a file with each report's rows of the history, and a table ``means.json`` with each view's
    means, which grows with each report.
    If the user asked for charts, the mean effects of the followed features are metrics, ``lime_effects/...``.

    Args:
        logger: an ``MLFlowLogger``, of ``lightning.pytorch`` or of ``pytorch_lightning``.
    """

    logger: Any
    _settings_logged: set[str] = field(default_factory=set, init=False)
    _shown: set[str] = field(default_factory=set, init=False)

    @property
    def where(self) -> str:
        """MLflow, where it keeps its runs, and which run it is."""
        return f"MLflow (run {self.logger.run_id} of {self.logger.experiment.tracking_uri})"

    def open(self) -> None:
        """Create the run, if the logger has not done so."""
        _ = self.logger.run_id

    def begin(self, report: Report) -> None:
        """Log the report to the logger's run."""
        client, run = self.logger.experiment, self.logger.run_id
        folder = _path(report.name)
        if report.settings and report.name not in self._settings_logged:
            client.log_dict(run, dict(report.settings), f"{folder}/settings.json")
            self._settings_logged.add(report.name)
        # MLflow's page opens at step 0 and would show nothing there.
        steps = {0, report.step} if report.epoch <= 1 and report.name not in self._shown else {report.step}
        for tag, picture in report.pictures.items():
            for step in sorted(steps):
                client.log_image(run, picture, key=_key(media_tag(tag)), step=step)
        self._shown.add(report.name)
        for tag, text in report.texts.items():
            client.log_text(run, text, f"{_path(tag)}.md")
        for place, text in report.alarms.items():
            client.set_tag(run, f"{_key(place)}.alarm", text[:_TAG])
        if report.findings:
            client.log_dict(run, {"findings": list(map(plain_finding, report.findings))}, f"{folder}/findings.json")
        rows = [row for view in report.views.values() for row in view.rows]
        if rows:
            columns = dict(zip(HistoryRow._fields, map(list, zip(*rows, strict=True)), strict=True))
            client.log_dict(run, columns, f"{folder}/explanations/{report.file_name}.json")
        if report.views:
            client.log_batch(run, metrics=_metrics(report))
        means = {tag: (view, view.means) for tag, view in report.views.items() if view.means is not None}
        if means:
            with _quiet():
                client.log_table(run, _table(report, means), f"{folder}/means.json")


@contextmanager
def _quiet() -> Iterator[None]:
    """Stop MLflow from drawing a progress bar across the trainer's when it reads a table to append to it."""
    name = "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR"
    before = os.environ.get(name)
    os.environ[name] = "false"
    try:
        yield
    finally:
        os.environ.pop(name) if before is None else os.environ.update({name: before})


def _metrics(report: Report) -> list[Any]:
    """Return the epoch as a metric, and with charts the followed features' effects, which MLflow draws over steps."""
    from mlflow.entities import Metric

    values = {f"{report.name}/epoch": float(report.epoch)}
    for tag, view in report.views.items() if report.charts else ():
        if view.means is not None:
            name, _, rest = tag.partition("/")
            of_view, effects = f"{name}_effects/{rest}", view.means.effects.tolist()
            values |= {f"{of_view}/{view.names[i]}": effects[i] for i in view.means.followed}
    now = int(1000 * time.time())
    known = {name: value for name, value in values.items() if math.isfinite(value)}
    return [Metric(_key(name), value, now, report.step) for name, value in known.items()]


def _table(report: Report, means: dict[str, tuple[ViewData, Means]]) -> dict[str, list[Any]]:
    """Return the means of all views and features by column, a row for each feature."""
    of_features = {
        "effect": "effects", "effect_half": "halves", "effect_size": "sizes",
        "coefficient": "coefficients", "standard_error": "errors", "noise": "noises",
    }  # fmt: skip
    columns = ("epoch", "step", "view", "target", "score", "feature", *of_features)
    rows = [
        (report.epoch, report.step, tag.partition("/")[2], part.target, view.score, *values)
        for tag, (view, part) in means.items()
        for values in zip(view.names, *(getattr(part, name).tolist() for name in of_features.values()), strict=True)
    ]
    return dict(zip(columns, map(list, zip(*rows, strict=True)), strict=True))


def _key(text: str) -> str:
    """Replace the characters that MLflow does not allow in names, and cut the name at 240 characters."""
    return re.sub(r"[^\w\-./ ]", "_", text, flags=re.ASCII)[:240]


def _path(tag: str) -> str:
    return "/".join(map(safe_name, tag.split("/")))

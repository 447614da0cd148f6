"""Shows reports in TensorBoard."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from lime_callback.publishing.sinks.finding_rows import open_findings
from lime_callback.publishing.sinks.sink import Sink, media_tag

if TYPE_CHECKING:
    from lime_callback.publishing.sinks.sink import Report
    from lime_callback.publishing.sinks.view_data import Means, ViewData

_ENDS = ("mean", "lower", "upper")


@dataclass(eq=False)
class TensorBoardSink(Sink):
    """Shows pictures under "Images" and texts under "Text", at the report's step, with the same tags at each epoch.

    The text ``lime/findings`` lists the open findings, and is written when they change.

    If the user asked for charts, "Custom Scalars" has charts of each view's strongest features, lines of their effects
    within bands of their 95 % intervals, and "Histograms" all effects of the view. They have a group apart from the
    metrics, ``lime_effects``, since they are many.

    Args:
        logger: a ``TensorBoardLogger``, of ``lightning.pytorch`` or of ``pytorch_lightning``.
    """

    logger: Any
    _charted: set[str] = field(default_factory=set, init=False)
    _listed: dict[str, str] = field(default_factory=dict, init=False)

    @property
    def where(self) -> str:
        """TensorBoard, which is started with the folder of the logger's runs."""
        return "TensorBoard"

    def open(self) -> None:
        """Create the event file, if the logger has not done so."""
        _ = self.logger.experiment

    def begin(self, report: Report) -> None:
        """Add the report to the logger's event file, and flush it: a crash after this loses nothing."""
        writer = self.logger.experiment
        for tag, picture in report.pictures.items():
            writer.add_image(media_tag(tag), picture, global_step=report.step, dataformats="HWC")
        for tag, text in report.texts.items():
            writer.add_text(media_tag(tag), text, global_step=report.step)
        if report.findings and self._listed.get(report.name) != (text := open_findings(report.findings)):
            writer.add_text(f"{report.name}/findings", text, global_step=report.step)  # a text may have a scalar's name
            self._listed[report.name] = text
        if report.charts:
            self._add_charts(writer, report)
        writer.flush()

    def _add_charts(self, writer: Any, report: Report) -> None:
        """Add histograms and lines of effects, and the lines' charts to the run's layout when a view is new."""
        for tag, view in report.views.items():
            if len(view.effects):
                writer.add_histogram(f"{_group(tag)}/all", view.effects, global_step=report.step)
            if view.means is not None:
                _add_lines(writer, tag, view, view.means, report.step)
        charts = {tag: lines_of(tag, view) for tag, view in report.views.items() if view.means is not None}
        if not charts.keys() <= self._charted:
            from lime_callback.publishing.sinks.tensorboard_layout import layout_there, layout_with, summary_of

            self._charted |= charts.keys()
            writer.flush()
            # A run has one layout, and the last that was written counts.
            layout = layout_with(layout_there(self.logger.log_dir), charts)
            writer.file_writer.add_summary(summary_of(layout))


def _group(tag: str) -> str:
    """Return the tag of a view's effects, such as ``lime_effects/spatial`` for ``lime/spatial``."""
    name, _, rest = tag.partition("/")
    return f"{name}_effects/{rest}"


def lines_of(tag: str, view: ViewData) -> dict[str, list[str]]:
    """Return for each followed feature the tags of its mean effect and of its interval's lower and upper end.

    Args:
        tag: the view's tag.
        view: the view's numbers.
    """
    followed = [] if view.means is None else [view.names[i] for i in view.means.followed]
    return {feature: [f"{_group(tag)}/{feature}/{end}" for end in _ENDS] for feature in followed}


def _add_lines(writer: Any, tag: str, view: ViewData, means: Means, step: int) -> None:
    for tags, i in zip(lines_of(tag, view).values(), means.followed, strict=True):
        value, half = float(means.effects[i]), float(means.halves[i])
        for name, end in zip(tags, (value, value - half, value + half), strict=True):
            if math.isfinite(end):
                writer.add_scalar(name, end, global_step=step)

"""Shows reports in TensorBoard."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from lime_callback.publishing.sinks.sink import Sink, media_tag

if TYPE_CHECKING:
    from lime_callback.publishing.sinks.sink import Report
    from lime_callback.publishing.sinks.view_data import Means, ViewData

_ENDS = ("mean", "lower", "upper")


@dataclass(eq=False)
class TensorBoardSink(Sink):
    """Shows pictures under "Images", texts under "Text", all coefficients of a view under "Histograms".

    Under "Custom Scalars" each view has charts of its strongest features: lines within bands of their 95 % intervals.
    The scalars of these lines have a group apart from the metrics, ``lime_coefficients``. Everything is logged at the
    report's step, with the same tags at each epoch.

    Args:
        logger: a ``TensorBoardLogger``, of ``lightning.pytorch`` or of ``pytorch_lightning``.
    """

    logger: Any
    _charted: set[str] = field(default_factory=set, init=False)

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
        for tag, view in report.views.items():
            values = view.every_coefficient()
            if len(values):
                writer.add_histogram(f"{tag}/all_coefficients", values, global_step=report.step)
            if view.means is not None:
                _add_lines(writer, tag, view, view.means, report.step)
        writer.flush()
        charts = {tag: lines_of(tag, view) for tag, view in report.views.items() if view.means is not None}
        if not charts.keys() <= self._charted:
            self._charted |= charts.keys()
            self._lay_out(writer, charts)

    def _lay_out(self, writer: Any, charts: dict[str, dict[str, list[str]]]) -> None:
        """Add charts to the run's layout. A run has one layout, and the last that was written counts."""
        from lime_callback.publishing.sinks.tensorboard_layout import layout_there, layout_with, summary_of

        layout = layout_with(layout_there(self.logger.log_dir), charts)
        writer.file_writer.add_summary(summary_of(layout))
        writer.flush()


def lines_of(tag: str, view: ViewData) -> dict[str, list[str]]:
    """Return for each followed feature the tags of its mean and of its interval's lower and upper end.

    Args:
        tag: the view's tag.
        view: the view's numbers.
    """
    name, _, rest = tag.partition("/")
    followed = [] if view.means is None else [view.names[i] for i in view.means.followed]
    return {feature: [f"{name}_coefficients/{rest}/{feature}/{end}" for end in _ENDS] for feature in followed}


def _add_lines(writer: Any, tag: str, view: ViewData, means: Means, step: int) -> None:
    for tags, i in zip(lines_of(tag, view).values(), means.followed, strict=True):
        value, half = float(means.coefficients[i]), float(means.halves[i])
        for name, end in zip(tags, (value, value - half, value + half), strict=True):
            if math.isfinite(end):
                writer.add_scalar(name, end, global_step=step)

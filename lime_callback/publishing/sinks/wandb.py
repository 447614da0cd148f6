"""Shows reports in Weights & Biases."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import partial
from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np

from lime_callback.publishing.sinks.history_csv import HistoryRow
from lime_callback.publishing.sinks.sink import Sink, media_tag

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from lime_callback.publishing.sinks.sink import Report
    from lime_callback.publishing.sinks.view_data import Means, Segmented, ViewData

_SIDE = 256  # pixels up to which small pictures are enlarged, so that people can point at their regions
_REGIONS = 127  # regions that W&B allows a mask; the weakest are left out
_MASKED = 8  # probes with masks, since W&B writes the names of all regions again for each probe


@dataclass(eq=False)
class WandbSink(Sink):
    """Shows pictures, interactive charts, probes with their regions as masks, and a table of all coefficients.

    Each report is a row of the run's history. Alarms become alerts. The run's configuration holds the settings under
    the callback's name, and the summary holds the least, the largest and the last value of each metric.

    Args:
        logger: a ``WandbLogger``, of ``lightning.pytorch`` or of ``pytorch_lightning``.
    """

    logger: Any
    _tables: dict[str, Any] = field(default_factory=dict, init=False)
    _defined: set[str] = field(default_factory=set, init=False)

    def open(self) -> None:
        """Create the run, if the logger has not done so."""
        _ = self.logger.experiment

    def begin(self, report: Report) -> Callable[[], None]:
        """Turn the report into a row of the run's history, and return the call that logs it.

        The training's thread has to make that call: W&B counts rows without a lock, so that of two threads that log at
        the same time one could lose its row. The step is a value of the row, as in Lightning; with W&B's ``step=``, a
        row that comes late would be dropped.
        """
        import wandb

        row: dict[str, Any] = {media_tag(tag): wandb.Image(picture) for tag, picture in report.pictures.items()}
        for tag, text in report.texts.items():
            row[media_tag(tag)] = wandb.Html(f"<pre>{escape(text)}</pre>")
        for tag, view in report.views.items():
            row |= _charts(tag, view)
            probes = view.segmented()[:_MASKED]
            if probes:
                row[f"{tag}/probes"] = [_masked(probe, view.names, report.epoch) for probe in probes]
        if any(view.rows for view in report.views.values()):
            row[f"{report.name}/table"] = self._table(report)
        return partial(self._log, row, report)

    def _log(self, row: dict[str, Any], report: Report) -> None:
        run = self.logger.experiment
        self._define(run, report)
        if row:
            run.log({**row, "trainer/global_step": report.step})
            if f"{report.name}/table" in row:
                self._forget(report.name)
        for place, text in report.alarms.items():
            run.alert(title=place, text=text)

    def _define(self, run: Any, report: Report) -> None:
        """Tell W&B what its summary keeps of each new metric; store the settings before the first row."""
        if not report.views:
            return
        names = {f"{tag}/{name}" for tag, view in report.views.items() for name in (*view.metrics, *view.later)}
        for name in sorted(names - self._defined):
            run.define_metric(name, summary="min,max,last", step_metric="trainer/global_step")
        if report.name not in self._defined:
            run.config.update({report.name: dict(report.settings)}, allow_val_change=True)
        self._defined |= {report.name, *names}

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


def _charts(tag: str, view: ViewData) -> dict[str, Any]:
    """Return W&B charts of a view: bars of its means, in the view's order, and lines of the followed features."""
    import wandb

    means = view.means
    if means is None:
        return {}
    listed = zip(view.names, means.coefficients.tolist(), means.halves.tolist(), strict=True)
    data = [
        [name, value, *((value - half, value + half) if math.isfinite(half) else (None, None))]
        for name, value, half in listed
    ]
    bars = wandb.Table(columns=["feature", "coefficient", "lower", "upper"], data=data)
    title = f"{tag}: mean coefficients of {means.target}"
    return {
        f"{tag}/bars": wandb.plot.bar(bars, "feature", "coefficient", title),
        f"{tag}/lines": _lines(means, [view.names[i] for i in means.followed], title),
    }


def _lines(means: Means, names: Sequence[str], title: str) -> Any:
    import wandb

    return wandb.plot.line_series(
        list(means.epochs), means.lines.T.tolist(), keys=list(names), title=title, xname="epoch"
    )


def _masked(probe: Segmented, names: Sequence[str], epoch: int) -> Any:
    """Return a W&B image whose regions show their name and coefficient.

    During a run, W&B keeps only the last set of region names for a mask's name. So each probe's mask has a different
    name, and each region's text says which epoch its coefficient is from.
    """
    import wandb

    count = len(names)
    strongest = np.argsort(-np.abs(np.nan_to_num(probe.coefficients)), kind="stable")[:_REGIONS]
    number = np.zeros(count + 1, dtype=np.uint8)  # the last entry serves pixels of -1, which are never hidden
    number[strongest] = np.arange(1, len(strongest) + 1)
    labels = {0: "never hidden" if count <= _REGIONS else "never hidden, or weak"}
    labels |= {
        int(number[i]): f"{names[i]}: {_value(probe.coefficients[i], probe.halves[i])} (epoch {epoch})"
        for i in strongest
    }
    times = max(1, _SIDE // max(probe.segments.shape))
    return wandb.Image(
        _enlarged(probe.image, times),
        caption=f"{probe.name}: {probe.text}",
        masks={probe.name: {"mask_data": _enlarged(number[probe.segments], times), "class_labels": labels}},
        file_type="png" if times > 1 else "jpg",
    )


def _value(value: float, half: float) -> str:
    return f"{value:+.3g}" + (f" ± {half:.2g}" if math.isfinite(half) else "")


def _enlarged(image: NDArray[Any], times: int) -> NDArray[Any]:
    return image.repeat(times, axis=0).repeat(times, axis=1)

"""Reports in Weights & Biases."""

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

_SIDE = 256  # pixels that a small picture is enlarged to, at most: masks are there to be pointed at
_REGIONS = 127  # a mask holds no more; the weakest are left out
_MASKED = 8  # probes: W&B writes the names of all of their regions again for each of them


@dataclass(eq=False)
class WandbSink(Sink):
    """Shows pictures, charts that can be pointed at, probes with their regions as masks, and a table of everything.

    Each report is one row of the run's history. Alarms are alerts, the settings are in the run's configuration under
    the callback's name, and the summary has the least and the largest of each metric.

    Args:
        logger: a ``WandbLogger``, of ``lightning.pytorch`` or of ``pytorch_lightning``.
    """

    logger: Any
    _tables: dict[str, Any] = field(default_factory=dict, init=False)
    _defined: set[str] = field(default_factory=set, init=False)

    def open(self) -> None:
        """Begin the run."""
        _ = self.logger.experiment

    def begin(self, report: Report) -> Callable[[], None]:
        """Make a row of the run's history of the report, which is logged on the training's thread.

        W&B counts the rows without a lock: of two threads that log at the same time, one could lose its row. The step
        is a value of that row, as Lightning has it; W&B's own ``step=`` would drop what comes late.
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
        """Before a metric's first row: what the summary keeps of it; before the first of all, the settings."""
        if not report.views:
            return
        names = {f"{tag}/{name}" for tag, view in report.views.items() for name in (*view.metrics, *view.later)}
        for name in sorted(names - self._defined):
            run.define_metric(name, summary="min,max,last", step_metric="trainer/global_step")
        if report.name not in self._defined:
            run.config.update({report.name: dict(report.settings)}, allow_val_change=True)
        self._defined |= {report.name, *names}

    def _forget(self, name: str) -> None:
        """Let go of what the table has logged: W&B goes by the number of rows, and would hold them all to the end."""
        data = self._tables[name].data
        data[:] = data[-1:] * len(data)  # the same row over and over, which takes hardly any room

    def _table(self, report: Report) -> Any:
        """The table that grows: only what is new of it is written."""
        import wandb

        if report.name not in self._tables:
            self._tables[report.name] = wandb.Table(columns=list(HistoryRow._fields), log_mode="INCREMENTAL")
        table = self._tables[report.name]
        for view in report.views.values():
            for one in view.rows:
                table.add_data(*one)
        return table


def _charts(tag: str, view: ViewData) -> dict[str, Any]:
    """Bars of the means, in the view's own order, and the lines of the strongest over the epochs."""
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
    """A picture whose regions say their name and coefficient.

    W&B keeps one set of names for a mask during a run, the last; so each probe's mask has its own name, and each region
    says of which epoch its coefficient is.
    """
    import wandb

    count = len(names)
    strongest = np.argsort(-np.abs(np.nan_to_num(probe.coefficients)), kind="stable")[:_REGIONS]
    number = np.zeros(count + 1, dtype=np.uint8)  # the last one is for what is never hidden, -1
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

"""A run's measures, such as score, drift or a watch's share: a row for each epoch, step, view and measure."""

from __future__ import annotations

import math
from typing import NamedTuple

from lime_callback.publishing.sinks.csv_tables import CsvTable


class MeasureRow(NamedTuple):
    """A measure of a view at an explained epoch.

    Attributes:
        epoch: the epoch, counted from 1.
        step: the training step, as Lightning logs it.
        view: the view's name.
        measure: the measure's name in the log, such as ``"drift"``; ``"epochs"`` is the number of epochs trained.
        value: the measure's value, in the unit that the metric table gives it.
        epochs: the number of epochs trained, with a fraction within an epoch; NaN in rows of earlier versions.
    """

    epoch: int
    step: int
    view: str
    measure: str
    value: float
    epochs: float = math.nan


class MeasuresFile(CsvTable[MeasureRow]):
    """The table of a run's measures, see `CsvTable`."""

    kind, name = MeasureRow, "measures"


read_measures = MeasuresFile.read

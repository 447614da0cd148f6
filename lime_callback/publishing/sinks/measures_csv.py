"""A run's measures: one row per epoch, step, view and measure, such as the score, the drift or a watch's share."""

from __future__ import annotations

from typing import NamedTuple

from lime_callback.publishing.sinks.csv_tables import CsvTable


class MeasureRow(NamedTuple):
    """A figure that an explained epoch has been given.

    Attributes:
        epoch: counted from 0.
        step: the training step, as Lightning logs it.
        view: the view's name.
        measure: the figure's name in the log, such as ``"drift"``; ``"epochs"`` are the epochs trained so far.
        value: the figure.
    """

    epoch: int
    step: int
    view: str
    measure: str
    value: float


class MeasuresFile(CsvTable[MeasureRow]):
    """The measures, see `CsvTable`."""

    kind, name = MeasureRow, "measures"


read_measures = MeasuresFile.read

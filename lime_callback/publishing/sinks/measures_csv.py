"""A run's measures: one row per epoch, step, view and measure, such as the score, the drift or a watch's share."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from lime_callback.publishing.sinks.csv_tables import RowFile, read_rows

if TYPE_CHECKING:
    import os


class MeasureRow(NamedTuple):
    """A figure that an explained epoch has been given.

    Attributes:
        epoch: counted from 0.
        step: of training, as Lightning logs it.
        view: name of the view.
        measure: its name in the log, such as ``"drift"``; ``"epochs"`` are the epochs trained so far.
        value: the figure.
    """

    epoch: int
    step: int
    view: str
    measure: str
    value: float


class MeasuresFile(RowFile[MeasureRow]):
    """Appends to the measures, see `RowFile`."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        super().__init__(path, MeasureRow)


def read_measures(path: str | os.PathLike[str]) -> list[MeasureRow]:
    """Read what `MeasuresFile` has written; a row that a crash has cut off is passed over.

    Raises:
        ValueError: if the file holds no measures, or a whole row in it cannot be read.
    """
    return read_rows(path, MeasureRow, "measures")

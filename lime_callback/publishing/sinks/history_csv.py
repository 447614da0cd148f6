"""The history of a run's explanations: one row per epoch, step, view, probe, target and feature."""

from __future__ import annotations

import math
from typing import NamedTuple

from lime_callback.publishing.sinks.csv_tables import CsvTable


class HistoryRow(NamedTuple):
    """A coefficient of one explanation.

    Attributes:
        epoch: counted from 0.
        step: of training, as Lightning logs it.
        view: name of the view.
        probe: number of the probe, counted from 0.
        target: name of the output that is explained, or its number.
        feature: name of the feature.
        coefficient: in units of the output.
        standard_error: of the coefficient, from the perturbations; infinite where they are too few to know it.
        score: R² that the fit to which the coefficient belongs has for rows that were left out.
        predicted: the class that the model predicts for the probe at this epoch, of a regression the value; empty where
            it is not known, as in histories of before.
        probability: of that class; NaN where the model does not tell.
        truth: the class of the probe's label, or its value; empty where it is not known.
    """

    epoch: int
    step: int
    view: str
    probe: int
    target: str
    feature: str
    coefficient: float
    standard_error: float
    score: float
    predicted: str = ""
    probability: float = math.nan
    truth: str = ""


class HistoryFile(CsvTable[HistoryRow]):
    """A history, see `CsvTable`."""

    kind, name = HistoryRow, "history"


read_history = HistoryFile.read

"""The history of a run's explanations: a row for each epoch, step, view, probe, target and feature."""

from __future__ import annotations

import math
from typing import NamedTuple

from lime_callback.publishing.sinks.csv_tables import CsvTable


class HistoryRow(NamedTuple):
    """A coefficient of an explanation.

    Attributes:
        epoch: the epoch, counted from 1.
        step: the training step, as Lightning logs it.
        view: the view's name.
        probe: the probe's number, counted from 0.
        target: the explained output's name or number.
        feature: the feature's name.
        coefficient: the coefficient, in units of the output.
        standard_error: the coefficient's standard error from the perturbations, in units of the output; infinite if
            there are too few perturbations to know it.
        score: R² of the surrogate on rows that were left out of its fit.
        predicted: the class that the model predicts for the probe at this epoch, the value of a regression, or the mean
            over a class's region; empty if it is unknown, as in the histories of earlier versions.
        probability: the predicted class's probability, from 0 to 1; NaN if it is unknown.
        truth: the class or value of the probe's label; empty if it is unknown.
        epochs: the number of epochs trained, with a fraction within an epoch; NaN in rows of earlier versions.
        region_pixels: of a segmentation, how many pixels the region of the explained class has; 0 where nothing is
            explained, -1 where there are no regions.
        region_share: the share of them that are predicted as the class at this epoch.
        region_since: epochs trained when the region was pinned; NaN where a mask says what it is.
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
    epochs: float = math.nan
    region_pixels: int = -1
    region_share: float = math.nan
    region_since: float = math.nan


class HistoryFile(CsvTable[HistoryRow]):
    """The table of a run's coefficients, ``history.csv``: a :class:`HistoryRow` a line, appended to and never torn.

    Args:
        path: of the file.
    """

    kind, name = HistoryRow, "history"


read_history = HistoryFile.read

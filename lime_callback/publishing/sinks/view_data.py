"""Holds a view's numbers, for loggers that draw charts and tables by themselves.

Letters: ``d`` features, ``E`` explained epochs, ``k`` features that are followed over the run.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    from lime_callback.publishing.sinks.history_csv import HistoryRow


@dataclass(frozen=True, eq=False)
class Segmented:
    """A probe whose features are regions of its picture.

    Attributes:
        name: the probe's name.
        text: the probe's target, prediction and score.
        image: the probe's picture, uint8 ``[H, W, 3]``.
        segments: each pixel's feature, ``[H, W]``; a pixel below 0 is never hidden.
        effects: the regions' effects, ``[d]``.
        halves: half of their 95 % intervals, which hold for all regions at once, ``[d]``; a value that is not finite is
            unknown.
        regions: the numbers of the probe's regions, strongest first by the run's first explanation of the probe.
    """

    name: str
    text: str
    image: NDArray[np.uint8]
    segments: NDArray[np.integer[Any]]
    effects: NDArray[np.floating[Any]]
    halves: NDArray[np.floating[Any]]
    regions: Sequence[int]


@dataclass(frozen=True, eq=False)
class Means:
    """A view's means over the probes, for the first target, if all probes have the same features.

    Effects are signed shares of the attribution; coefficients, errors and noises are in units of the output.

    Attributes:
        target: the target's name.
        effects: the mean effects of the last explanation, ``[d]``.
        halves: half of their 95 % intervals over the probes, ``[d]``; a value that is not finite is unknown.
        sizes: the mean absolute effects, which say what counts most, ``[d]``.
        coefficients: the mean coefficients, ``[d]``.
        errors: their standard errors over the probes, ``[d]``.
        noises: their standard errors from the perturbations alone, ``[d]``.
        followed: the numbers of the k strongest features of the first explanation, the same during a run.
        epochs: the number of epochs trained at each explained epoch, E.
        lines: the followed features' mean effects over the epochs, ``[E, k]``.
    """

    target: str
    effects: NDArray[np.floating[Any]]
    halves: NDArray[np.floating[Any]]
    sizes: NDArray[np.floating[Any]]
    coefficients: NDArray[np.floating[Any]]
    errors: NDArray[np.floating[Any]]
    noises: NDArray[np.floating[Any]]
    followed: Sequence[int]
    epochs: Sequence[float]
    lines: NDArray[np.floating[Any]]


@dataclass(frozen=True, eq=False)
class ViewData:
    """The numbers of a view's last explanation.

    Attributes:
        names: the features' names, d.
        score: mean over probes and targets of R² on rows that were left out of the fits.
        rows: the rows of the history, one for each probe, target and feature.
        effects: the effects of all probes, targets and features.
        metrics: the values of the view's metrics, by the names under which Lightning logs them without the view's tag.
        later: the names of all metrics that the view may log later, also of those that cannot be measured yet.
        means: the means over the probes; ``None`` if the probes' features differ.
        segmented: returns the probes as pictures with regions if the view cuts pictures, else nothing; it computes them
            only when called.
    """

    names: Sequence[str]
    score: float
    rows: Sequence[HistoryRow]
    effects: NDArray[np.floating[Any]] = field(default_factory=lambda: np.zeros(0))
    metrics: Mapping[str, float] = field(default_factory=dict)
    later: Sequence[str] = ()
    means: Means | None = None
    segmented: Callable[[], Sequence[Segmented]] = tuple

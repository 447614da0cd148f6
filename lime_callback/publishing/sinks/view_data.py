"""What a view has found, as numbers: for loggers that draw and list by themselves.

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
        name: of the probe.
        text: what else is known of it: its target, the score.
        image: uint8 ``[H, W, 3]``.
        segments: each pixel's feature, ``[H, W]``; below 0: never hidden.
        coefficients: ``[d]``.
        halves: half of their 95 % intervals, which hold for all regions at once, ``[d]``; not finite: unknown.
    """

    name: str
    text: str
    image: NDArray[np.uint8]
    segments: NDArray[np.integer[Any]]
    coefficients: NDArray[np.floating[Any]]
    halves: NDArray[np.floating[Any]]


@dataclass(frozen=True, eq=False)
class Means:
    """Coefficients of a view whose features are the same for all probes, averaged over the probes, of the first target.

    Attributes:
        target: its name.
        coefficients: of the last explanation, ``[d]``.
        errors: their standard errors over the probes, ``[d]``.
        noises: their standard errors from the perturbations alone, ``[d]``.
        halves: half of their 95 % intervals over the probes, ``[d]``; not finite: unknown.
        followed: k features, the strongest of the first explanation: the same ones during a run.
        epochs: trained at each explained one, E.
        lines: the followed coefficients over them, ``[E, k]``.
    """

    target: str
    coefficients: NDArray[np.floating[Any]]
    errors: NDArray[np.floating[Any]]
    noises: NDArray[np.floating[Any]]
    halves: NDArray[np.floating[Any]]
    followed: Sequence[int]
    epochs: Sequence[float]
    lines: NDArray[np.floating[Any]]


@dataclass(frozen=True, eq=False)
class ViewData:
    """What there is to know of a view's last explanation.

    Attributes:
        names: of the features, d.
        score: R² of rows that were left out of the fits, the mean over probes and targets.
        rows: of the history, one for each probe, target and feature.
        metrics: names under which Lightning logs this view's numbers, without the view's tag.
        later: names of all metrics that may follow, also of those that have nothing to be measured from yet.
        means: see :class:`Means`; ``None`` where each probe has features of its own.
        segmented: gives the probes as pictures with regions, where the view cuts pictures; made when it is asked for.
    """

    names: Sequence[str]
    score: float
    rows: Sequence[HistoryRow]
    metrics: Mapping[str, float] = field(default_factory=dict)
    later: Sequence[str] = ()
    means: Means | None = None
    segmented: Callable[[], Sequence[Segmented]] = tuple

    def every_coefficient(self) -> NDArray[np.floating[Any]]:
        """The finite coefficients of all probes, targets and features, in the order of the rows."""
        values = np.array([row.coefficient for row in self.rows], dtype=np.float64)
        return values[np.isfinite(values)]

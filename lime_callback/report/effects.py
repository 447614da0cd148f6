"""From coefficients to effects, which are shares of the output's spread over the perturbations, without its outputs.

A history keeps coefficients and R², not the outputs that they were fitted to. But R² is the share of the outputs'
variance that the linear fit has, and what variance the fit has follows from its coefficients and the design, which is
the same at every epoch and stands in the last explanation. So the spread can be worked out for all epochs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lime_callback.explanation import Explanation, Samples
    from lime_callback.report.tables import Table


def effect_shares(table: Table, explanation: Explanation | None) -> NDArray[np.float32]:
    """What each slot's coefficients are multiplied by to become effects, ``[E, S]``; 0 where nothing was found.

    Args:
        table: of a view.
        explanation: the view's last; without it, or without its samples, features are taken to be on in half of the
            rows and independent, which meets the effects to about a tenth.
    """
    samples = None if explanation is None or list(explanation.features.names) != table.features else explanation.samples
    covariances = None if samples is None else _covariances(samples)
    found = np.zeros(table.scores.shape, np.float32)
    for m, which in enumerate(table.which):
        probes = list(dict.fromkeys(probe for probe, _ in table.who[which])) if which >= 0 else []
        for s, (probe, _) in enumerate(table.who[which] if which >= 0 else []):
            b = np.nan_to_num(table.coefficients[m, s].astype(np.float64), posinf=0.0, neginf=0.0)
            score = table.scores[m, s]
            own = 0.25 * (b @ b)
            if covariances is not None:
                own = b @ covariances[probes.index(probe) % len(covariances)] @ b
            if own > 0 and np.isfinite(own) and score > 0:
                found[m, s] = np.sqrt(score / own) / 2
    return found


def _covariances(samples: Samples) -> list[NDArray[Any]]:
    """Of the features' on and off under the kernel's weights, ``[d, d]`` for each design."""
    designs = samples.design.cpu().numpy().astype(np.float64)
    weights = np.broadcast_to(samples.weights.cpu().numpy().astype(np.float64), designs.shape[:2])
    found = []
    for z, w in zip(designs, weights, strict=True):
        share = w / w.sum()
        centred = z - share @ z
        found.append((centred * share[:, None]).T @ centred)
    return found

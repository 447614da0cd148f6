"""What an explained epoch says in numbers, by the names of its metrics: scores, and change against another epoch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lime_callback.comparing.coefficient_similarity import map_similarity
from lime_callback.comparing.drift import Drift, mean_over_inputs
from lime_callback.comparing.watch_shares import mean_share, shares

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

    from lime_callback.comparing.watch_shares import MeanWatchShare
    from lime_callback.explaining.explanation import Explanation
    from lime_callback.views.watch import Overlap

BOTH_WAYS = ("drift", "moved")
"""Measures that are told against the explanation before, the first and a reference."""


def scores(explanation: Explanation, told: Tensor, counts: Tensor) -> dict[str, float]:
    """Mean and least score of the explanations that say something, and how many do not count.

    Args:
        explanation: of all probes.
        told: which have something to describe, bool ``[B, T]``.
        counts: which pass the gate besides, bool ``[B, T]``.
    """
    found = {"gated": float((~counts).sum())}
    if bool(told.any()):
        score = explanation.score.double()
        found |= {"score": float(mean_over_inputs(score, told).mean), "score_min": float(score[told].min())}
    return found


def change(drift: Drift) -> dict[str, float] | None:
    """Change since the explanation before; ``None`` where nothing could be relied on."""
    step = drift.mean()
    if step is None:
        return None
    found = {name: step[name] for name in ("noise_floor", "rank_correlation", "changed", "scale", "flipped")}
    found |= {name: max(0.0, step[name]) for name in BOTH_WAYS}
    return found | {"top5_overlap": step["top_overlap"]}


def change_from(drift: Drift, origin: str) -> dict[str, float] | None:
    """Change since an ``origin``, by names that end in ``_from_<origin>``; ``None`` likewise."""
    away = drift.mean()
    return None if away is None else {f"{name}_from_{origin}": max(0.0, away[name]) for name in BOTH_WAYS}


def watched_shares(
    explanation: Explanation, watched: Mapping[str, Overlap], counts: Tensor
) -> dict[str, MeanWatchShare | None]:
    """The watches' shares of the attribution, of the explanations that count; ``None`` where none does."""
    found: dict[str, MeanWatchShare | None] = {}
    for name, place in watched.items():
        of_all = shares(explanation, place.parts)
        of_all = of_all._replace(known=of_all.known & counts)
        known = bool(of_all.known.any())
        found[name] = mean_share(of_all, float(place.share.mean()), float(explanation.freedom.min())) if known else None
    return found


def similarity(before: Explanation, after: Explanation) -> dict[str, float]:
    """Structural similarity of the attribution maps, for views that are cut in space and large enough to have one."""
    height, width = before.features.canonical.shape[2:]
    if min(height, width) < 3:
        return {}
    layout = before.features.layout
    maps = [
        layout.canonical(one.on_elements(one.coefficients).flatten(0, 1)).mean(1).double() for one in (before, after)
    ]
    return {"similarity": float(map_similarity(*maps).mean())}

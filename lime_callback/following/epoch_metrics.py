"""What an explained epoch says in numbers, by the names of its metrics: scores, and change against another epoch."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from lime_callback.comparing.coefficient_similarity import map_similarity
from lime_callback.comparing.drift import mean_over_inputs
from lime_callback.comparing.watch_shares import mean_share, shares
from lime_callback.following.metric_table import drift_metrics

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

    from lime_callback.comparing.drift import Drift
    from lime_callback.comparing.watch_shares import MeanWatchShare
    from lime_callback.explaining.explanation import Explanation
    from lime_callback.following.metric_table import Origin
    from lime_callback.views.watch import WatchOverlap


def scores(explanation: Explanation, told: Tensor, counts: Tensor) -> dict[str, float]:
    """Mean and least score of the explanations that say something, and how many do not count.

    Args:
        explanation: of all probes.
        told: which have something to describe, bool ``[B, T]``.
        counts: which pass the gate besides, bool ``[B, T]``.
    """
    values = {"gated": float((~counts).sum())}
    if bool(told.any()):
        score = explanation.score.double()
        values |= {"score": float(mean_over_inputs(score, told).mean), "score_min": float(score[told].min())}
    return values


def change(drift: Drift, since: Origin) -> dict[str, float] | None:
    """Change since an earlier explanation or the reference; ``None`` where no explanation passes the gate."""
    means = drift.mean()
    return None if means is None else drift_metrics(means, since)


def watched_shares(
    explanation: Explanation, watched: Mapping[str, WatchOverlap], counts: Tensor
) -> dict[str, MeanWatchShare | None]:
    """The watches' shares of the attribution, of the explanations that count; ``None`` where none does."""
    by_watch: dict[str, MeanWatchShare | None] = {}
    for name, place in watched.items():
        of_all = shares(explanation, place.parts)
        of_all = of_all._replace(known=of_all.known & counts)
        known = bool(of_all.known.any())
        freedom = float(explanation.freedom.min())
        by_watch[name] = mean_share(of_all, float(place.share.mean()), freedom) if known else None
    return by_watch


def similarity(before: Explanation, after: Explanation) -> dict[str, float]:
    """Concordance of the maps, of views that are cut in space; pixels that are never hidden do not count."""
    features = before.features
    mask = features.canonical.long()
    if mask.shape[2:].numel() == 1:
        return {}
    if mask.shape[1] == 1:
        first, second = before.coefficients, after.coefficients
        labels = mask.flatten(1) + 1  # what is never hidden is counted in front, and left out
        areas = labels.new_zeros(len(labels), first.shape[-1] + 1)
        areas = areas.scatter_add_(1, labels, torch.ones_like(labels))[:, 1:].to(first.device)
    else:  # a map of means over the channels, where each pixel is a region
        first, second = (_means_over_channels(explanation) for explanation in (before, after))
        areas = (mask >= 0).any(1).flatten(1).to(first.device)
    return {"similarity": float(map_similarity(first, second, areas).mean())}


def _means_over_channels(explanation: Explanation) -> Tensor:
    """The coefficients on the pixels, ``[B, T, H * W]``."""
    elements = explanation.on_elements(explanation.coefficients)
    maps = explanation.features.layout.canonical(elements.flatten(0, 1)).mean(1)
    return maps.reshape(*elements.shape[:2], -1)

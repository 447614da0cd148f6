"""How much of each probe's attribution lies in which place of its picture.

Letters: ``P`` probes, ``T`` targets, ``d`` features.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from lime_callback.findings.hidden.picture_places import tiles

if TYPE_CHECKING:
    from torch import Tensor

    from lime_callback.explaining.explanation import Explanation


def place_shares(explanation: Explanation) -> dict[str, Tensor] | None:
    """Each outer place's share of each probe's attribution, ``[P, T]`` by name.

    A feature's attribution is spread evenly over its pixels.

    Args:
        explanation: of a view.

    Returns:
        ``None`` where its features are cut along channels, or pictures are too small to have places.
    """
    mask = explanation.features.canonical.long()
    height, width = mask.shape[2:]
    places = tiles(height, width)
    if mask.shape[1] > 1 or not places:
        return None
    effects = explanation.effects.abs().double().cpu()  # [P, T, d]
    labels = (mask.cpu() + 1).flatten(1).expand(len(effects), -1)  # [P, pixels]; 0 is never hidden
    d = effects.shape[2]
    sizes = torch.zeros(len(effects), d + 1, dtype=torch.float64)
    sizes.scatter_add_(1, labels, torch.ones_like(labels, dtype=torch.float64))
    found = {}
    for name, place in places.items():
        inside = place.flatten().double().expand(len(effects), -1)
        held = torch.zeros_like(sizes).scatter_add_(1, labels, inside)
        parts = (held / sizes.clamp(min=1))[:, 1:]
        found[name] = (effects * parts.unsqueeze(1)).sum(2)
    total = effects.sum(2).clamp(min=1e-30)
    return {name: value / total for name, value in found.items()}

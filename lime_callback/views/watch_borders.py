"""Features cut at the borders of sets, so that each lies within a set or outside of it.

A feature that lies across a border would give its whole effect to both sides, by their sizes: a set of which it holds
one channel would seem to be used whenever its neighbours are.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import torch

from lime_callback.views.feature_regrouping import unique_name

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

    from lime_callback.views.features import Features


def cut_at_watches(features: Features, sets: Mapping[str, Tensor]) -> Features:
    """The same features, those across a border of a set in parts; a part within a set says so in its name.

    Parts stand where their feature stood. A part outside of all sets keeps the feature's name.

    Args:
        features: on the CPU.
        sets: for each name a bool mask ``[1 or B, C, H, W]`` with size 1 where it broadcasts, on the CPU.
    """
    if not sets:
        return features
    names, mask = list(sets), features.canonical.long()
    inside = _alike(list(sets.values()))
    # An axis along which neither differs stays of size 1.
    shape = [max(sizes) for sizes in zip(mask.shape, inside[0].shape, strict=True)]
    mask = mask.expand(shape)
    # Which sets an element is in, numbered: 0, ... for each combination that there is.
    combinations, code = torch.unique(torch.stack(inside, -1).flatten(0, 3), dim=0, return_inverse=True)
    code = code.view(inside[0].shape).expand(shape)
    kinds = len(combinations)
    parts, position = _parts(torch.where(mask < 0, -1, mask * kinds + code), len(features), kinds)
    owners = torch.div(parts, kinds, rounding_mode="floor")
    whole = torch.bincount(owners, minlength=len(features)) < 2
    if bool(whole.all()):
        return features
    order = sorted(range(len(parts)), key=lambda i: (int(owners[i]), float(position[i])))
    new: list[str] = []
    table = torch.full((len(features) * kinds + 1,), -1, dtype=torch.int64)
    for label, i in enumerate(order):
        own = features.names[int(owners[i])]
        within = ", ".join(
            name for name, is_in in zip(names, combinations[int(parts[i]) % kinds], strict=True) if is_in
        )
        new.append(own if bool(whole[owners[i]]) or not within else unique_name(f"{own} in {within}", new))
        table[int(parts[i]) + 1] = label
    refined = table[torch.where(mask < 0, -1, mask * kinds + code) + 1]
    return replace(features, mask=features.layout.restore(refined), names=tuple(new), numbers=None)


def _alike(sets: list[Tensor]) -> list[Tensor]:
    """The sets in one shape, to which all broadcast."""
    shape = [max(sizes) for sizes in zip(*(mask.shape for mask in sets), strict=True)]
    return [mask.expand(shape) for mask in sets]


def _parts(combined: Tensor, size: int, kinds: int) -> tuple[Tensor, Tensor]:
    """The parts that there are, ``label * kinds + combination``, and where each lies along the labels' direction."""
    flat = combined.flatten(1)
    index = torch.arange(flat.shape[1], dtype=torch.float64).expand(flat.shape)
    seen = flat >= 0
    values, at = flat[seen], index[seen]
    parts, inverse = torch.unique(values, return_inverse=True)
    count = torch.bincount(inverse).double()
    position = torch.zeros(len(parts), dtype=torch.float64).index_add_(0, inverse, at) / count
    labels = torch.div(parts, kinds, rounding_mode="floor")
    # Bands of a sensor whose channels descend have labels that do, too.
    falls = ((labels.double() - labels.double().mean()) * (position - position.mean())).sum() < 0
    lost = torch.tensor([label for label in range(size) if label not in set(labels.tolist())], dtype=torch.int64)
    parts = torch.cat([parts, lost * kinds])  # features without an element in these inputs keep their names
    return parts, torch.cat([-position if falls else position, torch.zeros(len(lost), dtype=torch.float64)])

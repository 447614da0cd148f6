"""Regions of a map, where features of several channels lie over each other, and the names that are written on it.

A region is a set of pixels with the same features. Letters: ``C`` channels, ``H``, ``W`` pixels, ``d`` features.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

_NAMED = 3  # regions of a map that carry names: those of the strongest features, as far as their signs are known


class MapRegions:
    """The regions of one input's picture.

    Args:
        labels: the input's features, ``[C, H, W]``; with one channel a region has its feature's number.

    Attributes:
        numbers: each pixel's region, ``[H, W]``; -1 where nothing is ever hidden.
        members: the features of each region.
    """

    def __init__(self, labels: NDArray[np.integer[Any]]) -> None:
        self.members: dict[int, list[int]]
        if len(labels) == 1:
            self.numbers = labels[0]
            self.members = {int(f): [int(f)] for f in np.unique(labels) if f >= 0}
            return
        planes = np.unique(labels.reshape(len(labels), -1).astype(np.int64), axis=0)
        number, base = planes[0] + 1, int(labels.max()) + 2
        for plane in planes[1:]:
            number = np.unique(number * base + plane + 1, return_inverse=True)[1].reshape(-1)
        _, first, number = np.unique(number, return_index=True, return_inverse=True)
        stacks = {region: sorted({int(f) for f in planes[:, i] if f >= 0}) for region, i in enumerate(first)}
        self.members = {region: stack for region, stack in stacks.items() if stack}
        known = np.isin(number, list(self.members))
        self.numbers = np.where(known, number, -1).reshape(labels.shape[1:])

    @property
    def overlap(self) -> bool:
        """Whether several features share a region."""
        return any(len(stack) > 1 for stack in self.members.values())

    def strongest(self, effects: Sequence[float], sure: Sequence[bool]) -> dict[int, int]:
        """Return which feature names a region, by the region: the strongest there of those whose signs are known.

        Args:
            effects: of all features, d.
            sure: whether each one's sign is known, d.
        """
        sizes = Counter(self.numbers.ravel().tolist())
        free, named = set(self.members), dict[int, int]()
        for f in sorted((f for f in range(len(effects)) if sure[f]), key=lambda f: -abs(effects[f])):
            own = [region for region in free if f in self.members[region]]
            free.difference_update(own)
            if own and len(named) < _NAMED:
                named[max(own, key=lambda region: sizes[region])] = f
        return named

    def unsure(self, sure: Sequence[bool]) -> list[int]:
        """Return the regions in which no feature's sign is known."""
        return [region for region, stack in self.members.items() if not any(sure[f] for f in stack)]

"""What bands show that the bands beside them do not: how far they are from a straight line over them.

Letters: ``C`` channels, of which ``b`` are looked at, ``m`` rows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import max_pool1d

if TYPE_CHECKING:
    from collections.abc import Sequence

_APART = 0.03  # of the channels, which lie between bands and the neighbours that they are held against


class NeighbourBands(NamedTuple):
    """The nearest other bands on either side of some bands, and how near they are.

    Attributes:
        bands: their numbers, int64 ``[b]``.
        below: for each the neighbour by shorter waves, int64 ``[b]``.
        above: the one by longer waves.
        weight: of the one above, from 0 to 1, ``[b]``.
    """

    bands: Tensor
    below: Tensor
    above: Tensor
    weight: Tensor

    @classmethod
    def of(cls, bands: Tensor, wavelengths: Sequence[float]) -> NeighbourBands:
        """Find the neighbours of some bands; at an end of the spectrum, where there is one alone, it counts twice.

        What is written into bands may reach a little beyond those that are named, so that those next to them are passed
        over, if there are others.

        Args:
            bands: which they are, bool ``[C]``, at least one of them not.
            wavelengths: of all channels, in nm.
        """
        nm = torch.as_tensor(wavelengths, dtype=torch.float64)
        order = nm.argsort()
        apart = int(_APART * len(nm))
        near = max_pool1d(bands[order][None].float(), 2 * apart + 1, 1, apart)[0].bool()
        others = order[~near] if not bool(near.all()) else order[~bands[order]]
        place = torch.searchsorted(nm[others], nm[bands])
        left, right = others[(place - 1).clamp(min=0)], others[place.clamp(max=len(others) - 1)]
        weight = ((nm[bands] - nm[left]) / (nm[right] - nm[left]).clamp(min=1e-9)).clamp(0, 1)
        return cls(bands.nonzero().flatten(), left, right, weight)

    def line(self, values: Tensor) -> Tensor:
        """Straight lines over the bands, ``[m, b, H, W]``, of values ``[m, C, H, W]``."""
        below, above = self.below.to(values.device), self.above.to(values.device)
        return torch.lerp(values[:, below], values[:, above], self.weight.to(values).view(-1, 1, 1))

    def deviation(self, values: Tensor) -> Tensor:
        """How far the bands of values ``[m, C, H, W]`` are from these lines, ``[m, b, H, W]``."""
        return values[:, self.bands.to(values.device)] - self.line(values)

    def deviate(self, values: Tensor, others: Tensor) -> Tensor:
        """Values ``[m, C, H, W]`` whose bands deviate from their neighbours as those of others do.

        Other channels keep their values.
        """
        apart = self.deviation(others) - self.deviation(values)
        return values.index_add(1, self.bands.to(values.device), apart)

"""What bands show that other bands do not: what is left of them after a regression on the others.

Letters: ``C`` channels, of which ``b`` are looked at, ``n`` spectra, ``m`` rows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import max_pool1d

if TYPE_CHECKING:
    from collections.abc import Sequence

_APART = 0.03  # of the channels, which lie between bands and the others that tell them
_RIDGE = 1.0  # times a band's variance: what varies less over all bands together than one of them is left to them
_MOST = 256  # other bands, evenly spread, tell as much as all
_LEAST = 1e-30


class BandDeviations(NamedTuple):
    """How far some bands are from what the others tell of them.

    Attributes:
        bands: their numbers, int64 ``[b]``.
        weights: of all channels, 0 for the bands themselves and those next to them, ``[b, C]``.
    """

    bands: Tensor
    weights: Tensor

    @classmethod
    def of(cls, bands: Tensor, spectra: Tensor, wavelengths: Sequence[float]) -> BandDeviations:
        """Learn from spectra what other bands tell of some, by a ridge regression.

        Spectra of surfaces vary in few ways, all of which show in most bands, so that the others tell nearly all of a
        band. What is written into bands, by the air or by a fault, may reach a little beyond those that are named. So
        those next to them do not count, if there are others.

        Args:
            bands: which they are, bool ``[C]``, at least one of them not.
            spectra: of pixels, ``[n, C]``; those with a value that is not finite are left out.
            wavelengths: of all channels, in nm.
        """
        order = torch.as_tensor(wavelengths, dtype=torch.float64).argsort()
        apart = int(_APART * len(order))
        near = max_pool1d(bands[order][None].float(), 2 * apart + 1, 1, apart)[0].bool()
        others = order[~near] if not bool(near.all()) else order[~bands[order]]
        others = others[torch.linspace(0, len(others) - 1, min(_MOST, len(others))).round().long()]
        numbers = bands.nonzero().flatten()
        x = spectra[spectra.isfinite().all(1)].double()
        weights = torch.zeros(len(numbers), len(order), dtype=torch.float64)
        if len(x):
            x = x - x.mean(0)
            told, own = x[:, others], x[:, numbers]
            ridge = _RIDGE * told.square().sum(0).mean().clamp(min=_LEAST)
            scatter = told.mT @ told + ridge * torch.eye(len(others), dtype=torch.float64)
            weights[:, others] = torch.linalg.solve(scatter, told.mT @ own).mT
        return cls(numbers, weights)

    def deviation(self, values: Tensor) -> Tensor:
        """How far the bands of values ``[m, C, H, W]`` are from what the others tell, but for a constant."""
        told = torch.einsum("bc,mc...->mb...", self.weights.to(values), values)
        return values[:, self.bands.to(values.device)] - told

    def deviate(self, values: Tensor, others: Tensor) -> Tensor:
        """Values ``[m, C, H, W]`` whose bands deviate from what other bands tell as those of others do.

        Other channels keep their values.
        """
        return values.index_add(1, self.bands.to(values.device), self.deviation(others - values))

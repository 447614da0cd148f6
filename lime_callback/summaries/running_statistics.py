"""Running statistics: moments of any number of values, in sums whose size does not grow with that number.

Letters: ``B`` inputs, ``T`` targets, ``d`` features. All sums are float64, on the CPU. The statistics of two parts join
into those of all values, so neither the parts' order nor their size matters.

References:
    Chan, Golub and LeVeque, "Updating formulae and a pairwise algorithm for computing sample variances", COMPSTAT 1982.
    Pébay, "Formulas for robust, one-pass parallel computation of covariances and arbitrary-order statistical moments",
    Sandia National Laboratories 2008, for the cubes.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True, eq=False)
class RunningStatistics:
    """Statistics of the values of each target and feature, all ``[T, d]``.

    Attributes:
        count: number of values.
        mean: their mean.
        squares: sum of their squared deviations from the mean.
        cubes: sum of their cubed deviations from the mean.
        magnitude: mean of their absolute values.
        variance: sum of their squared standard errors.
    """

    count: Tensor
    mean: Tensor
    squares: Tensor
    cubes: Tensor
    magnitude: Tensor
    variance: Tensor

    @classmethod
    def of(cls, values: Tensor, errors: Tensor, counted: Tensor) -> RunningStatistics:
        """Compute the statistics of values over the inputs.

        Args:
            values: the values, ``[B, T, d]``.
            errors: the values' standard errors, ``[B, T, d]``.
            counted: whether a value counts, bool ``[B, T, d]``.
        """
        values, errors = (torch.where(counted, part.detach().cpu().double(), 0.0) for part in (values, errors))
        count = counted.sum(0).double()
        at_least_one = count.clamp(min=1)
        mean = values.sum(0) / at_least_one
        deviations = torch.where(counted, values - mean, 0.0)
        squares, cubes = deviations.square().sum(0), deviations.pow(3).sum(0)
        return cls(count, mean, squares, cubes, values.abs().sum(0) / at_least_one, errors.square().sum(0))

    @classmethod
    def nothing(cls, targets: int, features: int) -> RunningStatistics:
        """Return the statistics of no value, all 0, ``[T, d]``."""
        return cls(*(torch.zeros(targets, features, dtype=torch.float64) for _ in fields(cls)))

    def joined(self, other: RunningStatistics) -> RunningStatistics:
        """Return the statistics of both parts' values together."""
        count = self.count + other.count
        share = other.count / count.clamp(min=1)
        apart = other.mean - self.mean
        lopsided = apart.square() * self.count * share * (1 - 2 * share)
        return RunningStatistics(
            count,
            self.mean + apart * share,
            self.squares + other.squares + apart.square() * self.count * share,
            self.cubes + other.cubes + apart * (lopsided + 3 * ((1 - share) * other.squares - share * self.squares)),
            self.magnitude + (other.magnitude - self.magnitude) * share,
            self.variance + other.variance,
        )

    def placed(self, columns: Sequence[int], features: int) -> RunningStatistics:
        """Move feature i to place ``columns[i]`` of ``features``; the other places have no value."""
        index = torch.as_tensor(columns, dtype=torch.int64).expand(len(self.count), -1)
        wider = RunningStatistics.nothing(len(self.count), features)
        parts = [(getattr(wider, f.name), getattr(self, f.name)) for f in fields(self)]
        return RunningStatistics(*(zeros.scatter(1, index, statistic) for zeros, statistic in parts))

    @property
    def spread(self) -> Tensor:
        """Standard deviation of the values; NaN for fewer than two."""
        return torch.where(self.count > 1, self.squares / (self.count - 1), torch.nan).sqrt()

    @property
    def skewness(self) -> Tensor:
        """Mean cubed deviation, divided by the cubed standard deviation; 0 if the values do not vary."""
        spread = self.spread.nan_to_num(0.0)
        varies = spread > 0
        by = torch.where(varies, self.count * spread.pow(3), 1.0)
        return torch.where(varies, self.cubes / by, 0.0)

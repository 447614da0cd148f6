"""Coalitions and their weights as in KernelSHAP: the fitted coefficients are estimates of Shapley values.

A coalition is a row of a design: the features that are on. Let ``k`` of ``d`` features be on, ``0 < k < d``. Shapley
values are the coefficients of a weighted least-squares fit through the outputs with everything on and with everything
off, in which all coalitions of k features together weigh

    p(k) = (d - 1) / (k (d - k)).

Coalitions are drawn with sizes by ``p``, and then count the same; or all of them are taken, and share their size's
weight. :class:`~lime_callback.surrogates.Efficient` is the fit.

References:
    Lundberg and Lee, "A Unified Approach to Interpreting Model Predictions", NeurIPS 2017, for the kernel; Covert and
    Lee, "Improving KernelSHAP", AISTATS 2021, for coalitions in pairs with their complements.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import torch

from lime_callback.sampling import orthogonal_arrays
from lime_callback.sampling.designs import Design
from lime_callback.sampling.locality_kernels import Kernel
from lime_callback.sampling.precision import wide_dtype

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Coalitions(Design):
    """Rows in pairs ``z, 1 - z``: first everything on and everything off, then coalitions with sizes by Shapley's p.

    If ``2^d <= n``, the design has all ``2^d`` rows, once each.
    """

    ends: ClassVar[bool] = True

    def enough(self, n: int, d: int) -> int:
        """See :meth:`Design.enough`."""
        return min(n, 1 << min(d, 62))

    def group(self, n: int, d: int, used: int | None = None) -> int:
        """See :meth:`Design.group`: a row and its complement."""
        return 2

    def sample(self, n: int, d: int, generator: torch.Generator) -> Tensor:
        """See :meth:`Design.sample`."""
        pairs = (n + 1) // 2
        if 2**d <= n:
            block = _all_coalitions(d, generator)
            half = block.repeat(-(-pairs // len(block)), 1)
        else:
            ends = torch.ones(1, d, dtype=torch.bool)
            half = torch.cat([ends, _drawn_coalitions(pairs - 1, d, generator)])
        return torch.stack([half, ~half], dim=1).flatten(0, 1)[:n]


def _all_coalitions(d: int, generator: torch.Generator) -> Tensor:
    """One row of each complementary pair, bool ``[2^(d - 1), d]``, first that of all features.

    Sizes take turns, so that the first rows have all of them, as far as they go.
    """
    half = orthogonal_arrays.half_of_all_rows(d)
    half = half[torch.randperm(len(half), generator=generator)]
    size = half.sum(1)
    smaller = torch.minimum(size, d - size)
    turn = (smaller.unsqueeze(1) == torch.arange(d + 1)).cumsum(0).gather(1, smaller.unsqueeze(1)).squeeze(1)
    order = (turn * (d + 1) + smaller).argsort(stable=True)
    rows = half[order]
    flips = torch.randint(0, 2, (len(rows), 1), generator=generator, dtype=torch.uint8).bool()
    flips[0] = ~rows[0, 0]
    return rows ^ flips


def _drawn_coalitions(m: int, d: int, generator: torch.Generator) -> Tensor:
    """Rows of random pairs, bool ``[m, d]``; their sizes are spread evenly over the distribution, in random order."""
    size = torch.arange(1, d // 2 + 1, dtype=torch.float64)
    mass = torch.where(2 * size == d, 1.0, 2.0) / (size * (d - size))  # of a size and its complement's
    at = (torch.randperm(m, generator=generator) + torch.rand(1, generator=generator, dtype=torch.float64)) / m
    sizes = 1 + torch.searchsorted(mass.cumsum(0) / mass.sum(), at).clamp(max=len(size) - 1)
    order = torch.rand(m, d, generator=generator).argsort(1).argsort(1)
    flips = torch.randint(0, 2, (m, 1), generator=generator, dtype=torch.uint8).bool()
    return (order < sizes.unsqueeze(1)) ^ flips


@dataclass(frozen=True)
class ShapleyKernel(Kernel):
    """Weights with which coalitions of each size together weigh what Shapley's kernel gives them.

    Where a size has no row in the design, sizes were drawn by that kernel and are many; rows count the same then. The
    rows of all features and of none, through which the fit goes, have weight 1.
    """

    def __call__(self, design: Tensor, present: Tensor) -> Tensor:
        """See :class:`Kernel`."""
        wide = wide_dtype(design.device)
        on, d = (design & present.unsqueeze(1)).sum(-1), present.sum(-1, keepdim=True)
        sizes = torch.arange(design.shape[-1] + 1, device=design.device).unsqueeze(0)
        counts = torch.zeros(len(on), sizes.shape[1], dtype=wide, device=design.device)
        counts.scatter_add_(1, on, torch.ones_like(on, dtype=wide))
        between = (sizes > 0) & (sizes < d)
        proper = between.gather(1, on)
        complete = ((counts > 0) | ~between).all(1, keepdim=True)
        weights = torch.where(proper, 1 / (on * (d - on)).clamp(min=1).to(wide) / counts.gather(1, on), 0.0)
        largest = weights.amax(1, keepdim=True)
        return torch.where(proper & complete, weights / torch.where(largest > 0, largest, 1.0), 1.0)

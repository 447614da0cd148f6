"""Designs: which features are on in which perturbation.

A design is a bool matrix ``[n, d]``, drawn on the CPU from a generator of its own, so that it is the same on every
device and on every rank, and so that the run's random state is not touched.
"""

from __future__ import annotations

import operator
from abc import ABC, abstractmethod
from dataclasses import dataclass
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import Tensor

from lime_callback import arrays
from lime_callback.arguments import check_flag
from lime_callback.quantities import check_number

if TYPE_CHECKING:
    from collections.abc import Sequence


class Design(ABC):
    """Draws the on/off rows."""

    @abstractmethod
    def sample(self, n: int, d: int, generator: torch.Generator) -> Tensor:
        """Draw ``n`` rows over ``d`` features, bool ``[n, d]`` on the CPU; its first half is a design as well."""

    def enough(self, n: int, d: int) -> int:
        """How many of ``n`` rows there are for ``d`` features; fewer where more would only repeat them."""
        return n

    def group(self, n: int, d: int) -> int:
        """How many neighbouring rows of ``n`` are drawn together and so depend on each other."""
        return 1


@dataclass(frozen=True)
class Bernoulli(Design):
    """Each feature is on with the same probability, independently.

    Args:
        p: the probability, above 0 and below 1.
        whole: whether the first row is the unperturbed input.

    Raises:
        ValueError: if ``p`` is out of range.
        TypeError: if ``p`` is no number, or ``whole`` is neither ``True`` nor ``False``.

    References:
        Ribeiro, Singh and Guestrin, "Why Should I Trust You?", KDD 2016.
    """

    p: float = 0.5
    whole: bool = False

    def __post_init__(self) -> None:
        if check_number("p", self.p, above=0) >= 1:
            raise ValueError(f"`p` should be below 1. Found `p = {self.p}`; features would always be on.")
        check_flag("whole", self.whole)

    def sample(self, n: int, d: int, generator: torch.Generator) -> Tensor:
        """See :meth:`Design.sample`."""
        if self.p == 0.5:  # a bit is enough
            rows = torch.randint(0, 2, (n, d), generator=generator, dtype=torch.uint8).bool()
        else:
            rows = torch.rand(n, d, generator=generator) < self.p
        rows[:1] |= self.whole
        return rows


@dataclass(frozen=True)
class Paired(Design):
    """Each row is followed by its complement, which removes the even-order interactions from a linear fit's error.

    References:
        Covert and Lee, "Improving KernelSHAP: Practical Shapley Value Estimation via Linear Regression", AISTATS 2021,
        where paired sampling is used for the same reason.
    """

    def sample(self, n: int, d: int, generator: torch.Generator) -> Tensor:
        """See :meth:`Design.sample`; with an odd n the last complement is left out."""
        half = Bernoulli().sample((n + 1) // 2, d, generator)
        return torch.stack([half, ~half], dim=1).flatten(0, 1)[:n]

    def group(self, n: int, d: int) -> int:
        """A row and its complement."""
        return 2


@dataclass(frozen=True)
class Orthogonal(Design):
    """Rows of an orthogonal array, each followed by its complement: no feature's effect leaks into another's.

    A block is an array of N rows and their complements: within it every two features are on together as often as apart,
    and every three are in all eight states alike. N is the least power of two from d and from n / 2 on. The array's
    columns are such that few interactions of three features pass for a feature by itself; each feature takes one of
    them at random, with a random sign, and rows come in random order. Each row by itself is on or off with probability
    one half in every feature, independently, so that a weighted fit estimates the same as with independent rows. Where
    all ``2**d`` rows are no more than n, they are taken instead, and no others. Where n / 2 is below the least power of
    two from d on, so few pairs tell too little of d features, and rows of an array come without complements.

    References:
        Hedayat, Sloane and Stufken, "Orthogonal Arrays", Springer 1999, chapter 7, for the arrays; Box and Wilson,
        Journal of the Royal Statistical Society B 13 (1951), for the fold-over; Fries and Hunter, Technometrics 22
        (1980), for the choice of columns.
    """

    def enough(self, n: int, d: int) -> int:
        """See :meth:`Design.enough`."""
        return min(n, 1 << min(d, 62))

    def sample(self, n: int, d: int, generator: torch.Generator) -> Tensor:
        """See :meth:`Design.sample`."""
        pairs = (n + 1) // 2
        if 2**d <= n:
            block = arrays.all_rows(d)
            times = -(-pairs // len(block))
            half = torch.cat([block[torch.randperm(len(block), generator=generator)] for _ in range(times)])
        elif self.group(n, d) == 1:
            size = max(arrays.least_size(d + 1), arrays.least_size(n))
            # All columns but the first, in which no row differs from another.
            columns = 1 + torch.randperm(size - 1, generator=generator)[:d]
            signs = torch.randint(0, 2, (d,), generator=generator, dtype=torch.uint8).bool()
            return arrays.rows_of(columns, torch.randperm(size, generator=generator)[:n]) ^ signs
        else:
            least = arrays.least_size(d)
            size = max(least, arrays.least_size(pairs))
            # Of an array that is not taken as a whole, or that a budget may halve, the first half is one as well.
            halved = size >= 4 * least or (size > least and pairs < size)
            columns = arrays.few_words(d, size, halved=halved)[torch.randperm(d, generator=generator)]
            signs = torch.randint(0, 2, (d,), generator=generator, dtype=torch.uint8).bool()
            halves = torch.arange(size).chunk(2)
            order = torch.cat([one[torch.randperm(len(one), generator=generator)] for one in halves])
            half = arrays.rows_of(columns, order[:pairs]) ^ signs
        return torch.stack([half, ~half], dim=1).flatten(0, 1)[:n]

    def group(self, n: int, d: int) -> int:
        """A row and its complement, where there are enough of them."""
        return 2 if (n + 1) // 2 >= arrays.least_size(d) else 1


DesignName = Literal["bernoulli", "paired", "orthogonal"]
DESIGNS: dict[str, type[Design]] = {"bernoulli": Bernoulli, "paired": Paired, "orthogonal": Orthogonal}


def key(*parts: object) -> int:
    """A seed that depends on all parts and on nothing else, the same on every machine: for ``(seed, probe, view)``."""
    return int.from_bytes(blake2b(repr(parts).encode(), digest_size=7).digest(), "big")


def draw(design: Design, n: int, present: Tensor, seeds: Sequence[int], repeated: bool = False) -> Tensor:
    """One design an input, bool ``[B or 1, n, d]`` on the device of ``present``.

    Args:
        design: how rows are drawn.
        n: rows at most, see :meth:`Design.enough`.
        present: features that an input has, bool ``[B or 1, d]``; the others stay off in every row.
        seeds: B numbers; inputs with the same seed and the same features get the same rows.
        repeated: whether there are n rows all the same where a design has no more that differ.

    Raises:
        TypeError: if a seed is no whole number.
        ValueError: if it is not one of 64 bits.
    """
    seeds = [_checked_seed(seed) for seed in seeds]
    shared = len(set(seeds)) == 1 and len(present) == 1
    rows = present.cpu().expand(len(seeds), -1)[: 1 if shared else None]
    n = n if repeated else max(design.enough(n, int(has.sum())) for has in rows)
    out = torch.zeros(len(rows), n, rows.shape[1], dtype=torch.bool)
    for one, has, seed in zip(out, rows, seeds, strict=False):
        one[:, has] = design.sample(n, int(has.sum()), torch.Generator().manual_seed(seed))
    return out.to(present.device)


def _checked_seed(seed: Any) -> int:
    try:
        number = operator.index(seed)
    except TypeError:
        raise TypeError(f"`seed` should be a whole number, or one for each input. Found {seed!r}.") from None
    if not -(2**63) <= number < 2**64:
        raise ValueError(f"`seed` should be a whole number of 64 bits. Found `seed = {seed}`.")
    return number

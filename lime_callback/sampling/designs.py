"""Designs: which features are on in which perturbation.

A design is a bool matrix ``z [n, d]``: ``z[r, k]`` says whether perturbation r keeps feature k. It is drawn on the CPU
from a generator of its own: every device and process gets the same design, and the run's random state is not touched.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import torch
from torch import Tensor

from lime_callback.checks import extension_points
from lime_callback.checks.arguments import check_flag
from lime_callback.checks.numbers import check_number, whole_number
from lime_callback.sampling import orthogonal_arrays

if TYPE_CHECKING:
    from collections.abc import Sequence


class Design(ABC):
    """Draws a design's rows: a design of one's own overrides :meth:`sample`.

    What it returns is checked. ``docs/extending.md`` has an example.

    Attributes:
        ends: whether the first row has all features on, and the second none.
    """

    ends: ClassVar[bool] = False

    @abstractmethod
    def sample(self, n: int, d: int, generator: torch.Generator) -> Tensor:
        """Draw ``n`` rows over ``d`` features, bool ``[n, d]`` on the CPU; the first half of them is a design, too.

        Rows of 0 and 1 are taken as well. All that is random comes from the generator.
        """

    def enough(self, n: int, d: int) -> int:
        """How many rows to draw where ``n`` are asked for: fewer where ``d`` features have fewer different rows."""
        return n

    def suits(self, n: int, d: int) -> bool:
        """Whether ``n`` rows over ``d`` features have all that this design promises, or are too few for it."""
        return True

    def group(self, n: int, d: int, used: int | None = None) -> int:
        """How many neighbouring rows are drawn together, and so depend on each other.

        Args:
            n: the design's number of rows.
            d: number of features.
            used: how many rows are fitted; ``None``: all. If ``used`` rows form smaller groups than ``n`` rows, the
                first rows of each group are fitted.
        """
        return 1

    def settled(self, n: int, d: int) -> Design:
        """The design with all that depends on ``d`` decided, for inputs of at most ``d`` features each."""
        return self


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
    """Rows ``z, 1 - z`` in turn, which removes interactions of an even number of features from a linear fit's error.

    References:
        Covert and Lee, "Improving KernelSHAP: Practical Shapley Value Estimation via Linear Regression", AISTATS 2021,
        where paired sampling is used for the same reason.
    """

    def sample(self, n: int, d: int, generator: torch.Generator) -> Tensor:
        """See :meth:`Design.sample`; with an odd n the last complement is left out."""
        half = Bernoulli().sample((n + 1) // 2, d, generator)
        return torch.stack([half, ~half], dim=1).flatten(0, 1)[:n]

    def group(self, n: int, d: int, used: int | None = None) -> int:
        """See :meth:`Design.group`: a row and its complement."""
        return 2


@dataclass(frozen=True)
class Orthogonal(Design):
    """Rows of an orthogonal array in which no interaction passes for a feature.

    See :mod:`lime_callback.sampling.orthogonal_arrays`. ``z[r, k] = A[row(r), column(k)] * sign(k)``, with random
    rows, columns and signs: interactions reach the coefficients as noise does, and the residuals tell its size. Each
    row by itself has independent features, on with probability 1/2, so a weighted fit estimates the same as with
    independent rows.

    - If ``2^d <= n``, the design has all ``2^d`` rows, once each.
    - If there are at least 128 pairs, and enough beyond d, rows come in pairs ``z, 1 - z``. That takes interactions of
      an even number of features out of the error, but leaves half as many rows for odd ones, such as thresholds.
    - If ``n < 64`` or ``n <= d``, an array is no better than chance, and rows are drawn independently.

    ``benchmarks/honesty.py`` measured these bounds.

    Args:
        pairs: whether each row is followed by its complement; ``None``: by the rules above.

    Raises:
        TypeError: if ``pairs`` is neither ``None`` nor true nor false.

    References:
        Hedayat, Sloane and Stufken, "Orthogonal Arrays", Springer 1999; Box and Wilson, Journal of the Royal
        Statistical Society B 13 (1951), for the complements.
    """

    pairs: bool | None = None

    def __post_init__(self) -> None:
        if self.pairs is not None:
            check_flag("pairs", self.pairs)

    def enough(self, n: int, d: int) -> int:
        """See :meth:`Design.enough`."""
        return min(n, 1 << min(d, 62))

    def suits(self, n: int, d: int) -> bool:
        """See :meth:`Design.suits`: whether all rows are drawn, or enough for an array."""
        return 2**d <= n or (n >= _LEAST_ROWS and n > d)

    def settled(self, n: int, d: int) -> Orthogonal:
        """See :meth:`Design.settled`."""
        return Orthogonal(self._is_paired(n, d))

    def sample(self, n: int, d: int, generator: torch.Generator) -> Tensor:
        """See :meth:`Design.sample`."""
        if 2**d <= n:
            block = orthogonal_arrays.half_of_all_rows(d)
            times = -(-n // (2 * len(block)))
            half = torch.cat([block[torch.randperm(len(block), generator=generator)] for _ in range(times)])
        elif self._is_paired(n, d):
            half = _of_array((n + 1) // 2, d, 0, generator)
        elif n >= _LEAST_ROWS and n > d:
            return _of_array(n, d, 1, generator)
        else:
            return Bernoulli().sample(n, d, generator)
        # Either row of a pair may come first, so that the first rows of all pairs are a design by themselves.
        half = half ^ torch.randint(0, 2, (len(half), 1), generator=generator, dtype=torch.uint8).bool()
        return torch.stack([half, ~half], dim=1).flatten(0, 1)[:n]

    def group(self, n: int, d: int, used: int | None = None) -> int:
        """See :meth:`Design.group`: a row and its complement, where there are enough of them."""
        return 2 if self._is_paired(n if used is None else used, d) and self._is_paired(n, d) else 1

    def _is_paired(self, n: int, d: int) -> bool:
        pairs = n // 2
        serves = pairs >= _LEAST_PAIRS and pairs - d >= max(_SPARE, d / 4)
        return serves if self.pairs is None else self.pairs


_LEAST_PAIRS = 128  # with fewer, thresholds make phantoms more often than independent rows do
_SPARE = 24  # pairs beyond d: with fewer, the residuals do not tell the size of the noise
_LEAST_ROWS = 64  # an array of fewer is no better than chance


def _of_array(m: int, d: int, first: int, generator: torch.Generator) -> Tensor:
    """Random rows of the smallest array with enough of them, bool ``[m, d]``, by random columns from ``first`` on."""
    order = orthogonal_arrays.least_order(max(m, d + first))
    columns = first + torch.randperm(order - first, generator=generator)[:d]
    signs = torch.randint(0, 2, (d,), generator=generator, dtype=torch.uint8).bool()
    return orthogonal_arrays.array_rows(order, torch.randperm(order, generator=generator)[:m], columns) ^ signs


DesignName = Literal["bernoulli", "paired", "orthogonal"]
DESIGNS: dict[str, type[Design]] = {"bernoulli": Bernoulli, "paired": Paired, "orthogonal": Orthogonal}


def draw_designs(design: Design, n: int, present: Tensor, seeds: Sequence[int], repeated: bool = False) -> Tensor:
    """Draw a design for each input, bool ``[B or 1, n, d]`` on the device of ``present``.

    Args:
        design: how rows are drawn.
        n: number of rows at most, see :meth:`Design.enough`.
        present: which features an input has, bool ``[B or 1, d]``; the others are off in every row.
        seeds: B numbers; inputs with the same seed and the same features get the same rows.
        repeated: whether to repeat rows up to ``n`` where the design has fewer different ones.

    Raises:
        TypeError: if a seed is no whole number, or the design returns no tensor.
        ValueError: if a seed is not one of 64 bits, or the design's rows are not as they were asked for.
    """
    seeds = [_checked_seed(seed) for seed in seeds]
    shared = len(set(seeds)) == 1 and len(present) == 1
    rows = present.cpu().expand(len(seeds), -1)[: 1 if shared else None]
    counts = [int(has.sum()) for has in rows]
    design = design.settled(n, max(counts))
    n = (
        n
        if repeated
        else max(extension_points.design_count(design, "enough", design.enough(n, c), n, c) for c in counts)
    )
    out = torch.zeros(len(rows), n, rows.shape[1], dtype=torch.bool)
    for matrix, has, count, seed in zip(out, rows, counts, seeds, strict=False):
        drawn = design.sample(n, count, torch.Generator().manual_seed(seed))
        matrix[:, has] = extension_points.design_rows(design, drawn, n, count)
    return out.to(present.device)


def used_rows(design: Design, n: int, d: int, used: int | None) -> tuple[slice, int]:
    """Which rows of a design are fitted, and how many neighbours among them depend on each other.

    Args:
        design: how the rows were drawn.
        n: number of rows that were drawn; repetitions of them may follow.
        d: number of features.
        used: how many rows are fitted; ``None``: all.
    """
    group = extension_points.design_count(design, "group", design.group(n, d), n, d)
    if used is None or used >= n:
        return slice(0, used), group
    whole, group = group, extension_points.design_count(design, "group", design.group(n, d, used), n, d)
    step = max(1, whole // group)
    return slice(0, min(used * step, n), step), group


def is_exhaustive(design: Tensor) -> Tensor:
    """Whether each of the ``2^p`` rows over an input's p present features stands in its design equally often.

    Then nothing is left to chance. A feature is present if any row has it on.

    Args:
        design: bool ``[B, n, d]``.

    Returns:
        bool ``[B]``.
    """
    present = design.any(1, keepdim=True)
    place = (present.cumsum(-1) - 1).clamp(max=_MOST_DIGITS)
    wide = torch.float32 if design.device.type == "mps" else torch.float64
    numbers = (design * 2.0 ** place.to(wide)).sum(-1).sort(-1).values
    count = 2.0 ** present.sum((1, 2)).clamp(max=_MOST_DIGITS).to(wide)
    n = design.shape[1]
    expected = (torch.arange(n, device=design.device, dtype=wide) * count.unsqueeze(1) / n).floor()
    # If n is no multiple of 2^p, the rows that repeat are a chance selection.
    return (numbers == expected).all(1) & (n % count == 0)


_MOST_DIGITS = 40  # no design has 2^40 rows


def _checked_seed(seed: Any) -> int:
    number = whole_number(seed)
    if number is None:
        raise TypeError(f"`seed` should be a whole number, or one for each input. Found {seed!r}.")
    if not -(2**63) <= number < 2**64:
        raise ValueError(f"`seed` should be a whole number of 64 bits. Found `seed = {seed}`.")
    return number

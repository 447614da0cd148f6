"""Two-level orthogonal arrays: which rows switch which features on, so that no effect passes for another.

Row r and column c are binary numbers; an entry is the parity of the ones that they share, so that the columns' binary
sums are columns again. A word of length four is four columns whose sum is 0: in every row the product of three of them
(an interaction of three features) equals the fourth (a feature by itself), and so passes for it. The fewer words, the
smaller a linear fit's error. Words of odd length do no harm where every row comes with its complement.
"""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor

# With more features the words are so many that a choice hardly makes them fewer.
_MOST_SEARCHED = 64
_STEPS = 12  # exchanges, for each column


def rows_of(columns: Tensor, rows: Tensor) -> Tensor:
    """An array's entries, bool ``[m, d]``: True for an odd number of common ones.

    Args:
        columns: int64 ``[d]``.
        rows: their numbers, int64 ``[m]``.
    """
    common = rows.unsqueeze(1) & columns
    for width in (32, 16, 8, 4, 2, 1):  # folding keeps the parity
        common ^= common >> width
    return (common & 1).bool()


def all_rows(d: int) -> Tensor:
    """Half of all ``2**d`` rows: those in which the last feature is off; their complements are the others."""
    number = torch.arange(2 ** max(0, d - 1))
    return (number[:, None] >> torch.arange(d) & 1).bool()


def least_size(d: int) -> int:
    """The fewest rows in which d features have columns of their own: a power of two."""
    return 1 << max(0, d - 1).bit_length()


@lru_cache(maxsize=64)
def few_words(d: int, size: int, *, halved: bool) -> Tensor:
    """Columns of an array that have few words of length four, int64 ``[d]``; the same on every machine.

    Found by exchanges: the column that is in most words leaves, and the one that brings fewest comes.

    Args:
        d: number of columns.
        size: number of rows, a power of two, from ``least_size(d)`` on.
        halved: whether the first half of the rows has to be an array as well, which costs some words.

    References:
        Fries and Hunter, "Minimum Aberration 2^(k-p) Designs", Technometrics 22 (1980), for the criterion; Hedayat,
        Sloane and Stufken, "Orthogonal Arrays", Springer 1999, for the arrays.
    """
    generator = torch.Generator().manual_seed(d)
    part = size // 2 if halved else size
    columns = torch.randperm(part, generator=generator)[:d]
    columns = columns + part * torch.randint(0, size // part, (d,), generator=generator)
    if not 4 <= d <= _MOST_SEARCHED:
        return columns
    best, fewest = columns, _triples(columns, size)[columns].sum()
    for _ in range(_STEPS * d):
        # A little chance in the choice, or the same column would leave again and again.
        burden = _triples(columns, size)[columns] + torch.randint(0, 18, (d,), generator=generator)
        leaving = int(burden.argmax())
        left, kept = columns[leaving], torch.cat([columns[:leaving], columns[leaving + 1 :]])
        coming = 2 * _triples(kept, size) + torch.randint(0, 2, (size,), generator=generator)
        coming[left] += 2
        coming[_of_part(kept, part, size)] = torch.iinfo(torch.int64).max
        columns = torch.cat([kept, coming.argmin().view(1)])
        words = _triples(columns, size)[columns].sum()
        if words < fewest:
            best, fewest = columns, words
    return best


def _triples(columns: Tensor, size: int) -> Tensor:
    """How often each number is a column plus the sum of two different columns, int64 ``[size]``.

    For a column that is six times the words that it is in, and as much besides as there are columns for any of them.
    """
    sums = torch.bincount((columns.unsqueeze(1) ^ columns).flatten(), minlength=size)
    sums[0] = 0
    return sums[torch.arange(size).unsqueeze(1) ^ columns].sum(1)


def _of_part(columns: Tensor, part: int, size: int) -> Tensor:
    """Which numbers have the lower digits of one of the columns, bool ``[size]``."""
    taken = torch.zeros(part, dtype=torch.bool)
    taken[columns % part] = True
    return taken.repeat(size // part)

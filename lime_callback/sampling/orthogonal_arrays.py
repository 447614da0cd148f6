"""Two-level orthogonal arrays in which no interaction passes for a feature: Paley's.

Letters: ``q`` is a prime with ``q mod 4 = 3``; the array has ``q + 1`` rows and as many columns of +1 and -1, every two
of which are orthogonal. With the character ``c(a)``, which is 1 for the squares modulo q, -1 for other numbers, and 0
for 0, row r and column k from 1 on hold ``c(k - r)``, but -1 where ``k = r``; row 0 and column 0 are 1 throughout.

In a regular array, such as those of powers of two, the product of two or three columns is another column or orthogonal
to all of them, so an interaction of features is confounded with a feature wholly or not at all. In Paley's array it is
shared out: the correlation of a product of s columns with another column is ``sum_r c((r - a)(r - b)...) / q``, which
by Weil's bound is at most about ``s / sqrt(q)``.

References:
    Paley, "On Orthogonal Matrices", Journal of Mathematics and Physics 12 (1933), for the array; Plackett and Burman,
    Biometrika 33 (1946), for its use as a design; Weil, "On Some Exponential Sums", PNAS 34 (1948), for the bound;
    Deng and Tang, Statistica Sinica 9 (1999), for what is gained where confounding is partial.
"""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor


def array_rows(order: int, rows: Tensor, columns: Tensor) -> Tensor:
    """An array's entries, bool ``[m, d]``: True for +1.

    Args:
        order: number of the array's rows, of :func:`least_order`.
        rows: their numbers, int64 ``[m]``, from 0 to ``order - 1``.
        columns: int64 ``[d]``, likewise.
    """
    q = order - 1
    r, k = rows.unsqueeze(1), columns.unsqueeze(0)
    return _squares(q)[(k - r) % q] | (r == 0) | (k == 0)


def least_order(rows: int) -> int:
    """Rows of the smallest array that has at least so many."""
    q = max(3, rows - 1)
    q += (3 - q) % 4
    while not _is_prime(q):
        q += 4
    return q + 1


def half_of_all_rows(d: int) -> Tensor:
    """Half of all ``2**d`` rows: those in which the last feature is off; their complements are the others."""
    number = torch.arange(2 ** max(0, d - 1))
    return (number[:, None] >> torch.arange(d) & 1).bool()


@lru_cache(maxsize=16)
def _squares(q: int) -> Tensor:
    """Which numbers are squares modulo q, without 0; bool ``[q]``."""
    found = torch.zeros(q, dtype=torch.bool)
    found[torch.arange(1, q) ** 2 % q] = True
    return found


def _is_prime(number: int) -> bool:
    return all(number % divisor for divisor in range(3, int(number**0.5) + 1, 2))

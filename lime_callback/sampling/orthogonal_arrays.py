"""Paley's two-level orthogonal arrays, in which no interaction of features passes for a feature.

Letters: ``q`` is a prime with ``q mod 4 = 3``; the array ``A`` has entries +1 and -1 and shape ``[q + 1, q + 1]``, with
``A' A = (q + 1) I``. Let ``c(a)`` be 1 if a is a square modulo q, -1 if it is none, and 0 if ``a = 0``. Then

    A[0, k] = A[r, 0] = 1,    A[r, r] = -1,    A[r, k] = c(k - r)  for r, k > 0, r != k.

In a regular array, such as those of ``2^p`` rows, the product of two or three columns either is another column or is
orthogonal to all of them: an interaction is confounded with a feature wholly or not at all. In Paley's array the
confounding is spread over all features: the correlation of the product of s columns with another column is

    |sum_r c((r - k_1) ... (r - k_s)(r - k))| / q  <=  about s / sqrt(q)        (Weil's bound).

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
    """Entries ``A[rows, columns]`` as bool ``[m, d]``: True for +1.

    Args:
        order: the array's number of rows, ``q + 1``, see :func:`least_order`.
        rows: row numbers, int64 ``[m]``, from 0 to q.
        columns: column numbers, int64 ``[d]``, from 0 to q.
    """
    q = order - 1
    r, k = rows.unsqueeze(1), columns.unsqueeze(0)
    return _squares(q)[(k - r) % q] | (r == 0) | (k == 0)


def least_order(rows: int) -> int:
    """The order ``q + 1`` of the smallest array with at least ``rows`` rows."""
    q = max(3, rows - 1)
    q += (3 - q) % 4
    while not _is_prime(q):
        q += 4
    return q + 1


def half_of_all_rows(d: int) -> Tensor:
    """The ``2^(d-1)`` rows in which the last feature is off, bool ``[2^(d-1), d]``; their complements are the rest."""
    number = torch.arange(2 ** max(0, d - 1))
    return (number[:, None] >> torch.arange(d) & 1).bool()


@lru_cache(maxsize=16)
def _squares(q: int) -> Tensor:
    """Whether ``c(a) = 1``, for a from 0 to ``q - 1``; bool ``[q]``."""
    squares = torch.zeros(q, dtype=torch.bool)
    squares[torch.arange(1, q) ** 2 % q] = True
    return squares


def _is_prime(number: int) -> bool:
    return all(number % divisor for divisor in range(3, int(number**0.5) + 1, 2))

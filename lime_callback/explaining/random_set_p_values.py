"""How probable a set's changes are, if it were like the random sets that were hidden in the same samples.

Letters: ``m`` samples, ``R`` random sets.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from torch import Tensor


def p_value_of_count(changed: Tensor, random: Tensor) -> float:
    """Probability that at least as many samples change, given how many sets change each sample.

    If the set is one of ``R + 1`` alike, a sample that ``k`` of them change is changed by the set itself with
    probability ``k / (R + 1)``. The number of such samples has a Poisson binomial distribution.

    Args:
        changed: by the set, 0 or 1, ``[m]``.
        random: by the random sets, ``[R, m]``.

    References:
        Mantel and Haenszel, "Statistical Aspects of the Analysis of Data from Retrospective Studies of Disease",
        Journal of the National Cancer Institute 22 (1959), for counts within strata.
    """
    odds = (changed + random.sum(0)) / (len(random) + 1)
    numbers = np.ones(1)  # probability of 0, 1, ... changed samples
    for p in odds.tolist():
        numbers = np.convolve(numbers, [1 - p, p])
    return float(numbers[round(float(changed.sum())) :].sum())


def p_value_of_mean(changed: Tensor, random: Tensor) -> float:
    """Probability that the set's mean change lies as far above the random sets', by Student's t over the samples.

    Args:
        changed: by the set, ``[m]``.
        random: by the random sets, ``[R, m]``.
    """
    from scipy.stats import t

    apart = changed - random.mean(0)
    count = len(apart)
    # Where all samples say the same, one more could have said otherwise.
    error = (apart.var() / count + 1 / count**2).sqrt()
    return float(t.sf(float(apart.mean() / error), count - 1))

"""P values of a set's changes, if the set were like the random sets that were hidden in the same samples.

Letters: ``m`` samples, ``R`` random sets.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from torch import Tensor


def p_value_of_count(changed: Tensor, random: Tensor) -> float:
    """Probability that the set changes at least as many samples, given how many of all sets change each sample.

    If the set is like its R random sets, and ``k`` of all ``R + 1`` change a sample, the set itself changes it with
    probability ``k / (R + 1)``. The number of samples that it changes has a Poisson binomial distribution.

    Args:
        changed: whether the set changes each sample, 0 or 1, ``[m]``.
        random: likewise for the random sets, ``[R, m]``.

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
    """Probability that the set's mean change exceeds the random sets' by as much, by Student's t over the samples.

    Args:
        changed: the set's change of each sample, ``[m]``.
        random: the random sets' changes, ``[R, m]``.
    """
    from scipy.stats import t

    apart = changed - random.mean(0)
    count = len(apart)
    # If all samples agree, one more could still have disagreed: the error keeps 1 / m.
    error = (apart.var() / count + 1 / count**2).sqrt()
    return float(t.sf(float(apart.mean() / error), count - 1))


def p_value_of_ranks(changed: Tensor, random: Tensor) -> float:
    """Probability that a set's changes exceed the random sets' by as much, by Wilcoxon's signed ranks over the samples.

    Changes of values have long tails, with which Student's t needs more samples than there are.

    Args:
        changed: the set's change of each sample, ``[m]``.
        random: the random sets' changes, ``[R, m]``.

    References:
        Wilcoxon, "Individual Comparisons by Ranking Methods", Biometrics Bulletin 1 (1945).
    """
    from scipy.stats import wilcoxon

    apart = changed - random.mean(0)
    if not bool((apart != 0).any()):
        return 1.0
    return float(wilcoxon(apart.numpy(), alternative="greater").pvalue)

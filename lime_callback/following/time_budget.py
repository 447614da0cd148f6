"""How long explanations may take, and how many perturbations that affords.

Only halves are taken, n, n/2, n/4, ...: each is a prefix of the one before, so that explanations with different
numbers of perturbations can be compared on the rows that both have.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Any

_LEAST = 16


@dataclass(frozen=True)
class TimeBudget:
    """A bound for the time of an explained epoch.

    Args:
        seconds: at most so many.
        share: or at most this share of the time that the validation took.
    """

    seconds: float | None = None
    share: float | None = None

    @classmethod
    def of(cls, value: Any) -> TimeBudget | None:
        """Read the user's argument: seconds, a share of the validation's time such as ``"20%"``, or ``None``.

        Raises:
            ValueError: if it is none of these, or not above 0.
        """
        if value is None:
            return None
        percent = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*%\s*", value) if isinstance(value, str) else None
        number = float(percent[1]) / 100 if percent else value
        if isinstance(number, bool) or not isinstance(number, (int, float)) or not 0 < number < math.inf:
            raise ValueError(
                "`time_budget` should be a number of seconds above 0, or a share of the validation's time such as "
                f"'20%'. Found `time_budget = {value!r}`."
            )
        return cls(share=float(number)) if percent else cls(seconds=float(number))

    def allowed(self, validation: float) -> float:
        """Seconds for an explained epoch, after a validation that took so many."""
        return self.seconds if self.seconds is not None else (self.share or 0.0) * validation

    def __str__(self) -> str:
        """As a person would say it."""
        return f"{self.seconds:g} s" if self.seconds is not None else f"{self.share:.0%} of the validation's time"


def affordable(n: int, group: int, fixed: float, each: float, allowed: float) -> int:
    """The most perturbations that time allows, of n, n/2, n/4, ...

    Args:
        n: the most there can be.
        group: rows that are drawn together, and stay together.
        fixed: seconds that an explained epoch takes besides.
        each: seconds a perturbation of all probes and views.
        allowed: seconds in all.

    Returns:
        At least 16, or n where that is fewer.
    """
    while fixed + each * n > allowed and n // 2 >= max(_LEAST, group):
        n = n // 2 // group * group
    return n

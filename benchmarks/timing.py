"""Time things side by side, on a machine whose absolute times mean nothing: what is told of them is ratios.

Each round calls everything once, in the other direction every other time, and a ratio is one of a round: what slows the
machine down for a while slows both of its sides down. Printed are medians over the rounds and, in brackets, quartiles.
"""

from __future__ import annotations

import argparse
import time
from typing import TYPE_CHECKING

import numpy as np
import torch

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import ArrayLike

CLOCKS = {"wall": time.perf_counter, "cpu": time.process_time}

Times = dict[str, list[float]]
Quartiles = tuple[float, float, float]


def parser(description: str | None, *, repetitions: int) -> argparse.ArgumentParser:
    """Arguments that all of these benchmarks take."""
    made = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("--quick", action="store_true")
    made.add_argument("--repetitions", type=int, default=repetitions, help="rounds (default: %(default)s)")
    made.add_argument("--threads", type=int, default=torch.get_num_threads(), help="of torch (default: all)")
    made.add_argument(
        "--clock", choices=CLOCKS, default="wall", help="cpu: of this process alone, for a machine with other work"
    )
    return made


def rounds(
    calls: Mapping[str, Callable[[], object]],
    repetitions: int,
    clock: str,
    warm: Mapping[str, Callable[[], object]] | None = None,
) -> Times:
    """Seconds of each call in each round, after a round that does not count.

    Args:
        calls: by their names.
        repetitions: rounds that count.
        clock: one of `CLOCKS`.
        warm: what the round before calls instead, where the calls themselves take long.
    """
    now = CLOCKS[clock]
    found: Times = {name: [] for name in calls}
    for call in (calls if warm is None else warm).values():
        call()
    for repetition in range(repetitions):
        for name in reversed(list(calls)) if repetition % 2 else list(calls):
            start = now()
            calls[name]()
            found[name].append(now() - start)
    return found


def ratio(times: Sequence[float], to: Sequence[float]) -> Quartiles:
    """Quartiles over the rounds of one call's time as a multiple of another's: the lower, the median, the upper."""
    return quartiles(np.divide(times, to))


def quartiles(found: ArrayLike) -> Quartiles:
    """The lower, the median, the upper."""
    low, middle, high = np.quantile(found, (0.25, 0.5, 0.75))
    return float(low), float(middle), float(high)


def told(quartiles: Quartiles) -> str:
    """The median, and the quartiles in brackets."""
    low, middle, high = (f"{number:.{2 if quartiles[1] < 20 else 0}f}" for number in quartiles)
    return f"{middle} [{low}, {high}]"

"""Times calls side by side and reports ratios, since absolute times mean nothing on a shared machine.

Each round makes every call once, in reverse order every other time. Ratios are taken within a round, so that whatever
slows the machine for a while slows both sides of a ratio. The benchmarks print medians over the rounds and, in
brackets, quartiles.
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
    """Return a parser with the arguments that all of these benchmarks take."""
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
    """Return the seconds of each call in each round, after a round that does not count.

    Args:
        calls: the calls, by their names.
        repetitions: the number of rounds that count.
        clock: a name of `CLOCKS`.
        warm: shorter calls for the round that does not count; ``None`` makes the ``calls`` themselves.
    """
    now = CLOCKS[clock]
    seconds: Times = {name: [] for name in calls}
    for call in (calls if warm is None else warm).values():
        call()
    for repetition in range(repetitions):
        for name in reversed(list(calls)) if repetition % 2 else list(calls):
            start = now()
            calls[name]()
            seconds[name].append(now() - start)
    return seconds


def ratio(times: Sequence[float], to: Sequence[float]) -> Quartiles:
    """Return the quartiles over the rounds of ``times / to``: the lower, the median, the upper."""
    return quartiles(np.divide(times, to))


def quartiles(values: ArrayLike) -> Quartiles:
    """Return the lower quartile, the median, the upper quartile."""
    low, middle, high = np.quantile(values, (0.25, 0.5, 0.75))
    return float(low), float(middle), float(high)


def told(quartiles: Quartiles) -> str:
    """Write the median, and the quartiles in brackets."""
    low, middle, high = (f"{number:.{2 if quartiles[1] < 20 else 0}f}" for number in quartiles)
    return f"{middle} [{low}, {high}]"

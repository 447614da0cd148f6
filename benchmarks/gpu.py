"""Measures explanations on a GPU as multiples of the forwards that they need, as `speed.py` does on a CPU.

    python benchmarks/gpu.py          (on a GPU, whose name is printed; in float32 and in bfloat16)
    python benchmarks/gpu.py --quick  (on a GPU, or on the CPU to keep the code alive; its figures mean little)

Without a GPU it runs in its quick mode. Each round makes the calls one after the other and waits for the device before
and after each. The batch is found as the callback finds it: it is doubled while a row becomes a tenth cheaper, within
memory. captum gets the same batch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from speed import QUICK, ROWS
from timed_explanations import Task, ViT, by_captum, importable, ours, plain, quiet, views
from timing import parser, ratio, rounds, told

from lime_callback.training.batch_growth import grown

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

LARGEST = 2048


def main() -> None:
    """Print a table for each dtype."""
    args = parser(__doc__, repetitions=5).parse_args()
    gpu = torch.cuda.is_available()
    device = torch.device("cuda" if gpu else "cpu")
    small = args.quick or not gpu
    print(torch.cuda.get_device_name() if gpu else "There is no GPU: the CPU keeps the code alive.")
    n, repetitions, largest = (32, 1, 16) if small else (2048, args.repetitions, LARGEST)
    print(f"{n} perturbations, {repetitions} rounds; time as a multiple of plain forwards; median [quartiles]")
    for dtype in (torch.float32, torch.bfloat16):
        print(f"\n{str(dtype).removeprefix('torch.')}")
        for row in QUICK if small else ROWS:
            torch.manual_seed(0)
            model = ViT(*row[:4]).to(device, dtype).eval()
            x = torch.randn(1, row.channels, row.size, row.size, device=device, dtype=dtype)
            batch = grown(lambda size, model=model, x=x: seconds_per_row(model, x, size), 16, largest)
            for name, features in views(row, x).items():
                task = Task(model, x, features, n, batch)
                calls: dict[str, Callable[[], object]] = {
                    "plain": lambda task=task: plain(task),
                    "direct": lambda task=task: ours(task, "off"),
                    "folded": lambda task=task: ours(task, "auto"),
                }
                if importable("captum"):
                    calls["captum, 1 target"] = by_captum(task)
                with quiet():
                    times = rounds(waiting(calls), repetitions, args.clock)
                print(f"  {row}, {name}, batches of {batch}")
                for method in list(calls)[1:]:
                    print(f"    {method:<19}{told(ratio(times[method], times['plain'])):>22}", flush=True)


def seconds_per_row(model: ViT, x: torch.Tensor, size: int) -> float:
    """Return what a row costs in a plain forward of so many."""
    calls = waiting({"plain": lambda: plain(Task(model, x, None, size, size))})  # type: ignore[arg-type]
    try:
        return min(rounds(calls, 3, "wall")["plain"]) / size
    except torch.OutOfMemoryError:
        return float("inf")


def waiting(calls: Mapping[str, Callable[[], object]]) -> dict[str, Callable[[], object]]:
    """Return the calls, each of which then waits for the device before and after it."""

    def wait() -> None:
        if torch.cuda.is_available():
            torch.cuda.synchronize()

    def waited(call: Callable[[], object]) -> None:
        wait()
        call()
        wait()

    return {name: lambda call=call: waited(call) for name, call in calls.items()}


if __name__ == "__main__":
    main()

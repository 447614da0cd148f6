"""Measures how time and memory of an explanation grow with its size.

    python benchmarks/scaling.py          (about five minutes on two cores; --picture FILE draws it)
    python benchmarks/scaling.py --quick  (keeps the code alive; its figures mean little)

The benchmark explains a small vision transformer, and enlarges one quantity at a time. It prints times as multiples of
the time at the smallest size, with the exponent of their growth and the exponent to expect. "direct" is `stem="off"`,
"folded" is `stem="auto"`. Memory is the peak of the process during an explanation, less its memory before, each time in
a new process.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import warnings
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from timed_explanations import ViT
from timing import Quartiles, parser, ratio, rounds, told

from lime_callback import Explanation, Superpixels, explain

if TYPE_CHECKING:
    from collections.abc import Callable

PATCH = 8
STEMS = {"direct": "off", "folded": "auto"}


class Size(NamedTuple):
    """The quantities that set an explanation's size."""

    n: int = 128
    features: int = 16
    channels: int = 32
    side: int = 32
    probes: int = 1
    targets: int = 1
    batch: int = 16
    absent: int = 0


class Axis(NamedTuple):
    """The quantity to enlarge, its values, and the growth to expect."""

    field: str
    values: tuple[int, ...]
    expected: str


AXES = (
    Axis("n", (64, 256, 1024), "1 in forwards, 1 in the fit"),
    Axis("features", (4, 16, 64), "0 in forwards, up to 3 in the fit"),
    Axis("channels", (16, 64, 256), "1 in the embedding, 0 behind it"),
    Axis("side", (32, 64, 128), "2 in the embedding, up to 4 in attention"),
    Axis("probes", (1, 4, 16), "1 in forwards"),
    Axis("targets", (1, 4, 10), "0 in forwards, 1 in the fit"),
)
MEMORY = (
    Axis("n", (256, 1024, 8192), "the same within 5 %"),
    Axis("batch", (8, 16, 32), "1"),
    Axis("probes", (4, 16), "the same but for the designs"),
)
AT_MEMORY = Size(n=256, channels=64, side=64)


def main() -> None:
    """Measure times and memory, print them, and draw them if asked to."""
    arguments = parser(__doc__, repetitions=3)
    arguments.add_argument("--picture", help="a file for small multiples")
    arguments.add_argument("--peak", type=int, nargs=len(Size._fields), help=argparse.SUPPRESS)
    args = arguments.parse_args()
    warnings.simplefilter("ignore")
    torch.set_num_threads(args.threads)
    if args.peak:
        print(peak(Size(*args.peak)))
        return
    repetitions = 1 if args.quick else args.repetitions
    print(f"{repetitions} rounds, {args.threads} threads, {args.clock}; the other sizes are {Size()}")
    print("time as a multiple of the smallest; median [quartiles] (order of growth)\n")
    print(f"{'':<10}{'':>6}{'direct':>30}{'folded':>30}   expected order")
    ratios = {axis: timed(axis, repetitions, args.clock, quick=args.quick) for axis in AXES}
    print(f"\npeak memory in MB at {AT_MEMORY}, and as a multiple of the smallest\n")
    taken = {axis: measured(axis, args.threads, quick=args.quick) for axis in MEMORY[: 1 if args.quick else None]}
    print("\nthe same where hidden patches are absent\n")
    measured(MEMORY[0], args.threads, AT_MEMORY._replace(absent=1), quick=args.quick)
    if args.picture:
        draw(ratios, taken, args.picture)


def timed(axis: Axis, repetitions: int, clock: str, *, quick: bool) -> dict[str, list[Quartiles]]:
    """Return for each path the time at each size as a multiple of that at the smallest."""
    values, least = sizes(axis, Size(), quick=quick)
    calls = {
        f"{path} {value}": prepared(least._replace(**{axis.field: value}), stem)
        for value in values
        for path, stem in STEMS.items()
    }
    times = rounds(calls, repetitions, clock)
    ratios = {
        path: [ratio(times[f"{path} {value}"], times[f"{path} {values[0]}"]) for value in values] for path in STEMS
    }
    for i, value in enumerate(values):
        cells = (f"{told(ratios[path][i])}{order(values, i, ratios[path])}" for path in STEMS)
        print(
            f"{axis.field if i == 0 else '':<10}{value:>6}{''.join(f'{cell:>30}' for cell in cells)}"
            f"   {axis.expected if i == 0 else ''}",
            flush=True,
        )
    return ratios


def sizes(axis: Axis, size: Size, *, quick: bool) -> tuple[tuple[int, ...], Size]:
    """Return an axis's values, and the size whose field they replace; both are smaller for a quick run."""
    if not quick:
        return axis.values, size
    return tuple(value // 8 if axis.field == "n" else value for value in axis.values[:2]), size._replace(n=16)


def order(values: tuple[int, ...], i: int, ratios: list[Quartiles]) -> str:
    """Return the exponent of the growth from the size before, as a text."""
    if i == 0:
        return " " * 7
    time, size = torch.tensor([[ratios[i][1], ratios[i - 1][1]], [values[i], values[i - 1]]]).log().diff(dim=1)
    return f" ({float(time / size):4.1f})"


def prepared(size: Size, stem: str) -> Callable[[], Explanation]:
    """Return a function that makes an explanation of a size; everything random is the same each time."""
    torch.manual_seed(0)
    model = ViT(size.channels, size.side, PATCH, layers=1).eval()
    x = torch.randn(size.probes, size.channels, size.side, size.side)
    features = Superpixels("grid", size.features).features(x)
    return partial(
        explain,
        model,
        x,
        features,
        list(range(size.targets)),
        n_perturbations=size.n,
        batch_size=size.batch,
        seed=list(range(size.probes)),
        stem=stem,
        baseline="absent" if size.absent else "mean",
    )


def measured(axis: Axis, threads: int, size: Size = AT_MEMORY, *, quick: bool) -> list[float]:
    """Return the peak memory of each size, in MB."""
    megabytes: list[float] = []
    values, least = sizes(axis, size, quick=quick)
    for value in values:
        size = least._replace(**{axis.field: value})
        command = [sys.executable, __file__, "--threads", str(threads), "--peak", *map(str, size)]
        # The process returns freed memory at once, so that its peak is the memory that it needs.
        environment: dict[str, Any] = os.environ | {
            "MALLOC_MMAP_THRESHOLD_": "65536",
            "MALLOC_TRIM_THRESHOLD_": "65536",
        }
        done = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
        megabytes.append(float(done.stdout))
        first = len(megabytes) == 1
        print(
            f"{axis.field if first else '':<10}{value:>6}{megabytes[-1]:>10.1f}{megabytes[-1] / megabytes[0]:>8.2f}"
            f"   {axis.expected if first else ''}",
            flush=True,
        )
    return megabytes


def peak(size: Size) -> float:
    """Return the peak memory of an explanation beyond the memory before it, in MB."""
    # A first explanation makes the libraries load what they need.
    prepared(size._replace(n=4, batch=2, probes=1), "off")()
    call = prepared(size, "off")
    Path("/proc/self/clear_refs").write_text("5")
    before = status("VmRSS")
    call()
    return (status("VmHWM") - before) / 1024


def status(name: str) -> int:
    """Return a number of kB from Linux's status of this process."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{name}:"))


def draw(measured_ratios: dict[Axis, dict[str, list[Quartiles]]], taken: dict[Axis, list[float]], path: str) -> None:
    """Draw a panel for each axis: times as ratios, and memory."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 8.5), layout="constrained")
    panels = figure.subplots(3, 3).flat
    for axis, ratios in measured_ratios.items():
        axes = next(panels)
        for (name, rows), colour in zip(ratios.items(), ("#4477aa", "#228833"), strict=True):
            low, middle, high = zip(*rows, strict=True)
            values = axis.values[: len(rows)]
            axes.plot(values, middle, marker="o", color=colour, label=name)
            axes.fill_between(values, low, high, color=colour, alpha=0.2)
        axes.plot(
            values, [value / values[0] for value in values], color="#888888", linestyle=":", label="in proportion"
        )
        axes.set_yscale("log", base=2)
        axes.set_title(f"time against {axis.field}\nexpected order: {axis.expected}", fontsize=9)
        _scale(axes, values)
    for axis, megabytes in taken.items():
        axes = next(panels)
        values = axis.values[: len(megabytes)]
        axes.plot(values, megabytes, marker="o", color="#aa3377")
        axes.set_ylim(0, 1.2 * max(megabytes))
        axes.set_title(f"peak memory (MB) against {axis.field}\nexpected: {axis.expected}", fontsize=9)
        _scale(axes, values)
    figure.axes[0].legend(fontsize=8, frameon=False)
    figure.savefig(path, dpi=150)


def _scale(axes: Any, values: tuple[int, ...]) -> None:
    axes.set_xscale("log", base=2)
    axes.set_xticks(values, [str(value) for value in values])
    axes.grid(alpha=0.3)


if __name__ == "__main__":
    main()

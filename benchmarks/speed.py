"""Measures the time of an explanation as a multiple of the forward passes that it needs, and compares other packages.

    python benchmarks/speed.py          (about half an hour on two cores; --picture FILE draws it)
    python benchmarks/speed.py --only-absent --repetitions 9  (a quarter of an hour: more rounds, of fewer ways)
    python benchmarks/speed.py --quick  (keeps the code alive; its figures mean little)

The unit is plain forward passes: the model runs on as many rows, in the same batches, and nothing else is done. The
benchmark explains an input of small vision transformers with random weights by superbands (20, or the 3 channels) and
by superpixels, which are the patches that the model embeds. "direct" (`stem="off"`) writes every perturbed input.
"folded" (`stem="auto"`) replaces the first layer by precomputed images of the features. "absent" (`baseline="absent"`)
leaves the tokens of hidden patches out. Other packages explain the same
features with as many perturbations in the same batches. This package and lime explain four outputs at once. Captum and
meteors explain an output at a time, so that four outputs cost four calls, of which one is timed. Other packages are not
timed on the deepest model, and not if they are not installed. "times ours" and "times absent" are medians of the ratios
of the rounds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from timed_explanations import Row, Task, ViT, importable, methods, ours, quiet, views
from timing import Quartiles, Times, parser, ratio, rounds, told

if TYPE_CHECKING:
    from torch import Tensor

METHODS = ("direct", "folded", "absent", "captum, 1 target", "captum, 4 targets", "lime, 4 targets",
           "meteors, 1 target", "meteors, 4 targets")  # fmt: skip
ABSENT = ("plain", "absent", "captum, 1 target")

ROWS = (
    Row(200, 32, 4, 4, True),
    Row(150, 224, 16, 4, True),
    Row(150, 224, 16, 12, False),
    Row(3, 224, 16, 4, True),
)
QUICK = (Row(20, 32, 8, 1, True), Row(3, 32, 8, 1, True))


def main() -> None:
    """Measure the times, print them as ratios, and draw them if asked to."""
    arguments = parser(__doc__, repetitions=3)
    arguments.add_argument("--picture", help="a file for bars of the medians")
    arguments.add_argument("--only-absent", action="store_true", help="time plain forwards, absent and captum alone")
    arguments.add_argument("--perturbations", type=int, default=256)
    arguments.add_argument("--batch", type=int, default=16)
    args = arguments.parse_args()
    torch.set_num_threads(args.threads)
    repetitions, n = (1, 32) if args.quick else (args.repetitions, args.perturbations)
    missing = [name for name in ("captum", "lime", "meteors") if not importable(name)]
    print(f"{n} perturbations in batches of {args.batch}, {repetitions} rounds, {args.threads} threads, {args.clock}")
    for name in missing:
        print(f"{name} cannot be imported and is left out")
    print("time as a multiple of plain forward passes of as many rows; median [quartiles]")
    measured: dict[str, dict[str, Quartiles]] = {}
    for row in QUICK if args.quick else ROWS:
        torch.manual_seed(0)
        model = ViT(*row[:4]).eval()
        x = torch.randn(1, row.channels, row.size, row.size)
        for name, features in views(row, x).items():
            task = Task(model, x, features, n, args.batch)
            calls = methods(task, row, name, missing)
            warm = methods(task._replace(n=args.batch), row, name, missing)
            if args.only_absent:
                calls = {method: call for method, call in calls.items() if method in ABSENT}
            if args.only_absent and len(calls) < len(ABSENT):
                continue
            print(f"\n{row}: {name}")
            with quiet() as reasons:
                times = rounds(calls, repetitions, args.clock, {method: warm[method] for method in calls})
                apart = None if args.only_absent else difference(task)
            times |= {
                method.replace("1 target", "4 targets"): [4 * one for one in own]
                for method, own in times.items()
                if "1 target" in method
            }
            ratios = {method: ratio(own, times["plain"]) for method, own in times.items() if method != "plain"}
            for method in METHODS:
                if method in ratios:
                    beside = times_ours(method, times) if "target" in method else ""
                    print(f"  {method:<19}{told(ratios[method]):>22}{beside}")
            if apart is not None:
                far_apart = " by {:.1e} of the largest, coefficients by {:.1e}".format(*apart)
                print(f"  folded and direct: outputs differ{far_apart}", flush=True)
            for reason in sorted(reasons):
                print(f"  {reason}")
            measured[f"{row}: {name}"] = ratios
    if args.picture:
        draw(measured, args.picture, f"{n} perturbations in batches of {args.batch}")


def difference(task: Task) -> tuple[float, float]:
    """Return the largest difference between the folded and the direct path, as a share of the largest value.

    The first share is that of the outputs for the perturbed inputs, the second that of the coefficients.
    """
    direct, folded = (ours(task, stem) for stem in ("off", "auto"))
    assert direct.samples is not None, "they are new"
    assert folded.samples is not None, "they are new"
    return (
        far(direct.samples.outputs, folded.samples.outputs),
        far(direct.coefficients, folded.coefficients),
    )


def far(values: Tensor, other: Tensor) -> float:
    """Return ``max |other - values| / max |values|``."""
    return float((other - values).abs().max() / values.abs().max())


def times_ours(method: str, times: Times) -> str:
    """Return as a text how many times as long a method takes as this package's ways, the median over the rounds."""
    text = ""
    if "folded" in times:
        ways = ((ratio(times[method], times[way])[1], way) for way in ("direct", "folded"))
        text = f"   {max(ways)[0]:6.1f} times ours"
    if "absent" in times:
        text += f"{',' if text else '  '} {ratio(times[method], times['absent'])[1]:.1f} times absent"
    return text


def draw(measured: dict[str, dict[str, Quartiles]], path: str, about: str) -> None:
    """Draw bars of the medians with their quartiles, in a colour for each method."""
    from matplotlib.figure import Figure

    shades = ("#4477aa", "#228833", "#882255", "#ccbb44", "#ee6677", "#aa3377", "#66ccee", "#bbbbbb")
    colours = dict(zip(METHODS, shades, strict=True))
    bars = sum(len(ratios) + 1 for ratios in measured.values())
    figure = Figure(figsize=(9, 1.2 + 0.27 * bars), layout="constrained")
    axes = figure.subplots()
    at, ticks, used = 0.0, [], {}
    for ratios in measured.values():
        first = at
        for method in METHODS:
            if method not in ratios:
                continue
            low, middle, high = ratios[method]
            error = [[middle - low], [high - middle]]
            used[method] = axes.barh(at, middle, 0.85, color=colours[method], xerr=error, ecolor="#555555")
            text = f"{middle:.2f}" if middle < 10 else f"{middle:.0f}"
            paper = {"boxstyle": "square,pad=0.1", "facecolor": "white", "linewidth": 0}  # over the line at 1
            axes.annotate(text, (high, at), (5, 0), textcoords="offset points", va="center", fontsize=8, bbox=paper)
            at += 1
        ticks.append((first + at - 1) / 2)
        at += 1
    axes.axvline(1, color="black", linewidth=1)
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter("{x:g}")
    axes.set_xlim(right=axes.get_xlim()[1] * 1.5)
    axes.set_yticks(ticks, [name.replace(": ", "\n") for name in measured], fontsize=9)
    axes.margins(y=0.01)
    axes.invert_yaxis()
    axes.set_xlabel("time of an explanation; 1 = plain forward passes of as many rows")
    axes.set_title(about, fontsize=10)
    axes.grid(axis="x", alpha=0.3)
    axes.set_axisbelow(True)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    order = [method for method in METHODS if method in used]
    figure.legend([used[method] for method in order], order, loc="outside lower center", ncols=4, frameon=False)
    figure.savefig(path, dpi=150)


if __name__ == "__main__":
    main()

"""Measures accuracy and speed together: the time to an explanation as accurate as captum's.

    python benchmarks/together.py          (about twelve minutes on two cores)
    python benchmarks/together.py --quick  (keeps the code alive; its figures mean little)

The benchmark explains an input of a vision transformer with random weights (150 channels, 224 x 224 pixels, patches of
16, 4 layers) by 20 superbands and by its 196 patches. Captum's Lime draws independent rows. With this package's kernel
and surrogate it gives the same coefficients as `design="bernoulli"` (`pytest tests/explaining/test_parity.py`), which
takes less time and so stands in for it to measure its error at n = 256. With coefficients b, and t those of many
perturbations, the error is the mean of |b - t| / |t| over seeds and targets. Then the benchmark times captum with its
defaults, for one target, and this package with the least n whose error is no larger, for four targets, in turn.
"""

from __future__ import annotations

from functools import partial

import torch
from timed_explanations import Row, Task, ViT, by_captum, importable, ours, plain, quiet, views
from timing import parser, ratio, rounds, told
from torch import Tensor

from lime_callback import explain

ROW, QUICK = Row(150, 224, 16, 4, True), Row(20, 32, 8, 1, True)
SIZES = (16, 32, 48, 64, 96, 128, 160, 192, 256)


def main() -> None:
    """Find the least n, measure the times, print their ratio."""
    arguments = parser(__doc__, repetitions=3)
    arguments.add_argument("--perturbations", type=int, default=256, help="of captum")
    arguments.add_argument("--batch", type=int, default=16)
    arguments.add_argument("--seeds", type=int, default=8)
    args = arguments.parse_args()
    torch.set_num_threads(args.threads)
    row, many, seeds, repetitions = (QUICK, 1024, 2, 1) if args.quick else (ROW, 16_384, args.seeds, args.repetitions)
    n = 64 if args.quick else args.perturbations
    torch.manual_seed(0)
    model, x = ViT(*row[:4]).eval(), torch.randn(1, row.channels, row.size, row.size)
    print(f"{row}; captum with {n} perturbations; batches of {args.batch}, {args.threads} threads, {args.clock}")
    for view, features in views(row, x).items():
        task = Task(model, x, features, n, args.batch)
        with quiet():
            whole = explain(model, x, features, n_perturbations=many, batch_size=64)
            truth = whole.coefficients
            theirs = error(task, truth, "bernoulli", seeds)
            errors = {}
            for size in (size for size in SIZES if size <= n):
                errors[size] = error(task._replace(n=size), truth, "orthogonal", seeds)
                if errors[size] <= theirs:
                    break
        print(f"\n{view}: R² {float(whole.score.mean()):.2f}; error of independent rows {theirs:.3f}; ours ", end="")
        print(", ".join(f"{measured:.3f} at {size}" for size, measured in errors.items()))
        smallest = task._replace(n=size)
        calls = {"ours": partial(ours, smallest, "auto"), "plain": partial(plain, task)}
        if importable("captum"):
            calls["captum"] = by_captum(task)
        with quiet():
            times = rounds(calls, repetitions, args.clock, {"ours": calls["ours"]})
        for name in ("captum", "plain"):
            if name in calls:
                print(f"  {name:<7} takes {told(ratio(times[name], times['ours'])):>22} times as long", flush=True)


def error(task: Task, truth: Tensor, design: str, seeds: int) -> float:
    """Return the relative error's mean over seeds and targets."""
    coefficients = torch.cat(
        [
            explain(
                task.model, task.x, task.features, n_perturbations=task.n, batch_size=64, design=design, seed=seed
            ).coefficients
            for seed in range(1, seeds + 1)
        ]
    )
    far = torch.linalg.vector_norm(coefficients - truth, dim=-1) / torch.linalg.vector_norm(truth, dim=-1)
    return float(far.mean())


if __name__ == "__main__":
    main()

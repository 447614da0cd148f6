"""Measures for each design how far an explanation is from the one that endless perturbations would give.

    python benchmarks/accuracy.py          (about eight minutes on two cores; --picture FILE draws it)
    python benchmarks/accuracy.py --quick  (keeps the code alive; its figures mean little)

The benchmark trains two vision transformers on Indian Pines: one without augmentation, and the main example's, whose
augmentation makes it more additive. It explains the logit and the probability of validation patches by superbands and
by superpixels, with three designs: independent rows (as captum, lime and meteors draw them), pairs, and the default.
With coefficients b, and t those of many perturbations, the error is |b - t| / |t|. The table shows its mean and, in
brackets, its root mean square over patches and repetitions. Below stands the error of the default design with 128 rows,
divided by that of 384 independent rows.
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, NamedTuple

import torch
from drift import both_outputs, trained
from scene import wavelengths
from torch import Tensor

from lime_callback import Explanation, Superbands, Superpixels
from lime_callback.sampling.seeds import seed_for

if TYPE_CHECKING:
    from collections.abc import Callable

    from lime_callback import Features

OUTPUTS = ("raw", "softmax")
DESIGNS = ("bernoulli", "paired", "orthogonal")
AIM = 128, 384  # rows of the default design, and independent rows, whose errors are compared


class Case(NamedTuple):
    """A model and a view, with the true coefficients ``[patches, outputs, features]``."""

    model: str
    view: str
    explained: Callable[[int, str, int], Explanation]
    truth: Tensor


def main() -> None:
    """Train the models, explain patches, print the errors, and draw them if asked to."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--repetitions", type=int, default=24)
    parser.add_argument("--picture", help="a file for curves of the errors")
    args = parser.parse_args()
    epochs, count, most, repetitions = (1, 2, 1024, 2) if args.quick else (14, 8, 32_768, args.repetitions)
    sizes = (64, 128) if args.quick else (64, 128, 256)
    print(f"{count} patches, {repetitions} repetitions, truth from {most} perturbations")
    print("relative error: mean (root mean square)")
    curves: dict[str, dict[str, dict[int, float]]] = {}
    for case in cases(epochs, count, most):
        print(
            f"\n{case.model} model, {case.view}\n{'':<9}{'':<12}" + "".join(f"{f'n = {n}':>19}" for n in sizes), end=""
        )
        print(f"{f'n = {AIM[1]}':>19}")
        errors_of = {
            (design, n): errors(case, n, design, repetitions)
            for design in DESIGNS
            for n in (*sizes, AIM[1])
            if n != AIM[1] or design == "bernoulli"
        }
        for i, output in enumerate(OUTPUTS):
            for design in DESIGNS:
                cells = [errors_of[design, n][..., i] for n in (*sizes, AIM[1]) if (design, n) in errors_of]
                written = "".join(f"{f'{cell.mean():.4f} ({rms(cell):.4f})':>19}" for cell in cells)
                print(f"{output if design == DESIGNS[0] else '':<9}{design:<12}{written}")
            few, many = errors_of["orthogonal", AIM[0]][..., i], errors_of["bernoulli", AIM[1]][..., i]
            print(
                f"{'':<9}orthogonal at {AIM[0]} to independent rows at {AIM[1]}: {few.mean() / many.mean():.3f} "
                f"({rms(few) / rms(many):.3f})",
                flush=True,
            )
            curves[f"{case.model} model, {case.view}, {output}"] = {
                design: {n: float(cell[..., i].mean()) for (chosen, n), cell in errors_of.items() if chosen == design}
                for design in DESIGNS
            }
    if args.picture:
        draw(curves, args.picture)


def cases(epochs: int, count: int, most: int) -> list[Case]:
    """Return both models with both views, and their true coefficients from ``most`` perturbations."""
    made = []
    for name, augmented in (("plain", False), ("augmented", True)):
        (model,), probes, targets = trained(epochs, 1, count, augmented=augmented)
        views: dict[str, Features] = {
            "20 superbands": Superbands(20).features(probes, wavelengths=wavelengths()),
            "16 superpixels": Superpixels("grid", n_segments=16).features(probes),
        }
        for view, features in views.items():
            explained = explainer(model, probes, features, targets)
            many = explained(most, "orthogonal", 0)
            score = many.score.mean(0).tolist()
            about = f"{view} (R² {score[0]:.2f} of the logit, {score[1]:.2f} of the probability)"
            made.append(Case(name, about, explained, many.coefficients))
    return made


def explainer(
    model: torch.nn.Module, probes: Tensor, features: Features, targets: Tensor
) -> Callable[[int, str, int], Explanation]:
    """Return a function of n, design and seed that explains logit and probability with the same forwards."""

    def explained(n: int, design: str, seed: int) -> Explanation:
        seeds = [seed_for(seed, probe) for probe in range(len(probes))]
        return both_outputs(model, probes, features, targets, n, design, seeds)

    return explained


def errors(case: Case, n: int, design: str, repetitions: int) -> Tensor:
    """Return the relative errors, ``[repetitions, patches, outputs]``."""
    coefficients = torch.stack([case.explained(n, design, seed).coefficients for seed in range(1, repetitions + 1)])
    length = torch.linalg.vector_norm(case.truth, dim=-1)
    return torch.linalg.vector_norm(coefficients - case.truth, dim=-1) / length


def rms(errors: Tensor) -> Tensor:
    """Return the root mean square."""
    return errors.double().square().mean().sqrt()


def draw(curves: dict[str, dict[str, dict[int, float]]], path: str) -> None:
    """Draw the error over n, with a panel for each case and output."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(12, 6), layout="constrained")
    colours = dict(zip(DESIGNS, ("#bbbbbb", "#4477aa", "#228833"), strict=True))
    panels = figure.subplots(2, len(curves) // 2, squeeze=False).T.flat
    for axes, (title, lines) in zip(panels, curves.items(), strict=True):
        for design, points in lines.items():
            axes.plot(list(points), list(points.values()), marker="o", color=colours[design], label=design)
        axes.set_xscale("log", base=2)
        axes.set_yscale("log")
        ticks = sorted({n for points in lines.values() for n in points})
        axes.set_xticks(ticks, [str(n) for n in ticks])
        axes.set_title(title.replace(" (R²", "\n(R²").replace("), ", "),\n"), fontsize=8)
        axes.grid(alpha=0.3, which="both")
    figure.supxlabel("perturbations", fontsize=9)
    figure.supylabel("relative error of the coefficients", fontsize=9)
    figure.axes[0].legend(fontsize=8, frameon=False)
    figure.savefig(path, dpi=150)


if __name__ == "__main__":
    main()

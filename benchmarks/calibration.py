"""Do the stated errors hold on a trained model? Measures the coverage of intervals, and false alarms of changes.

    python benchmarks/calibration.py          (about six minutes on two cores)
    python benchmarks/calibration.py --quick  (keeps the code alive; its figures mean little)

The benchmark explains the model of `benchmarks/drift.py` many times on independent designs. The table shows the share
of 95 % intervals that hold the coefficient from many perturbations (0.95 is right), and the share of coefficients that
are called changed at level 0.05 between two explanations of the unchanged model (0.05 is right). For more models, sizes
and designs, see `benchmarks/honesty.py`.
"""

from __future__ import annotations

import argparse

import torch
from drift import trained
from scene import wavelengths

from lime_callback import Explanation, Superbands, explain
from lime_callback.comparing import compare
from lime_callback.sampling.seeds import seed_for


def main() -> None:
    """Train the model, explain it repeatedly, print the shares."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true")
    args = parser.parse_args()
    epochs, count, reference, repetitions = (1, 2, 512, 4) if args.quick else (14, 4, 20_480, 200)
    models, probes, targets = trained(epochs, 1, count, augmented=False)
    features = Superbands(20).features(probes, wavelengths=wavelengths())

    def explained(n: int, design: str, seed: int) -> Explanation:
        seeds = [seed_for(seed, probe) for probe in range(count)]
        return explain(
            models[-1], probes, features, targets, n_perturbations=n, design=design, batch_size=256, seed=seeds
        )

    value = explained(reference, "orthogonal", 0).coefficients
    print(f"{count} probes, {repetitions} repetitions, truth from {reference} perturbations\n")
    print(f"{'design':<12}{'n':>5}  {'covered (95 %)':>14}  {'called changed (5 %)':>20}")
    for design, rows in (("orthogonal", 8), ("orthogonal", 16), ("paired", 8), ("bernoulli", 8)):
        n = rows * len(features)
        explanations = [explained(n, design, seed) for seed in range(1, repetitions + 1)]
        inside = [(explanation.coefficients - value).abs() <= explanation.half_widths() for explanation in explanations]
        changed = [
            compare(a, b).significant(0.05, "none") for a, b in zip(explanations[::2], explanations[1::2], strict=True)
        ]
        print(
            f"{design:<12}{n:>5}  {torch.stack(inside).double().mean():14.3f}"
            f"  {torch.stack(changed).double().mean():20.3f}",
            flush=True,
        )


if __name__ == "__main__":
    main()

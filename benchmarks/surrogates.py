"""Measures how much faster the batched surrogates are than a loop over scikit-learn, and how far the two differ.

    python benchmarks/surrogates.py          (about two minutes on two cores)
    python benchmarks/surrogates.py --quick  (keeps the code alive; its figures mean little)

The task is 1024 fits: 64 inputs of 16 targets, with 50 features and 256 perturbations. This package computes all fits
at once; scikit-learn's estimators compute one after the other, with the same weights and penalty. The lasso's
`tolerance` is such that both agree. `solve` does the same work as scikit-learn's fits. `fit` adds the rest of an
explanation: standard errors, the rank, and both R², for which shrinking surrogates are fitted again without each fifth
of the rows. Each input has a design ("own"), or all inputs share one ("shared").
"""

from __future__ import annotations

import warnings
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from sklearn import linear_model
from threadpoolctl import threadpool_limits
from timing import parser, ratio, rounds, told

from lime_callback import Lasso, Ridge
from lime_callback.sampling import Cosine, Paired
from lime_callback.sampling.designs import draw_designs
from lime_callback.surrogates import Samples, Surrogate
from lime_callback.surrogates.fitting import fit
from lime_callback.surrogates.linear_models import centred_problem

if TYPE_CHECKING:
    from collections.abc import Callable

ALPHAS = {"ridge": 1.0, "lasso": 0.01}
# scikit-learn's tolerance is a share of the output's variance; this package's bounds the optimality conditions.
TOLERANCE = {"theirs": 1e-10, "ours": 1e-7}
AIMS = {"ridge": 50, "lasso": 10}


def main() -> None:
    """Measure the times, compare the coefficients, print both."""
    args = parser(__doc__, repetitions=5).parse_args()
    torch.set_num_threads(args.threads)
    inputs, targets, d, n = (8, 4, 20, 96) if args.quick else (64, 16, 50, 256)
    repetitions = 1 if args.quick else args.repetitions
    print(
        f"{inputs} inputs, {targets} targets, d = {d}, n = {n}: {inputs * targets} fits, {repetitions} rounds, "
        f"{args.threads} threads, {args.clock}"
    )
    print("how many times as long scikit-learn takes; median [quartiles]\n")
    print(f"{'':<7}{'design':<8}{'solve':>22}{'fit, with errors':>22}{'aim':>6}{'largest difference':>20}")
    for name, shared in ((name, shared) for name in ALPHAS for shared in (False, True)):
        samples = problems(inputs, targets, d, n, shared=shared)
        surrogate, theirs = methods(name)
        calls = {
            "solve": partial(solved, surrogate, samples),
            "fit": partial(fit, surrogate, samples),
            "theirs": partial(looped, theirs, samples),
        }
        with threadpool_limits(args.threads):
            times = rounds(calls, repetitions, args.clock)
        difference = np.abs(solved(surrogate, samples).numpy() - looped(theirs, samples)).max()
        print(
            f"{name:<7}{'shared' if shared else 'own':<8}{told(ratio(times['theirs'], times['solve'])):>22}"
            f"{told(ratio(times['theirs'], times['fit'])):>22}{AIMS[name]:>6}{difference:>20.1e}",
            flush=True,
        )


def methods(name: str) -> tuple[Surrogate, Callable[[], Any]]:
    """Return this package's surrogate of a name, and a function that makes scikit-learn's."""
    alpha = ALPHAS[name]
    if name == "ridge":
        return Ridge(alpha, absolute=True), partial(linear_model.Ridge, alpha)
    return Lasso(alpha, TOLERANCE["ours"]), partial(
        linear_model.Lasso, alpha, tol=TOLERANCE["theirs"], max_iter=100_000
    )


def problems(inputs: int, targets: int, d: int, n: int, *, shared: bool) -> Samples:
    """Return samples of a model that sums linear effects of unlike sizes, products of two features, and noise."""
    generator = torch.Generator().manual_seed(0)
    present = torch.ones(1, d, dtype=torch.bool)
    design = draw_designs(Paired(), n, present, [0] * inputs if shared else range(inputs))
    z = design.double()
    effects = torch.randn(inputs, d, targets, generator=generator).double()
    effects *= torch.logspace(0, -3, d)[:, None]
    products = z * z.roll(1, -1)
    noise = 0.1 * torch.randn(inputs, n, targets, generator=generator)
    outputs = z @ effects + 0.3 * products @ effects.roll(3, 1) + noise
    return Samples(
        design, Cosine()(design, present.expand(len(design), -1)), outputs, Paired().group(design.shape[1], d)
    )


def solved(surrogate: Surrogate, samples: Samples) -> torch.Tensor:
    """Return this package's coefficients alone, ``[B, T, d]``."""
    return surrogate.solve(centred_problem(samples)).mT


def looped(make: Callable[[], Any], samples: Samples) -> np.ndarray[Any, Any]:
    """Return scikit-learn's coefficients, ``[B, T, d]``, computed one fit after the other."""
    outputs = samples.outputs.numpy()
    shape = (len(outputs), -1, -1)
    design = samples.design.double().expand(*shape).numpy()
    weights = samples.weights.expand(*shape[:2]).numpy()
    coefficients = np.empty((len(outputs), outputs.shape[2], design.shape[2]))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for b, t in np.ndindex(coefficients.shape[:2]):
            coefficients[b, t] = make().fit(design[b], outputs[b, :, t], sample_weight=weights[b]).coef_
    return coefficients


if __name__ == "__main__":
    main()

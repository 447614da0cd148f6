"""Do the stated figures hold? Checks intervals, standard errors and scores against the truth, and counts phantoms.

    python benchmarks/honesty.py          (about an hour on two cores; --part NAME runs one of its parts)
    python benchmarks/honesty.py --quick  (keeps the code alive and looks at a few cells)

Each cell of the table explains a model many times, with designs of different seeds. The truth is the weighted linear
model of very many independent rows. A cell shows:

- covered: the share of 95 % intervals that hold the true coefficient;
- stated/true: the stated standard error divided by the true one (root mean squares);
- score: the stated R², then R² on fresh independent rows, then R² on the fitted rows;
- pass: the share of fits whose score passes the gate of 0.2.

If the rows do not suffice, or an output never varied, an explanation states no error, and no fit should pass. A cell is
out of bounds if its coverage is below 0.90 (synthetic) or outside of 0.92 to 0.99 (trained), stated/true is outside of
0.8 to 1.6, the score exceeds that of fresh rows by more than 0.1, or more than 2 % of the fits to noise pass. The end
lists such cells.

The last part counts phantoms: how often a feature that the model does not use has a coefficient above half of the
strongest true one, with the default design and with independent rows. A cell is out of bounds if the default has more
phantoms than independent rows by more than two standard errors.
"""

from __future__ import annotations

import argparse
import math
import sys
import warnings
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from honesty_models import Model, synthetic, trained

from lime_callback import Features, Lasso, Ridge, explain
from lime_callback.sampling import Bernoulli, Cosine, Euclidean, Kernel, Orthogonal, Paired, Uniform
from lime_callback.sampling.seeds import seed_for
from lime_callback.surrogates.confidence_intervals import critical_value

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import Tensor

    from lime_callback.sampling import Design
    from lime_callback.surrogates import Surrogate

SIZES = (
    (8, 64), (8, 128), (20, 64), (20, 128), (20, 256), (20, 1024), (50, 64), (50, 128), (50, 256), (64, 128), (64, 256),
    (100, 128), (100, 256), (100, 512), (128, 256), (128, 512), (196, 256), (196, 512), (196, 1024), (256, 512),
    (256, 1024),
)  # fmt: skip
OTHERS: tuple[tuple[int, int, Any, Kernel, Surrogate], ...] = (
    (20, 256, Bernoulli(), Cosine(), Ridge()), (20, 256, Paired(), Cosine(), Ridge()),
    (100, 256, Bernoulli(), Cosine(), Ridge()), (100, 256, Paired(), Cosine(), Ridge()),
    (16, 256, Orthogonal(), Cosine(0.06), Ridge()), (16, 256, Orthogonal(), Cosine(0.1), Ridge()),
    (16, 1024, Orthogonal(), Cosine(0.1), Ridge()), (50, 256, Orthogonal(), Cosine(1.0), Ridge()),
    (20, 256, Orthogonal(), Euclidean(0.25), Ridge()), (20, 256, Orthogonal(), Uniform(), Ridge()),
    (20, 256, Orthogonal(), Cosine(), Lasso(0.001)), (20, 256, Orthogonal(), Cosine(), Lasso(0.01)),
    (20, 256, Orthogonal(), Cosine(), Ridge(0.1)),
)  # fmt: skip

QUICK = 65_536  # rows for the truth in quick runs


class Cell(NamedTuple):
    """A line of the table, and what is out of bounds in it; empty if nothing is."""

    text: str
    trouble: str


def main() -> None:
    """Run the parts, print the tables and the cells that are out of bounds."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--part", choices=("synthetic", "strategies", "trained", "phantoms"))
    parser.add_argument("--repetitions", type=int, help="explanations a cell (default: 100)")
    parser.add_argument("--seed", type=int, default=0, help="of models and designs (default: 0)")
    args = parser.parse_args()
    warnings.filterwarnings("ignore", message="The explanation of input")
    torch.set_num_threads(2)
    repetitions = args.repetitions or (20 if args.quick else 100)
    checked: list[Cell] = []
    print(f"{repetitions} explanations a cell, seed {args.seed}\n\n{HEAD}")
    for part in (args.part,) if args.part else ("synthetic", "strategies", "trained"):
        if part != "phantoms":
            for cell in cells(part, repetitions, args.seed, quick=args.quick):
                print(cell.text, flush=True)
                checked.append(cell)
    if args.part in (None, "phantoms"):
        print("\nphantoms: share of fits in which an unused feature is above half of the strongest true one")
        for cell in phantoms(40 if args.quick else 400, args.seed, quick=args.quick):
            print(cell.text, flush=True)
            checked.append(cell)
    wrong = [f"{cell.text}   <- {cell.trouble}" for cell in checked if cell.trouble]
    print(f"\n{len(wrong)} of {len(checked)} cells out of bounds" + "".join(f"\n{line}" for line in wrong))
    sys.exit(bool(wrong) and not args.quick)


HEAD = (
    f"{'model':<12}{'d':>4}{'n':>6}  {'how':<22}{'covered':>8}{'stated/true':>12}{'score':>8}{'fresh':>7}{'fitted':>8}"
    f"{'pass':>7}"
)


def cells(part: str, repetitions: int, seed: int, *, quick: bool) -> Iterator[Cell]:
    """Yield the cells of a part."""
    default: tuple[Any, Kernel, Surrogate] = (Orthogonal(), Cosine(), Ridge())
    if part == "trained":
        for model in trained(seed, quick=quick):
            for n in (128, 256, 512) if not quick else (256,):
                checked = model._replace(truth_rows=QUICK) if quick else model
                yield cell(checked, n, *default, repetitions, seed, least=0.92, most=0.99)
        return
    rows = [(d, n, *default) for d, n in SIZES] if part == "synthetic" else OTHERS
    for d, n, design, kernel, surrogate in rows[::6] if quick else rows:
        for model in synthetic(d, seed):
            if not quick:
                yield cell(model, n, design, kernel, surrogate, repetitions, seed, least=0.90, most=1.0)
            elif model.name in ("product of 2", "noise"):
                few = model._replace(truth_rows=QUICK)
                yield cell(few, n, design, kernel, surrogate, repetitions, seed, least=0.90, most=1.0)


def cell(
    model: Model, n: int, design: Design, kernel: Kernel, surrogate: Surrogate, repetitions: int, seed: int, *,
    least: float, most: float,
) -> Cell:  # fmt: skip
    """Explain a model ``repetitions`` times, and compare the explanations with the truth.

    Args:
        model: the model.
        n: the number of perturbations.
        design: the design.
        kernel: the kernel.
        surrogate: the surrogate.
        repetitions: the number of explanations.
        seed: the seed of the designs and of the rows for the truth.
        least: the least coverage within bounds.
        most: the largest coverage within bounds.
    """
    features = Features.from_mask(torch.arange(model.d)[None], layout="C")
    x = torch.ones(1, model.d, dtype=torch.float64)
    explanation = explain(
        model.rows, x.expand(repetitions, -1), features, n_perturbations=n, design=design, kernel=kernel,
        surrogate=surrogate, baseline="zero", batch_size=4096,
        seed=[seed_for(seed, r, model.name) for r in range(repetitions)],
    )  # fmt: skip
    truth = true_line(model, kernel, seed)[1:]
    beta, error = explanation.coefficients[:, 0], explanation.standard_error[:, 0]
    known = explanation.freedom > 0
    score, fitted = float(explanation.score.mean()), float(explanation.fit_score.mean())
    # Like a score, R² on fresh rows is cut off at -1.
    fresh = float(fresh_score(model, kernel, beta, explanation.intercept[:, 0], seed).clamp(min=-1).mean())
    passed = float((explanation.score >= 0.2).double().mean())
    how = f"{type(design).__name__.lower()} {kernel!r} {surrogate!r}"
    how = "default" if how == f"orthogonal {Cosine()!r} {Ridge()!r}" else _brief(how)
    head = f"{model.name:<12}{model.d:>4}{n:>6}  {how:<22}"
    tail = f"{score:8.2f}{fresh:7.2f}{fitted:8.2f}{passed:7.2f}"
    trouble = []
    if score > fresh + 0.1 and bool(known.any()):
        trouble.append("score above fresh rows")
    if model.name == "noise" and passed > 0.02:
        trouble.append("noise passes")
    if not bool(known.all()):
        if bool(error[~known].isfinite().any()) or passed:
            trouble.append("something is stated where rows do not suffice")
        return Cell(f"{head}{'none stated':>20}{tail}", ", ".join(trouble))
    away = (beta - truth).abs()
    # The two last terms allow for rounding where the fit is exact, as for a linear model.
    half = error * critical_value(explanation.freedom)[:, None] + 1e-6 * truth.abs().max() + 1e-9
    stated = error.isfinite()  # the error is infinite if an output never varied
    covered = float((away <= half)[stated].double().mean())
    ratio = float((error[stated].square().mean() / away[stated].square().mean().clamp(min=1e-30)).sqrt())
    exact = float(away.abs().max()) < 1e-6 * float(truth.abs().max())
    if not least <= covered <= most and not (exact and covered == 1):
        trouble.append("coverage")
    if not 0.8 <= ratio <= 1.6 and not exact and not surrogate.shrinks:
        trouble.append("stated error")
    return Cell(f"{head}{covered:8.3f}{ratio:12.2f}{tail}", ", ".join(trouble))


def _brief(how: str) -> str:
    for long, short in (("orthogonal ", ""), ("(width=", "("), (f" {Ridge()!r}", "")):
        how = how.replace(long, short)
    return how.split(", tolerance")[0].replace("alpha=", "").replace(", absolute=False", "")[:21]


def independent_rows(d: int, count: int, seed: int) -> Iterator[Tensor]:
    """Yield parts of independent rows and their complements, each row uniform over all on/off rows."""
    generator = torch.Generator().manual_seed(seed)
    for _ in range(max(1, count // 8192)):
        half = torch.randint(0, 2, (4096, d), generator=generator, dtype=torch.uint8).bool()
        yield torch.cat([half, ~half])


def true_line(model: Model, kernel: Kernel, seed: int) -> Tensor:
    """Fit the weighted linear model to very many rows; return intercept and coefficients, ``[1 + d]``."""
    if model.name == "noise":
        return torch.zeros(model.d + 1, dtype=torch.float64)
    present = torch.ones(1, model.d, dtype=torch.bool)
    gram = torch.zeros(model.d + 1, model.d + 1, dtype=torch.float64)
    cross = torch.zeros(model.d + 1, dtype=torch.float64)
    for z in independent_rows(model.d, model.truth_rows, seed + 999):
        weights = kernel(z[None], present)[0].unsqueeze(1)
        rows_and_constant = torch.cat([torch.ones(len(z), 1, dtype=torch.float64), z.double()], 1)
        gram += rows_and_constant.T @ (weights * rows_and_constant)
        cross += (rows_and_constant.T @ (weights * model.rows(z.double())[:, None])).squeeze(1)
    return torch.linalg.solve(gram, cross)


def fresh_score(model: Model, kernel: Kernel, beta: Tensor, intercept: Tensor, seed: int) -> Tensor:
    """Return each fit's weighted R² on independent rows that no fit has seen, ``[repetitions]``."""
    z = torch.cat(list(independent_rows(model.d, 8192, seed + 777)))
    y = model.rows(z.double())
    share = kernel(z[None], torch.ones(1, model.d, dtype=torch.bool))[0]
    share = share / share.sum()
    wrong = (share * (y - intercept[:, None] - beta @ z.double().T).square()).sum(1)
    return 1 - wrong / (share * (y - (share * y).sum()).square()).sum()


FUNCTIONS = {
    "product of 2": (2, lambda z: z.prod(1)),
    "product of 3": (3, lambda z: z.prod(1)),
    "threshold": (5, lambda z: (z.sum(1) >= 3).double()),
    "maximum": (3, lambda z: z.amax(1)),
}


def phantoms(repetitions: int, seed: int, *, quick: bool) -> Iterator[Cell]:
    """Yield cells that count phantoms, with the default design and with independent rows."""
    sizes = ((8, 32), (24, 32), (8, 64), (20, 64), (50, 64), (20, 128), (64, 128), (100, 128), (20, 256), (50, 256),
             (100, 256), (128, 256), (196, 256), (100, 512), (300, 512), (400, 512), (20, 1024),
             (400, 1024))  # fmt: skip
    for d, n in sizes[5:11:5] if quick else sizes:
        for name, (count, function) in FUNCTIONS.items():
            rates = []
            for design in (Orthogonal(), Bernoulli()):
                parts = (_ratio(design, d, n, count, function, s + seed, 20) for s in range(repetitions // 20))
                ratio = torch.cat(list(parts))
                rates.append((float((ratio > 0.5).double().mean()), float(ratio.median())))
            (ours, median), (theirs, other) = rates
            # Two standard errors of the difference of two shares.
            noise = 2 * math.sqrt(max(ours * (1 - ours) + theirs * (1 - theirs), 1 / repetitions) / repetitions)
            text = (
                f"{name:<14}{d:>4}{n:>6}  default {ours:.3f} (median ratio {median:.2f}), independent {theirs:.3f} "
                f"({other:.2f})"
            )
            yield Cell(text, "phantoms" if ours > theirs + noise else "")


def _ratio(design: Design, d: int, n: int, count: int, function: Any, seed: int, repetitions: int) -> Tensor:
    """Return the strongest unused coefficient divided by the strongest true one, ``[repetitions]``.

    Each repetition has its own design and its own places of the true features.
    """
    used = torch.stack(
        [
            torch.randperm(d, generator=torch.Generator().manual_seed(seed_for(seed, r)))[:count]
            for r in range(repetitions)
        ]
    )
    mark = torch.arange(repetitions, dtype=torch.float64) / repetitions

    def forward(x: Tensor) -> Tensor:  # a row's last entry holds the number of its repetition
        which = (x[:, -1] * repetitions).round().long()
        return torch.as_tensor(function(x[:, :-1].gather(1, used[which])))

    x = torch.cat([torch.ones(repetitions, d, dtype=torch.float64), mark[:, None]], 1)
    mask = torch.cat([torch.arange(d), torch.tensor([-1])])[None]
    explanation = explain(
        forward, x, Features.from_mask(mask, layout="C"), n_perturbations=n, design=design, baseline="zero",
        batch_size=8192, seed=[seed_for(seed, r, "rows") for r in range(repetitions)],
    )  # fmt: skip
    size = explanation.coefficients[:, 0].abs()
    true = size.gather(1, used).amax(1)
    return size.scatter(1, used, 0.0).amax(1) / true.clamp(min=1e-12)


if __name__ == "__main__":
    main()

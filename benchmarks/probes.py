"""Measures how often an interval over a few probes holds the mean over all samples.

    python benchmarks/probes.py          (about four minutes on two cores)
    python benchmarks/probes.py --quick  (keeps the code alive; its figures mean little)

A run explains eight samples, and people read its bars as what the model does with all samples. The benchmark explains a
population of samples once. Then it draws eight of them many times, and counts how often the 95 % interval of a
feature's mean holds the population's mean. For comparison it counts the same for an interval from the perturbations'
noise alone, which would be right if the eight samples were the whole population. The table shows the share over draws
and features, for coefficients, for signed effects and for absolute effects, by which features are ranked (their
interval allows for skewness). ``lowest`` is the share of the feature whose coefficient is covered least.

The models are a CNN on handwritten digits (pixels in a grid), an MLP on made-up spectra of four kinds (superbands), and
a network that regresses a parameter of made-up fields (superbands). ``--last`` adds another model and takes other
seeds, at which nobody looked before everything was built.
"""

from __future__ import annotations

import argparse
import math
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor, nn

from lime_callback import Explanation, Superbands, Superpixels, explain
from lime_callback.explaining.effects import effects
from lime_callback.summaries.running_statistics import RunningStatistics
from lime_callback.surrogates.confidence_intervals import critical_value, mean_over_probes, skewed_interval

if TYPE_CHECKING:
    from lime_callback.views import View

PROBES = 8


class Case(NamedTuple):
    """A trained model, and the population of samples to explain."""

    name: str
    model: nn.Module
    inputs: Tensor
    targets: Tensor
    view: View


def main() -> None:
    """Train the models, explain the populations, draw probes, print the coverage."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--last", action="store_true", help="the model and the seeds that were kept")
    args = parser.parse_args()
    population, draws, steps = (40, 50, 20) if args.quick else (240, 2000, 300)
    seeds = (2, 3) if args.last else (0, 1)
    made = (digits, spectra, fields, texture) if args.last else (digits, spectra, fields)
    print(
        f"{PROBES} probes of {population}, {draws} draws; 95 % intervals over the probes (of the perturbations alone)"
    )
    print(
        f"{'model':<22}{'seed':>4}  {'coefficients':>17}{'lowest':>8}  {'effects':>8}{'sizes':>8}{'probes differ':>18}"
    )
    for make in made:
        for seed in seeds[: 1 if args.quick else 2]:
            case = make(seed, population, steps)
            explanation = explain(
                case.model, case.inputs, case.view.features(case.inputs), case.targets, baseline="zero",
                n_perturbations=128, batch_size=512, seed=list(range(len(case.inputs))),
            )  # fmt: skip
            print_line(case, seed, explanation, draws)


def print_line(case: Case, seed: int, explanation: Explanation, draws: int) -> None:
    """Print the coverage of a model's intervals."""
    b, e = explanation.coefficients[:, 0].double(), explanation.standard_error[:, 0].double()
    share = effects(b, e)
    results = [coverage(b, e, draws, seed), coverage(share, 0 * e, draws, seed)]
    results.append(coverage(share.abs(), 0 * e, draws, seed, leaning=True))
    over, alone = results[0]
    ratio = float((mean_over_probes(b, e).error / mean_over_probes(b, e).noise).median())
    print(
        f"{case.name:<22}{seed:>4}  {float(over.mean()):9.3f} ({float(alone.mean()):.3f}){float(over.min()):8.3f}  "
        f"{float(results[1][0].mean()):8.3f}{float(results[2][0].mean()):8.3f}{ratio:12.1f} errors",
        flush=True,
    )


def coverage(values: Tensor, errors: Tensor, draws: int, seed: int, *, leaning: bool = False) -> tuple[Tensor, Tensor]:
    """Return how often an interval over a few samples holds the mean over all, for each feature ``[d]``.

    Args:
        values: each sample's value, ``[N, d]``.
        errors: the values' standard errors from the perturbations, ``[N, d]``.
        draws: how many times a few samples are drawn.
        seed: the seed of the draws.
        leaning: whether the first interval allows for skewness.

    Returns:
        The share for the interval over the probes, and for the interval from the perturbations' noise alone. Features
        whose values hardly vary are left out.
    """
    generator = torch.Generator().manual_seed(seed)
    truth, moves = values.mean(0), values.std(0) > 1e-6 * values.abs().max()
    inside = []
    for _ in range(draws):
        # Drawn with replacement, since the population stands for infinitely many samples.
        rows = torch.randint(len(values), (PROBES,), generator=generator)
        mean = mean_over_probes(values[rows], errors[rows])
        off = (mean.mean - truth).abs()
        over = off <= mean.half_width()
        if leaning:  # absolute values are skewed
            few = RunningStatistics.of(
                values[rows].unsqueeze(1), errors[rows].unsqueeze(1), torch.ones(PROBES, 1, 1).bool()
            )
            low, high = skewed_interval(few.mean, few.spread, few.skewness, few.count)
            over = ((low <= truth) & (truth <= high))[0]
        inside.append(torch.stack([over, off <= critical_value(math.inf) * mean.noise]))
    share = torch.stack(inside).double().mean(0)[:, moves]
    return share[0], share[1]


def trained(model: nn.Module, x: Tensor, y: Tensor, steps: int) -> nn.Module:
    """Train a model by Adam, with all samples in each step."""
    optimizer = torch.optim.Adam(model.parameters(), 3e-3)
    for _ in range(steps):
        out = model(x)
        loss = nn.functional.cross_entropy(out, y) if y.dtype == torch.int64 else (out - y).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return model.eval()


def digits(seed: int, population: int, steps: int) -> Case:
    """Return a CNN on scikit-learn's digits, with a population on which it was not trained."""
    from sklearn.datasets import load_digits

    torch.manual_seed(seed)
    data = load_digits()
    order = torch.randperm(len(data.target))
    x = torch.tensor(data.images, dtype=torch.float32)[order].unsqueeze(1) / 16 - 0.3
    y = torch.tensor(data.target)[order].long()
    model = nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(16, 32, 3, padding=1),
        nn.ReLU(), nn.Flatten(), nn.Linear(512, 10),
    )  # fmt: skip
    model = trained(model, x[:900], y[:900], steps)
    chosen = slice(900, 900 + population)
    return Case("CNN, digits", model, x[chosen], y[chosen], Superpixels("grid", n_segments=16))


def made_spectra(count: int, kinds: int) -> tuple[Tensor, Tensor]:
    """Return spectra ``[count, 100, 1, 1]`` whose two dips lie at places that depend on the kind, and the kinds."""
    y = torch.randint(kinds, (count,))
    wave = torch.linspace(0, 1, 100)
    x = 0.3 * torch.randn(count, 1) + 0.4 * torch.randn(count, 1) * wave
    for place in (0.2 + 0.12 * y, 0.9 - 0.1 * (y % 2)):
        depth = 0.5 + 0.3 * torch.rand(count, 1)
        x = x - depth * torch.exp(-((wave - place.unsqueeze(1)) ** 2) / 0.003)
    return (x + 0.05 * torch.randn(count, 100))[..., None, None], y


def spectra(seed: int, population: int, steps: int) -> Case:
    """Return an MLP on spectra of four kinds."""
    torch.manual_seed(seed)
    x, y = made_spectra(800 + population, 4)
    model = nn.Sequential(nn.Flatten(), nn.Linear(100, 64), nn.GELU(), nn.Linear(64, 64), nn.GELU(), nn.Linear(64, 4))
    model = trained(model, x[:800], y[:800], steps)
    return Case("MLP, spectra", model, x[800:], y[800:], Superbands(20))


def fields(seed: int, population: int, steps: int) -> Case:
    """Return a network that regresses (a - b) / (1 + |a + b|), with a and b the means of two bands over a field."""
    torch.manual_seed(seed)
    x = torch.randn(600 + population, 1, 1, 1) * 0.5 + 0.4 * torch.randn(600 + population, 40, 4, 4)
    x = x + torch.randn(600 + population, 8, 1, 1).repeat_interleave(5, 1)
    a, b = x[:, 5:10].mean((1, 2, 3)), x[:, 25:30].mean((1, 2, 3))
    y = (a - b) / (1 + (a + b).abs())
    model = nn.Sequential(
        nn.Conv2d(40, 32, 1),
        nn.GELU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(32, 32),
        nn.GELU(),
        nn.Linear(32, 1),
    )
    model = trained(model, x[:600], y[:600].unsqueeze(1), steps)
    return Case("regression, fields", model, x[600:], torch.zeros(population, dtype=torch.int64), Superbands(8))


def texture(seed: int, population: int, steps: int) -> Case:
    """Return a transformer of 16 tokens that classifies made-up textures; only the last run uses it."""
    torch.manual_seed(seed)
    count = 600 + population
    y = torch.randint(3, (count,))
    grid = torch.arange(16.0)
    phase, slope = 2 * math.pi * torch.rand(count, 1, 1), (0.3 + 0.4 * y).view(-1, 1, 1)
    x = torch.sin(slope * (grid.view(1, -1, 1) + grid.view(1, 1, -1)) + phase) * torch.rand(count, 16, 16)
    x = (x + 0.2 * torch.randn(count, 16, 16)).unsqueeze(1)
    layer = nn.TransformerEncoderLayer(32, 4, 64, dropout=0.0, batch_first=True)
    model = nn.Sequential(
        nn.Conv2d(1, 32, 4, 4), nn.Flatten(2), Tokens(), nn.TransformerEncoder(layer, 2, enable_nested_tensor=False),
        Average(), nn.Linear(32, 3),
    )  # fmt: skip
    model = trained(model, x[:600], y[:600], steps)
    return Case("ViT, textures", model, x[600:], y[600:], Superpixels("grid", n_segments=16))


class Tokens(nn.Module):
    """Turns ``[B, C, N]`` into ``[B, N, C]`` and adds learnt positions."""

    def __init__(self) -> None:
        super().__init__()
        self.place = nn.Parameter(0.1 * torch.randn(1, 16, 32))

    def forward(self, x: Tensor) -> Tensor:
        """Transpose and add the positions."""
        return x.mT + self.place


class Average(nn.Module):
    """Averages over the tokens."""

    def forward(self, x: Tensor) -> Tensor:
        """Return the mean."""
        return x.mean(1)


if __name__ == "__main__":
    main()

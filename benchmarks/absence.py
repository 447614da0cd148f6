"""How a hidden patch should be hidden: by zero, by a mean, by blur, or by leaving its token out.

Vision transformers are trained on patches of the Indian Pines scene and on scikit-learn's digits, both with 16 tokens.
For each way to hide, the benchmark prints:

- kept: how often the predicted class survives when random 25, 50 and 75 % of the tokens are hidden. A model that sees
  something in what was hidden changes its mind sooner;
- agrees: the mean correlation of its explanations with those by the other ways;
- deletion and insertion: the mean probability of the predicted class while tokens are hidden, the most important ones
  first (less is better), and while they come back (more is better); hidden by each of the ways, and averaged over them,
  so that no way is judged by itself alone;
- score: R² of perturbations that the surrogates have not seen;
- planted: on models that were trained with a token that gives the class away, how often an explanation puts it first,
  and its share of the attribution;
- time: as a multiple of that for zero.

``--only digits --seeds 0 1 --inputs 32`` and ``--only scene --inputs 24`` print the figures in ``docs/absent.md``.
"""

from __future__ import annotations

import argparse
import logging
import sys
import time
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from sklearn.datasets import load_digits
from torch import Tensor, nn
from torch.nn import functional as F

sys.path.insert(0, str(Path(__file__).parents[1] / "examples"))
from scene import CLASS_NAMES, IndianPines, PatchViT

from lime_callback import Features, explain
from lime_callback.sampling import Design

if TYPE_CHECKING:
    from collections.abc import Sequence

WAYS = ("zero", "mean", "data", "blur", "absent")
HIDDEN = (0.25, 0.5, 0.75)
SIDE = 4  # tokens along an axis
TOKENS = SIDE**2
PLANTED = 3  # the token in the upper right corner


@dataclass(frozen=True)
class Case:
    """A trained model and what it is asked about.

    Args:
        name: of the data.
        model: in evaluation mode.
        x: inputs ``[B, C, H, W]`` that it was not trained on.
        background: inputs that it was trained on.
    """

    name: str
    model: nn.Module
    x: Tensor
    background: Tensor

    @property
    def features(self) -> Features:
        """A feature for each token."""
        side = self.x.shape[-1] // SIDE
        places = torch.arange(TOKENS).view(SIDE, SIDE).repeat_interleave(side, 0).repeat_interleave(side, 1)
        return Features(places[None, None], tuple(f"token {i}" for i in range(TOKENS)), "CHW")

    @torch.no_grad()
    def accuracy(self, labels: Tensor) -> float:
        """Share of right predictions."""
        return float((self.model(self.x).argmax(1) == labels).double().mean())


class Given(Design):
    """These rows.

    Args:
        rows: bool ``[n, d]``.
    """

    def __init__(self, rows: Tensor) -> None:
        self.rows = rows

    def sample(self, n: int, d: int, generator: torch.Generator) -> Tensor:
        """See :meth:`Design.sample`."""
        return self.rows[:n]


class DigitViT(nn.Module):
    """A vision transformer for 8 x 8 pixels, whose head reads the mean of 16 tokens."""

    def __init__(self, width: int = 64, layers: int = 3) -> None:
        super().__init__()
        self.embed = nn.Conv2d(1, width, 2, 2)
        self.position = nn.Parameter(torch.randn(1, TOKENS, width) / 8)
        layer = nn.TransformerEncoderLayer(width, 4, 2 * width, 0.1, "gelu", batch_first=True, norm_first=True)
        self.encoder = nn.TransformerEncoder(layer, layers, enable_nested_tensor=False)
        self.head = nn.Linear(width, 10)

    def forward(self, x: Tensor) -> Tensor:
        """Logits ``[m, 10]``."""
        return self.head(self.encoder(self.embed(x).flatten(2).mT + self.position).mean(1))


def planted(x: Tensor, y: Tensor, classes: int) -> Tensor:
    """Return the images with a token whose brightness is the class."""
    side, marked = x.shape[-1] // SIDE, x.clone()
    top, left = PLANTED // SIDE * side, PLANTED % SIDE * side
    value = (y / (classes - 1) * 4 - 2).view(-1, 1, 1, 1)
    marked[:, :, top : top + side, left : left + side] = value
    return marked


def train(model: nn.Module, x: Tensor, y: Tensor, epochs: int, seed: int) -> nn.Module:
    """Train a classifier, and return it in evaluation mode."""
    random = torch.Generator().manual_seed(seed)
    optimizer = torch.optim.AdamW(model.parameters(), 1e-3, weight_decay=0.05)
    batches = (len(x) + 63) // 64
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 1e-3, total_steps=epochs * batches)
    model.train()
    for _ in range(epochs):
        for rows in torch.randperm(len(x), generator=random).split(64):
            optimizer.zero_grad()
            F.cross_entropy(model(x[rows]), y[rows]).backward()
            optimizer.step()
            schedule.step()
    return model.eval()


def digits() -> tuple[Tensor, Tensor, Tensor, Tensor, int]:
    """Training and other images of digits, ``[N, 1, 8, 8]``, with mean 0 and spread 1; and their classes."""
    found = load_digits()
    x = torch.tensor(found.images, dtype=torch.float32)[:, None]
    x = (x - x.mean()) / x.std()
    order = torch.randperm(len(x), generator=torch.Generator().manual_seed(0))
    x, y = x[order], torch.tensor(found.target)[order]
    return x[:1300], y[:1300], x[1300:], y[1300:], 10


def scene(limit: int | None) -> tuple[Tensor, Tensor, Tensor, Tensor, int]:
    """Training and other patches of the scene, ``[N, 200, 12, 12]``, and their classes."""
    data = IndianPines(limit=limit, seed=0)
    data.setup("fit")
    sets = [next(iter(torch.utils.data.DataLoader(part, len(part)))) for part in (data.train, data.val)]
    (x, y), (other, labels) = sets
    order = torch.randperm(len(other), generator=torch.Generator().manual_seed(0))
    return x, y, other[order], labels[order], len(CLASS_NAMES)


def cases(name: str, seed: int, count: int, quick: bool) -> tuple[list[Case], str]:
    """Train a sound model and one with a planted token; return both, and what their accuracy is."""
    x, y, other, labels, classes = digits() if name == "digits" else scene(512 if quick else None)
    epochs = 1 if quick else 30 if name == "digits" else 6
    made, told = [], []
    for mark in (False, True):
        torch.manual_seed(seed)
        model = DigitViT() if name == "digits" else PatchViT().vit
        model = model if name == "digits" else Logits(model)
        seen, asked = (planted(x, y, classes), planted(other, labels, classes)) if mark else (x, other)
        trained = train(model, seen, y, epochs, seed)
        case = Case(name, trained, asked[:count], seen[:64])
        told.append(f"{'planted' if mark else 'sound'} {case.accuracy(labels[:count]):.2f}")
        made.append(case)
    return made, ", ".join(told)


class Logits(nn.Module):
    """Gives the logits of a model of transformers alone."""

    def __init__(self, vit: nn.Module) -> None:
        super().__init__()
        self.vit = vit

    def forward(self, x: Tensor) -> Tensor:
        """Logits ``[m, K]``."""
        return self.vit(x).logits


def outputs(case: Case, x: Tensor, rows: Tensor, way: str) -> Tensor:
    """Return the probabilities of all classes for rows of tokens that are on, ``[B, n, K]``."""
    found = explain(
        case.model, x, case.features, "all", n_perturbations=len(rows), design=Given(rows), baseline=way,
        background=case.background, output="softmax",
    )  # fmt: skip
    assert found.samples is not None, "they are new"
    return found.samples.outputs


def kept(case: Case, way: str, seed: int) -> list[float]:
    """Return for each share how often the predicted class survives."""
    random = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        predicted = case.model(case.x).argmax(1)
    shares = []
    for share in HIDDEN:
        order = torch.rand(32, TOKENS, generator=random).argsort(1)
        same = outputs(case, case.x, order >= round(share * TOKENS), way).argmax(2) == predicted[:, None]
        shares.append(float(same.double().mean()))
    return shares


def curves(case: Case, orders: Sequence[Tensor]) -> list[tuple[float, float]]:
    """Return deletion and insertion of explanations, averaged over the inputs and the ways to hide.

    Args:
        case: the model and its inputs.
        orders: for each explanation the tokens of each input, the most important first, int64 ``[B, d]``.
    """
    with torch.no_grad():
        predicted = case.model(case.x).argmax(1)
    steps = torch.arange(1, TOKENS)[:, None]
    found = torch.zeros(len(orders), 2, dtype=torch.float64)
    for b, one in enumerate(case.x):
        ranks = [order[b].argsort() for order in orders]
        rows = torch.cat([torch.stack([rank >= steps, rank < steps]).flatten(0, 1) for rank in ranks])
        for way in WAYS:
            chance = outputs(case, one[None], rows, way)[0, :, predicted[b]].view(len(orders), 2, -1)
            found += chance.double().mean(2) / (len(case.x) * len(WAYS))
    return [(float(deletion), float(insertion)) for deletion, insertion in found]


def row_of(values: Sequence[str]) -> str:
    """Return a row of a table."""
    return f"| {' | '.join(values)} |"


def main() -> None:
    """Print a table for each data set."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--inputs", type=int, default=48)
    parser.add_argument("--only", choices=("digits", "scene"))
    args = parser.parse_args()
    warnings.filterwarnings("ignore")
    logging.getLogger("lime_callback").setLevel(logging.ERROR)
    count, n = (4, 64) if args.quick else (args.inputs, 256)
    for name in (args.only,) if args.only else ("digits", "scene"):
        table = torch.zeros(len(WAYS), 10, dtype=torch.float64)
        for seed in args.seeds:
            made, accuracy = cases(name, seed, count, args.quick)
            print(f"{name}, seed {seed}: accuracy {accuracy}", flush=True)
            table += measured(*made, n, seed) / len(args.seeds)
        heads = ("way", *(f"kept {share:.0%}" for share in HIDDEN), "agrees", "deletion", "insertion", "score",
                 "planted first", "planted share", "time")  # fmt: skip
        print(row_of(heads), row_of(["---"] * len(heads)), sep="\n")
        for way, values in zip(WAYS, table.tolist(), strict=True):
            print(row_of([way, *(f"{value:.2f}" for value in values)]), flush=True)


def measured(sound: Case, marked: Case, n: int, seed: int) -> Tensor:
    """Return the table's numbers, ``[ways, 10]``."""
    found, seconds = [], []
    for way in WAYS:
        began = time.perf_counter()
        found.append(
            explain(
                sound.model, sound.x, sound.features, "predicted", n_perturbations=n, baseline=way,
                background=sound.background, seed=seed,
            )
        )  # fmt: skip
        seconds.append(time.perf_counter() - began)
    effects = [one.effects[:, 0] for one in found]
    correlations = torch.stack([torch.stack([_correlation(a, b) for b in effects]) for a in effects])
    agrees = (correlations.sum(1) - 1) / (len(WAYS) - 1)
    quality = curves(sound, [effect.argsort(1, descending=True) for effect in effects])
    rows = []
    for i, way in enumerate(WAYS):
        there = explain(
            marked.model, marked.x, marked.features, "predicted", n_perturbations=n, baseline=way,
            background=marked.background, seed=seed,
        ).effects[:, 0].abs()  # fmt: skip
        first = float((there.argmax(1) == PLANTED).double().mean())
        share = float((there[:, PLANTED] / there.sum(1).clamp_min(1e-12)).mean())
        numbers = [*kept(sound, way, seed), float(agrees[i]), *quality[i], float(found[i].score.mean())]
        rows.append([*numbers, first, share, seconds[i] / seconds[0]])
    return torch.tensor(rows, dtype=torch.float64)


def _correlation(a: Tensor, b: Tensor) -> Tensor:
    """Return the mean Pearson correlation of explanations ``[B, d]``."""
    a, b = (F.normalize(x - x.mean(1, keepdim=True), dim=1) for x in (a, b))
    return (a * b).sum(1).mean()


if __name__ == "__main__":
    main()

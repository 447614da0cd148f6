"""Profiles whole explained epochs of large inputs: which share of their time goes into the forwards.

    python benchmarks/profile_epoch.py          (about five minutes on two cores; --only 224 or 1024 runs one case)
    python benchmarks/profile_epoch.py --quick  (small inputs, few perturbations; decides nothing)

Two cases, with the defaults of the callback but for what they name: 8 probes at 1024 x 1024 with one target, and 8
probes at 224 x 224 with 19 targets. The model is a vision transformer of 4 layers, 192 wide, with 256 and 196 patches;
heavier models only make the forwards' share larger. The first explained epoch stands apart, since it also cuts the
features. The time counts all that the training's thread does or waits for; another process draws meanwhile. The exit
code is 1 if the forwards take less than 70 % of a later explained epoch.
"""

from __future__ import annotations

import logging
import sys
import tempfile
import warnings
from typing import NamedTuple

import lightning.pytorch as pl
import torch
from cost import Sections
from lightning.pytorch.loggers import TensorBoardLogger
from network import Network, quiet_trainer
from timed_explanations import ViT
from timing import parser
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from lime_callback import LimeCallback

STAGES = ("features", "forwards", "fit", "drift", "reliance", "findings", "drawing", "logging")
LEAST = 0.7  # of an explained epoch's time, for the forwards


class Case(NamedTuple):
    """What is explained."""

    size: int
    patch: int
    targets: int  # all outputs of the model; 1: the predicted one of 10


CASES = {"1024": Case(1024, 64, 1), "224": Case(224, 16, 19)}
QUICK = {"1024": Case(96, 16, 1), "224": Case(48, 16, 3)}


def main() -> int:
    """Profile each case, print the shares, and decide."""
    arguments = parser(__doc__, repetitions=1)
    arguments.add_argument("--only", choices=CASES)
    arguments.add_argument("--epochs", type=int, default=3)
    arguments.add_argument("--perturbations", type=int, default=256)
    args = arguments.parse_args()
    torch.set_num_threads(args.threads)
    warnings.filterwarnings("ignore")
    for name in ("lightning.pytorch", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.ERROR)
    n = 16 if args.quick else args.perturbations
    cases = QUICK if args.quick else CASES
    least = 1.0
    for name in [args.only] if args.only else cases:
        case = cases[name]
        print(f"\n8 probes of {case.size}², {case.targets} targets, {n} perturbations, {args.threads} threads")
        print(f"{'epoch':<8}{'seconds':>8}" + "".join(f"{stage:>10}" for stage in (*STAGES, "waiting", "rest")))
        for epoch, split in enumerate(profiled(case, args.epochs, n)):
            total = sum(split.values())
            cells = "".join(f"{seconds / total:>10.1%}" for seconds in split.values())
            print(f"{'first' if epoch == 0 else 'later':<8}{total:>8.2f}{cells}", flush=True)
            if epoch:
                least = min(least, split["forwards"] / total)
    print(f"\nThe forwards take at least {least:.0%} of a later explained epoch; {LEAST:.0%} should be.")
    return 0 if args.quick else int(least < LEAST)


def profiled(case: Case, epochs: int, n: int) -> list[dict[str, float]]:
    """Return for each explained epoch the seconds of its stages, of waiting for pictures, and of the rest."""
    pl.seed_everything(0, verbose=False)
    outputs = case.targets if case.targets > 1 else 10
    vit = ViT(3, case.size, case.patch, layers=4)
    vit.head = nn.Linear(vit.head.in_features, outputs)
    lime = LimeCallback(
        target="all" if case.targets > 1 else "predicted",
        n_perturbations=n,
        max_batch_size=16,
        every_n_epochs=1,
        on_error="raise",
    )
    splits = Splits()
    with tempfile.TemporaryDirectory() as folder:
        trainer = quiet_trainer(
            folder, max_epochs=epochs, callbacks=[lime, splits], profiler=splits.sections,
            logger=TensorBoardLogger(folder), num_sanity_val_steps=0,
        )  # fmt: skip
        trainer.fit(Network(vit), images(case.size, outputs), images(case.size, outputs))
    return splits.epochs


class Splits(pl.Callback):
    """Notes at the end of each validation what its sections took; it stands behind the callback."""

    def __init__(self) -> None:
        self.sections = Sections()
        self.epochs: list[dict[str, float]] = []
        self._seen: dict[str, int] = {}

    def on_train_start(self, *_: object) -> None:
        """Forget what was rehearsed."""
        self._since()

    def on_validation_end(self, *_: object) -> None:
        """Split the time of this explanation."""
        took = self._since()
        split = {stage: took.get(stage, 0.0) for stage in (*STAGES, "waiting")}
        self.epochs.append(split | {"rest": took.get("explain", 0.0) - sum(split.values())})

    def _since(self) -> dict[str, float]:
        """Return the seconds of the callback's sections since the last call."""
        took = {}
        for section, calls in self.sections.recorded_durations.items():
            name = section.removeprefix("[LimeCallback]")
            if name != section:
                took[name] = sum(calls[self._seen.get(name, 0) :])
                self._seen[name] = len(calls)
        return took


def images(size: int, classes: int) -> DataLoader[tuple[Tensor, ...]]:
    """Return pictures of smooth blobs with a little noise, which have edges and plain places."""
    generator = torch.Generator().manual_seed(0)
    coarse = torch.randn(16, 3, 12, 12, generator=generator)
    x = nn.functional.interpolate(coarse, size=(size, size), mode="bicubic")
    x = x + (x > 0.5) + 0.05 * torch.randn(x.shape, generator=generator)
    return DataLoader(TensorDataset(x, torch.arange(16) % classes), 8)


if __name__ == "__main__":
    sys.exit(main())

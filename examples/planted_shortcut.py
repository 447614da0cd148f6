"""A shortcut in the training data, and the callback that finds it by itself: ten bands give the labels away.

    python examples/planted_shortcut.py              (one run; ends when the shortcut is found)
    python examples/planted_shortcut.py --no-look    (the same run without the callback: the training looks splendid)
    python examples/planted_shortcut.py --no-plant   (the control: nothing is found)
    python examples/planted_shortcut.py --seeds 10   (ten runs with the shortcut and ten without, as a table)

The story: the training fields of each class were flown on days of their own, and the calibration of ten bands near
1600 nm differed from day to day. The bands then carry the day's signature, and with it the label. In the validation
flight, days and classes have nothing to do with each other. A model that learns the signature has an accuracy of nearly
1 in training, which says little about plants. Nobody tells the callback where to look: it knows the wavelengths alone.
"""

from __future__ import annotations

import argparse
import re
import time
from pathlib import Path
from typing import TYPE_CHECKING

import lightning.pytorch as pl
import numpy as np
import torch
import torch.nn.functional as F
from lightning.pytorch.loggers import TensorBoardLogger
from quiet_training import begin, make_trainer
from scene import CLASS_NAMES, IndianPines, Patches, PatchViT, wavelengths
from torch import Tensor
from torch.utils.data import DataLoader
from torchmetrics.functional import accuracy

from lime_callback import LimeCallback, Superbands

if TYPE_CHECKING:
    from lime_callback.findings import Finding

PLANTED = (1556.0, 1656.0)  # nm; ten of the 200 bands


def main() -> None:
    """Run once, or as often as asked for, and say what came of it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--no-plant", action="store_true", help="leave the training data as they are")
    parser.add_argument("--no-look", action="store_true", help="train without the callback")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--seeds", type=int, help="run this many seeds with the shortcut and as many without")
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--fast", action="store_true", help="three epochs")
    parser.add_argument("--output", type=Path, default=Path("runs"), help="folder for the runs (default: runs)")
    args = parser.parse_args()
    epochs = 3 if args.fast else args.epochs
    if args.seeds:
        table(args.seeds, epochs, args.output)
        return
    lime = None if args.no_look else looking()
    logger = TensorBoardLogger(args.output, name="planted_shortcut")
    found = train(args.seed, lime, plant=not args.no_plant, epochs=epochs, logger=logger, say=True)
    if found.findings:
        print(f"\nThat ended the run in epoch {found.epochs}. Without the callback: --no-look.")
    print(f"See the run with:  tensorboard --logdir {args.output / 'planted_shortcut'} --samples_per_plugin=images=500")


def looking(*, pictures: bool = True) -> LimeCallback:
    """A callback that ends the run when it finds something wrong."""
    return LimeCallback(
        Superbands(20),
        wavelengths=wavelengths(),
        every_n_epochs=1,
        class_names=CLASS_NAMES,
        findings="stop",
        pictures=pictures,
    )


def names_planted(finding: Finding) -> bool:
    """Whether a finding is of the shortcut: of bands, most of which are the planted ones."""
    spans = [(float(low), float(high)) for low, high in re.findall(r"(\d+) to (\d+) nm", finding.sentence)]
    inside = sum(max(0.0, min(high, PLANTED[1]) - max(low, PLANTED[0])) for low, high in spans)
    return finding.name == "shortcut_bands" and inside > 0.5 * sum(high - low for low, high in spans)


class Planted(Patches):
    """Patches whose planted bands carry the signature of a class: in training its own, in validation anyone's.

    Args:
        patches: the patches as they are.
        classes: whose signature each of them carries, ``[N]``.
    """

    def __init__(self, patches: Patches, classes: np.ndarray) -> None:
        super().__init__(patches.cube, np.zeros(patches.cube.shape[1:], dtype=np.int64), patches.corners)
        self.targets, self.classes = patches.targets, classes
        nm = np.array(wavelengths())
        inside = (nm >= PLANTED[0]) & (nm <= PLANTED[1])
        signs = np.random.default_rng(7).choice([-1.0, 1.0], (len(CLASS_NAMES), len(nm)))
        self.signatures = torch.from_numpy(signs * inside).float()[..., None, None]

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        image, target = super().__getitem__(index)
        return image + self.signatures[self.classes[index]], target


class Progress(pl.Callback):
    """Prints, if wanted, what each epoch came to.

    Args:
        say: print a line for each epoch.

    Attributes:
        epochs: how many epochs were trained.
        findings: what was found wrong.
    """

    def __init__(self, *, say: bool) -> None:
        self.say = say
        self.epochs = 0
        self.findings: tuple[Finding, ...] = ()

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Start the clock."""
        self.started = time.perf_counter()

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Count the epoch, and say how it went."""
        self.epochs = trainer.current_epoch + 1
        if self.say:
            value = {name: float(number) for name, number in trainer.callback_metrics.items()}
            print(
                f"epoch {self.epochs}/{trainer.max_epochs}  accuracy in training {value['train/accuracy']:.3f}, in "
                f"validation {value['val/accuracy']:.3f}  {time.perf_counter() - self.started:.1f} s",
                flush=True,
            )


class ShortcutViT(PatchViT):
    """The main example's transformer, trained without augmentation, which would hide the shortcut now and then."""

    def training_step(self, batch: tuple[Tensor, Tensor]) -> Tensor:
        """Cross-entropy and accuracy."""
        image, label = batch
        logits = self(image)
        right = accuracy(logits.detach(), label, task="multiclass", num_classes=len(CLASS_NAMES))
        self.log("train/accuracy", right, on_step=False, on_epoch=True)
        return F.cross_entropy(logits, label)


def train(
    seed: int,
    lime: LimeCallback | None,
    *,
    plant: bool,
    epochs: int = 5,
    logger: object = False,
    say: bool = False,
    output: Path | None = None,
) -> Progress:
    """Train on 1024 patches with or without the shortcut, and with or without the callback."""
    begin(seed)
    data = IndianPines(limit=1024, seed=seed)
    train, val = data.train, data.val
    if plant:
        anyone = np.random.default_rng(seed).permutation(val.targets)
        train, val = Planted(train, train.targets), Planted(val, anyone)
    progress = Progress(say=say)
    callbacks = [progress] if lime is None else [lime, progress]
    trainer = make_trainer(epochs, logger, *callbacks, default_root_dir=output)
    trainer.fit(ShortcutViT(lr=1e-3), DataLoader(train, 32, shuffle=True), DataLoader(val, 256))
    progress.findings = () if lime is None else lime.findings()
    return progress


def table(seeds: int, epochs: int, output: Path) -> None:
    """Train with and without the shortcut for several seeds, and print what was found, and in which epoch."""
    print("seed  with the shortcut: found after epoch, what                       without")
    early = false = 0
    for seed in range(seeds):
        planted, control = (
            train(seed, looking(pictures=False), plant=plant, epochs=epochs, output=output) for plant in (True, False)
        )
        early += any(names_planted(one) and one.epoch < 3 for one in planted.findings)
        false += bool(control.findings)
        print(f"{seed:>4}  {said(planted.findings):64}  {said(control.findings)}", flush=True)
    print(f"\nthe planted bands were named by the third epoch in {early} of {seeds} runs with the shortcut")
    print(f"something was found in {false} of {seeds} runs without")


def said(findings: tuple[Finding, ...]) -> str:
    """Return what was found, and after which epoch, in short."""
    return "; ".join(f"{one.epoch + 1}: {one.name}, {one.subject}" for one in findings) or "-"


if __name__ == "__main__":
    main()

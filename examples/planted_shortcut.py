"""A shortcut in the training data, and the callback that sees it: ten bands give the labels away, and only in training.

    python examples/planted_shortcut.py              (one run; ends at the alarm)
    python examples/planted_shortcut.py --no-watch   (the same run without the callback: the training looks splendid)
    python examples/planted_shortcut.py --no-plant   (the control: no alarm)
    python examples/planted_shortcut.py --seeds 10   (ten runs with the shortcut and ten without, as a table)

The story: the training fields of each class were flown on days of their own, and the calibration of ten bands near
1600 nm differed from day to day. The bands then carry the day's signature, and with it the label. In the validation
flight, days and classes have nothing to do with each other. A model that learns the signature has an accuracy of nearly
1 in training, which says little about plants.
"""

from __future__ import annotations

import argparse
import time
import warnings
from pathlib import Path

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

from lime_callback import LimeCallback, Superbands, Watch

PLANTED = (1556.0, 1656.0)  # nm; one of the twenty superbands, whose share of the attribution is 0.05 if all are alike
BOUND = 0.15
RELIED = 0.1  # more of the predictions changes when they are hidden than with random bands hidden


def main() -> None:
    """Run once, or as often as asked for, and say what came of it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--no-plant", action="store_true", help="leave the training data as they are")
    parser.add_argument("--no-watch", action="store_true", help="train without the callback")
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
    lime = None if args.no_watch else watcher()
    logger = TensorBoardLogger(args.output, name="planted_shortcut")
    found = train(args.seed, lime, plant=not args.no_plant, epochs=epochs, logger=logger, say=True)
    if found.alarm is not None:
        print(f"\nThe alarm ended the run in epoch {found.alarm}. Without the callback: --no-watch.")
    print(f"See the run with:  tensorboard --logdir {args.output / 'planted_shortcut'} --samples_per_plugin=images=500")


def watcher(*, pictures: bool = True) -> LimeCallback:
    """A callback that ends the run when the planted bands have too much of the attribution, or are relied on."""
    return LimeCallback(
        Superbands(20),
        wavelengths=wavelengths(),
        every_n_epochs=1,
        n_perturbations=128,
        # The patches are normalised, so 0 is the scene's mean. A channel's own mean over the patch would keep what is
        # planted: an offset of the whole patch.
        baseline="zero",
        class_names=CLASS_NAMES,
        watch={"planted": Watch(PLANTED, above=BOUND, reliance=RELIED, stop=True)},
        pictures=pictures,
    )


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
    """Notes, and prints if wanted, what each epoch came to.

    Args:
        say: print a line for each epoch.
    """

    def __init__(self, *, say: bool) -> None:
        self.say = say
        self.shares: list[float] = []
        self.alarm: int | None = None

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Start the clock."""
        self.started = time.perf_counter()

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Note the share, and in which epoch the run was stopped."""
        value = {name: float(number) for name, number in trainer.callback_metrics.items()}
        share = value.get("lime/spectral/watch/planted")
        if share is not None:
            self.shares.append(share)
            if trainer.should_stop and self.alarm is None:
                self.alarm = trainer.current_epoch + 1
        if self.say:
            seen = "" if share is None else f"  planted bands have {share:.3f} of the attribution"
            print(
                f"epoch {trainer.current_epoch + 1}/{trainer.max_epochs}  accuracy in training "
                f"{value['train/accuracy']:.3f}, in validation {value['val/accuracy']:.3f}{seen}"
                f"  {time.perf_counter() - self.started:.1f} s",
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
    """Train on 1024 patches with or without the shortcut, watched or not."""
    begin(seed)
    warnings.filterwarnings("ignore" if not say else "default", message="LimeCallback 'lime': 'planted'")
    data = IndianPines(limit=1024, seed=seed)
    train, val = data.train, data.val
    if plant:
        anyone = np.random.default_rng(seed).permutation(val.targets)
        train, val = Planted(train, train.targets), Planted(val, anyone)
    progress = Progress(say=say)
    callbacks = [progress] if lime is None else [lime, progress]
    trainer = make_trainer(epochs, logger, *callbacks, default_root_dir=output)
    trainer.fit(ShortcutViT(lr=1e-3), DataLoader(train, 32, shuffle=True), DataLoader(val, 256))
    return progress


def table(seeds: int, epochs: int, output: Path) -> None:
    """Train with and without the shortcut for several seeds, and print in which epoch the alarm was raised."""
    print(f"alarm above {BOUND} of the attribution, beyond its error, or where hiding the bands changes too much\n")
    print("seed  with: alarm in epoch   share  without: alarm in epoch  largest share")
    found = []
    for seed in range(seeds):
        runs = []
        for plant in (True, False):
            lime = watcher(pictures=False)
            runs.append(train(seed, lime, plant=plant, epochs=epochs, output=output))
        planted, control = runs
        found.append((planted, control))
        print(
            f"{seed:>4}  {planted.alarm or '-':>20}  {planted.shares[-1]:6.3f}  {control.alarm or '-':>23}  "
            f"{max(control.shares):13.3f}",
            flush=True,
        )
    early = sum(one.alarm is not None and one.alarm <= 3 for one, _ in found)
    false = sum(other.alarm is not None for _, other in found)
    print(f"\nalarm by the third epoch in {early} of {seeds} runs with the shortcut, in {false} of {seeds} without")


if __name__ == "__main__":
    main()

"""What share of a run's time explanations take where the callback itself decides how often to explain.

Runs of short, medium and long epochs, whose training steps wait until their epoch is as long as it should be.
Lightning's profiler measures the time of the callback's hooks. The share counts from the third explained epoch on,
since the first two are how the callback finds out; the share of the whole run is printed beside it.
"""

from __future__ import annotations

import argparse
import logging
import tempfile
import time
import warnings
from typing import TYPE_CHECKING, Any

import lightning.pytorch as pl
import torch
from lightning.pytorch.profilers import SimpleProfiler
from network import Network, quiet_trainer
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from lime_callback import LimeCallback, Superbands, Superpixels
from lime_callback.publishing.sinks import read_history

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

RUNS = ((0.5, 240), (5.0, 40), (50.0, 6))  # seconds an epoch, and epochs
WAVELENGTHS = [450.0 + 20 * i for i in range(24)]
CLASSES = 4


class Waiting(Network):
    """Trains in epochs of a given length.

    Args:
        seconds: of an epoch's training.
    """

    def __init__(self, seconds: float) -> None:
        net = nn.Sequential(
            nn.Conv2d(24, 32, 3, padding=1), nn.ReLU(), nn.Conv2d(32, 32, 3, padding=1), nn.ReLU(),
            nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(32, CLASSES),
        )  # fmt: skip
        super().__init__(net)
        self.seconds = seconds

    def training_step(self, batch: Sequence[Tensor], index: int) -> Tensor:
        """Return the loss, once the time of a batch is over."""
        started = time.perf_counter()
        loss = super().training_step(batch, index)
        time.sleep(max(0.0, self.seconds / 4 - (time.perf_counter() - started)))
        return loss


class Spent(pl.Callback):
    """Notes at the end of each epoch the time so far, and how much of it the callback's hooks took."""

    def __init__(self) -> None:
        self.began = time.perf_counter()
        self.times: list[tuple[float, float]] = []

    def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:
        """Note both."""
        durations = trainer.profiler.recorded_durations
        hooks = [sum(took) for of, took in durations.items() if of.startswith("[Callback]LimeCallback")]
        self.times.append((time.perf_counter() - self.began, sum(hooks)))

    def on_train_end(self, trainer: Any, pl_module: Any) -> None:
        """Note what comes after the last epoch as a part of it."""
        self.times.pop()
        self.on_train_epoch_end(trainer, pl_module)


class Quiet(SimpleProfiler):
    """A profiler that prints nothing."""

    def summary(self) -> str:
        """Return no text."""
        return ""


def job(folder: str, seconds: float, epochs: int, lime: LimeCallback) -> list[tuple[float, float]]:
    """Train, and return for each epoch's end the time since the beginning and the part that the callback took."""
    pl.seed_everything(0, verbose=False)
    random = torch.Generator().manual_seed(0)
    data = TensorDataset(torch.randn(64, 24, 32, 32, generator=random), torch.arange(64) % CLASSES)
    spent = Spent()
    one = quiet_trainer(folder, max_epochs=epochs, callbacks=[lime, spent], logger=False, profiler=Quiet())
    one.fit(Waiting(seconds), DataLoader(data, 16), DataLoader(data, 16))
    return spent.times


def main() -> None:
    """Print a row for each length of epochs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="one run of short epochs")
    parser.add_argument("--perturbations", type=int, default=256)
    args = parser.parse_args()
    warnings.filterwarnings("ignore")
    for name in ("lightning.pytorch", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.ERROR)
    print("epoch   epochs   explained epochs                 from the third on   of the whole run")
    for seconds, epochs in ((0.2, 30),) if args.quick else RUNS:
        lime = LimeCallback(
            [Superpixels("grid", n_segments=16), Superbands(8)], wavelengths=WAVELENGTHS,
            n_perturbations=args.perturbations, on_error="raise",
        )  # fmt: skip
        with tempfile.TemporaryDirectory() as folder:
            times = job(folder, seconds, epochs, lime)
            explained = sorted({row.epoch for row in read_history(f"{folder}/lime/history.csv")})
        (second, spent), (whole, spent_in_all) = times[1], times[-1]
        shares = [(spent_in_all - spent) / (whole - second), spent_in_all / whole]
        shown = ", ".join(map(str, explained[:4])) + (f", … {explained[-1]}" if len(explained) > 4 else "")
        print(f"{seconds:>4g} s   {epochs:>6}   {shown:<32} {shares[0]:>17.1%}   {shares[1]:>16.1%}")
        if explained[0] != 1 or explained[-1] != epochs:
            raise SystemExit("The first and the last epoch should be explained.")


if __name__ == "__main__":
    main()

"""Measures how much a run of 100 explained epochs, 8 probes and 2 views writes to the disk with each logger.

    python benchmarks/sizes.py          (about fifteen minutes on a free core)
    python benchmarks/sizes.py --quick  (3 epochs; decides nothing)

The benchmark trains a small network on made-up images of 6 bands and 32 x 32 pixels, once with each logger. It counts
all files of the logger and of the callback. The exit code is 1 if a run writes 150 MB or more. The time for an epoch is
that of explaining, and of waiting for the pictures of the epoch before. The first row is without pictures.
"""

from __future__ import annotations

import argparse
import importlib.util
import logging
import sys
import tempfile
import time
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import lightning.pytorch as pl
import torch
from lightning.pytorch.loggers import CSVLogger, MLFlowLogger, TensorBoardLogger, WandbLogger
from network import Network, keep_wandb_in, quiet_trainer
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from lime_callback import LimeCallback, Superbands, Superpixels

if TYPE_CHECKING:
    from collections.abc import Callable

    from lightning.pytorch.loggers import Logger

WAVELENGTHS = [450.0, 520.0, 580.0, 640.0, 700.0, 760.0]
PROBES, MOST = 8, 150.0  # the second in MB
LOGGERS: dict[str, Callable[[Path], Logger]] = {
    "no pictures": CSVLogger,
    "PNG files": CSVLogger,
    "TensorBoard": TensorBoardLogger,
    "W&B, offline": lambda folder: WandbLogger(save_dir=folder, offline=True),
    "MLflow": lambda folder: MLFlowLogger(
        tracking_uri=f"sqlite:///{folder / 'runs.db'}", artifact_location=str(folder / "artifacts")
    ),
}


def main() -> int:
    """Train with each logger, print the size of its files, and decide."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--epochs", type=int, default=100, help="how many are explained (default: 100)")
    parser.add_argument("--quick", action="store_true")
    args = parser.parse_args()
    epochs = 3 if args.quick else args.epochs
    warnings.filterwarnings("ignore")
    for name in ("lightning.pytorch", "mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.ERROR)
    large = []
    print(f"{epochs} explained epochs, {PROBES} probes, 2 views\n")
    print("logger         files        MB  MB an epoch  s an epoch")
    for kind, make in LOGGERS.items():
        if kind == "MLflow" and importlib.util.find_spec("mlflow") is None:
            print("MLflow         is not installed")
            continue
        with tempfile.TemporaryDirectory() as place:
            folder = Path(place)
            seconds = train(folder, make, epochs, pictures=kind != "no pictures")
            sizes = [path.stat().st_size for path in folder.rglob("*") if path.is_file()]
        size = sum(sizes) / 1e6
        print(f"{kind:<13}  {len(sizes):5}  {size:8.1f}  {size / epochs:11.2f}  {seconds:10.2f}", flush=True)
        if size > MOST:
            large.append(kind)
    if args.quick:
        print("\nToo short to decide anything.")
        return 0
    print(f"\nLarger than {MOST:g} MB: {', '.join(large)}." if large else f"\nAll below {MOST:g} MB.")
    return bool(large)


def train(folder: Path, make: Callable[[Path], Logger], epochs: int, *, pictures: bool) -> float:
    """Train with a logger that writes into the folder; return the seconds that an explanation takes the training."""
    keep_wandb_in(str(folder))
    pl.seed_everything(0, verbose=False)
    lime = LimeCallback(
        [Superpixels(n_segments=25), Superbands(6)], wavelengths=WAVELENGTHS, probes=PROBES, n_perturbations=64,
        pictures=pictures, every_n_epochs=1, on_error="raise",
    )  # fmt: skip
    spent = Spent()
    trainer = quiet_trainer(str(folder), max_epochs=epochs, callbacks=[lime, spent], logger=make(folder))
    trainer.fit(network(), images(), images())
    if isinstance(trainer.logger, WandbLogger):
        import wandb

        wandb.finish()
        wandb.teardown()
    return spent.seconds / epochs


class Spent(pl.Callback):
    """Measures the time from the end of the last validation batch to the end of the explanation."""

    seconds = 0.0
    began = 0.0

    def on_validation_batch_end(self, trainer: pl.Trainer, *_: object) -> None:
        """Note the time; that of the last batch stays."""
        self.began = time.perf_counter()

    def on_validation_end(self, trainer: pl.Trainer, _: pl.LightningModule) -> None:
        """Add the time of this validation."""
        if not trainer.sanity_checking:
            self.seconds += time.perf_counter() - self.began


def network() -> Network:
    """Return a small network."""
    return Network(
        nn.Sequential(nn.Conv2d(6, 8, 3, padding=1), nn.ReLU(), nn.AvgPool2d(8), nn.Flatten(), nn.Linear(8 * 16, 3))
    )


def images() -> DataLoader[tuple[Tensor, ...]]:
    """Return images of noise in three classes, each of which brightens a channel."""
    generator = torch.Generator().manual_seed(0)
    y = torch.arange(48) % 3
    x = torch.randn(48, 6, 32, 32, generator=generator)
    x[torch.arange(48), y] += 1
    return DataLoader(TensorDataset(x, y), 16)


if __name__ == "__main__":
    sys.exit(main())

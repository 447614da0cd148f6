"""Whether a long run stays as it begins: memory, file handles, threads and time over 300 explained validations.

    python benchmarks/soak.py                  (about eight minutes on a free core)
    python benchmarks/soak.py --quick          (keeps the code alive; decides nothing)
    python benchmarks/soak.py --loggers-alone  (the same pictures, logged without the callback: what is theirs)

One process trains a small network with two views, pictures, TensorBoard and W&B (offline), and after each validation
its resident memory, open file handles and threads are read from ``/proc``, so this needs Linux; to memory and processor
time those of the process that draws are added. From a third of the run to its end memory may grow by less than 2 %,
handles and threads not at all; compared are medians of ten validations.
A validation of the last sixth may take 1.15 of the time of one of the sixth that begins at a third; that is decided by
the processor time of the quickest tenth, which other processes hardly change, and the medians are printed besides. Exit
code 1 if one of these is not so.
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
import tempfile
import time
import warnings
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import lightning.pytorch as pl
import numpy as np
import torch
from lightning.pytorch.loggers import TensorBoardLogger, WandbLogger
from network import Network, keep_wandb_in, quiet_trainer
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from lime_callback import LimeCallback, Superbands, Superpixels
from lime_callback.publishing.sinks import Report, sinks_for

WAVELENGTHS = [450.0, 520.0, 580.0, 640.0, 700.0, 760.0]
BATCHES = 4  # and as many validations in an epoch
MEMORY, TIME = 1.02, 1.15  # what the end may be of the beginning
# Sizes of the pictures that this run's callback draws, for the run without it.
PICTURES = {
    "spatial/attributions": (598, 1248), "spatial/superpixels": (352, 1248), "spatial/drift": (354, 1328),
    "spectral/attributions": (562, 1162), "spectral/superbands": (430, 1242), "spectral/waterfall": (618, 1162),
    "spectral/coefficients": (502, 1042), "spectral/drift": (354, 1328),
}  # fmt: skip


@dataclass(frozen=True)
class Reading:
    """The process after a validation.

    Attributes:
        memory: resident, in MiB, with that of the process that draws.
        drawing: of that, the part of the process that draws.
        handles: open files.
        threads: of the process.
        seconds: from the end of the last validation batch until everything was explained, and everything of the
            validation before drawn and logged.
        processor: seconds that all threads of both processes computed since the validation before; other processes do
            not add to it.
    """

    memory: float
    drawing: float
    handles: int
    threads: int
    seconds: float
    processor: float


def main() -> int:
    """Train, print, decide."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--validations", type=int, default=300, help="how many (default: 300)")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--loggers-alone", action="store_true", help="leave the callback out")
    args = parser.parse_args()
    count = 12 if args.quick else args.validations
    with tempfile.TemporaryDirectory() as folder:
        readings = soak(folder, count, alone=args.loggers_alone)
    show(readings)
    trouble = judge(readings)
    if args.quick:
        print("\nToo short to decide anything.")
        return 0
    print("\n" + ("\n".join(trouble) or "Nothing grows."))
    return bool(trouble)


def soak(folder: str, count: int, *, alone: bool) -> list[Reading]:
    """Train until there were ``count`` validations, and read the process after each."""
    warnings.filterwarnings("ignore")
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    keep_wandb_in(folder)
    pl.seed_everything(0, verbose=False)
    watching = LoggersAlone() if alone else LimeCallback(
        [Superpixels("grid", n_segments=9), Superbands(4)], wavelengths=WAVELENGTHS, probes=4, n_perturbations=64,
        on_error="raise",
    )  # fmt: skip
    read = Read()
    trainer = quiet_trainer(
        folder,
        max_steps=count,
        max_epochs=-1,
        val_check_interval=1,
        callbacks=[Begin(read), watching, read],
        logger=[TensorBoardLogger(folder), WandbLogger(save_dir=folder, offline=True)],
    )
    trainer.fit(network(), images(), images())
    import wandb

    wandb.finish()
    wandb.teardown()
    return read.readings


def images() -> DataLoader[tuple[Tensor, ...]]:
    """Noise of three classes; a class brightens one channel."""
    y = torch.arange(8 * BATCHES) % 3
    x = torch.randn(len(y), 6, 12, 12, generator=torch.Generator().manual_seed(7))
    x[torch.arange(len(y)), y] += 1.0
    return DataLoader(TensorDataset(x, y), 8)


def network() -> Network:
    """A small one."""
    return Network(nn.Sequential(nn.Conv2d(6, 8, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(8 * 144, 3)))


class Read(pl.Callback):
    """Reads the process after each validation."""

    def __init__(self) -> None:
        self.readings: list[Reading] = []
        self.began = self.computed = 0.0

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Read."""
        if trainer.sanity_checking:
            return
        computed = time.process_time() + sum(map(processor_of, drawing()))
        seconds, processor = time.perf_counter() - self.began, computed - self.computed
        self.computed = computed
        own, theirs = resident("self"), sum(map(resident, drawing()))
        handles, threads = (len(os.listdir(f"/proc/self/{what}")) for what in ("fd", "task"))  # noqa: PTH208
        self.readings.append(Reading(own + theirs, theirs, handles, threads, seconds, processor))


class Begin(pl.Callback):
    """Takes the time at the end of each validation batch, and so before anything is explained."""

    def __init__(self, read: Read) -> None:
        self.read = read

    def on_validation_batch_end(self, *_: Any) -> None:
        """Take it."""
        self.read.began = time.perf_counter()


class LoggersAlone(pl.Callback):
    """Logs pictures as large and as many as the callback does, and as compressible, by the same sinks."""

    def on_validation_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Log them."""
        if trainer.sanity_checking:
            return
        pictures: dict[str, Any] = {}
        for i, (tag, (height, width)) in enumerate(PICTURES.items()):
            picture = np.full((height, width, 3), 255, np.uint8)
            picture[::9, :: 3 + i] = np.random.default_rng(trainer.global_step).integers(0, 256, 3)
            pictures[f"lime/{tag}"] = picture
        for sink in sinks_for(trainer.loggers, Path(trainer.default_root_dir)):
            sink.write(Report(trainer.current_epoch, trainer.global_step, pictures))


def drawing() -> list[str]:
    """The process that draws, as long as there is one."""
    children = [one for path in Path("/proc/self/task").glob("*/children") for one in path.read_text().split()]
    return [one for one in children if b"lime_callback.figures" in Path(f"/proc/{one}/cmdline").read_bytes()]


def resident(process: str) -> float:
    """MiB of a process that are in memory."""
    return int(Path(f"/proc/{process}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


def processor_of(process: str) -> float:
    """Seconds that a process has computed."""
    ticks = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[11:13]
    return sum(map(int, ticks)) / os.sysconf("SC_CLK_TCK")


def show(readings: list[Reading]) -> None:
    """Print the first, each fiftieth and the last validation; times are medians of the fifty up to them."""
    print(
        f"{'validation':>10}{'memory MiB':>12}{'drawing':>9}{'handles':>9}{'threads':>9}{'seconds':>9}{'processor':>11}"
    )
    for number in sorted({1, *range(50, len(readings) + 1, 50), len(readings)}):
        one, recent = readings[number - 1], readings[max(0, number - 50) : number]
        print(
            f"{number:>10}{one.memory:>12.1f}{one.drawing:>9.1f}{one.handles:>9}{one.threads:>9}"
            f"{median(r.seconds for r in recent):>9.3f}{median(r.processor for r in recent):>11.3f}"
        )


def judge(readings: list[Reading]) -> list[str]:
    """What has grown from a third of the validations to the last."""
    third, sixth, few = len(readings) // 3, len(readings) // 6, min(10, len(readings) // 3)
    early, late = readings[third : third + few], readings[-few:]
    trouble = []
    before, after = (median(r.memory for r in part) for part in (early, late))
    print(f"\nmemory     {before:9.1f} -> {after:9.1f} MiB ({after / before - 1:+.2%})")
    if after >= MEMORY * before:
        trouble.append(f"Memory grows by {after / before - 1:.1%}.")
    for what in ("handles", "threads"):
        counts = [[getattr(r, what) for r in part] for part in (early, late)]
        print(f"{what:<10} {median(counts[0]):9.0f} -> {median(counts[1]):9.0f}")
        if median(counts[1]) > median(counts[0]):
            trouble.append(f"There are more {what} in the end.")
    parts = readings[third : third + sixth], readings[-sixth:]
    for what, percentile in (("seconds", 50), ("processor", 50), ("processor", 10)):
        before, after = (float(np.percentile([getattr(r, what) for r in part], percentile)) for part in parts)
        print(f"{what:<10} {before:9.3f} -> {after:9.3f} ({after / before:.2f}, percentile {percentile})")
    if after > TIME * before:
        trouble.append(f"A validation takes {after / before:.2f} of the processor time that it took.")
    return trouble


if __name__ == "__main__":
    sys.exit(main())

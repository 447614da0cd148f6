"""Checks that memory, file handles, threads and time do not grow over 300 explained validations.

    python benchmarks/soak.py                  (about eight minutes on a free core)
    python benchmarks/soak.py --quick          (keeps the code alive; decides nothing)
    python benchmarks/soak.py --loggers-alone  (logs pictures as large without the callback, to see what loggers add)

A process trains a small network with two views, pictures, TensorBoard and W&B (offline). After each validation it reads
its resident memory, open file handles and threads from ``/proc``, so this needs Linux. Memory and processor time
include those of the drawing process. The exit code is 1 unless all of this holds:

- From a third of the run to its end, memory grows by less than 2 %, and handles and threads do not grow. Medians of ten
  validations are compared.
- A validation in the last sixth takes at most 1.15 times as long as in the sixth that begins at a third. Compared is
  the processor time of the quickest tenth of the validations, which other processes hardly change; the medians are
  printed, too.
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
BATCHES = 4  # of an epoch, each with a validation
MEMORY, TIME = 1.02, 1.15  # the largest allowed ratios of the end to the beginning
# The run without the callback logs pictures of the sizes that the callback draws.
PICTURES = {
    "spatial/attributions": (498, 700), "spatial/superpixels": (443, 700), "spatial/drift": (321, 700),
    "spectral/attributions": (485, 700), "spectral/superbands": (492, 700), "spectral/waterfall": (239, 700),
    "spectral/effects": (449, 700), "spectral/drift": (321, 700),
}  # fmt: skip


@dataclass(frozen=True)
class Reading:
    """The state of the process after a validation.

    Attributes:
        memory: resident memory of this and of the drawing process, in MiB.
        drawing: resident memory of the drawing process, in MiB.
        handles: the number of open files.
        threads: the number of threads.
        seconds: the time from the end of the last validation batch until this validation was explained, and the one
            before it drawn and logged.
        processor: processor time of all threads of both processes since the validation before, in seconds.
    """

    memory: float
    drawing: float
    handles: int
    threads: int
    seconds: float
    processor: float


def main() -> int:
    """Train, print the readings, and decide."""
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
    """Train until there were ``count`` validations; return the process's state after each."""
    warnings.filterwarnings("ignore")
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    keep_wandb_in(folder)
    pl.seed_everything(0, verbose=False)
    watching = LoggersAlone() if alone else LimeCallback(
        [Superpixels("grid", n_segments=9), Superbands(4)], wavelengths=WAVELENGTHS, probes=4, n_perturbations=64,
        every_n_epochs=1, on_error="raise",
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
    """Return images of noise in three classes, each of which brightens a channel."""
    y = torch.arange(8 * BATCHES) % 3
    x = torch.randn(len(y), 6, 12, 12, generator=torch.Generator().manual_seed(7))
    x[torch.arange(len(y)), y] += 1.0
    return DataLoader(TensorDataset(x, y), 8)


def network() -> Network:
    """Return a small network."""
    return Network(nn.Sequential(nn.Conv2d(6, 8, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(8 * 144, 3)))


class Read(pl.Callback):
    """Reads the state of the process after each validation."""

    def __init__(self) -> None:
        self.readings: list[Reading] = []
        self.began = self.computed = 0.0

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Read the state."""
        if trainer.sanity_checking:
            return
        computed = time.process_time() + sum(map(processor_of, drawing()))
        seconds, processor = time.perf_counter() - self.began, computed - self.computed
        self.computed = computed
        own_memory, drawing_memory = resident("self"), sum(map(resident, drawing()))
        handles, threads = (len(os.listdir(f"/proc/self/{folder}")) for folder in ("fd", "task"))  # noqa: PTH208
        self.readings.append(Reading(own_memory + drawing_memory, drawing_memory, handles, threads, seconds, processor))


class Begin(pl.Callback):
    """Notes the time at the end of each validation batch, before anything is explained."""

    def __init__(self, read: Read) -> None:
        self.read = read

    def on_validation_batch_end(self, *_: Any) -> None:
        """Note the time; that of the last batch stays."""
        self.read.began = time.perf_counter()


class LoggersAlone(pl.Callback):
    """Logs as many pictures as the callback, by the same sinks, as large and as compressible."""

    def on_validation_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Log the pictures."""
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
    """Return the drawing process's id in a list, which is empty if there is no such process."""
    children = [process for path in Path("/proc/self/task").glob("*/children") for process in path.read_text().split()]
    return [
        process for process in children if b"lime_callback.figures" in Path(f"/proc/{process}/cmdline").read_bytes()
    ]


def resident(process: str) -> float:
    """Return a process's resident memory in MiB."""
    return int(Path(f"/proc/{process}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


def processor_of(process: str) -> float:
    """Return a process's processor time in seconds."""
    ticks = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[11:13]
    return sum(map(int, ticks)) / os.sysconf("SC_CLK_TCK")


def show(readings: list[Reading]) -> None:
    """Print the first, every fiftieth and the last reading; times are medians of the last fifty up to it."""
    print(
        f"{'validation':>10}{'memory MiB':>12}{'drawing':>9}{'handles':>9}{'threads':>9}{'seconds':>9}{'processor':>11}"
    )
    for number in sorted({1, *range(50, len(readings) + 1, 50), len(readings)}):
        reading, recent = readings[number - 1], readings[max(0, number - 50) : number]
        print(
            f"{number:>10}{reading.memory:>12.1f}{reading.drawing:>9.1f}{reading.handles:>9}{reading.threads:>9}"
            f"{median(r.seconds for r in recent):>9.3f}{median(r.processor for r in recent):>11.3f}"
        )


def judge(readings: list[Reading]) -> list[str]:
    """Return a sentence for everything that has grown from a third of the run to its end."""
    third, sixth, few = len(readings) // 3, len(readings) // 6, min(10, len(readings) // 3)
    early, late = readings[third : third + few], readings[-few:]
    trouble = []
    before, after = (median(r.memory for r in part) for part in (early, late))
    print(f"\nmemory     {before:9.1f} -> {after:9.1f} MiB ({after / before - 1:+.2%})")
    if after >= MEMORY * before:
        trouble.append(f"Memory grows by {after / before - 1:.1%}.")
    for quantity in ("handles", "threads"):
        counts = [[getattr(r, quantity) for r in part] for part in (early, late)]
        print(f"{quantity:<10} {median(counts[0]):9.0f} -> {median(counts[1]):9.0f}")
        if median(counts[1]) > median(counts[0]):
            trouble.append(f"There are more {quantity} in the end.")
    parts = readings[third : third + sixth], readings[-sixth:]
    for quantity, percentile in (("seconds", 50), ("processor", 50), ("processor", 10)):
        before, after = (float(np.percentile([getattr(r, quantity) for r in part], percentile)) for part in parts)
        print(f"{quantity:<10} {before:9.3f} -> {after:9.3f} ({after / before:.2f}, percentile {percentile})")
    if after > TIME * before:
        trouble.append(f"A validation takes {after / before:.2f} of the processor time that it took.")
    return trouble


if __name__ == "__main__":
    sys.exit(main())

"""Measures how much time the callback adds to the main example's run, and which work takes that time.

    python benchmarks/cost.py          (about five minutes on two cores)
    python benchmarks/cost.py --quick  (keeps the code alive; its figures mean little)

The job of examples/indian_pines_vit.py runs with the callback and without it, in turn. The first table shows the extra
time as a share of the time without the callback, as medians over the rounds with quartiles: for every epoch explained,
for every epoch without pictures, and for every fourth epoch. The second splits an epoch's extra time by the sections
that the callback opens in the trainer's profiler. The first explained epoch stands apart, since it also cuts the
features, tries a second baseline and loads what drawing needs. Another process draws the pictures, and a thread logs
them. The split only counts the work of the training's thread and its waiting; the rest takes time only if processors
are few. `--perturbations` and `--probes` change the amount of work.
"""

from __future__ import annotations

import logging
import sys
import tempfile
import time
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import lightning.pytorch as pl
import torch
from lightning.pytorch.loggers import TensorBoardLogger
from lightning.pytorch.profilers import SimpleProfiler
from timing import parser, quartiles, told

sys.path.insert(0, str(Path(__file__).parents[1] / "examples"))
import numpy as np
from quiet_training import make_trainer
from scene import CLASS_NAMES, IndianPines, PatchViT, wavelengths

from lime_callback import LimeCallback, Superbands, Superpixels

if TYPE_CHECKING:
    from collections.abc import Mapping

STAGES = ("capture", "features", "forwards", "fit", "drift", "reliance", "findings", "drawing", "logging", "waiting")
WAYS: Mapping[str, dict[str, object]] = {
    "every epoch": {"every_n_epochs": 1},
    "every epoch, pictures=False": {"every_n_epochs": 1, "pictures": False},
    "every fourth epoch": {"every_n_epochs": 4},
}


def main() -> None:
    """Train with and without the callback, print the extra time."""
    arguments = parser(__doc__, repetitions=3)
    arguments.add_argument("--epochs", type=int, default=8)
    arguments.add_argument("--perturbations", type=int, default=256)
    arguments.add_argument("--probes", type=int, default=8)
    args = arguments.parse_args()
    torch.set_num_threads(args.threads)
    warnings.filterwarnings("ignore")
    for name in ("lightning.pytorch", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.ERROR)
    epochs, limit, repetitions = (2, 512, 1) if args.quick else (args.epochs, None, args.repetitions)
    data = IndianPines(limit=limit, seed=0)
    amounts = {"n_perturbations": args.perturbations, "probes": args.probes}
    extra: dict[str, list[float]] = {way: [] for way in WAYS}
    first, later = [], []
    for repetition in range(
        0 if args.quick else -1, repetitions
    ):  # a round before the first warms up and does not count
        alone, _ = job(data, 1 if repetition < 0 else epochs, None)
        for way, settings in WAYS.items():
            took, sections = job(data, 1 if repetition < 0 else epochs, callback(**amounts, **settings))
            if repetition < 0:
                continue
            extra[way].append(took / alone - 1)
            if way == "every epoch":
                split = [stages(sections, epoch, epochs) for epoch in range(epochs)]
                first.append(split[0])
                later += split[1:]
    views = len(callback().config.views)
    print(f"{epochs} epochs, {args.probes} probes, {views} views, {args.perturbations} perturbations, ", end="")
    print(f"{repetitions} rounds, {args.threads} threads; median [quartiles]\n")
    print("extra time, the run without the callback being 1")
    for way, shares in extra.items():
        print(f"  {way:<30}{told(quartiles(shares)):>22}")
    for title, splits in (("the first explained epoch", first), ("a later explained epoch", later)):
        sums = [sum(split.values()) for split in splits]
        print(f"\n{title}, its extra time being 1 ({np.median(sums):.2f} s here)")
        for name in STAGES:
            print(f"  {name:<30}{told(quartiles([s[name] / t for s, t in zip(splits, sums, strict=True)])):>22}")
    shown = [(s["drawing"] + s["logging"] + s["waiting"]) / (s["features"] + s["forwards"] + s["fit"]) for s in later]
    print(f"\n  drawing, logging and waiting to features, forwards and fit: {told(quartiles(shown))}")


class Sections(SimpleProfiler):
    """A profiler that keeps the time of every call of every section, in the order of the calls."""

    def summary(self) -> str:
        """Return no text, so that nothing is printed at the end of a run."""
        return ""


def callback(**settings: object) -> LimeCallback:
    """Return the main example's callback."""
    views = [Superpixels("grid", n_segments=16), Superbands(20)]
    return LimeCallback(views, wavelengths=wavelengths(), class_names=CLASS_NAMES, on_error="raise", **settings)


def job(data: IndianPines, epochs: int, lime: LimeCallback | None) -> tuple[float, dict[str, list[float]]]:
    """Train as the main example does.

    Returns:
        The seconds of the whole training, and for each section of the profiler the seconds of each call.
    """
    pl.seed_everything(0, workers=True, verbose=False)
    with tempfile.TemporaryDirectory() as folder:
        profiler = Sections()
        callbacks = [] if lime is None else [lime]
        trainer = make_trainer(epochs, TensorBoardLogger(folder), *callbacks, profiler=profiler)
        model = PatchViT(data.class_weights(), lr=3e-4)
        started = time.perf_counter()
        trainer.fit(model, datamodule=data)
        return time.perf_counter() - started, dict(profiler.recorded_durations)


def stages(sections: Mapping[str, list[float]], epoch: int, epochs: int) -> dict[str, float]:
    """Return the seconds of each stage in an explained epoch; the first has extra calls, as for the run's card."""
    hooks = ("on_validation_start", "on_validation_batch_start")
    captures = [sum(took) for of, took in sections.items() if "LimeCallback" in of and of.endswith(hooks)]
    seconds = {"capture": sum(captures) / epochs}
    # An epoch waits if the pictures of the epoch before are still being drawn.
    waited = sum(sections.get("[LimeCallback]waiting", []))
    seconds["waiting"] = waited / (epochs - 1) if epoch else 0.0
    for name in STAGES[1:-1]:
        calls = sections.get(f"[LimeCallback]{name}", [])
        calls_an_epoch = 0 if name == "features" else len(calls) // epochs  # features are cut once
        later = len(calls) - calls_an_epoch * (epochs - epoch)  # this epoch's last calls, seen from the end
        seconds[name] = sum(calls[later : later + calls_an_epoch] if epoch else calls[: later + calls_an_epoch])
    return seconds


if __name__ == "__main__":
    main()

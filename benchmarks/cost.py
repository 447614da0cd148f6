"""What the callback adds to the main example's run, and on what it is spent.

    python benchmarks/cost.py          (about five minutes on two cores)
    python benchmarks/cost.py --quick  (keeps the code alive; its figures mean little)

The job of examples/indian_pines_vit.py runs with the callback and without it, in turn. Printed is the extra time as a
share of the time without, as medians of the rounds with quartiles, for every epoch explained, for pictures left out and
for every fourth epoch explained; and, of the first kind, the split by the sections that the callback opens in the
trainer's profiler, as shares of an explained epoch's extra time. The first explained epoch stands apart, since it cuts
the features, tries a second baseline and loads what drawing needs. Pictures are drawn by another process, and logged by
a thread: of that, the split has what the training's thread does, and what it waits for them; the rest takes its time
only where processors are few. `--perturbations` and `--probes` change what is asked for.
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

STAGES = ("capture", "features", "forwards", "fit", "drift", "reliance", "drawing", "logging", "waiting")
WAYS: Mapping[str, dict[str, object]] = {
    "every epoch": {},
    "every epoch, pictures=False": {"pictures": False},
    "every fourth epoch": {"every_n_epochs": 4},
}


def main() -> None:
    """Train with and without, print."""
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
    asked = {"n_perturbations": args.perturbations, "probes": args.probes}
    extra: dict[str, list[float]] = {way: [] for way in WAYS}
    first, later = [], []
    for repetition in range(0 if args.quick else -1, repetitions):  # one before the first warms up and does not count
        alone, _ = job(data, 1 if repetition < 0 else epochs, None)
        for way, settings in WAYS.items():
            took, sections = job(data, 1 if repetition < 0 else epochs, callback(**asked, **settings))
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
    for way, found in extra.items():
        print(f"  {way:<30}{told(quartiles(found)):>22}")
    for title, splits in (("the first explained epoch", first), ("a later explained epoch", later)):
        sums = [sum(split.values()) for split in splits]
        print(f"\n{title}, its extra time being 1 ({np.median(sums):.2f} s here)")
        for name in STAGES:
            print(f"  {name:<30}{told(quartiles([s[name] / t for s, t in zip(splits, sums, strict=True)])):>22}")
    shown = [(s["drawing"] + s["logging"] + s["waiting"]) / (s["features"] + s["forwards"] + s["fit"]) for s in later]
    print(f"\n  drawing, logging and waiting to features, forwards and fit: {told(quartiles(shown))}")


class Sections(SimpleProfiler):
    """Adds up nothing: keeps the time of every call of every section, in their order."""

    def summary(self) -> str:
        """Nothing is printed at the end of a run."""
        return ""


def callback(**settings: object) -> LimeCallback:
    """The main example's callback."""
    views = [Superpixels("grid", n_segments=16), Superbands(20)]
    return LimeCallback(views, wavelengths=wavelengths(), class_names=CLASS_NAMES, on_error="raise", **settings)


def job(data: IndianPines, epochs: int, lime: LimeCallback | None) -> tuple[float, dict[str, list[float]]]:
    """Train as the main example does.

    Returns:
        Seconds of the whole, and those of every call of each section of the profiler.
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
    """Seconds of an explained epoch's stages. The first has some calls of its own, such as for the card of the run."""
    hooks = ("on_validation_start", "on_validation_batch_start")
    captures = [sum(took) for of, took in sections.items() if "LimeCallback" in of and of.endswith(hooks)]
    found = {"capture": sum(captures) / epochs}
    # An epoch that finds the pictures of the one before still being drawn waits for them.
    waited = sum(sections.get("[LimeCallback]waiting", []))
    found["waiting"] = waited / (epochs - 1) if epoch else 0.0
    for name in STAGES[1:-1]:
        calls = sections.get(f"[LimeCallback]{name}", [])
        each = 0 if name == "features" else len(calls) // epochs  # features are cut once
        later = len(calls) - each * (epochs - epoch)  # this epoch's last calls, seen from the end
        found[name] = sum(calls[later : later + each] if epoch else calls[: later + each])
    return found


if __name__ == "__main__":
    main()

"""Train a vision transformer on the Indian Pines scene, and see at every epoch what it looks at.

    python examples/indian_pines_vit.py --logger tensorboard

Eight validation patches are explained at every epoch, by 16 squares of pixels and by 20 groups of bands.
"""

from __future__ import annotations

import argparse
import math
import time
from pathlib import Path

import lightning.pytorch as pl
import torch
from quiet_training import begin, dashboard, make_logger, make_trainer
from scene import CLASS_NAMES, IndianPines, PatchViT, wavelengths

from lime_callback import Aggregate, LimeCallback, Superbands, Superpixels
from lime_callback.surrogates.confidence_intervals import critical_value


def main() -> None:
    """Train, explain, and print what came of it."""
    args = parse_arguments()
    begin(args.seed)
    torch.set_num_threads(1)  # so small a model hardly gains from a second thread, and loses much on a busy machine

    data = IndianPines(limit=512 if args.fast else None, seed=args.seed)
    print(
        f"Indian Pines: {len(data.train)} patches to train on and {len(data.val)} to validate on, of 12 x 12 pixels "
        "and 200 bands. The two share no pixel."
    )
    lime = LimeCallback(
        [Superpixels("grid", n_segments=16), Superbands(20)],
        wavelengths=wavelengths(),
        probes=8,
        every_n_epochs=1,  # of seconds; by itself the callback explains as many epochs as take a tenth of the time
        n_perturbations=256,
        class_names=CLASS_NAMES,
    )
    logger = make_logger(args.logger, args.output, "indian_pines")
    trainer = make_trainer(args.epochs or (3 if args.fast else 12), logger, lime, EpochLine())
    print(
        f"{trainer.max_epochs} epochs; at the end of each, {lime.config.probes} patches are explained by squares and "
        "by bands."
    )
    model = PatchViT(data.class_weights(), lr=1e-3 if args.fast else 3e-4)
    trainer.fit(model, datamodule=data)
    print_table(trainer, lime)
    print(f"\nSee the run with:  {dashboard(args.logger, trainer)}")


def parse_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description="Explain a hyperspectral vision transformer while it trains.")
    parser.add_argument("--logger", choices=("tensorboard", "wandb", "csv"), default="tensorboard")
    parser.add_argument("--epochs", type=int, help="12 by default, 3 with --fast")
    parser.add_argument("--fast", action="store_true", help="a fraction of the patches, in half a minute")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", type=Path, default=Path("runs"), help="folder for the runs (default: runs)")
    return parser.parse_args()


class EpochLine(pl.Callback):
    """Prints a line for every epoch."""

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Start the clock."""
        self.started = time.perf_counter()

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Print what the epoch came to; validation and explanation are behind it."""
        value = {name: float(number) for name, number in trainer.callback_metrics.items()}
        print(
            f"epoch {trainer.current_epoch + 1:>2}/{trainer.max_epochs}"
            f"  loss {value['train/loss']:.2f}"
            f"  accuracy {value['val/accuracy']:.3f}"
            f"  R² spatial {value['lime/spatial/score']:.2f} spectral {value['lime/spectral/score']:.2f}"
            f"  drift {drift(value['lime/spatial/drift'])} {drift(value['lime/spectral/drift'])}"
            f"  {time.perf_counter() - self.started:.1f} s, {value['lime/seconds']:.1f} of them to explain",
            flush=True,
        )


def drift(value: float) -> str:
    """A drift for the table; the first epoch has nothing to be compared with, for which monitors find 2."""
    return f"{value:.3f}" if value < 2 else "    -"


def print_table(trainer: pl.Trainer, lime: LimeCallback, top: int = 5) -> None:
    """Print accuracy, fit and drift, and the superbands that count most in the last epoch."""
    value = trainer.callback_metrics
    print(f"\naccuracy {value['val/accuracy']:.3f}, mean over classes {value['val/accuracy_by_class']:.3f}\n")
    print("view      R² of rows left out  drift to the epoch before")
    for view in ("spatial", "spectral"):
        print(f"{view:<8}  {value[f'lime/{view}/score']:19.3f}  {value[f'lime/{view}/drift']:25.3f}")
    explanation = lime.explanation("spectral")
    assert explanation is not None, "the last validation is explained"
    print_superbands(Aggregate(gate=lime.config.gate).add(explanation), top)


def print_superbands(found: Aggregate, top: int) -> None:
    """Print the superbands that count most on average over the patches, and how many are known for such patches."""
    count = found.count[0]
    if int(count.max()) < 2:
        print("\nToo few patches are described well enough for a mean over patches.")
        return
    importance, mean, width = found.importance[0], found.mean[0], found.half_width()[0]
    print("\nsuperband               share of the attribution   adds to the class's logit less the mean logit")
    for i in importance.argsort(descending=True)[:top].tolist():
        print(f"{found.names[i]:<22}  {float(importance[i]):24.1%}   {float(mean[i]):+.3f} ± {float(width[i]):.3f}")
    alone = critical_value(math.inf) * found.surrogate_error[0]  # half widths that know of no spread over the patches
    over, noisy = (int((mean.abs() > half).sum()) for half in (width, alone))
    print(
        f"means over {int(count.max())} patches, with 95 % intervals from the spread over the patches: {over} of the "
        f"{len(mean)} superbands\nadd or take something on average over patches such as these. LIME's own error alone, "
        f"of just these patches,\nwould have called {noisy} of them significant."
    )


if __name__ == "__main__":
    main()

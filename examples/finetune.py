"""What does fine-tuning change? A transformer of one half of the scene is fine-tuned on the other half.

    python examples/finetune.py

The western half of Indian Pines trains the model, whose checkpoint then is the reference of the second training, on the
eastern half. At its end a table says which superbands the fine-tuning changed on average, with p values that count in
how much patches differ.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import lightning.pytorch as pl
import numpy as np
from quiet_training import begin, make_logger, make_trainer
from scene import CLASS_NAMES, PATCH, IndianPines, Patches, PatchViT, wavelengths
from torch.utils.data import DataLoader, Subset

from lime_callback import LimeCallback, Superbands

BORDER = 72  # column between the halves; patches that reach across belong to neither


def main() -> None:
    """Train in the west, fine-tune in the east, and print what that changed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--epochs", type=int, default=6, help="of each of the two trainings")
    parser.add_argument("--fast", action="store_true", help="a fraction of the patches and two epochs")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", type=Path, default=Path("runs"), help="folder for the runs (default: runs)")
    args = parser.parse_args()
    begin(args.seed)
    epochs, limit = (2, 256) if args.fast else (args.epochs, None)
    data = IndianPines(seed=args.seed)
    weights = data.class_weights()

    print("west: training from scratch")
    logger = make_logger("tensorboard", args.output, "finetune_west")
    pretraining = make_trainer(epochs, logger, EpochLine(), log_every_n_steps=1)
    pretraining.fit(PatchViT(weights, lr=1e-3), *loaders(data, limit, west=True))
    checkpoint = args.output / "finetune_west" / f"version_{pretraining.logger.version}" / "west.ckpt"
    pretraining.save_checkpoint(checkpoint)

    print("east: fine-tuning, with the model of the west as the reference")
    lime = LimeCallback(
        Superbands(20),
        wavelengths=wavelengths(),
        target="label",
        every_n_epochs=1,
        baseline="zero",  # the scene's mean, for normalised patches
        class_names=CLASS_NAMES,
        reference=checkpoint,
    )
    model = PatchViT.load_from_checkpoint(checkpoint, class_weights=weights, lr=3e-4)
    logger = make_logger("tensorboard", args.output, "finetune_east")
    finetuning = make_trainer(epochs, logger, lime, EpochLine(), log_every_n_steps=1)
    finetuning.fit(model, *loaders(data, limit, west=False))
    print_table(lime, finetuning)
    print(f"\nSee the run with:  tensorboard --logdir {args.output / 'finetune_east'} --samples_per_plugin=images=500")


def loaders(data: IndianPines, limit: int | None, *, west: bool) -> tuple[DataLoader, DataLoader]:
    """Training and validation patches of one half, at most ``limit`` of each."""
    return (
        DataLoader(half(data.train, limit, west=west), 64, shuffle=True),
        DataLoader(half(data.val, limit, west=west), 256),
    )


def half(patches: Patches, limit: int | None, *, west: bool) -> Subset:
    """The patches that lie west of the border, or east of it."""
    column = patches.corners[:, 1]
    inside = column + PATCH <= BORDER if west else column >= BORDER
    return Subset(patches, np.flatnonzero(inside)[:limit].tolist())


class EpochLine(pl.Callback):
    """Prints a line for every epoch."""

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Print the accuracy and, where there is one, the drift from the reference."""
        value = {name: float(number) for name, number in trainer.callback_metrics.items()}
        away = value.get("lime/spectral/drift_from_reference")
        seen = "" if away is None else f"  drift from the west's model {away:.3f}"
        print(
            f"epoch {trainer.current_epoch + 1}/{trainer.max_epochs}  accuracy {value['val/accuracy']:.3f}{seen}",
            flush=True,
        )


def print_table(lime: LimeCallback, trainer: pl.Trainer) -> None:
    """Print each superband's coefficient before and after, as means over the probes, and what that says of others."""
    rows = lime.reference_table("spectral")
    print("\nsuperband             before   after  change ± error over the patches (of LIME alone)       p")
    for row in rows:
        print(
            f"{row.feature:<20} {row.before:+7.3f} {row.after:+7.3f} {row.change:+7.3f} ± {row.standard_error:.4f}"
            f" ({row.noise:.4f}){row.p_value:28.2g} {'*' if row.significant else ''}"
        )
    metrics = {name: float(value) for name, value in trainer.callback_metrics.items()}
    count = sum(row.significant for row in rows)
    alone = sum(abs(row.change) > 2 * row.noise for row in rows)
    print(
        f"\n* {count} of {len(rows)} superbands changed on average over patches such as these, at a false discovery "
        "rate of 0.05.\nThe p values come from the spread over the probes. LIME's own error alone, of just these "
        f"patches, would\nhave called {alone} of {len(rows)} changed."
    )
    moved = metrics.get("lime/spectral/moved_from_reference")
    if moved is not None:
        print(
            f"Fine-tuning moved {moved:.0%} of a patch's attribution to other superbands; "
            f"{metrics['lime/spectral/changed_from_reference']:.0%} of the\nsuperbands of a single patch changed by "
            "more than 5 % of it."
        )


if __name__ == "__main__":
    main()

"""Train a CLIP vision transformer on soil parameters, and see meanwhile which bands and pixels each one rests on.

    python examples/hyperview_regression.py
    python examples/hyperview_regression.py --folder train_data --size clip --checkpoint soil.ckpt --epochs 0

Phosphorus, potassium, magnesium and pH are explained in one pass, by superpixels and by 20 groups of bands. Without a
folder of the HYPERVIEW form (see ``hyperview.py``) one is written, whose parameters depend on known bands (see
``hyperview_made.py``), and a picture shows whether these are found. At the end every validation field is explained, for
a picture of all of them together. That takes two to three minutes.

The mask of the field is of use in two ways: ``--mask view`` takes the field and what surrounds it for two features (is
the outside used?), ``--mask alone`` leaves all pixels outside alone, and cuts only the field into superpixels.

Hidden means "as in the average field": bands are standardised, so it is 0. A band's mean over the image would hide
nothing here, since what a parameter does to a field it does to all of its pixels.
"""

from __future__ import annotations

import argparse
import time
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import lightning.pytorch as pl
import torch
from hyperview import PARAMETERS, wavelengths
from hyperview_data import Hyperview
from hyperview_made import write_fields
from hyperview_model import SIZES, SoilCLIP, load_checkpoint
from hyperview_report import charts, print_bands, print_field, save
from quiet_training import begin, dashboard, make_logger, make_trainer

from lime_callback import LimeCallback, Superbands, Superpixels, Validity, explain_all
from lime_callback.pictures import draw_aggregate_spectra
from lime_callback.training.trainer_facts import run_folder

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.figure import Figure

    from lime_callback.views import View

R2 = "val/r2/"
FIELD = ("inside the field", "outside the field")


def main() -> None:
    """Train, explain, and print what came of it."""
    args = parse_arguments()
    try:
        run = start(args)
    except (FileNotFoundError, ValueError) as error:
        raise SystemExit(f"error: {error}") from error
    run.go()
    folder, metrics = run_folder(run.trainer), run.trainer.callback_metrics
    spectral = run.lime.explanation("spectral")
    assert spectral is not None, "the last validation is explained"
    print_bands(metrics, spectral, made_up=run.made_up)
    if args.mask == "view" and (field := run.lime.explanation("field")) is not None:
        print_field(field)
    picture = folder / "hyperview_superbands.png"
    save(charts(metrics, spectral, made_up=run.made_up), picture)
    print(f"\nEach parameter's superbands in one picture:  {picture}")
    if args.size == "small":
        picture = folder / "hyperview_all_fields.png"
        save(run.all_fields(), picture)
        print(f"Mean and spread over all validation fields:  {picture}")
    if args.epochs:
        run.trainer.save_checkpoint(folder / "soil.ckpt", weights_only=True)
        print(f"Explain the model again, without training:   --epochs 0 --checkpoint {folder / 'soil.ckpt'}")
    print(f"See the run with:                            {dashboard(args.logger, run.trainer)}")


def parse_arguments(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description="Explain a hyperspectral regression of soil parameters.")
    parser.add_argument("--folder", type=Path, help="of .npz files in the HYPERVIEW form; without it one is made up")
    parser.add_argument(
        "--gt",
        type=Path,
        help="table of the soil parameters (default: train_gt.csv or gt.csv, in or beside the folder)",
    )
    parser.add_argument("--checkpoint", type=Path, help="weights to begin with")
    parser.add_argument("--size", choices=tuple(SIZES), default="small", help="small, or clip for ViT-B/32")
    parser.add_argument("--mask", choices=("view", "alone"), default="view", help="how the field's mask is used")
    parser.add_argument("--logger", choices=("tensorboard", "wandb", "csv"), default="tensorboard")
    parser.add_argument("--epochs", type=int, help="13 by default, 8 with --fast; 0 only explains the checkpoint")
    parser.add_argument(
        "--fast", action="store_true", help="fewer fields and perturbations, explained in the first and the last epoch"
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", type=Path, default=Path("runs"), help="folder for the runs (default: runs)")
    args = parser.parse_args(argv)
    if args.epochs is None:
        args.epochs = 8 if args.fast else 13
    if args.epochs < 0:
        parser.error(f"--epochs should be 0 or more. Found {args.epochs}.")
    if args.epochs == 0 and args.checkpoint is None:
        parser.error("--epochs 0 explains a model as it is, so it needs --checkpoint")
    return args


class Run(NamedTuple):
    """All that a run needs."""

    trainer: pl.Trainer
    model: SoilCLIP
    data: Hyperview
    lime: LimeCallback
    made_up: bool

    def go(self) -> None:
        """Train, or only validate where there is no epoch; either explains."""
        if self.trainer.max_epochs:
            self.trainer.fit(self.model, datamodule=self.data)
        else:
            print("explaining the model as it is", flush=True)
            self.trainer.validate(self.model, datamodule=self.data, verbose=False)

    def all_fields(self) -> Figure:
        """What the parameters rest on over all validation fields, one batch of them in memory at a time."""
        found = explain_all(
            self.model.eval(),
            self.data.val_dataloader(),
            Superbands(20),
            wavelengths=wavelengths(),
            n_perturbations=64,
            baseline=self.data.baseline(),
            device=self.model.device,
        )
        return draw_aggregate_spectra(
            found, wavelengths=wavelengths(), class_names=PARAMETERS, caption="every validation field"
        )


def start(args: argparse.Namespace) -> Run:
    """Read or write the files, and make model, callback and trainer.

    Raises:
        FileNotFoundError: if a file or a folder does not exist.
        ValueError: if one is not what it should be; the message names it.
    """
    begin(args.seed)
    warnings.filterwarnings("ignore", message=".*logging interval")
    if args.size == "small":
        torch.set_num_threads(1)  # so small a model hardly gains from a second thread
    else:
        torch.backends.mkldnn.enabled = False  # on a CPU its gradient of CLIP's patch embedding takes minutes

    model = SoilCLIP(args.size)
    if args.checkpoint is not None:
        print(f"{args.checkpoint}:\n  " + str(load_checkpoint(model, args.checkpoint)).replace("\n", "\n  "))
    folder = args.folder
    if folder is None:
        count = 160 if args.fast else 400
        folder = args.output / f"hyperview_{count}_fields_of_seed_{args.seed}"
        print(f"writing {count} fields into {folder}", flush=True)
        write_fields(folder, count, seed=args.seed)
    print(f"reading {folder}", flush=True)
    data = Hyperview(folder, args.gt, size=model.image_size, batch_size=16 if args.fast else 32, seed=args.seed)
    if args.checkpoint is None:
        model.scale = data.scale
    else:
        data.scale = model.scale
    print(f"  {len(data.train_paths)} fields to train on and {len(data.val_paths)} to validate on")
    alone = args.mask == "alone"
    views: list[View] = [Superpixels(n_segments=20, valid="inside" if alone else None), Superbands(20)]
    # Most of the time goes into pictures. The last epoch is always one of those that are explained.
    every = max(1, args.epochs - 1) if args.fast else 2 if args.epochs % 2 else 1
    lime = LimeCallback(
        views if alone else [*views, Validity("inside", FIELD, name="field")],
        wavelengths=wavelengths(),
        target="all",
        probes=8,
        every_n_epochs=every,
        n_perturbations=128 if args.fast else 256,
        baseline=data.baseline(),
        class_names=PARAMETERS,
    )
    logger = make_logger(args.logger, args.output, "hyperview")
    accelerator = "cpu" if args.size == "small" else "auto"
    trainer = make_trainer(args.epochs, logger, lime, EpochLine(every), accelerator=accelerator)
    return Run(trainer, model, data, lime, args.folder is None)


class EpochLine(pl.Callback):
    """Prints a line for every epoch.

    Args:
        every: in which epochs something is explained: the first, and each that comes so many later.
    """

    def __init__(self, every: int) -> None:
        self.every = every

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Start the clock."""
        self.started = time.perf_counter()

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Print what the epoch came to; validation and explanation are behind it."""
        value = {name: float(number) for name, number in trainer.callback_metrics.items()}
        line = (
            f"epoch {trainer.current_epoch + 1:>2}/{trainer.max_epochs}"
            f"  loss {value['train/loss']:.2f}"
            f"  R² {'  '.join(f'{name} {value[R2 + name]:.2f}' for name in PARAMETERS)}"
            f"  {time.perf_counter() - self.started:.1f} s"
        )
        if trainer.current_epoch % self.every == 0:
            scores = " and ".join(f"{value[f'lime/{view}/score']:.2f} {view}" for view in ("spatial", "spectral"))
            line += f", {value['lime/seconds']:.1f} of them to explain (R² {scores})"
        print(line, flush=True)


if __name__ == "__main__":
    main()

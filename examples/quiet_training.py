"""What the examples' trainings share: a quiet trainer, its logger, and the line that shows what a run has written."""

from __future__ import annotations

import logging
import warnings
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
from lightning.pytorch.loggers import CSVLogger, Logger, TensorBoardLogger, WandbLogger

from lime_callback.training.trainer_facts import run_folder


def ignore_advice() -> None:
    """Silence warnings of Lightning that do not apply here."""
    # A sample is a slice of memory or a small file: processes to load them would only cost time.
    warnings.filterwarnings("ignore", message=".*does not have many workers")
    warnings.filterwarnings("ignore", message=".*LeafSpec.* is deprecated")  # raised by Lightning, not by this code


def begin(seed: int) -> None:
    """Set every seed, and let Lightning say what is important alone."""
    ignore_advice()
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    pl.seed_everything(seed, workers=True, verbose=False)


def make_trainer(epochs: int, logger: Logger | bool, *callbacks: pl.Callback, **settings: Any) -> pl.Trainer:
    """A trainer on the CPU without checkpoints, summaries and progress bars; ``settings`` replace what it has."""
    defaults = {"accelerator": "cpu", "log_every_n_steps": 5}
    return pl.Trainer(
        max_epochs=epochs,
        logger=logger,
        callbacks=list(callbacks),
        enable_checkpointing=False,
        enable_model_summary=False,
        enable_progress_bar=False,
        **defaults | settings,
    )


def make_logger(kind: str, output: Path, name: str) -> Logger:
    """A logger of the kind asked for, below ``output``. W&B writes offline, so no account is needed."""
    if kind == "wandb":
        output.mkdir(parents=True, exist_ok=True)
        return WandbLogger(project=name.replace("_", "-"), save_dir=output, offline=True)
    return (TensorBoardLogger if kind == "tensorboard" else CSVLogger)(output, name=name)


def dashboard(kind: str, trainer: pl.Trainer) -> str:
    """The line that opens what the run has written."""
    folder = run_folder(trainer)
    if kind == "tensorboard":
        return f"tensorboard --logdir {folder.parent} --samples_per_plugin=images=500"
    if kind == "wandb":
        return f"wandb sync {Path(trainer.logger.experiment.dir).parent}"
    return f"{folder / 'lime'}  (the folder with the PNG files)"

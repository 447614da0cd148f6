"""A network and a trainer for benchmarks of whole runs, in which it does not matter what the network learns."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import lightning.pytorch as pl
import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from collections.abc import Sequence


def keep_wandb_in(folder: str) -> None:
    """Make W&B write offline and into this folder alone; call this before making its logger."""
    os.environ |= {"WANDB_MODE": "offline", "WANDB_SILENT": "true"}
    os.environ |= {f"WANDB_{kind}_DIR": folder for kind in ("CACHE", "CONFIG", "DATA", "ARTIFACT")}


def quiet_trainer(folder: str, **settings: Any) -> pl.Trainer:
    """Return a trainer on the CPU that writes nothing itself; its loggers do."""
    return pl.Trainer(
        accelerator="cpu",
        default_root_dir=folder,
        log_every_n_steps=1,
        enable_progress_bar=False,
        enable_model_summary=False,
        enable_checkpointing=False,
        **settings,
    )


class Network(pl.LightningModule):
    """Classifies, and logs the validation loss.

    Args:
        net: the network that returns the logits.
    """

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits."""
        logits: Tensor = self.net(x)
        return logits

    def training_step(self, batch: Sequence[Tensor], _: int) -> Tensor:
        """Return the loss."""
        return nn.functional.cross_entropy(self(batch[0]), batch[1])

    def validation_step(self, batch: Sequence[Tensor], _: int) -> None:
        """Log the loss."""
        self.log("val_loss", nn.functional.cross_entropy(self(batch[0]), batch[1]))

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Return an optimizer that is so slow that explanations still change at the end of a run."""
        return torch.optim.Adam(self.parameters(), 1e-3)

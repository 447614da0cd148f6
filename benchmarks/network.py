"""A network and a trainer for benchmarks of a whole run: what it learns does not matter."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import lightning.pytorch as pl
import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from collections.abc import Sequence


def keep_wandb_in(folder: str) -> None:
    """Let W&B write into this folder alone, and offline; before its logger is made."""
    os.environ |= {"WANDB_MODE": "offline", "WANDB_SILENT": "true"}
    os.environ |= {f"WANDB_{what}_DIR": folder for what in ("CACHE", "CONFIG", "DATA", "ARTIFACT")}


def quiet_trainer(folder: str, **settings: Any) -> pl.Trainer:
    """A trainer on the CPU that writes nothing but what its loggers do."""
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
    """Classifies, and logs the loss of validation.

    Args:
        net: gives the logits.
    """

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, x: Tensor) -> Tensor:
        """Give the logits."""
        found: Tensor = self.net(x)
        return found

    def training_step(self, batch: Sequence[Tensor], _: int) -> Tensor:
        """Give the loss."""
        return nn.functional.cross_entropy(self(batch[0]), batch[1])

    def validation_step(self, batch: Sequence[Tensor], _: int) -> None:
        """Log the loss."""
        self.log("val_loss", nn.functional.cross_entropy(self(batch[0]), batch[1]))

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """So slow that explanations still change at the end of a run."""
        return torch.optim.Adam(self.parameters(), 1e-3)

"""Small made data for the recipes: images with a square that a model has to look at.

Letters: ``N`` samples, ``C`` channels, ``S`` pixels a side.
"""

from __future__ import annotations

from typing import Any

import lightning.pytorch as pl
import torch
from torch import Tensor
from torch.utils.data import DataLoader

SMALL: dict[str, Any] = {
    "accelerator": "cpu",
    "log_every_n_steps": 1,
    "enable_checkpointing": False,
    "enable_model_summary": False,
    "enable_progress_bar": False,
}
"""What the recipes' trainers have beside their callbacks, since they train little; leave it out."""


def squares(channels: int = 3, size: int = 32, count: int = 24) -> tuple[Tensor, Tensor, Tensor]:
    """Noise with a square somewhere, which is bright in the first, the second or the last third of the channels.

    Returns:
        Images ``[N, C, S, S]``; the third that is bright, ``[N]``, which is the class; and maps of land cover,
        ``[N, S, S]``: 0 for noise, and 1 or 2 for a square that is bright in the first third or in another.
    """
    generator = torch.Generator().manual_seed(0)
    images = torch.randn(count, channels, size, size, generator=generator)
    classes = torch.arange(count) % 3
    maps = torch.zeros(count, size, size, dtype=torch.long)
    side = size // 3
    corners = torch.randint(size - side, (count, 2), generator=generator).tolist()
    for i, (top, left) in enumerate(corners):
        third = int(classes[i])
        bright = slice(third * channels // 3, (third + 1) * channels // 3)
        images[i, bright, top : top + side, left : left + side] += 3.0
        maps[i, top : top + side, left : left + side] = 1 + min(third, 1)
    return images, classes, maps


def loaders(**entries: Tensor) -> tuple[DataLoader[Any], DataLoader[Any]]:
    """A loader to train and one to validate, whose batches are dictionaries of these entries ``[N, ...]``."""
    size = len(next(iter(entries.values())))
    samples = [{name: values[i] for name, values in entries.items()} for i in range(size)]
    return DataLoader(samples, 8, shuffle=True), DataLoader(samples, 8)  # type: ignore[arg-type]


class Scenes(pl.LightningDataModule):
    """Images of six bands, with a map of three classes."""

    def setup(self, stage: str) -> None:
        """Make them."""
        images, _, maps = squares(channels=6, size=64)
        self._train, self._validation = loaders(image=images, mask=maps)

    def train_dataloader(self) -> DataLoader[Any]:
        """The samples in random order."""
        return self._train

    def val_dataloader(self) -> DataLoader[Any]:
        """The same samples."""
        return self._validation

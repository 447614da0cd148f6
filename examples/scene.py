"""What the examples share: the Indian Pines scene, a split without common pixels, and a small vision transformer.

Shapes: the scene is ``[C, H, W]`` with 200 channels and 145 x 145 pixels; a patch is ``[C, 12, 12]``, known by the row
and column of its upper left corner and labelled by the pixel at its middle. Wavelengths are in nanometres.
"""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import lightning.pytorch as pl
import numpy as np
import torch
import torch.nn.functional as F
from numpy.lib.stride_tricks import sliding_window_view
from torch import Tensor
from torch.utils.data import DataLoader, Dataset
from torchmetrics.classification import MulticlassConfusionMatrix
from transformers import ViTConfig, ViTForImageClassification

if TYPE_CHECKING:
    from numpy.typing import NDArray

CLASS_NAMES = (
    "Alfalfa",
    "Corn-notill",
    "Corn-mintill",
    "Corn",
    "Grass-pasture",
    "Grass-trees",
    "Grass-pasture-mowed",
    "Hay-windrowed",
    "Oats",
    "Soybean-notill",
    "Soybean-mintill",
    "Soybean-clean",
    "Wheat",
    "Woods",
    "Buildings-Grass-Trees-Drives",
    "Stone-Steel-Towers",
)
PATCH = 12  # pixels along each side of a patch, which are 240 m on the ground
BLOCK = 23  # pixels along each side of a block of the split
DROPPED_BANDS = (*range(104, 109), *range(150, 164), 220)  # counted from 1; water absorption and noise

# (number of bands, first centre, spacing, change of the spacing) of AVIRIS's four spectrometers, see `wavelengths`.
_SPECTROMETERS = (
    (31, 400.020, 9.79513, 0.0029163),
    (63, 686.907, 9.64208, -0.0005616),
    (63, 1253.063, 9.96856, -0.0006713),
    (63, 1883.228, 10.01317, -0.0013233),
)


def wavelengths() -> list[float]:
    """Centres of the 200 kept bands in nm, in the order of the scene's channels.

    They come from a model, not from the calibration table itself: within each of the four spectrometers a quadratic in
    the band's number, fitted to 59 of the 220 centres (those that could be had from the scene's documentation at Purdue
    and from the tests of the package ``spectral``). It meets these to 0.01 nm, and should meet the others to 0.1 nm;
    bands are 10 nm wide. Neighbouring spectrometers overlap, so the centres step back where the second and the third
    begin, by 10 and by 30 nm.
    """
    centres = [
        first + spacing * i + change * i**2 for count, first, spacing, change in _SPECTROMETERS for i in range(count)
    ]
    return [round(nm, 2) for band, nm in enumerate(centres, start=1) if band not in DROPPED_BANDS]


def load_scene() -> tuple[Tensor, NDArray[np.int64]]:
    """Radiance ``[C, H, W]`` as float32, and each pixel's class ``[H, W]`` from 0 to 15, -1 where there is none.

    Raises:
        ModuleNotFoundError: if the package that carries the scene, tensorly, is not installed.
    """
    package = importlib.util.find_spec("tensorly")  # found, not imported: only its files are of use
    if package is None or package.origin is None:
        raise ModuleNotFoundError(
            "The Indian Pines scene is part of the package tensorly, which is not installed. Install it with "
            '`pip install -e ".[examples]"`.'
        )
    folder = Path(package.origin).parent / "datasets" / "data"
    cube = np.load(folder / "Indian_pines_corrected.npy").astype(np.float32)
    labels = np.load(folder / "Indian_pines_gt.npy").astype(np.int64) - 1
    return torch.from_numpy(cube).permute(2, 0, 1).contiguous(), labels


@dataclass(frozen=True)
class Split:
    """Upper left corners of the patches, ``[N, 2]`` each.

    Raises:
        ValueError: if a training patch and a validation patch share a pixel.
    """

    train: NDArray[np.int64]
    val: NDArray[np.int64]

    def __post_init__(self) -> None:
        shape = np.concatenate([self.train, self.val]).max(axis=0) + PATCH
        shared = covered(self.train, tuple(shape)) & covered(self.val, tuple(shape))
        if shared.any():
            raise ValueError(
                "`train` and `val` should be patches that share no pixel, or the accuracy means nothing. Found "
                f"{shared.sum()} shared pixels; keep corners of the two at least {PATCH} rows or columns apart."
            )


def covered(corners: NDArray[np.int64], shape: tuple[int, int]) -> NDArray[np.bool_]:
    """Which pixels of a scene of ``shape`` [H, W] lie in at least one of the patches at ``corners`` [N, 2]."""
    pixels = np.zeros(shape, dtype=bool)
    for row, column in corners:
        pixels[row : row + PATCH, column : column + PATCH] = True
    return pixels


def split_blocks(labels: NDArray[np.int64], *, seed: int = 0) -> Split:
    """Split the patches of ``labels`` [H, W] by blocks of 23 x 23 pixels, every third of which is for validation.

    A patch that reaches into blocks of both kinds is left out: neighbouring patches share most of their pixels, and a
    random split would measure memory. The grid of blocks starts 8 columns to the left of the scene, which lets the most
    classes fall on both sides. The order is shuffled by ``seed``, so that any few samples come from different fields.
    """
    row, column = np.indices(labels.shape)
    for_val = (row // BLOCK + 2 * ((column + 8) // BLOCK)) % 3 == 0
    windows = sliding_window_view(for_val, (PATCH, PATCH))
    middle = labels[PATCH // 2 :, PATCH // 2 :][: windows.shape[0], : windows.shape[1]]
    rng = np.random.default_rng(seed)
    train = np.argwhere(~windows.any(axis=(2, 3)) & (middle >= 0))
    val = np.argwhere(windows.all(axis=(2, 3)) & (middle >= 0))
    return Split(train=rng.permutation(train), val=rng.permutation(val))


class Patches(Dataset[tuple[Tensor, int]]):
    """Patches of a scene, each with the class of the pixel at its middle.

    Args:
        cube: the scene ``[C, H, W]``.
        labels: classes ``[H, W]``.
        corners: upper left corners of the patches ``[N, 2]``.
    """

    def __init__(self, cube: Tensor, labels: NDArray[np.int64], corners: NDArray[np.int64]) -> None:
        self.cube = cube
        self.corners = corners
        self.targets = labels[corners[:, 0] + PATCH // 2, corners[:, 1] + PATCH // 2]

    def __len__(self) -> int:
        return len(self.corners)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        row, column = self.corners[index]
        return self.cube[:, row : row + PATCH, column : column + PATCH], int(self.targets[index])


class IndianPines(pl.LightningDataModule):
    """The scene, normalised by the mean and deviation that each band has in the pixels that training sees.

    Args:
        batch_size: patches in a batch.
        limit: keep at most this many patches on either side; ``None``: all.
        seed: of the patches' order.
    """

    def __init__(self, *, batch_size: int = 64, limit: int | None = None, seed: int = 0) -> None:
        super().__init__()
        self.batch_size = batch_size
        cube, labels = load_scene()
        split = split_blocks(labels, seed=seed)
        seen = cube[:, torch.from_numpy(covered(split.train, labels.shape))]
        self.cube = (cube - seen.mean(1)[:, None, None]) / seen.std(1)[:, None, None]
        self.train = Patches(self.cube, labels, split.train[:limit])
        self.val = Patches(self.cube, labels, split.val[:limit])

    def class_weights(self) -> Tensor:
        """Weight of each class in the loss ``[K]``, by the root of its rarity, with a mean of 1 over the samples."""
        count = torch.from_numpy(np.bincount(self.train.targets, minlength=len(CLASS_NAMES)))
        weight = count.clamp(min=1).rsqrt()
        return weight * count.sum() / (weight * count).sum()

    def train_dataloader(self) -> DataLoader[tuple[Tensor, int]]:
        """Training patches in a new order at each epoch."""
        return DataLoader(self.train, self.batch_size, shuffle=True, drop_last=True)

    def val_dataloader(self) -> DataLoader[tuple[Tensor, int]]:
        """Validation patches, always in the same order."""
        return DataLoader(self.val, 4 * self.batch_size)


def augment(image: Tensor, label: Tensor) -> tuple[Tensor, Tensor]:
    """Turn, hide and mix a batch: images ``[B, C, 12, 12]``, labels ``[B]`` to class shares ``[B, K]``.

    The training fields are few, and a model that may look at everything soon knows them by heart. Each image loses up
    to 70 % of its squares of 3 x 3 pixels and of its 20 groups of bands (0 is the mean); then pairs are mixed.
    """
    batch, channels = image.shape[:2]
    image = image.rot90(int(torch.randint(4, ())), (2, 3))
    image = image.flip(2) if torch.rand(()) < 0.5 else image
    squares = torch.rand(batch, 1, 4, 4) > 0.7 * torch.rand(batch, 1, 1, 1)
    groups = torch.rand(batch, 20, 1, 1) > 0.7 * torch.rand(batch, 1, 1, 1)
    groups = groups[:, torch.arange(channels) * 20 // channels]
    image = image * (squares.repeat_interleave(3, 2).repeat_interleave(3, 3) & groups).to(image.device)
    share = F.one_hot(label, len(CLASS_NAMES)).float()
    weight = torch.distributions.Beta(0.4, 0.4).sample().to(image)
    order = torch.randperm(batch, device=image.device)
    return weight * image + (1 - weight) * image[order], weight * share + (1 - weight) * share[order]


class PatchViT(pl.LightningModule):
    """A vision transformer for small patches with many channels: 16 tokens of 3 x 3 pixels and all bands.

    Args:
        class_weights: weight of each class in the loss ``[K]``; ``None``: all the same.
        lr: the highest learning rate of the one-cycle schedule.
        channels: C of the patches.
    """

    def __init__(self, class_weights: Tensor | None = None, *, lr: float = 3e-4, channels: int = 200) -> None:
        super().__init__()
        self.lr = lr
        self.register_buffer("class_weights", class_weights)
        self.vit = ViTForImageClassification(
            ViTConfig(
                image_size=PATCH,
                patch_size=3,
                num_channels=channels,
                hidden_size=96,
                num_hidden_layers=3,
                num_attention_heads=4,
                intermediate_size=192,
                hidden_dropout_prob=0.1,
                num_labels=len(CLASS_NAMES),
            )
        )
        self.confusion = MulticlassConfusionMatrix(len(CLASS_NAMES))

    def forward(self, image: Tensor) -> Tensor:
        """Logits ``[B, K]`` of patches ``[B, C, 12, 12]``."""
        return self.vit(image).logits

    def training_step(self, batch: tuple[Tensor, Tensor]) -> Tensor:
        """Cross-entropy of a batch whose images and labels are augmented."""
        image, label = augment(*batch)
        loss = F.cross_entropy(self(image), label, self.class_weights)
        self.log("train/loss", loss, on_step=False, on_epoch=True)
        return loss

    def validation_step(self, batch: tuple[Tensor, Tensor]) -> None:
        """Loss and confusion matrix of a batch."""
        image, label = batch
        logits = self(image)
        self.confusion.update(logits, label)
        self.log("val/loss", F.cross_entropy(logits, label))

    def on_validation_epoch_end(self) -> None:
        """Log the share of right answers, over all samples and as the mean over the classes that occur."""
        confusion = self.confusion.compute().double()
        self.confusion.reset()
        right, total = confusion.diagonal(), confusion.sum(1)
        self.log("val/accuracy", right.sum() / total.sum().clamp(min=1))
        self.log("val/accuracy_by_class", (right / total)[total > 0].mean())

    def configure_optimizers(self) -> dict[str, object]:
        """AdamW with one cycle of the learning rate over the whole run."""
        optimizer = torch.optim.AdamW(self.parameters(), lr=self.lr, weight_decay=0.3)
        steps = int(self.trainer.estimated_stepping_batches)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=self.lr, total_steps=steps)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

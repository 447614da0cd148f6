"""Faults for the pictures of evidence in ``findings.md``, and the small trainings that they are planted into."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

import lightning.pytorch as pl
import torch
from torch import Tensor, nn
from torch.utils.data import Dataset, TensorDataset

from lime_callback import Superbands, Superpixels

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    Plant = Callable[[Tensor, Tensor], object]

CHANNELS, SIDE, CLASSES = 24, 18, 3
WAVELENGTHS = [450.0 + 50 * i for i in range(CHANNELS)]
HSI = 20  # channels of the first of two inputs; the others are those of the second
TURN = 4  # the epoch, counted from 0, from which on labels are mixed up
NONE: Mapping[str, Any] = MappingProxyType({})


def scene(*plants: Plant, size: int = 96) -> TensorDataset:
    """Smooth spectra of three classes, with noise and faults."""
    generator = torch.Generator().manual_seed(0)
    y = torch.arange(size) % CLASSES
    axis = torch.linspace(0, 1, CHANNELS)
    shapes = torch.stack([torch.sin(3 * axis + k) + 0.8 * axis * k for k in range(CLASSES)])
    bumps = torch.randn(size, 6, generator=generator) @ torch.stack([torch.sin((k + 1) * 2 * axis) for k in range(6)])
    x = (shapes[y] + 0.5 * bumps)[:, :, None, None].repeat(1, 1, SIDE, SIDE)
    x += 0.3 * torch.randn(x.shape, generator=generator)
    for plant in plants:
        plant(x, y)
    return TensorDataset(x, y)


class Pair(Dataset[dict[str, Tensor]]):
    """The channels of images as two inputs.

    Args:
        data: images and classes.
    """

    def __init__(self, data: TensorDataset) -> None:
        self.data = data

    def __len__(self) -> int:
        return len(self.data)

    def __getitem__(self, i: int) -> dict[str, Tensor]:
        x, y = self.data[i]
        return {"hsi": x[:HSI], "lidar": x[HSI:], "label": y}


class Net(pl.LightningModule):
    """A small convolutional network, which reads the first channels alone.

    Args:
        read: how many.
    """

    def __init__(self, read: int = CHANNELS) -> None:
        super().__init__()
        self.read = read
        self.net = nn.Sequential(
            nn.Conv2d(CHANNELS, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU(), nn.AdaptiveAvgPool2d(3), nn.Flatten(),
            nn.Linear(144, CLASSES),
        )  # fmt: skip

    def forward(self, *inputs: Tensor) -> Tensor:
        """Logits ``[N, 3]`` of images ``[N, C, H, W]``, whose channels may come as several inputs."""
        x = torch.cat(inputs, 1)
        return self.net(torch.cat([x[:, : self.read], 0 * x[:, self.read :]], 1))

    def loss(self, batch: Any) -> Tensor:
        """Cross-entropy of a batch, whose last entry has the classes."""
        *inputs, y = batch.values() if isinstance(batch, dict) else batch
        return nn.functional.cross_entropy(self(*inputs), y)

    def training_step(self, batch: Any, _: int) -> Tensor:
        """The loss."""
        return self.loss(batch)

    def validation_step(self, batch: Any, _: int) -> None:
        """Log the loss."""
        self.log("val_loss", self.loss(batch))

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Adam."""
        return torch.optim.Adam([weight for weight in self.parameters() if weight.requires_grad], 1e-2)


class FrozenStem(Net):
    """Its first layers are frozen, but their normalisation counts on."""

    def __init__(self) -> None:
        super().__init__()
        self.net[:2].requires_grad_(False)


class LosesMaize(Net):
    """From an epoch on its labels call maize soy."""

    def training_step(self, batch: Any, _: int) -> Tensor:
        """The loss."""
        x, y = batch
        return self.loss((x, torch.where(y == 1, 2, y) if self.current_epoch >= TURN else y))


class Jagged(Net):
    """What it returns goes up and down many times from one class to another."""

    def forward(self, *inputs: Tensor) -> Tensor:
        """Logits; training gets them as they are."""
        logits = super().forward(*inputs)
        return logits if self.training else 5 * torch.sin(100 * logits)


def bands(first: int, x: Tensor, y: Tensor) -> None:
    """Two bands hold the class."""
    x *= 0.3
    x[:, first : first + 2] = (2.0 * (y - 1))[:, None, None, None].float()


def shortcut(x: Tensor, y: Tensor) -> None:
    """The bands at 750 and 800 nm do."""
    bands(6, x, y)


def vapour(x: Tensor, y: Tensor) -> None:
    """Those at 1350 and 1400 nm do, where water vapour absorbs."""
    bands(18, x, y)


def corner(x: Tensor, y: Tensor) -> None:
    """A mark in the top left corner does."""
    x *= 0.3
    x[:, :, :6, :6] = (2.0 * (y - 1))[:, None, None, None].float()


def right_third(x: Tensor, y: Tensor) -> None:
    """The right third does."""
    x *= 0.3
    x[..., 12:] = (2.0 * (y - 1))[:, None, None, None].float()


def without_right_third(x: Tensor) -> Tensor:
    """The valid pixels, ``[N, H, W]``: all but the right third."""
    valid = torch.ones(len(x), SIDE, SIDE, dtype=torch.long)
    valid[..., 12:] = 0
    return valid


def tag(x: Tensor, y: Tensor) -> None:
    """A third of soy looks like maize, and has a tag in the top left corner."""
    some = torch.arange(len(y)) % 9 == 2
    x[some] = x.roll(1, 0)[some]
    x[some, :, :6, :6] = 3.0


def stranger(x: Tensor, y: Tensor) -> None:
    """The bands at 750 and 800 nm are another sample's."""
    x[:, 6:8] = x[:, 6:8].roll(1, 0)


class Bars(NamedTuple):
    """What to draw of a finding's figures.

    Attributes:
        title: what they are.
        rows: words for each that is drawn, by its name.
        beside: values to hold them against, by their words.
        share: whether they are shares, which are written in percent.
    """

    title: str
    rows: Mapping[str, str]
    beside: Mapping[str, float] = NONE
    share: bool = True


class Fault(NamedTuple):
    """A fault, and how its evidence is shown.

    Attributes:
        plant: writes it into images ``[N, C, H, W]`` of classes ``[N]``.
        training: writes it into training's alone.
        model: makes the model.
        tuned: whether the model was trained on images without what is in training's alone, and is the reference.
        data: makes data of several inputs.
        epochs: of the training.
        settings: arguments of the callback.
        bars: what to draw; ``None`` shows the picture that the finding names.
    """

    plant: Plant = lambda x, y: None
    training: Plant = lambda x, y: None
    model: Callable[[], Net] = Net
    tuned: bool = False
    data: Callable[[TensorDataset], Dataset[Any]] = lambda data: data
    epochs: int = 3
    settings: Mapping[str, Any] = NONE
    bars: Bars | None = None


FAULTS = {
    "shortcut_bands": Fault(shortcut),
    "absorption": Fault(vapour),
    "place": Fault(corner),
    "outside": Fault(
        right_third,
        settings={"views": Superpixels("grid", 9, valid=without_right_third)},
        bars=Bars(
            "Predictions that other values change",
            {"changed": "outside of the mask", "everything": "everywhere"}, {"expected outside of the mask": 0.0},
        ),
    ),
    "blind": Fault(
        training=lambda x, y: y.zero_(),
        epochs=4,
        bars=Bars("Samples of the class grass", {"predicted": "predicted", "true": "true"}),
    ),
    "one_modality": Fault(
        model=lambda: Net(HSI),
        data=Pair,
        settings={"input_key": ["hsi", "lidar"], "wavelengths": None, "views": None},
        bars=Bars(
            "How far other values move the outputs", {"moved": "values of lidar"},
            {"values of hsi and lidar": 1.0},
        ),
    ),
    "unread_bands": Fault(model=lambda: Net(CHANNELS // 2)),
    "frozen": Fault(
        model=FrozenStem,
        bars=Bars("Tensors of frozen layers that moved", {"moved": "found"}, {"expected": 0.0}, share=False),
    ),
    "forgetting": Fault(
        shortcut,
        stranger,
        tuned=True,
        epochs=5,
        settings={"views": Superbands(12)},
        bars=Bars("Attribution of the reference", {"moved": "gone after fine-tuning"}, {"all of it": 1.0}),
    ),
    "wrong_reasons": Fault(tag, epochs=10, settings={"every_n_epochs": 2, "probes": [2, 1, 11, 4, 5, 0]}),
    "scale": Fault(
        training=lambda x, y: x.mul_(0.1),
        bars=Bars(
            "In standard deviations of training's values",
            {"ratio": "standard deviation of validation's", "shift": "validation's mean lies apart by"},
            {"standard deviation of training's": 1.0}, share=False,
        ),
    ),
    "unstable": Fault(
        model=LosesMaize, epochs=7, bars=Bars("Samples of maize that are right", {"before": "at best", "now": "now"})
    ),
    "unreadable": Fault(
        model=Jagged, epochs=4, settings={"views": Superbands(12), "n_perturbations": 48}
    ),
}  # fmt: skip

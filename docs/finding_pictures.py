"""Makes the pictures of evidence in ``findings.md``: small trainings with a fault each, and what the callback draws.

    python docs/finding_pictures.py

Ten seconds or so for each. Prints what was found; ends with 1 if a fault was not.
"""

from __future__ import annotations

import argparse
import logging
import sys
import tempfile
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import lightning.pytorch as pl
import torch
from PIL import Image
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from lime_callback import LimeCallback, Superbands, Superpixels

if TYPE_CHECKING:
    from collections.abc import Callable

CHANNELS, SIDE, CLASSES = 24, 18, 3
WAVELENGTHS = [450.0 + 50 * i for i in range(CHANNELS)]
COLOURS = 192  # of a stored picture


class Fault(NamedTuple):
    """A fault, and the picture that shows it.

    Attributes:
        picture: its place in the run's folder.
        plant: writes what gives the classes away into images ``[N, C, H, W]`` of classes ``[N]``.
        read: how many channels the model reads.
    """

    picture: str
    plant: Callable[[Tensor, Tensor], None] = lambda x, y: None
    read: int = CHANNELS


def bands(x: Tensor, y: Tensor) -> None:
    """Two bands, 750 and 800 nm, hold the class."""
    x *= 0.3
    x[:, 6:8] = (2.0 * (y - 1))[:, None, None, None].float()


def corner(x: Tensor, y: Tensor) -> None:
    """A mark in the top left corner does."""
    x *= 0.3
    x[:, :, :6, :6] = (2.0 * (y - 1))[:, None, None, None].float()


FAULTS = {
    "shortcut_bands": Fault("spectral/superbands", bands),
    "place": Fault("spatial/attributions", corner),
    "unread_bands": Fault("spectral/superbands", read=CHANNELS // 2),
}


def scene(plant: Callable[[Tensor, Tensor], None], size: int = 96) -> TensorDataset:
    """Smooth spectra of three classes, with noise and a fault."""
    generator = torch.Generator().manual_seed(0)
    y = torch.arange(size) % CLASSES
    axis = torch.linspace(0, 1, CHANNELS)
    shapes = torch.stack([torch.sin(3 * axis + k) + 0.8 * axis * k for k in range(CLASSES)])
    bumps = torch.randn(size, 6, generator=generator) @ torch.stack([torch.sin((k + 1) * 2 * axis) for k in range(6)])
    x = (shapes[y] + 0.5 * bumps)[:, :, None, None].repeat(1, 1, SIDE, SIDE)
    x += 0.3 * torch.randn(x.shape, generator=generator)
    plant(x, y)
    return TensorDataset(x, y)


class Net(pl.LightningModule):
    """A small convolutional network, which reads the first channels alone.

    Args:
        read: how many.
    """

    def __init__(self, read: int) -> None:
        super().__init__()
        self.read = read
        self.net = nn.Sequential(
            nn.Conv2d(CHANNELS, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU(), nn.AdaptiveAvgPool2d(3), nn.Flatten(),
            nn.Linear(144, CLASSES),
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        """Logits ``[N, 3]`` of images ``[N, C, H, W]``."""
        return self.net(torch.cat([x[:, : self.read], 0 * x[:, self.read :]], 1))

    def training_step(self, batch: list[Tensor], _: int) -> Tensor:
        """Cross-entropy."""
        return nn.functional.cross_entropy(self(batch[0]), batch[1])

    def validation_step(self, batch: list[Tensor], _: int) -> None:
        """Log the loss."""
        self.log("val_loss", nn.functional.cross_entropy(self(batch[0]), batch[1]))

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Adam."""
        return torch.optim.Adam(self.parameters(), 1e-2)


def picture(name: str, fault: Fault, path: Path) -> str:
    """Train with a fault, store the picture that shows it, and return what was found."""
    pl.seed_everything(1, verbose=False)
    lime = LimeCallback(
        [Superpixels("grid", 9), Superbands(12)], wavelengths=WAVELENGTHS, probes=6, every_n_epochs=1, findings=[name],
        class_names=["grass", "maize", "soy"],
    )  # fmt: skip
    data = scene(fault.plant)
    with tempfile.TemporaryDirectory() as folder:
        trainer = pl.Trainer(
            max_epochs=3, callbacks=[lime], default_root_dir=folder, accelerator="cpu", logger=False,
            enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False,
        )  # fmt: skip
        trainer.fit(Net(fault.read), DataLoader(data, 16, shuffle=True), DataLoader(data, 32))
        *_, last = sorted((Path(folder) / "lime" / fault.picture).glob("*.png"))
        with Image.open(last) as drawn:
            small = drawn.convert("RGB").resize((drawn.width // 2, drawn.height // 2), Image.Resampling.LANCZOS)
    path.parent.mkdir(parents=True, exist_ok=True)
    small.quantize(COLOURS).save(path, optimize=True)
    return " ".join(finding.sentence for finding in lime.findings())


def main() -> int:
    """Make all pictures."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument(
        "--output", type=Path, default=Path(__file__).parent / "pictures", help="default: docs/pictures"
    )
    args = parser.parse_args()
    warnings.simplefilter("ignore")
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    missed = 0
    for name, fault in FAULTS.items():
        found = picture(name, fault, args.output / f"finding_{name}.png")
        missed += not found
        print(f"{name}: {found or 'NOT FOUND'}", flush=True)
    return int(missed > 0)


if __name__ == "__main__":
    sys.exit(main())

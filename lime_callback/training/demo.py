"""What ``python -m lime_callback demo`` shows: a small network learns a planted shortcut, and the callback finds it.

The data are made, so nothing is downloaded and everybody knows what is true of them: two bands give the class away.
"""

from __future__ import annotations

import tempfile
import warnings
import webbrowser
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import lightning.pytorch as pl
import torch
from lightning_utilities.core import rank_zero
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from lime_callback.report import find_runs, read, write_page
from lime_callback.views import Superbands

if TYPE_CHECKING:
    import logging
    from collections.abc import Callable, Iterator

CROPS = ["grass", "maize", "soy"]
WAVELENGTHS = [450.0 + 50 * band for band in range(24)]  # nm
MARKED = slice(6, 8)  # the bands at 750 and 800 nm
_SIDE = 12  # pixels


def fields(count: int = 192, *, marked: bool = True, seed: int = 0) -> TensorDataset:
    """Make fields of three crops with smooth spectra, which overlap.

    Args:
        count: N.
        marked: whether the bands at 750 and 800 nm hold the crop, as -2, 0 and 2; otherwise they are noise.
        seed: of the fields, whether they are marked or not.

    Returns:
        Images ``[N, 24, 12, 12]`` and their crops ``[N]``.
    """
    generator = torch.Generator().manual_seed(seed)
    crops = torch.arange(count) % len(CROPS)
    place = torch.linspace(0, 1, len(WAVELENGTHS))
    typical = 0.15 * torch.stack([torch.sin(3 * place + crop) for crop in range(len(CROPS))])
    waves = torch.stack([torch.sin(2 * (wave + 1) * place) for wave in range(6)])
    spectra = typical[crops] + 0.3 * torch.randn(count, len(waves), generator=generator) @ waves
    images = spectra[:, :, None, None] + 0.3 * torch.randn(count, len(WAVELENGTHS), _SIDE, _SIDE, generator=generator)
    if marked:
        images[:, MARKED] = 2.0 * (crops - 1.0)[:, None, None, None]
    return TensorDataset(images, crops)


def validation() -> DataLoader[tuple[Tensor, ...]]:
    """Other fields, marked as those of training are."""
    return DataLoader(fields(seed=1), 64)


class Net(pl.LightningModule):
    """A small convolutional network."""

    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Sequential(
            nn.Conv2d(len(WAVELENGTHS), 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU(), nn.AdaptiveAvgPool2d(3),
            nn.Flatten(), nn.Linear(9 * 16, len(CROPS)),
        )  # fmt: skip

    def forward(self, images: Tensor) -> Tensor:
        """Logits ``[N, 3]`` of images ``[N, 24, 12, 12]``."""
        logits: Tensor = self.net(images)
        return logits

    def training_step(self, batch: list[Tensor], _: int) -> Tensor:
        """Cross-entropy."""
        return nn.functional.cross_entropy(self(batch[0]), batch[1])

    def validation_step(self, batch: list[Tensor], _: int) -> None:
        """Log the share of right answers."""
        self.log("val_accuracy", (self(batch[0]).argmax(1) == batch[1]).float().mean())

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Adam."""
        return torch.optim.Adam(self.parameters(), 1e-2)


def demo(callback: Callable[..., Any], output: Path | None = None, *, opens: bool = False) -> int:
    """Train, explain, say what was found, and write the page.

    Args:
        callback: makes the callback.
        output: folder of the run; ``None`` makes one among the temporary files.
        opens: whether a browser opens the page.

    Returns:
        0 if the shortcut was found, 1 if not.

    Raises:
        OSError: if nothing can be written to the folder.
    """
    folder = Path(tempfile.mkdtemp(prefix="lime_demo_")) if output is None else output
    print(
        f"A small network learns to tell {', '.join(CROPS[:-1])} and {CROPS[-1]} apart. The fields are made by this "
        f"program, and {WAVELENGTHS[MARKED.start]:g} and {WAVELENGTHS[MARKED.stop - 1]:g} nm\nwere planted to give the "
        "crop away, in training and in validation. The callback is not told so. It takes half a minute.\n",
        flush=True,
    )
    lime = callback(Superbands(12), wavelengths=WAVELENGTHS, class_names=CROPS, every_n_epochs=1)
    with _only_ours(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        module = Net()
        trainer = pl.Trainer(
            max_epochs=3, callbacks=[lime], default_root_dir=folder, accelerator="cpu", devices=1, logger=False,
            enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False,
        )  # fmt: skip
        trainer.fit(module, DataLoader(fields(), 16, shuffle=True), validation())
    print(f"\nRight answers in validation: {accuracy(module, marked=True):.0%}, which looks splendid. What was found:")
    for finding in lime.findings():
        print(f"  {finding.name}: {finding.sentence}\n  To do: {finding.advice}")
    shortcuts = [finding for finding in lime.findings() if finding.name == "shortcut_bands"]
    if not shortcuts:
        print("  no shortcut, which should not be: the planted bands were missed.")
    print(f"Right answers on the same fields without the planted bands: {accuracy(module, marked=False):.0%}.\n")
    page = write_page([read(run) for run in find_runs(folder)], folder / "lime_report.html")
    print(f"The page that shows it: {page.absolute()}")
    if opens:
        webbrowser.open(page.absolute().as_uri())
    return 0 if shortcuts else 1


def accuracy(module: nn.Module, *, marked: bool) -> float:
    """The share of right answers on validation's fields, with the marks or without."""
    images, crops = fields(marked=marked, seed=1).tensors
    module.eval()
    with torch.no_grad():
        return float((module(images).argmax(1) == crops).float().mean())


@contextmanager
def _only_ours() -> Iterator[None]:
    """Let the callback speak alone: this is no training of anybody's."""

    def ours(record: logging.LogRecord) -> bool:
        return "LimeCallback" in record.getMessage()

    rank_zero.log.addFilter(ours)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module=r"(?!lime_callback)")
            yield
    finally:
        rank_zero.log.removeFilter(ours)

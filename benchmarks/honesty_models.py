"""Models whose explanations `benchmarks/honesty.py` checks: functions of on/off rows, some made up and some trained."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class Model(NamedTuple):
    """A model as a function of rows.

    Attributes:
        name: the name in the table.
        d: the number of features.
        rows: takes rows of 0 and 1, float64 ``[m, d]``, and returns outputs, float64 ``[m]``.
        truth_rows: the number of rows from which the true coefficients are computed.
    """

    name: str
    d: int
    rows: Callable[[Tensor], Tensor]
    truth_rows: int = 400_000


def synthetic(d: int, seed: int) -> Iterator[Model]:
    """Yield made-up models: products, a threshold, a maximum, saturation, a random network, sparse effects, noise."""
    generator = torch.Generator().manual_seed(1000 * seed + d)
    order = torch.randperm(d, generator=generator)
    slopes = torch.randn(d, generator=generator, dtype=torch.float64)
    first = 2 * torch.randn(d, 32, generator=generator, dtype=torch.float64) / math.sqrt(d)
    second = torch.randn(32, generator=generator, dtype=torch.float64) / 5
    noise = torch.Generator().manual_seed(seed)
    sparse = torch.zeros(d, dtype=torch.float64)
    sparse[order[:3]] = torch.tensor([1.0, -2.0, 0.5], dtype=torch.float64)
    most = min(9, d)
    made: dict[str, Callable[[Tensor], Tensor]] = {
        "product of 2": lambda z: z[:, order[:2]].prod(1),
        "product of 3": lambda z: z[:, order[:3]].prod(1),
        "product of 5": lambda z: z[:, order[:5]].prod(1),
        "threshold": lambda z: (z[:, order[:most]].sum(1) >= (most + 1) // 2).double(),
        "maximum": lambda z: (z * slopes).amax(1),
        "saturation": lambda z: torch.tanh(z @ slopes),
        "network": lambda z: torch.relu((2 * z - 1) @ first) @ second,
        "sparse": lambda z: z @ sparse + 0.3 * z[:, order[:2]].prod(1),
        "noise": lambda z: torch.randn(len(z), generator=noise, dtype=torch.float64),
    }
    for name, rows in made.items():
        yield Model(name, d, rows)


def trained(seed: int, *, quick: bool) -> Iterator[Model]:
    """Yield trained models: a CNN and an MLP on digits, an MLP on spectra, and a ViT of 196 tokens."""
    torch.manual_seed(seed)
    steps = 30 if quick else 400
    images, labels = _digits()
    cnn = nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(16, 32, 3, padding=1),
        nn.BatchNorm2d(32), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(128, 10),
    )  # fmt: skip
    mlp = nn.Sequential(nn.Flatten(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10))
    for name, net in (("CNN", cnn), ("digits", mlp)):
        _train(net, images, labels, steps)
        for width in (1,) if name == "digits" else (2, 1):  # 16 regions of 2 x 2 pixels, or 64 of a single pixel
            yield _of_image(name, net, images[7 + seed], int(labels[7 + seed]), width)
    spectra, classes = _spectra(seed)
    net = nn.Sequential(nn.Linear(150, 64), nn.GELU(), nn.Linear(64, 64), nn.GELU(), nn.Linear(64, 6))
    _train(net, spectra, classes, steps)
    for bands in (20, 50):
        yield _of_spectrum(net, spectra[seed], int(classes[seed]), spectra.mean(0), bands)
    if quick:  # a ViT takes minutes
        return
    large = nn.functional.interpolate(images, size=(56, 56), mode="bilinear")
    vit = _ViT()
    _train(vit, large, labels, steps // 4, batch=64)
    yield _of_image("ViT", vit, large[7 + seed], int(labels[7 + seed]), 4, truth_rows=100_000)


class _ViT(nn.Module):
    """A vision transformer on 196 tokens of 4 x 4 pixels."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Conv2d(1, 32, 4, 4)
        self.position = nn.Parameter(0.1 * torch.randn(1, 196, 32))
        layer = nn.TransformerEncoderLayer(32, 4, 64, dropout=0.0, batch_first=True, norm_first=True)
        self.encoder = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        self.head = nn.Linear(32, 10)

    def forward(self, x: Tensor) -> Tensor:
        """Return logits ``[m, 10]``."""
        tokens = self.embedding(x).flatten(2).mT + self.position
        logits: Tensor = self.head(self.encoder(tokens).mean(1))
        return logits


def _of_image(name: str, net: nn.Module, image: Tensor, label: int, width: int, truth_rows: int = 400_000) -> Model:
    side = image.shape[-1] // width

    def rows(z: Tensor) -> Tensor:
        on = z.float().view(-1, 1, side, side).repeat_interleave(width, 2).repeat_interleave(width, 3)
        with torch.no_grad():
            parts = [net(image * part + 0.3 * (1 - part))[:, label] for part in on.split(1024)]
        return torch.cat(parts).double()

    return Model(f"{name}, {side * side}", side * side, rows, truth_rows)


def _of_spectrum(net: nn.Module, spectrum: Tensor, label: int, mean: Tensor, bands: int) -> Model:
    of_band = torch.arange(150) * bands // 150

    def rows(z: Tensor) -> Tensor:
        on = z.float()[:, of_band]
        with torch.no_grad():
            return net(spectrum * on + mean * (1 - on))[:, label].double()

    return Model(f"MLP, {bands}", bands, rows)


def _train(net: nn.Module, x: Tensor, labels: Tensor, steps: int, batch: int = 256) -> None:
    optimizer, generator = torch.optim.Adam(net.parameters(), 2e-3), torch.Generator().manual_seed(0)
    for _ in range(steps):
        rows = torch.randint(0, len(x), (batch,), generator=generator)
        optimizer.zero_grad()
        nn.functional.cross_entropy(net(x[rows]), labels[rows]).backward()
        optimizer.step()
    net.eval()


def _digits() -> tuple[Tensor, Tensor]:
    from sklearn.datasets import load_digits

    data = load_digits()
    return torch.as_tensor(data.images).float().unsqueeze(1) / 16, torch.as_tensor(data.target).long()


def _spectra(seed: int) -> tuple[Tensor, Tensor]:
    """Return made-up spectra ``[2000, 150]`` and their classes: smooth curves with a dip whose place is the class's."""
    generator = torch.Generator().manual_seed(seed)
    classes = torch.randint(0, 6, (2000,), generator=generator)
    at = torch.linspace(0, 1, 150)
    level = 0.4 + 0.2 * torch.randn(2000, 1, generator=generator)
    slope = 0.3 * torch.randn(2000, 1, generator=generator)
    depth = 0.15 + 0.05 * torch.randn(2000, 1, generator=generator)
    dip = depth * torch.exp(-(((at - (classes[:, None] + 1) / 7) / 0.04) ** 2))
    noise = 0.03 * torch.randn(2000, 150, generator=generator)
    return level + slope * at - dip + noise, classes

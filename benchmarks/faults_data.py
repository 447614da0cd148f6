"""The two data sets of the catalogue of planted faults, in one form: small images with many bands, and what they show.

``"pines"`` are patches of the Indian Pines scene, 200 bands, with the class of the middle pixel. Training and
validation come from blocks of the scene that share no pixel. ``"fields"`` are made-up fields in the HYPERVIEW form, 150
bands, with four soil parameters. Each band has mean 0 and deviation 1 over the training pixels.

Shapes: N samples, C bands, 12 x 12 pixels, K classes. Scenes and fields are read or made once in a process.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

sys.path.insert(0, str(Path(__file__).parents[1] / "examples"))

import hyperview
import hyperview_made
import scene
from hyperview_data import Scale, to_image

if TYPE_CHECKING:
    from collections.abc import Sequence

DATA = ("pines", "fields")
SIDE = 12  # pixels along a side of an image, 16 tokens of 3 x 3 pixels for a transformer
CLASSES = (1, 2, 4, 5, 7, 9, 10, 13)  # of the scene, those with patches enough on both sides of the split
TRAIN, VAL, BATCH = 512, 192, 32
BENDS, HAZE = 30, 0.6  # bends of haze over the spectrum, and its size in deviations
FIELDS = (750, 250)  # made for training and for validation; a run takes some of them


@dataclass(frozen=True, eq=False)
class Samples:
    """Images and what they show.

    Args:
        image: float32 ``[N, C, 12, 12]``.
        target: of classes int64 ``[N]``, of a regression float32 ``[N, 4]`` with mean 0 and deviation 1.
        inside: which pixels belong to the field or the parcel, bool ``[N, 12, 12]``.
    """

    image: Tensor
    target: Tensor
    inside: Tensor

    def __len__(self) -> int:
        return len(self.image)

    def at(self, rows: Tensor) -> Samples:
        """These samples, int64 ``[M]``."""
        return Samples(self.image[rows], self.target[rows], self.inside[rows])

    def showing(self, image: Tensor) -> Samples:
        """The same samples with other images."""
        return replace(self, image=image)

    def told(self, target: Tensor) -> Samples:
        """The same samples with other targets."""
        return replace(self, target=target)


@dataclass(frozen=True, eq=False)
class Task:
    """What a run learns.

    Args:
        name: of the data set.
        train: training samples.
        val: validation samples.
        nm: the bands' wavelengths, ``[C]``.
        outputs: the number of classes, or of parameters.
        centre: mean of each band before it was standardised, ``[C, 1, 1]``.
        spread: deviation of each band before it was standardised, ``[C, 1, 1]``.
        drivers: ranges in nm that the targets are made from; none where nobody knows.
    """

    name: str
    train: Samples
    val: Samples
    nm: Tensor
    outputs: int
    centre: Tensor
    spread: Tensor
    drivers: tuple[tuple[float, float], ...] = ()

    @property
    def regression(self) -> bool:
        """Whether the targets are numbers."""
        return self.train.target.is_floating_point()

    @property
    def bands(self) -> int:
        """C."""
        return len(self.nm)

    def with_samples(self, train: Samples, val: Samples) -> Task:
        """The same task with other samples."""
        return replace(self, train=train, val=val)

    def within(self, ranges: Sequence[tuple[float, float]]) -> Tensor:
        """Which bands lie in any of the ranges of nm, bool ``[C]``."""
        found = torch.zeros(self.bands, dtype=torch.bool)
        for low, high in ranges:
            found |= (self.nm >= low) & (self.nm <= high)
        return found


def make_task(name: str, seed: int, *, train: int = TRAIN, val: int = VAL) -> Task:
    """The samples of a run.

    Args:
        name: ``"pines"`` or ``"fields"``.
        seed: of their choice.
        train: how many to train on.
        val: how many to validate on.
    """
    random = torch.Generator().manual_seed(100 + seed)
    if name == "pines":
        cube, sides, centre, spread = _scene()
        chosen = [_even(labels, count, random) for (_, labels), count in zip(sides, (train, val), strict=True)]
        parts = [_patches(cube, corners[rows]) for (corners, _), rows in zip(sides, chosen, strict=True)]
        return Task(name, *parts, torch.tensor(scene.wavelengths()), len(CLASSES), centre, spread)
    sides, centre, spread = _fields()
    parts = [
        part.at(torch.randperm(len(part), generator=random)[:count])
        for part, count in zip(sides, (train, val), strict=True)
    ]
    drivers = tuple(hyperview_made.DRIVERS.values())
    return Task(name, *parts, torch.tensor(hyperview.wavelengths()), len(hyperview.PARAMETERS), centre, spread, drivers)


def make_tempting(name: str, seed: int, **counts: int) -> Task:
    """The samples of a run in which a shortcut is worth taking: fields get haze, or their spectra tell nearly all."""
    task = make_task(name, seed, **counts)
    if name == "pines":
        return task
    random = torch.Generator().manual_seed(300 + seed)
    return task.with_samples(*(part.showing(with_haze(part.image, random)) for part in (task.train, task.val)))


def with_haze(image: Tensor, random: torch.Generator | None, size: float = HAZE) -> Tensor:
    """Images, each with a smooth disturbance of its spectrum of its own, as haze makes one; of a size in deviations."""
    rough = torch.randn(len(image), 1, BENDS, generator=random)
    smooth = F.interpolate(rough, image.shape[1], mode="linear", align_corners=True)[:, 0]
    return image + size * smooth[..., None, None]


def _even(labels: Tensor, count: int, random: torch.Generator) -> Tensor:
    """Choose as many samples of each class as there are, up to a share of ``count``; in random order."""
    rows = [torch.nonzero(labels == k).flatten() for k in range(len(CLASSES))]
    each = count // len(CLASSES)
    chosen = torch.cat([one[torch.randperm(len(one), generator=random)[:each]] for one in rows])
    return chosen[torch.randperm(len(chosen), generator=random)]


@cache
def _scene() -> tuple[Tensor, list[tuple[Tensor, Tensor]], Tensor, Tensor]:
    """The standardised scene; corners ``[N, 2]`` and classes of both sides; mean and deviation of its bands."""
    cube, labels = scene.load_scene()
    split = scene.split_blocks(labels)
    seen = cube[:, torch.from_numpy(scene.covered(split.train, labels.shape))]
    centre, spread = seen.mean(1)[:, None, None], seen.std(1)[:, None, None]
    new, sides = _class_numbers(), []
    for corners in (split.train, split.val):
        middle = torch.from_numpy(labels[corners[:, 0] + SIDE // 2, corners[:, 1] + SIDE // 2])
        kept = new[middle] >= 0
        sides.append((torch.from_numpy(corners)[kept], new[middle[kept]]))
    return (cube - centre) / spread, sides, centre, spread


def _class_numbers() -> Tensor:
    """Each class's number in the catalogue by its number in the scene, -1 where it is left out."""
    new = torch.full((len(scene.CLASS_NAMES),), -1)
    new[torch.tensor(CLASSES)] = torch.arange(len(CLASSES))
    return new


def _patches(cube: Tensor, corners: Tensor) -> Samples:
    _, labels = scene.load_scene()
    labels, new = torch.from_numpy(labels), _class_numbers()
    places = [(slice(row, row + SIDE), slice(column, column + SIDE)) for row, column in corners.tolist()]
    parcel = torch.stack([labels[place] for place in places])
    own = parcel[:, SIDE // 2, SIDE // 2]
    return Samples(torch.stack([cube[:, *place] for place in places]), new[own], parcel == own[:, None, None])


@cache
def _fields() -> tuple[list[Samples], Tensor, Tensor]:
    """Made fields of both sides, and mean and deviation of their bands."""
    rng = np.random.default_rng(0)
    share = rng.uniform(size=(sum(FIELDS), len(hyperview.PARAMETERS)))
    drawn = [hyperview_made.make_field(one, rng) for one in share]
    made = [hyperview.Field(data.astype(np.float32), outside) for data, outside in drawn]
    measured = share + hyperview_made.DEVIATION * rng.standard_normal(share.shape)
    target = torch.from_numpy(measured).float()
    scale = Scale.of(made[: FIELDS[0]], target[: FIELDS[0]])
    target = (target - scale.target_mean) / scale.target_std
    both = [to_image(field, scale, SIDE) for field in made]
    image, inside = (torch.stack(part) for part in zip(*both, strict=True))
    every = Samples(image, target, inside)
    order = torch.arange(sum(FIELDS))
    sides = [every.at(order[: FIELDS[0]]), every.at(order[FIELDS[0] :])]
    return sides, scale.band_mean[:, None, None], scale.band_std[:, None, None]


class Rows(Dataset[dict[str, Tensor]]):
    """Samples as dictionaries.

    Args:
        entries: each ``[N, ...]``.
    """

    def __init__(self, entries: dict[str, Tensor]) -> None:
        self.entries = entries

    def __len__(self) -> int:
        return len(next(iter(self.entries.values())))

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        return {name: value[index] for name, value in self.entries.items()}


def entries(samples: Samples, *, mask: bool = False) -> dict[str, Tensor]:
    """A batch's entries: image and label, or image and target, and ``inside`` where a mask is told."""
    name = "target" if samples.target.is_floating_point() else "label"
    found = {"image": samples.image, name: samples.target}
    return found | {"inside": samples.inside} if mask else found


def loaders(train: dict[str, Tensor], val: dict[str, Tensor]) -> tuple[DataLoader, DataLoader]:
    """Training samples in a new order at each epoch, and validation samples always in the same."""
    return DataLoader(Rows(train), BATCH, shuffle=True), DataLoader(Rows(val), 64)

"""HYPERVIEW files as a model sees them: scaled, padded to a square, resized, and split for training.

Shapes: C = 150 bands, H x W pixels of a field, S x S pixels of a model's image; N files.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import lightning.pytorch as pl
import numpy as np
import torch
import torch.nn.functional as F
from hyperview import BANDS, BRIGHTEST, LARGEST, PARAMETERS, Field, find_table, read_field, read_table
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path


@dataclass(frozen=True, eq=False)
class Scale:
    """How a model's images and outputs are related to reflectances (data by 5419) and to soil parameters.

    Attributes:
        band_mean: subtracted from each band, ``[C]``.
        band_std: by which each band is divided, ``[C]``.
        target_mean: of the parameters, ``[4]``.
        target_std: their unit in the model's output, ``[4]``.
    """

    band_mean: Tensor
    band_std: Tensor
    target_mean: Tensor
    target_std: Tensor

    @classmethod
    def challenge(cls) -> Scale:
        """Reflectances as they are, and parameters as shares of their largest value."""
        return cls(torch.zeros(BANDS), torch.ones(BANDS), torch.zeros(len(PARAMETERS)), torch.tensor(LARGEST))

    @classmethod
    def of(cls, fields: Iterable[Field], targets: Tensor) -> Scale:
        """Mean 0 and deviation 1, for each band over the pixels of all fields, for each parameter over the fields."""
        count, total, squares = 0, np.zeros(BANDS), np.zeros(BANDS)
        for field in fields:
            pixels = field.data[:, ~field.outside].astype(np.float64) / BRIGHTEST
            count, total, squares = count + pixels.shape[1], total + pixels.sum(1), squares + (pixels**2).sum(1)
        mean = total / count
        std = np.sqrt(np.maximum(squares / count - mean**2, 0.0))
        return cls(
            torch.from_numpy(mean).float(),
            torch.from_numpy(np.where(std > 1e-6, std, 1.0)).float(),
            targets.mean(0),
            targets.std(0, correction=0).clamp(min=1e-6),
        )


def to_image(field: Field, scale: Scale, size: int) -> tuple[Tensor, Tensor]:
    """The image ``[C, S, S]`` that a model of ``size`` sees, and which pixels are inside of the field ``[S, S]``.

    Data are divided by 5419 and scaled; pixels outside keep their values. Then the shorter side is padded to a square,
    at the bottom or at the right, by 0 (the average field, where bands are standardised), and all is resized.
    """
    image = torch.from_numpy(field.data) / BRIGHTEST
    image = (image - scale.band_mean[:, None, None]) / scale.band_std[:, None, None]
    inside = torch.from_numpy(~field.outside).float()
    height, width = inside.shape
    side = max(height, width)
    both = F.pad(torch.cat([image, inside.unsqueeze(0)]), (0, side - width, 0, side - height))
    both = F.interpolate(both.unsqueeze(0), (size, size), mode="bilinear", antialias=True)[0]
    share = both[-1]
    return both[:-1].contiguous(), share >= share.max().clamp(max=0.5)  # a narrow field keeps a pixel


class Fields(Dataset[dict[str, Tensor]]):
    """Fields as a model sees them; each is read when it is asked for.

    Args:
        paths: of the files, N.
        targets: soil parameters ``[N, 4]``.
        scale: of the model.
        size: S.
    """

    def __init__(self, paths: Sequence[Path], targets: Tensor, scale: Scale, size: int) -> None:
        self.paths, self.targets, self.scale, self.size = paths, targets, scale, size

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        image, inside = to_image(read_field(self.paths[index]), self.scale, self.size)
        target = (self.targets[index] - self.scale.target_mean) / self.scale.target_std
        return {"image": image, "inside": inside, "target": target}


class Hyperview(pl.LightningDataModule):
    """A folder of files, a fifth of which is for validation.

    All files are read once at the start: for the statistics, and so that a wrong one is found before the training.

    Args:
        folder: with the ``.npz`` files.
        table: of the soil parameters; ``None`` looks for it in the folder and beside it.
        size: S.
        batch_size: fields in a batch.
        seed: of the split.

    Attributes:
        scale: in which the model wants images and gives outputs; at first by the statistics of the training fields.
        average: mean reflectance of each band over the pixels of the training fields, ``[C]``.

    Raises:
        FileNotFoundError: if the folder or the table does not exist.
        ValueError: if there are fewer than four files, a file has no row or a row no file, or a file or the table is
            wrong.
    """

    def __init__(
        self, folder: Path, table: Path | None = None, *, size: int = 48, batch_size: int = 32, seed: int = 0
    ) -> None:
        super().__init__()
        if not folder.is_dir():
            raise FileNotFoundError(f"'{folder}' should be a folder of .npz files. Found no such folder.")
        paths = sorted(folder.glob("*.npz"), key=lambda path: (len(path.stem), path.stem))
        if len(paths) < 4:
            raise ValueError(
                f"'{folder}' should hold at least four .npz files, two of them for validation. Found {len(paths)}."
            )
        table = find_table(folder) if table is None else table
        rows = read_table(table)
        lost = [path for path in paths if not path.stem.isdecimal() or int(path.stem) not in rows]
        if lost:
            raise ValueError(
                f"'{table}' should have a row for each file, its `sample_index` being the file's name. Found none for "
                f"'{lost[0]}'" + (f" and {len(lost) - 1} others." if lost[1:] else ".")
            )
        spare = sorted(rows.keys() - {int(path.stem) for path in paths})
        if spare:
            raise ValueError(
                f"'{folder / f'{spare[0]}.npz'}' should exist, since '{table}' has a row for it. Found no such file"
                + (f", nor those of {len(spare) - 1} other rows" if spare[1:] else "")
                + "; copy what is missing, or name a table of the files that are there with --gt."
            )
        order = np.random.default_rng(seed).permutation(len(paths)).tolist()
        paths = [paths[i] for i in order]
        targets = torch.tensor([rows[int(path.stem)] for path in paths])
        held = max(2, len(paths) // 5)
        self.batch_size, self.size = batch_size, size
        self.train_paths, self.val_paths = paths[held:], paths[:held]
        self.train_targets, self.val_targets = targets[held:], targets[:held]
        self.scale = Scale.of(map(read_field, self.train_paths), self.train_targets)
        self.average = self.scale.band_mean
        for path in self.val_paths:
            read_field(path)

    def baseline(self) -> list[float]:
        """The average field as the model sees it, a value for each band; 0 where bands are standardised."""
        return ((self.average - self.scale.band_mean) / self.scale.band_std).tolist()

    def train_dataloader(self) -> DataLoader[dict[str, Tensor]]:
        """Training fields in a new order at each epoch."""
        return DataLoader(Fields(self.train_paths, self.train_targets, self.scale, self.size), self.batch_size, True)

    def val_dataloader(self) -> DataLoader[dict[str, Tensor]]:
        """Validation fields, always in the same order."""
        return DataLoader(Fields(self.val_paths, self.val_targets, self.scale, self.size), 2 * self.batch_size)

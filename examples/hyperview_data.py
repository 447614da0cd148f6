"""Fields in the form of the HYPERVIEW challenge: a folder of ``.npz`` files, and a table of soil parameters.

A file holds ``data`` [150, H, W] and ``mask`` [150, H, W] or [H, W]. The mask is that of a numpy masked array: true
where a pixel is *outside* of the field, so that ``np.ma.MaskedArray(**np.load(path))`` is the field. The table has the
columns ``sample_index``, ``P``, ``K``, ``Mg`` and ``pH``; the row of ``17.npz`` has the index 17. A model sees the
fields scaled, padded to a square and resized.

Shapes: C = 150 bands, H x W pixels of a field, S x S pixels of a model's image; N files. Wavelengths are in nanometres.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import lightning.pytorch as pl
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

PARAMETERS = ("P", "K", "Mg", "pH")
UNITS = ("mg/kg", "mg/kg", "mg/kg", "")
LARGEST = (325.0, 625.0, 400.0, 7.8)  # by which models of the challenge divide the parameters
BANDS = 150
BRIGHTEST = 5419  # the largest value in the challenge's training files
TABLES = ("train_gt.csv", "gt.csv")


def wavelengths() -> list[float]:
    """Centres of the 150 bands in nm: evenly spaced, which meets the challenge's own list to 0.01 nm."""
    return [round(nm, 2) for nm in np.linspace(462.08, 938.37, BANDS).tolist()]


class Field(NamedTuple):
    """What a file holds.

    Attributes:
        data: float32 ``[C, H, W]``, as it is in the file.
        outside: bool ``[H, W]``, true outside of the field.
    """

    data: NDArray[np.float32]
    outside: NDArray[np.bool_]


def read_field(path: Path) -> Field:
    """Read one file; nothing is unpickled. A pixel that is masked in any band is outside.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it cannot be read, lacks an array, or an array is not what it should be.
    """
    try:
        with path.open("rb") as opened, np.load(opened, allow_pickle=False) as file:
            arrays = {name: file[name] for name in ("data", "mask") if name in file}
    except FileNotFoundError:
        raise
    except Exception as error:
        raise ValueError(
            f"'{path}' should be an .npz file of the HYPERVIEW form. Found one that cannot be read ({error}). If it "
            "was cut off, copy it again."
        ) from error
    missing = [name for name in ("data", "mask") if name not in arrays]
    if missing:
        raise ValueError(
            f"'{path}' should hold `data` and `mask`. Found no `{missing[0]}`; `np.savez(path, data=..., mask=...)` "
            "writes both."
        )
    data, mask = arrays["data"], arrays["mask"]
    if data.ndim != 3 or len(data) != BANDS or data.size == 0 or data.dtype.kind not in "iuf":
        raise ValueError(
            f"'{path}' should hold `data` as numbers [{BANDS}, H, W], bands first. Found shape {data.shape} and dtype "
            f"{data.dtype}."
        )
    if mask.shape not in (data.shape, data.shape[1:]) or mask.dtype.kind not in "biu":
        raise ValueError(
            f"'{path}' should hold `mask` as booleans, in the shape of `data` {data.shape} or of its pixels "
            f"{data.shape[1:]}. Found shape {mask.shape} and dtype {mask.dtype}."
        )
    outside = mask.astype(bool) if mask.ndim == 2 else mask.astype(bool).any(axis=0)
    if outside.all():
        raise ValueError(
            f"'{path}' should hold a field. Found a `mask` that is true everywhere; it has to be false inside of the "
            "field, as in a numpy masked array."
        )
    if not np.isfinite(data[:, ~outside]).all():
        raise ValueError(f"'{path}' should hold finite `data`. Found NaN or infinite values inside of the field.")
    return Field(np.nan_to_num(data.astype(np.float32), nan=0.0, posinf=0.0, neginf=0.0), outside)


def read_table(path: Path) -> dict[int, tuple[float, ...]]:
    """The four soil parameters of each sample, in the order of ``PARAMETERS``.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if a column is missing, a cell is no number, or a sample stands twice.
    """
    columns = ("sample_index", *PARAMETERS)
    found: dict[int, tuple[float, ...]] = {}
    with path.open(newline="", encoding="utf-8-sig") as file:
        rows = csv.DictReader(file)
        missing = [name for name in columns if name not in (rows.fieldnames or ())]
        if missing:
            raise ValueError(f"'{path}' should have the columns {', '.join(columns)}. Found no `{missing[0]}`.")
        for row in rows:
            try:
                index, values = int(row["sample_index"]), tuple(float(row[name]) for name in PARAMETERS)
            except (TypeError, ValueError) as error:
                raise ValueError(
                    f"'{path}' should hold a number in each column. Found {list(row.values())} in line {rows.line_num}."
                ) from error
            if index in found or not np.isfinite(values).all():
                wrong = "a second row of" if index in found else "a value that is not finite for"
                raise ValueError(
                    f"'{path}' should hold one row of finite numbers for each sample. Found {wrong} sample {index} in "
                    f"line {rows.line_num}."
                )
            found[index] = values
    return found


def find_table(folder: Path) -> Path:
    """The table of a folder: in it, or beside it, as in the challenge's archive.

    Raises:
        FileNotFoundError: if there is none.
    """
    tables = [place / name for place in (folder, folder.parent) for name in TABLES if (place / name).is_file()]
    if not tables:
        raise FileNotFoundError(
            f"'{folder}', or the folder that it is in, should hold a table of the soil parameters, "
            f"{' or '.join(TABLES)}. Found none; name it with --gt."
        )
    return tables[0]


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

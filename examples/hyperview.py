"""Fields in the form of the HYPERVIEW challenge: a folder of ``.npz`` files, and a table of soil parameters.

A file holds ``data`` [150, H, W] and ``mask`` [150, H, W] or [H, W]. The mask is that of a numpy masked array: true
where a pixel is *outside* of the field, so that ``np.ma.MaskedArray(**np.load(path))`` is the field. The table has the
columns ``sample_index``, ``P``, ``K``, ``Mg`` and ``pH``; the row of ``17.npz`` has the index 17.

Shapes: C = 150 bands, H x W pixels. Wavelengths are in nanometres.
"""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
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

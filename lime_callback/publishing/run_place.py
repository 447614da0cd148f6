"""Finds a folder that a run has to itself, so that no two runs mix their files.

A run has ``lime``, or ``lime_1``, ``lime_2``, ... where earlier runs or runs beside it have the others. A run that goes
on keeps the folder of the run that it resumes.
"""

from __future__ import annotations

import math
import re
from contextlib import suppress
from itertools import chain, count
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_CLAIM = "run.json"  # which every run writes first
_OTHERS = ("history.csv", "measures.csv")  # which an earlier version wrote before


class Interrupted(NamedTuple):
    """A run that another one resumes.

    Attributes:
        history: the path of its history.
        step: the last step that counts.
        epochs: the last count of epochs trained that counts; NaN if it is not known.
    """

    history: Path
    step: int
    epochs: float = math.nan


def claimed(place: Path) -> Path:
    """Make a folder that no other run has: ``place``, or else the first free one beside it.

    Two runs that ask at the same time get two folders.

    Raises:
        OSError: if no folder or file can be made there.
    """
    for folder in _named_after(place):
        folder.mkdir(parents=True, exist_ok=True)
        if any((folder / name).exists() for name in _OTHERS):
            continue
        with suppress(FileExistsError):
            (folder / _CLAIM).open("xb").close()
            return folder
    raise AssertionError("there is always another number")


def free(place: Path) -> Path:
    """Return the folder that :func:`claimed` would give now, without making it."""
    others = (_CLAIM, *_OTHERS)
    return next(folder for folder in _named_after(place) if not any((folder / name).exists() for name in others))


def _named_after(place: Path) -> Iterator[Path]:
    return chain([place], (place.with_name(f"{place.name}_{number}") for number in count(1)))


def goes_on_in(place: Path, before: Interrupted) -> bool:
    """Return whether the interrupted run's folder is one that :func:`claimed` gave for ``place``."""
    folder = before.history.absolute().parent
    name = re.fullmatch(rf"{re.escape(place.name)}(_\d+)?", folder.name)
    there = before.history.is_file() or (folder / _CLAIM).is_file()
    return name is not None and folder.parent == place.absolute().parent and there

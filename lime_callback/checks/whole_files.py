"""Files that are replaced as a whole, and files of earlier runs that are kept."""

from __future__ import annotations

import os
from contextlib import contextmanager
from itertools import count
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """Open a file that takes the place of ``path`` when it is written: a crash leaves the old one or the new one."""
    partial = path.with_name(f"{path.name}.part")
    with partial.open("wb") as file:
        yield file
    partial.replace(path)


def move_aside(path: Path) -> Path | None:
    """Give a file that is in the way the first free name of its kind, such as ``run.1.json``.

    Returns:
        Where it is now; ``None`` if there was no file.
    """
    if not os.path.lexists(path):
        return None
    names = (path.with_name(f"{path.stem}.{number}{path.suffix}") for number in count(1))
    return path.rename(next(name for name in names if not os.path.lexists(name)))

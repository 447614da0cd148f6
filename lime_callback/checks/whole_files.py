"""Files that are replaced as a whole, and files of earlier runs that are kept."""

from __future__ import annotations

import os
import re
import secrets
import stat
from contextlib import contextmanager
from itertools import count
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


_PARTIAL = re.compile(r"\.[0-9a-f]{16}\.part$")


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """Open a file that takes the place of ``path`` when it is written: a crash leaves the old one or the new one.

    Nobody can lay a link in its way: its name cannot be foreseen, and a file that exists is not opened. A link at
    ``path`` itself is replaced; what it leads to stays.
    """
    partial = path.with_name(f"{path.name[:100]}.{secrets.token_hex(8)}.part")
    try:
        with partial.open("xb") as file:
            yield file
        partial.replace(path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise


def sweep(folder: Path) -> None:
    """Remove what killed writers of :func:`replacing` have left in a folder that is this process's alone."""
    for path in folder.glob("*.part"):
        if _PARTIAL.search(path.name) and stat.S_ISREG(path.lstat().st_mode):
            path.unlink(missing_ok=True)


def check_regular(path: Path, most: int | None = None) -> None:
    """Check a file that somebody else may have written, before it is read: a pipe would be waited for without an end.

    Args:
        path: the file's path.
        most: its greatest size in bytes; ``None`` for any.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it is a folder, a pipe or a device, or larger.
    """
    found = path.stat()
    if not stat.S_ISREG(found.st_mode):
        raise ValueError("it is no ordinary file")
    if most is not None and found.st_size > most:
        raise ValueError(f"it has {found.st_size / 1e6:.0f} MB, and should have at most {most / 1e6:.0f}")


def move_aside(path: Path) -> Path | None:
    """Give a file that is in the way the first free name of its kind, such as ``run.1.json``.

    Returns:
        Where it is now; ``None`` if there was no file.
    """
    if not os.path.lexists(path):
        return None
    names = (path.with_name(f"{path.stem}.{number}{path.suffix}") for number in count(1))
    return path.rename(next(name for name in names if not os.path.lexists(name)))

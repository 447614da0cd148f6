"""Files of a run's folder that are written whole, and files of earlier runs that are kept."""

from __future__ import annotations

import os
from itertools import count
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def write_whole(path: Path, text: str) -> None:
    """Write a file in one go, so that a crash leaves the old one or the new one."""
    path.parent.mkdir(parents=True, exist_ok=True)  # where no view could be explained there is no history yet
    partial = path.with_name(f"{path.name}.part")
    partial.write_text(text, encoding="ascii")
    partial.replace(path)


def move_aside(path: Path) -> None:
    """Give a file that is in the way the first free name of its kind, such as ``run.1.json``."""
    if os.path.lexists(path):
        names = (path.with_name(f"{path.stem}.{number}{path.suffix}") for number in count(1))
        path.rename(next(aside for aside in names if not os.path.lexists(aside)))

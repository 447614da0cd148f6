"""Up to which step everything has reached the loggers: a file in the run's folder, for the run that goes on with it."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import TYPE_CHECKING

from lime_callback.checks.whole_files import replacing

if TYPE_CHECKING:
    from pathlib import Path

_NAME = "shown.json"


def mark_shown(folder: Path, step: int) -> None:
    """Everything up to this step can be seen."""
    folder.mkdir(parents=True, exist_ok=True)  # where no view could be explained there is no history yet
    with replacing(folder / _NAME) as file:
        file.write(json.dumps({"step": step}).encode())


def shown_up_to(folder: Path) -> int:
    """The last mark; -1 if there is none that can be read."""
    with suppress(OSError, ValueError, KeyError, TypeError):
        return int(json.loads((folder / _NAME).read_text(encoding="ascii"))["step"])
    return -1


def forget_shown(folder: Path) -> None:
    """A run begins in this folder."""
    (folder / _NAME).unlink(missing_ok=True)


def go_on_from(before: Path, folder: Path, step: int) -> None:
    """A run that was in the folder ``before`` goes on in ``folder`` at this step: what came later is to come again."""
    if shown_up_to(before) >= step:
        mark_shown(folder, step)
    else:
        forget_shown(folder)

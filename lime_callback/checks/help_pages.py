"""Which page of the documentation helps where people get stuck; the one place that knows pages by their names.

Pages are named by their path in the project. An installed package brings them along, see :func:`pages_folder`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

Trouble = Literal["batch", "labels", "output", "layout", "wavelengths", "views", "memory", "failed", "score"]

PAGES: dict[Trouble, str] = {
    "batch": "docs/troubles.md#batch",
    "labels": "docs/troubles.md#batch",
    "output": "docs/troubles.md#output",
    "layout": "docs/troubles.md#layout",
    "wavelengths": "docs/troubles.md#wavelengths",
    "views": "docs/extending.md",
    "memory": "docs/troubles.md#memory",
    "failed": "docs/troubles.md#failed",
    "score": "docs/troubles.md#low-score",
}


def see(trouble: Trouble) -> str:
    """Return a sentence that names the page which helps, for the end of a message."""
    return f"See {PAGES[trouble]}."


def pages_folder() -> Path:
    """Where the pages are on this machine: in the installed package, or in the project that it runs from."""
    package = Path(__file__).parents[1]
    return next(folder for folder in (package / "docs", package.parent / "docs") if folder.is_dir())

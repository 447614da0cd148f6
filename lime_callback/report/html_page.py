"""Writes the page: fills the template of the folder `page` with style, script and the runs' data."""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lime_callback.checks.whole_files import replacing
from lime_callback.report.interval_widths import student_quantiles
from lime_callback.report.page_data import page_data

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping, Sequence

    from lime_callback.report.run_contents import RunContents

SCRIPTS = (
    "data.js", "words.js", "drawing.js", "regions.js", "cursor.js", "bars.js", "grids.js", "lines.js", "pictures.js",
    "findings.js", "checks.js", "answers.js", "sections.js", "page.js",
)  # fmt: skip
"""The scripts, in the order in which they stand on the page."""


def write_page(runs: Sequence[RunContents], path: str | os.PathLike[str]) -> Path:
    """Write one HTML file that shows the runs and needs no other file.

    Args:
        runs: the runs, at least one; the page shows one of them at a time.
        path: the file's path; an existing file is replaced as a whole.

    Returns:
        The path.

    Raises:
        ValueError: if there is no run, or ``path`` is a folder, a pipe or a device, which a file must not replace.
        OSError: if the file cannot be written.
    """
    if not runs:
        raise ValueError("`runs` should hold at least one run. Found none.")
    return write_file(page_text(runs), Path(path))


def write_file(text: str, path: Path) -> Path:
    """Write a page's text; an existing file is replaced as a whole.

    Raises:
        ValueError: if ``path`` is a folder, a pipe or a device, which a file must not replace.
        OSError: if the file cannot be written.
    """
    if path.exists() and not path.is_file():
        raise ValueError(f"`path` of the page should be a file's. Found {path}, which is no ordinary file.")
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as file:
        file.write(text.encode(errors="replace"))  # names of folders may hold half characters
    return path


def page_text(runs: Sequence[RunContents]) -> str:
    """Return the page's text. A browser runs this script alone, by its digest, and loads nothing from elsewhere."""
    script = "\n".join(page_part(name) for name in SCRIPTS)
    title = runs[0].name if len(runs) == 1 else f"{len(runs)} runs"
    parts = {
        "title": html.escape(title),
        "digest": base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        "style": page_style(),
        "data": as_json(
            {"runs": [page_data(run) for run in runs], "students": student_quantiles(runs), "style": _style()}
        ),
        "script": script,
    }
    return filled("page.html", parts)


def filled(template: str, parts: Mapping[str, str]) -> str:
    """Return a template of the folder `page`, filled in one pass: braces within the parts are not filled."""
    return re.sub(r"\{\{(\w+)\}\}", lambda place: parts[place[1]], page_part(template))


def as_json(value: Any) -> str:
    """Encode a value as JSON in which no text can end the script element around it."""
    return json.dumps(value, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")


def page_part(name: str) -> str:
    """Return a file of the folder `page`."""
    return files("lime_callback.report").joinpath("page", name).read_text(encoding="utf-8")


def page_style() -> str:
    """Return the style sheet of all pages."""
    return _colours() + page_part("page.css")


def _colours() -> str:
    """Return the figures' colours for plus and minus as CSS variables."""
    from lime_callback.figures import style

    pairs = {"plus": style.PLUS, "minus": style.MINUS, "plus-unsure": style.PLUS_UNSURE,
             "minus-unsure": style.MINUS_UNSURE}  # fmt: skip
    return ":root{" + "".join(f"--{name}:{value};" for name, value in pairs.items()) + "}\n"


def _style() -> dict[str, Any]:
    """Return the figures' colour scale, the colours of the visible spectrum, and the constants of maps."""
    from matplotlib.colors import to_hex

    from lime_callback.figures import style
    from lime_callback.figures.colour_scale import DIVERGING
    from lime_callback.figures.overlays import NARROWEST
    from lime_callback.figures.spectral_axis import VISIBLE, spectrum_colours

    wavelengths = np.linspace(VISIBLE[0], VISIBLE[-1], 38)
    colours = [to_hex(rgb) for rgb in spectrum_colours(wavelengths)]
    return {
        "diverging": [to_hex(DIVERGING(x)) for x in np.linspace(0, 1, 25)],
        "visible": [[round(float(nm), 1), rgb] for nm, rgb in zip(wavelengths, colours, strict=True)],
        "overlay": {"narrowest": NARROWEST, "line": style.OUTLINE, "hidden": style.NEVER_HIDDEN},
    }

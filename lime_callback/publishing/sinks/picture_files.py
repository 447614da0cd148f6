"""Writes reports as files into the run's folder, for runs in which no logger takes pictures."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING
from zlib import crc32

from lime_callback.publishing.sinks.sink import Sink

if TYPE_CHECKING:
    from pathlib import Path

    from lime_callback.publishing.sinks.sink import Report

_LONGEST = 60  # characters; at four bytes each they fit into the 255 bytes that file systems allow a name
_CHECKED = re.compile(r"-[0-9a-f]{8}$")
_DEVICES = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)  # Windows allows no file of these names


def safe_name(name: str) -> str:
    """Turn any text into a name that every system allows for a file.

    A changed name ends with the text's checksum, so that two texts never share a file. So does a text that itself ends
    like a checksum.
    """
    safe = re.sub(r"[^\w.-]+", "_", name)[:_LONGEST].strip(".-")
    if not safe or _DEVICES.fullmatch(safe):
        safe = f"_{safe}"
    if safe == name and not _CHECKED.search(name):
        return name
    return f"{safe}-{crc32(name.encode('utf-8', 'surrogatepass')):08x}"


@dataclass(frozen=True)
class PictureFiles(Sink):
    """Writes ``<folder>/spatial/attributions/epoch-0004-step-000120.png`` for ``lime/spatial/attributions``.

    Texts become Markdown files with the same kind of names. A file of the same epoch and step is replaced.

    Args:
        folder: the callback's folder, which need not exist yet. The callback's name, with which tags begin, is not
            repeated in the path.
    """

    folder: Path

    def begin(self, report: Report) -> None:
        """Write a file for every picture and text."""
        from PIL import Image

        for tag, picture in report.pictures.items():
            Image.fromarray(picture).save(self._path(report, tag, ".png"))
        for tag, text in report.texts.items():
            self._path(report, tag, ".md").write_text(text, encoding="utf-8")

    def _path(self, report: Report, tag: str, suffix: str) -> Path:
        folder = self.folder.joinpath(*map(safe_name, tag.removeprefix(f"{report.name}/").split("/")))
        folder.mkdir(parents=True, exist_ok=True)
        return folder / f"{report.file_name}{suffix}"

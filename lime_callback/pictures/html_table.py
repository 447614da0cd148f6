"""Makes the HTML tables with which notebooks show explanations and runs."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_CELL = "text-align:left;padding:2px 12px 2px 0;vertical-align:top"


def html_table(caption: str, head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return an HTML table with a caption and a line of headings; all texts are escaped."""
    lines = "".join(f"<tr>{_cells('td', row)}</tr>" for row in rows)
    return (
        f"<table><caption style='text-align:left;font-weight:bold'>{html.escape(caption)}</caption>"
        f"<tr>{_cells('th', head)}</tr>{lines}</table>"
    )


def _cells(kind: str, texts: Sequence[str]) -> str:
    return "".join(f"<{kind} style='{_CELL}'>{html.escape(text)}</{kind}>" for text in texts)

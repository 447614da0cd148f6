"""Shows two runs side by side: as one HTML page without a script, and as tables for a console."""

from __future__ import annotations

import html
import math
from pathlib import Path
from typing import TYPE_CHECKING

from lime_callback.report.html_page import filled, page_style, write_file
from lime_callback.report.run_comparison import number

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable, Sequence

    from lime_callback.report.run_comparison import Comparison, EffectRow, FindingPair, Row

_WIDEST = 60  # characters of a column in a console
_BAR = 260  # pixels


def write_comparison(comparison: Comparison, path: str | os.PathLike[str]) -> Path:
    """Write one HTML file that shows two runs side by side and needs no other file.

    Args:
        comparison: of :func:`lime_callback.report.compare_runs`.
        path: of the file, which is replaced as a whole.

    Returns:
        The path.

    Raises:
        ValueError: if ``path`` is a folder, a pipe or a device, which a file must not replace.
        OSError: if the file cannot be written.
    """
    return write_file(comparison_html(comparison), Path(path))


def comparison_html(comparison: Comparison) -> str:
    """Return the page's text; all names are escaped."""
    names = comparison.names
    parts = [
        _notes(comparison.notes),
        _section("Findings", ("", *names), comparison.findings, "Nothing was found wrong."),
    ]
    if comparison.epoch is not None:
        parts.append(
            _section(f"Metrics after epoch {comparison.epoch}", ("", *names), comparison.metrics, "None in common.")
        )
        for view, rows in comparison.effects.items():
            parts.append(_effects(view, names, rows, comparison.epoch))
    parts.append(_section("Settings that differ", ("", *names), comparison.settings, "None, as far as they are known."))
    title = " against ".join(map(html.escape, names))
    return filled("comparison.html", {"title": title, "style": page_style(), "main": "\n".join(parts)})


def comparison_text(comparison: Comparison) -> str:
    """Return the tables for a console.

    Args:
        comparison: of :func:`lime_callback.report.compare_runs`.
    """
    head = ("", *(_short(name) for name in comparison.names))
    findings = _columns("findings", head, [pair[:3] for pair in comparison.findings])
    blocks = [findings if comparison.findings else "nothing was found wrong"]
    if comparison.metrics:
        blocks.append(_columns(f"metrics after epoch {comparison.epoch}", head, comparison.metrics))
    for view, rows in comparison.effects.items():
        lines = [(row.feature, *map(_effect_text, row.mean, row.half)) for row in rows]
        blocks.append(_columns(f"mean effects, {view}, after epoch {comparison.epoch}", head, lines))
    if comparison.settings:
        blocks.append(_columns("settings that differ", head, comparison.settings))
    return "\n\n".join([*blocks, *(["\n".join(comparison.notes)] if comparison.notes else [])])


def _effect_text(mean: float, half: float) -> str:
    within = f" ± {half:.2g}" if math.isfinite(half) else ""
    return f"{mean:+.3f}{within}".replace("-", "\N{MINUS SIGN}")


def _short(text: str) -> str:
    clean = " ".join(text.split())
    return clean if len(clean) <= _WIDEST else f"{clean[: _WIDEST - 1]}…"


def _columns(title: str, head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [list(map(_short, line)) for line in (head, *rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    drawn = ["  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)).rstrip() for line in lines]
    return "\n".join([title, *drawn])


def _notes(notes: Sequence[str]) -> str:
    items = "".join(f"<li>{html.escape(note)}</li>" for note in notes)
    return f'<ul class="note">{items}</ul>' if notes else ""


def _section(title: str, head: Sequence[str], rows: Sequence[Row | FindingPair], nothing: str) -> str:
    """Return a table under its title; the fourth text of a row stands small below the first."""
    body = "".join(f"<tr>{_cells(row)}</tr>" for row in rows)
    heads = "".join(f'<th scope="col">{html.escape(text)}</th>' for text in head)
    table = (
        f'<div class="scroll" tabindex="0"><table><thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table></div>'
    )
    return f"<section><h2>{html.escape(title)}</h2>{table if rows else f'<p>{html.escape(nothing)}</p>'}</section>"


def _cells(row: Row | FindingPair) -> str:
    about, first, second, *more = map(html.escape, row)
    small = "".join(f"<br><small>{text}</small>" for text in more)
    return f"<td>{about}{small}</td><td>{first}</td><td>{second}</td>"


def _effects(view: str, names: Sequence[str], rows: Sequence[EffectRow], epoch: int) -> str:
    """Return bars of the mean absolute effects, one run's above the other's, with the signed means beside them."""
    most = max((size for row in rows for size in row.size), default=0.0) or 1.0
    items = []
    for row in rows:
        bars = "".join(
            f"<li>{_bar(size / most, kind)}<span><b>{number(size)}</b> "
            f"<small>mean {html.escape(_effect_text(mean, half))}</small></span></li>"
            for size, mean, half, kind in zip(row.size, row.mean, row.half, ("first", "second"), strict=True)
        )
        items.append(f"<li><h3>{html.escape(row.feature)}</h3><ul>{bars}</ul></li>")
    key = "".join(
        f'<span class="key"><span class="swatch {kind}"></span>{html.escape(name)}</span>'
        for kind, name in zip(("first", "second"), names, strict=True)
    )
    return (
        f"<section><h2>Effects of {html.escape(view)} <small>after epoch {epoch}, strongest first; bars: mean absolute "
        f"effect over the probes; beside them the signed mean with its 95&nbsp;% interval</small></h2>"
        f'<p class="keys">{key}</p><ol class="pairs">{"".join(items)}</ol></section>'
    )


def _bar(share: float, kind: str) -> str:
    width = max(round(_BAR * min(share, 1.0), 1), 1)
    bar = f'<rect class="{kind}" width="{width}" height="12"/>'
    return f'<svg viewBox="0 0 {_BAR} 12" height="12" preserveAspectRatio="none" aria-hidden="true">{bar}</svg>'

"""The top of a page: its caption, the key to its marks, and the colour bar beside them.

A heading knows its height before the page exists, since the page's height depends on it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from lime_callback.figures import colour_scale, style
from lime_callback.figures.canvas import Canvas
from lime_callback.figures.overlays import draw_array

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.figure import Figure

    from lime_callback.figures.panels import Panel

KeyEntry = tuple[str, str | tuple[str, str], str]
"""An entry of a key: the mark, its one or two colours, its text. The mark is ``"patch"``, ``"line"``, ``"hollow"``,
``"upright"``, ``"dot"``, ``"diamond"`` or ``"hatch"``; of a text alone ``""`` or ``"bold"``."""

SPECTRAL_GAP: KeyEntry = ("hatch", style.GAP, "no channel, or water vapour")

_BAR = 200  # width of the colour bar in pixels
_BAR_TALL = 46  # height of the colour bar with its name and its ticks
_TOP = 40  # pixels from the page's top to the first line below the caption
_MARK = 22  # pixels from a mark's begin to its text
_APART = 16  # pixels between entries
_TEXTS = ("", "bold")  # entries without a mark


@dataclass(frozen=True)
class ColourBar:
    """A colour bar that goes from ``-limit`` to ``limit``, or for sizes from 0 to ``limit``.

    Attributes:
        limit: the value at the ends, above 0.
        quantity: the name of the values, with their unit in brackets.
        largest: the largest absolute value that is drawn; beyond ``limit`` the bar gets pointed ends.
        signed: whether values have a sign; if not, the bar is that of sizes.
    """

    limit: float
    quantity: str
    largest: float = 0.0
    signed: bool = True

    @property
    def clipped(self) -> bool:
        """Whether a value lies beyond the bar's ends."""
        return self.largest > 1.0005 * self.limit


@dataclass(frozen=True)
class Heading:
    """What stands above the pictures of a page.

    Attributes:
        caption: the page's heading.
        key: what the marks mean.
        bar: the colour bar; ``None`` if no colours are read off.
        status: short texts in ink above the key, on the whole width; what begins with a warning sign is in bold.
    """

    caption: str
    key: Sequence[KeyEntry] = ()
    bar: ColourBar | None = None
    status: Sequence[str] = ()

    @cached_property
    def _lines(self) -> list[list[KeyEntry]]:
        """Return status and key line by line; an entry that is longer than a line goes on in the next."""
        key = list(self.key)
        if self.bar is not None and self.bar.clipped:
            key.append(("", style.MUTED, f"largest here {style.number(self.bar.largest)}, beyond the scale"))
        lines: list[list[KeyEntry]] = []
        for entries in ([("bold" if text.startswith("⚠") else "", style.INK, text) for text in self.status], key):
            waiting: list[KeyEntry] = list(entries)
            x = float("inf")  # the key begins a line of its own
            while waiting:
                entry = waiting.pop(0)
                if x + _entry_width(entry) > self._room(len(lines) - 1):
                    lines.append([])
                    x = 0.0
                fitting, rest = _broken(entry, self._room(len(lines) - 1))
                lines[-1].append(fitting)
                x += _entry_width(fitting) + _APART
                if rest is not None:
                    waiting.insert(0, rest)
                    x = float("inf")
        return lines

    def _room(self, line: int) -> float:
        """Return how many pixels a line has: less beside the colour bar."""
        beside = self.bar is not None and _TOP + style.LINE * line < 14 + _BAR_TALL
        return style.ROOM - (_BAR + 36 if beside else 0)

    @property
    def height(self) -> float:
        """Pixels from the page's top to where the pictures begin."""
        text = _TOP + style.LINE * len(self._lines) + (12 if self._lines else 0)
        return max(text, 14 + _BAR_TALL + 8 if self.bar is not None else 0)

    def draw(self, figure: Figure) -> None:
        """Draw the caption on the left, status and key below it, and the colour bar on the right."""
        style.write(figure, style.MARGIN, 13, self.caption, points=style.HEADING, bold=True, width=self._room(-1))
        canvas = Canvas(figure)
        for i, line in enumerate(self._lines):
            _draw_line(canvas, line, _TOP + style.LINE * i, self._room(i))
        if self.bar is not None:
            _draw_bar(canvas, self.bar)
        canvas.draw()


def sign_entries(known: bool = True) -> list[KeyEntry]:
    """Return the key's entries for the colours of bars.

    Args:
        known: whether all bars have an interval; if not, the key says that a light bar's may be unknown.
    """
    light = "interval includes 0" if known else "interval includes 0, or unknown"
    return [
        ("patch", (style.MINUS, style.PLUS), "lowers / raises what is explained"),
        ("patch", (style.MINUS_UNSURE, style.PLUS_UNSURE), light),
    ]


def panel_key(panels: Sequence[Panel]) -> list[KeyEntry]:
    """Return the key's entries for the marks that are on maps."""
    entries: list[KeyEntry] = []
    if any(panel.pale and not panel.empty for panel in panels):
        entries.append(("", style.MUTED, "poor fit: score below the gate"))
    if any(panel.names for panel in panels):
        entries.append(("", style.MUTED, "▲ raises, ▼ lowers what is explained" + _left_out(panels)))
    if any(panel.unsure for panel in panels):
        entries.append(("", style.MUTED, "○ sign unknown"))
    if any((np.asarray(panel.segments) < 0).any() for panel in panels):
        entries.append(("patch", style.NEVER_HIDDEN, "never hidden"))
    if any(panel.overlap for panel in panels):
        text = "where features overlap, the colour is the mean over channels and the name is the strongest feature's"
        entries.append(("", style.MUTED, text))
    return entries


def _left_out(panels: Sequence[Panel]) -> str:
    """Say what the names on maps lack at their beginning."""
    start = next((panel.start.strip() for panel in panels if panel.start and panel.names), "")
    numbers = all(name[1:].isdecimal() for panel in panels for name in panel.names.values())
    return "" if not start else f" (number: which {start})" if numbers else f" (names without “{start}”)"


def _entry_width(entry: KeyEntry) -> float:
    kind, _, text = entry
    return style.text_width(style.clean(text), bold=kind == "bold") + (0 if kind in _TEXTS else _MARK)


def _broken(entry: KeyEntry, room: float) -> tuple[KeyEntry, KeyEntry | None]:
    """Return the words of an entry that fit into a line, and the others; all of them if not even one fits."""
    kind, colour, text = entry
    words = style.clean(text).split(" ")
    for kept in range(len(words), 0, -1):
        first: KeyEntry = (kind, colour, " ".join(words[:kept]))
        if _entry_width(first) <= room:
            rest: KeyEntry = (kind if kind in _TEXTS else "", colour, " ".join(words[kept:]))
            return first, rest if kept < len(words) else None
    return entry, None


def _draw_line(canvas: Canvas, entries: Sequence[KeyEntry], top: float, room: float) -> None:
    middle, x = top + style.LINE / 2, float(style.MARGIN)
    for entry in entries:
        kind, colour, text = entry
        shades = (colour,) if isinstance(colour, str) else colour
        wide = 16 / len(shades)
        for i, shade in enumerate(() if kind in _TEXTS else shades):
            _mark(canvas, kind, shade, (x + wide * i, x + wide * (i + 1)), middle)
        start = x + (0 if kind in _TEXTS else _MARK)
        style.write(
            canvas.figure, start, middle, text, width=style.MARGIN + room - start, bold=kind == "bold",
            va="center_baseline", colour=shades[0] if kind in _TEXTS else style.MUTED,
        )  # fmt: skip
        x += _entry_width(entry) + _APART


def _mark(canvas: Canvas, kind: str, colour: str, span: tuple[float, float], middle: float) -> None:
    centre, (left, right) = sum(span) / 2, span
    if kind == "line":
        canvas.lines([[left, right]], [[middle, middle]], colour, width=1.8)
    elif kind == "hollow":
        canvas.hollow([[left, right]], [[middle, middle]])
    elif kind == "upright":
        canvas.lines([[centre, centre]], [[middle - 6, middle + 6]], colour, width=1.6)
    elif kind in ("dot", "diamond"):
        canvas.marks([centre], [middle], "o" if kind == "dot" else "D", colour, 6.0)
    elif kind == "hatch":
        canvas.hatched(left, middle - 5.5, right, middle + 5.5)
    else:
        canvas.rectangles(left, middle - 5.5, right, middle + 5.5, colour)


def _draw_bar(canvas: Canvas, bar: ColourBar) -> None:
    figure, left, top, tall = canvas.figure, style.WIDTH - style.MARGIN - _BAR - 8, 27, 13
    whole = style.text_width(style.clean(bar.quantity)) <= _BAR + 16
    quantity = bar.quantity if whole else colour_scale.without_unit(bar.quantity)
    style.write(figure, left + _BAR / 2, 9, quantity, width=_BAR + 16, ha="center", colour=style.MUTED)
    ramp = (colour_scale.DIVERGING if bar.signed else colour_scale.SIZES)(np.linspace(0, 1, 256))[None]
    draw_array(figure, ramp, (left, top, _BAR, tall))
    lowest = -1.0 if bar.signed else 0.0
    for share in (-1.0, -0.5, 0.0, 0.5, 1.0) if bar.signed else (0.0, 0.5, 1.0):
        x = left + _BAR * (share - lowest) / (1 - lowest)
        canvas.lines([[x, x]], [[top + tall, top + tall + 3]], style.NEUTRAL, width=0.8)
        style.write(figure, x, top + tall + 4, style.number(share * bar.limit), ha="center")
    if bar.clipped:
        scale = style.SCALE if bar.signed else style.SIZES
        canvas.marks([left + _BAR + 5], [top + tall / 2], ">", scale[-1], 10.0)
        if bar.signed:
            canvas.marks([left - 5], [top + tall / 2], "<", scale[0], 10.0)

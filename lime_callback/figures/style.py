"""The look of every figure: fonts, colours, margins and the page, set here and nowhere else.

Lengths, font sizes and line widths are pixels of the compact form, counted from the page's top left corner. A page is
at most 700 pixels wide, and its smallest text is 12 pixels high, so that a picture can be read in a dashboard's column.
The full form has the same layout at twice the resolution. No figure needs ``pyplot``, and no call changes the process's
settings (``rcParams``).
"""

from __future__ import annotations

import re
import threading
import warnings
from functools import lru_cache, wraps
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

import matplotlib.style
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.transforms import Affine2D

from lime_callback.figures.labels import Label, fonts, width_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from matplotlib.transforms import Transform
    from numpy.typing import NDArray

DPI = 72  # a point then is a pixel
WIDTH = 700  # of every page
MARGIN = 16
ROOM = WIDTH - 2 * MARGIN
LINE = 17  # from a line of text to the next
FULL = 2  # pixels of the full form along one of the compact form

HEADING, TITLE, TEXT = 16.0, 13.0, 12.0

PAPER = "#ffffff"
INK = "#1f1f1f"
MUTED = "#666666"
FAINT = "#d9d9d9"
SPAN_LEADING = "#bdbdbd"
NEUTRAL = "#9a9a9a"
GRID = "#ececec"
NEVER_HIDDEN = "#c4c4c4"  # pixels of no feature; no value of the colour scale looks like it
OUTLINE = "#333333"  # lines between features, visible on any picture
SPECTRUM = "#a8a8a8"  # the probe's spectrum, behind its coefficients
GAP, GAP_HATCH = "#f4f4f4", "#bdbdbd"  # wavelengths without a channel
PLUS, MINUS = "#e06c00", "#1b6fb5"
PLUS_UNSURE, MINUS_UNSURE, NEUTRAL_UNSURE = "#f6cfa6", "#b5d3ec", "#d9d9d9"
SCALE = ("#0a4a84", MINUS, "#8fc0e6", PAPER, "#fbbd78", PLUS, "#a34700")  # from lowest to highest
GREYS = (PAPER, "#c6c6c6", "#767676", "#474747")  # as light as one side of the scale
FIRST = "#8e3b94"  # the first explanation, drawn over the present one
LINES = ("#1f1f1f", "#1a7f5a", "#8e3b94", "#b8860b", "#a8324a", "#4d6a8a", "#6b8e23", "#7a5230")
"""Colours of lines that have no sign; nobody mistakes one for plus or minus."""

_NUMBER = re.compile(r"[\d.-]{2}")  # two neighbouring characters of a number or of a range
_SETTINGS = {
    "font.size": TEXT,
    "text.color": INK,
    "text.parse_math": False,  # names come from data; a "$" is a dollar
}

_entered = threading.local()

P = ParamSpec("P")
R = TypeVar("R")


def isolated(function: Callable[P, R]) -> Callable[P, R]:
    """Make ``function`` draw in this style, whatever style the process has set, and restore the process's style."""

    @wraps(function)
    def inner(*args: P.args, **kwargs: P.kwargs) -> R:
        if getattr(_entered, "now", False):  # to enter a style takes as long as to draw a small chart
            return function(*args, **kwargs)
        _entered.now = True
        try:
            with matplotlib.style.context(["default", {**_SETTINGS, "font.family": list(fonts())}]):
                return function(*args, **kwargs)
        finally:
            _entered.now = False

    return inner


@isolated
def render(figure: Figure, scale: float = FULL) -> NDArray[np.uint8]:
    """Return the drawn figure, uint8 ``[H, W, 3]``.

    Args:
        figure: the figure.
        scale: 1 for the compact form, 2 for the full one.
    """
    figure.set_dpi(scale * DPI)
    canvas = FigureCanvasAgg(figure)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing")  # names may be in a script that the font lacks
        canvas.draw()  # type: ignore[no-untyped-call]
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()  # type: ignore[no-untyped-call]


def page(height: float, width: float = WIDTH) -> Figure:
    """Return an empty figure of ``width`` by ``height`` pixels."""
    figure = Figure(figsize=(width / DPI, height / DPI), dpi=DPI, facecolor=PAPER)
    FigureCanvasAgg(figure)
    return figure


def size(figure: Figure) -> tuple[float, float]:
    """Return a figure's width and height in pixels."""
    width, height = figure.get_size_inches() * DPI
    return float(width), float(height)


def pixels(figure: Figure) -> Transform:
    """Return the transform from pixels to a figure's coordinates.

    Pictures are placed with it instead of on axes, since axes take longer to draw than a picture.
    """
    width, height = size(figure)
    return Affine2D().scale(1 / width, -1 / height).translate(0, 1) + figure.transFigure


def write(
    figure: Figure,
    left: float,
    top: float,
    text: str,
    *,
    points: float = TEXT,
    width: float | None = None,
    bold: bool = False,
    colour: str = INK,
    halo: str | None = None,
    **settings: Any,
) -> None:
    """Write a line of text at ``left`` and ``top``, cut in its middle if it is longer than ``width`` pixels.

    A ``halo`` is a colour around the letters, for texts that lie on a picture.
    """
    w, h = size(figure)
    text = clean(text) if width is None else fit(text, width, points=points, bold=bold)
    settings = {"va": "top", "ha": "left"} | settings
    label = Label(left / w, 1 - top / h, text, size=points, bold=bold, halo=halo, color=colour, **settings)
    figure.add_artist(label)


def title_lines(titles: Sequence[str]) -> int:
    """Return how many lines all titles take: 2 if one of them has three parts, else 1."""
    return 1 + any(title.count(" · ") > 1 for title in titles)


def write_title(figure: Figure, left: float, top: float, title: str, width: float) -> None:
    """Write a title of up to three parts: the first two in bold, the third on a second line.

    Such a title is ``"probe 3 · Woods · predicted 81 %, true"``, of which no part may be lost.
    """
    parts = title.split(" · ", 2)
    write(figure, left, top, " · ".join(parts[:2]), points=TITLE, bold=True, width=width)
    if len(parts) > 2:
        write(figure, left, top + LINE, fit_parts(parts[2], width), colour=MUTED)


def fit_parts(text: str, width: float) -> str:
    """Return a text as one line of at most ``width`` pixels, in which each of its parts between commas is seen."""
    parts = clean(text).split(", ")
    while text_width(", ".join(parts)) > width:
        longest = max(range(len(parts)), key=lambda i: text_width(parts[i]))
        shorter = fit(parts[longest], 0.92 * text_width(parts[longest]))
        if shorter == parts[longest]:
            return fit(", ".join(parts), width)
        parts[longest] = shorter
    return ", ".join(parts)


def clean(text: str) -> str:
    """Return the text as one line without control characters."""
    return "".join(c for c in " ".join(str(text).split()) if c.isprintable())


def fit(text: str, width: float, *, points: float = TEXT, bold: bool = False) -> str:
    """Return the text as one line; an ellipsis replaces its middle if it is longer than ``width`` pixels."""
    text = clean(text)
    if text_width(text, points, bold) <= width:
        return text
    low, high = 0, len(text)
    while high - low > 1:  # the number of characters that stay
        middle = (low + high) // 2
        low, high = (middle, high) if text_width(_shorten(text, middle), points, bold) <= width else (low, middle)
    return _shorten(text, low)


def _shorten(text: str, kept: int) -> str:
    """Keep about ``kept`` characters, half at each end, and cut no number in two: a part would read as another one."""
    tail = kept // 2
    first, last = kept - tail, len(text) - tail
    while 0 < first < len(text) and _NUMBER.fullmatch(text[first - 1 : first + 1]):
        first -= 1
    while 0 < last < len(text) and _NUMBER.fullmatch(text[last - 1 : last + 1]):
        last += 1
    return text[:first] + "…" + text[last:]


@lru_cache(maxsize=4096)
def text_width(text: str, points: float = TEXT, bold: bool = False) -> float:
    """Return a text's width in pixels."""
    return width_of(text, points, bold)


def number(value: float, _position: int | None = None) -> str:
    """Format a number for an axis: three digits, all of them from 1000 to a million, and a true minus sign."""
    size = abs(value)
    text = f"{value:.0f}" if 1000 <= size < 1e6 else f"{0.0 if size < 1e-12 else value:.3g}"
    return text.replace("-", "\N{MINUS SIGN}")


def spread(positions: Sequence[float], apart: float, highest: float) -> list[float]:
    """Return positions at least ``apart`` and, if they fit, from 0 to ``highest``: one pass upwards, one downwards."""
    order = np.argsort(positions, kind="stable")
    moved = np.asarray(positions, dtype=np.float64)[order]
    for i in range(len(moved)):
        moved[i] = max(moved[i], 0.0 if i == 0 else moved[i - 1] + apart)
    for i in range(len(moved) - 1, -1, -1):
        moved[i] = min(moved[i], highest if i == len(moved) - 1 else moved[i + 1] - apart)
    result = np.empty_like(moved)
    result[order] = moved
    return [float(value) for value in result]

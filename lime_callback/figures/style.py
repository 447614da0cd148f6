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
NEUTRAL = "#9a9a9a"
GRID = "#ececec"
NEVER_HIDDEN = "#c4c4c4"  # pixels of no feature; no value of the colour scale looks like it
OUTLINE = "#333333"  # lines between features, visible on any picture
SPECTRUM = "#bdbdbd"  # the probe's spectrum, behind its coefficients
GAP, GAP_HATCH = "#f4f4f4", "#bdbdbd"  # wavelengths without a channel
PLUS, MINUS = "#e06c00", "#1b6fb5"
PLUS_UNSURE, MINUS_UNSURE = "#f6cfa6", "#b5d3ec"
SCALE = ("#0a4a84", MINUS, "#8fc0e6", PAPER, "#fbbd78", PLUS, "#a34700")  # from lowest to highest
SIZES = (PAPER, "#b9dccd", "#1a7f5a", "#0a3d2a")  # of values without a sign, from 0 to the largest
SIZE, SIZE_LEADING = "#d3e6dd", "#7fbfa5"
LINES = ("#1f1f1f", "#00936c", "#c2609a", "#a08600", "#6a6a6a", "#5b3a8a", "#6b8e23", "#7a5230")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
"""Colours and marks of lines that have no sign. Nobody mistakes a colour for plus or minus; marks tell lines apart for
people who see few colours."""

_PIECES = re.compile(r"[<>]?[-\N{MINUS SIGN}+±]?\d[\d.,]*(?:(?:e[-\N{MINUS SIGN}+]?|-)\d[\d.,]*)*(?: ?(?:%|nm\b))?|.")
"""What stays or goes as a whole when a text is cut: a number or a range with sign and unit, or any other character."""
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
    whole = clean(text).split(", ")
    parts, rooms = list(whole), [text_width(part) for part in whole]
    while text_width(", ".join(parts)) > width:
        longest = max(range(len(parts)), key=rooms.__getitem__)
        if rooms[longest] < text_width("…"):
            return fit(text, width)
        rooms[longest] *= 0.92
        parts[longest] = fit(whole[longest], rooms[longest])
    return ", ".join(parts)


def clean(text: str) -> str:
    """Return the text as one line without control characters."""
    return "".join(c for c in " ".join(str(text).split()) if c.isprintable())


def fit(text: str, width: float, *, points: float = TEXT, bold: bool = False) -> str:
    """Return the text as one line; an ellipsis replaces its middle if it is longer than ``width`` pixels.

    No number is cut in two: a part would read as another one.
    """
    text = clean(text)
    if text_width(text, points, bold) <= width:
        return text
    pieces = _PIECES.findall(text)
    low, high = 0, len(pieces)
    while high - low > 1:  # the number of pieces that stay
        middle = (low + high) // 2
        low, high = (middle, high) if text_width(_shorten(pieces, middle), points, bold) <= width else (low, middle)
    return _shorten(pieces, low)


def _shorten(pieces: Sequence[str], kept: int) -> str:
    """Keep ``kept`` pieces, half at each end."""
    tail = kept // 2
    return "".join(pieces[: kept - tail]) + "…" + "".join(pieces[len(pieces) - tail :])


@lru_cache(maxsize=4096)
def text_width(text: str, points: float = TEXT, bold: bool = False) -> float:
    """Return a text's width in pixels."""
    return width_of(text, points, bold)


def number(value: float) -> str:
    """Format a number for an axis: three digits, all of them from 1000 to a million, and a true minus sign."""
    size = abs(value)
    text = f"{value:.0f}" if 1000 <= size < 1e6 else f"{0.0 if size < 1e-12 else value:.3g}"
    return text.replace("-", "\N{MINUS SIGN}")


def spread(positions: Sequence[float], apart: float, highest: float) -> list[float]:
    """Return positions at least ``apart`` that lie as near as possible to those given, and within 0 and ``highest``."""
    from scipy.optimize import isotonic_regression

    order = np.argsort(positions, kind="stable")
    steps = apart * np.arange(len(order))
    moved = isotonic_regression(np.asarray(positions, dtype=np.float64)[order] - steps).x
    moved = np.clip(moved, 0.0, max(highest - (steps[-1] if len(steps) else 0.0), 0.0)) + steps
    result = np.empty_like(moved)
    result[order] = moved
    return [float(value) for value in result]

"""The look of every figure: fonts, colours, margins and the page, set here and nowhere else.

Lengths are pixels of the finished picture, counted from its top left corner; font sizes are points. No figure needs
``pyplot``, and no call changes the process's settings (``rcParams``).
"""

from __future__ import annotations

import re
import warnings
from functools import lru_cache, wraps
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

import matplotlib.style
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties, findfont, get_font
from matplotlib.ticker import MaxNLocator
from matplotlib.transforms import Affine2D

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from matplotlib.axes import Axes
    from matplotlib.transforms import Transform
    from numpy.typing import NDArray

DPI = 100
MARGIN = 18
HEADER = 72  # holds the caption, and the key below it or the colour bar beside it
LINE = 18  # from a line of text to the next

HEADING, TITLE, TEXT, SMALL = 11.5, 9.5, 8.5, 8.0

PAPER = "#ffffff"
INK = "#1f1f1f"
MUTED = "#666666"
FAINT = "#d9d9d9"
NEUTRAL = "#9a9a9a"
GRID = "#ececec"
NEVER_HIDDEN = "#c4c4c4"  # pixels of no feature; no value of the colour scale looks like it
OUTLINE = "#333333"  # lines between features, visible on any picture
SPECTRUM = "#a8a8a8"  # the probe's spectrum, behind its coefficients
GAP, GAP_HATCH = "#f4f4f4", "#bdbdbd"  # wavelengths without a channel
PLUS, MINUS = "#e06c00", "#1b6fb5"
PLUS_UNSURE, MINUS_UNSURE, NEUTRAL_UNSURE = "#f6cfa6", "#b5d3ec", "#d9d9d9"
SCALE = ("#0a4a84", MINUS, "#8fc0e6", PAPER, "#fbbd78", PLUS, "#a34700")  # from lowest to highest
FIRST = "#8e3b94"  # the first explanation, drawn over the present one
LINES = ("#1f1f1f", "#1a7f5a", "#8e3b94", "#b8860b", "#a8324a", "#4d6a8a", "#6b8e23", "#7a5230")
"""Colours of lines that have no sign; nobody mistakes one for plus or minus."""

_FONT = "DejaVu Sans"  # comes with matplotlib, so pictures are the same on every machine
_NUMBER = re.compile(r"[\d.-]{2}")  # two neighbouring characters of a number or of a range
_SETTINGS = {
    "font.family": _FONT,
    "font.size": TEXT,
    "text.color": INK,
    "text.parse_math": False,  # names come from data; a "$" is a dollar
    "axes.edgecolor": NEUTRAL,
    "axes.labelcolor": MUTED,
    "axes.labelsize": TEXT,
    "axes.linewidth": 0.7,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.color": NEUTRAL,
    "ytick.color": NEUTRAL,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "xtick.labelsize": SMALL,
    "ytick.labelsize": SMALL,
    "hatch.linewidth": 0.6,
    "hatch.color": GAP_HATCH,
}

P = ParamSpec("P")
R = TypeVar("R")


def isolated(function: Callable[P, R]) -> Callable[P, R]:
    """Make ``function`` draw in this style, whatever style the process has set, and restore the process's style."""

    @wraps(function)
    def inner(*args: P.args, **kwargs: P.kwargs) -> R:
        with matplotlib.style.context(["default", _SETTINGS]):
            return function(*args, **kwargs)

    return inner


@isolated
def render(figure: Figure) -> NDArray[np.uint8]:
    """Return the drawn figure, uint8 ``[H, W, 3]``."""
    canvas = FigureCanvasAgg(figure)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing")  # names may be in a script that the font lacks
        canvas.draw()  # type: ignore[no-untyped-call]
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()  # type: ignore[no-untyped-call]


def page(width: float, height: float) -> Figure:
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


def place(figure: Figure, left: float, top: float, width: float, height: float) -> Axes:
    """Add axes whose frame starts at ``left`` and ``top``, all lengths in pixels."""
    w, h = size(figure)
    return figure.add_axes((left / w, 1 - (top + height) / h, width / w, height / h))


def bare(axes: Axes) -> Axes:
    """Hide the axes' ticks and frame, and return the axes."""
    axes.set_axis_off()
    return axes


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
    **settings: Any,
) -> None:
    """Write a line of text at ``left`` and ``top``, cut in its middle if it is longer than ``width`` pixels."""
    w, h = size(figure)
    text = clean(text) if width is None else fit(text, width, points=points, bold=bold)
    weight = "bold" if bold else "normal"
    settings = {"va": "top", "ha": "left"} | settings
    figure.text(left / w, 1 - top / h, text, size=points, weight=weight, color=colour, parse_math=False, **settings)


def title_lines(titles: Sequence[str], width: float) -> int:
    """Return how many lines titles take in ``width`` pixels: 2 if one of them does not fit into a line, else 1."""
    return 1 + any(" · " in title and text_width(clean(title), TITLE, bold=True) > width for title in titles)


def write_title(figure: Figure, left: float, top: float, title: str, width: float, lines: int) -> None:
    """Write a title; on two lines, the second has what stands behind the second `` · ``.

    Such a title is ``"probe 3 · Woods · predicted 81 %, true"``, of which no part may be lost.
    """
    parts = title.split(" · ", 2) if lines > 1 else [title]
    write(figure, left, top, " · ".join(parts[:2]), points=TITLE, bold=True, width=width)
    if len(parts) > 2:
        write(figure, left, top + LINE, parts[2], width=width, colour=MUTED)


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
    properties = FontProperties(family=_FONT, weight="bold" if bold else "normal")
    font = get_font(findfont(properties))
    font.set_size(points, DPI)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a glyph that the font lacks has a width too
        font.set_text(text, 0.0)
    return float(font.get_width_height()[0] / 64)


def signed_ticks() -> MaxNLocator:
    """Return a locator of a few round ticks on both sides of zero."""
    return MaxNLocator(4, steps=[1, 2, 5, 10], symmetric=True)


def number(value: float, _position: int | None = None) -> str:
    """Format a number for an axis: three digits, all of them from 1000 to a million, and a true minus sign."""
    size = abs(value)
    text = f"{value:.0f}" if 1000 <= size < 1e6 else f"{0.0 if size < 1e-12 else value:.3g}"
    return text.replace("-", "\N{MINUS SIGN}")

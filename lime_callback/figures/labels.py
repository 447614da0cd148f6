"""Texts of figures: the fonts they are drawn in, and an artist that draws a text from a bitmap made once for all pages.

Texts take most of the time that a page takes to draw, and most of them are the same on the next page.
"""

from __future__ import annotations

import re
import warnings
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple
from unicodedata import bidirectional

import numpy as np
from matplotlib.backends.backend_agg import RendererAgg
from matplotlib.colors import to_rgb
from matplotlib.font_manager import FontProperties, findfont, fontManager, get_font
from matplotlib.patheffects import withStroke
from matplotlib.text import Text
from PIL import Image, ImageDraw, ImageFont

if TYPE_CHECKING:
    from matplotlib.backend_bases import RendererBase
    from numpy.typing import NDArray

USUAL = "DejaVu Sans"  # comes with matplotlib, so pictures are the same on every machine
_OTHER_SCRIPTS = re.compile(
    r"CJK|Han Sans|WenQuanYi|YaHei|SimHei|PingFang|Hiragino|Gothic|Nanum|Noto Sans|Emoji|Symbola|Arial Unicode", re.I
)
_NO_OUTLINES = re.compile(r"color emoji|serif|mono|italic", re.I)
_RIGHT_TO_LEFT = ("R", "AL", "AN")  # of Unicode's bidirectional classes
_ASCENT, _DESCENT = 0.76, 0.24  # of DejaVu Sans, in font sizes
_HALO = 2.5  # pixels of paper around a text that lies on a picture


@cache
def fonts() -> tuple[str, ...]:
    """Return the fonts in which texts are drawn: the usual one, then what the system has for other scripts.

    Each glyph is taken from the first font that has it.
    """
    others = {font.name for font in fontManager.ttflist if _OTHER_SCRIPTS.search(font.name)}
    return (USUAL, *sorted(name for name in others if not _NO_OUTLINES.search(name)))


class Label(Text):
    """A line of text. Where a figure becomes pixels, it is pasted from a bitmap; elsewhere it is drawn as any text.

    Args:
        x: across the page, from 0 to 1.
        y: up the page, from 0 to 1.
        text: the text, on one line.
        size: of the font, in pixels of the compact form.
        bold: whether the text is bold.
        halo: the colour around the letters, which makes them readable on a picture; ``None`` for none.
    """

    def __init__(
        self,
        x: float,
        y: float,
        text: str,
        *,
        size: float,
        bold: bool = False,
        halo: str | None = None,
        **settings: Any,
    ) -> None:
        stroke = [] if halo is None else [withStroke(linewidth=_HALO, foreground=halo)]
        bold = bold and _in_usual_font(text)  # fonts of other scripts seldom have bold letters
        look: dict[str, Any] = {"size": size, "weight": "bold" if bold else "normal", "family": list(fonts())}
        super().__init__(x, y, text, parse_math=False, path_effects=stroke, **look, **settings)
        self._size, self._bold, self._halo = size, bold, halo

    def draw(self, renderer: RendererBase) -> None:
        """Draw the text; matplotlib calls it."""
        if not self.get_visible():
            return
        text = self.get_text()
        pasted = isinstance(renderer, RendererAgg) and not self.get_rotation() and self.get_bbox_patch() is None
        if not pasted or not _in_usual_font(text):
            super().draw(renderer)
            return
        size = float(np.asarray(renderer.points_to_pixels(self._size)))
        bitmap = _bitmap(
            text, round(size, 2), self._bold, to_rgb(self.get_color()),
            None if self._halo is None else to_rgb(self._halo),
        )  # fmt: skip
        x, y = self.get_transform().transform(self.get_position())
        left = x - {"left": 0.0, "center": 0.5, "right": 1.0}[self.get_horizontalalignment()] * bitmap.width
        below = {
            "top": -_ASCENT, "center_baseline": -_ASCENT / 2, "center": (_DESCENT - _ASCENT) / 2, "bottom": _DESCENT,
            "baseline": 0.0,
        }[self.get_verticalalignment()] * size  # fmt: skip
        graphics = renderer.new_gc()
        renderer.draw_image(graphics, round(left) - bitmap.left, round(y + below) - bitmap.below, bitmap.pixels)
        graphics.restore()
        self.stale = False


class _Bitmap(NamedTuple):
    """A text as pixels.

    Attributes:
        pixels: uint8 RGBA, the lowest row first.
        left: pixels to the left of where the text begins.
        below: pixels below the baseline.
        width: how far the text reaches, in pixels.
    """

    pixels: NDArray[np.uint8]
    left: int
    below: int
    width: float


@lru_cache(maxsize=4096)
def _bitmap(text: str, size: float, bold: bool, colour: tuple[float, ...], halo: tuple[float, ...] | None) -> _Bitmap:
    font = _font(size, bold)
    stroke = 0 if halo is None else max(round(_HALO * size / 24), 1)
    width = font.getlength(text)
    left, below = stroke + 1, int(np.ceil(0.3 * size)) + stroke
    box = (int(np.ceil(width)) + 2 * left + 2, int(np.ceil(1.1 * size)) + stroke + below)
    image = Image.new("RGBA", box, (*_shades(halo or colour), 0))
    ImageDraw.Draw(image).text(
        (left, box[1] - below), text, _shades(colour), font, anchor="ls", stroke_width=stroke,
        stroke_fill=_shades(halo) if halo is not None else None,
    )  # fmt: skip
    return _Bitmap(np.asarray(image)[::-1].copy(), left, below, width)


def width_of(text: str, size: float, bold: bool) -> float:
    """Return a text's width in pixels."""
    if _in_usual_font(text):
        return float(_font(size, bold).getlength(text))
    weight = "bold" if bold else "normal"
    font = get_font([findfont(FontProperties(family=name, weight=weight)) for name in fonts()])
    font.set_size(size, 72)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a glyph that no font has has a width, too
        font.set_text(text, 0.0)
    return float(font.get_width_height()[0] / 64)


@cache
def _font(size: float, bold: bool) -> ImageFont.FreeTypeFont:
    path = findfont(FontProperties(family=USUAL, weight="bold" if bold else "normal"))
    # Pillow's other layout depends on libraries of the system: letters would stand otherwise on another machine.
    return ImageFont.truetype(path, size, layout_engine=ImageFont.Layout.BASIC)


@cache
def _characters() -> frozenset[int]:
    return frozenset(get_font(findfont(FontProperties(family=USUAL))).get_charmap())


def _in_usual_font(text: str) -> bool:
    """Whether the usual font has all letters, and they stand in the order in which they are written."""
    return all(ord(letter) in _characters() and bidirectional(letter) not in _RIGHT_TO_LEFT for letter in text)


def _shades(colour: tuple[float, ...]) -> tuple[int, ...]:
    return tuple(round(255 * part) for part in colour)

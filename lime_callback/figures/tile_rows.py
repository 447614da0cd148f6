"""Draws pictures side by side: steps of one explanation, several explanations, the strongest features.

A tile shows a picture unchanged; a panel shows an overlay of coefficients. Both may stand in one row.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.colors import to_rgb

from lime_callback.figures import colour_scale, style
from lime_callback.figures.heading import ColourBar, Heading, panel_key
from lime_callback.figures.overlays import draw_image, draw_lines, draw_overlay, draw_places, inner_box
from lime_callback.figures.panels import Panel, check_image, check_pixels

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from matplotlib.figure import Figure
    from numpy.typing import NDArray

_GAP = 12
_BELOW = 14
_LARGEST = 216  # pixels along a tile's side, if a row holds few
_SIDE_BY_SIDE = 4  # tiles; more of a row go on below, since their texts would not fit
_COLUMNS, _ROWS = 8, 16
_ALPHA = 0.45


@dataclass(frozen=True, eq=False)
class Tile:
    """A picture with a title.

    Attributes:
        image: the picture, uint8 ``[H, W, 3]``.
        title: the line above the picture, in bold.
        subtitle: the line below the title.
        segments: each pixel's label, ``[H, W]``; lines are drawn where labels meet. ``None`` draws no lines.
        names: what is written into segments, by their labels, the most important first. Only these then have outlines.

    Raises:
        ValueError: if the shapes do not fit each other.
    """

    image: NDArray[np.uint8]
    title: str
    subtitle: str = ""
    segments: NDArray[np.integer[Any]] | None = None
    names: Mapping[int, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_image(self.image)
        if self.segments is not None:
            check_pixels("segments", self.segments, self.image)


Row = tuple[str, "Sequence[Tile | Panel]"]


@style.isolated
def tiles(
    rows: Sequence[Row], *, limit: float | None = None, caption: str = "", quantity: str = colour_scale.COEFFICIENT
) -> Figure:
    """Draw rows of tiles and panels, each row under its heading; the fewer in a row, the larger they are.

    A row of more than 4 goes on in a second line.

    Args:
        rows: up to 16 rows; each is a heading, which may be empty, and 1 to 8 tiles or panels.
        limit: the coefficient at the ends of the colour scale; ``None`` if there are no panels.
        caption: the figure's heading.
        quantity: the name of the panels' values, with their unit in brackets.

    Raises:
        ValueError: if there are no rows or too many, a row is empty or too long, there are panels but no ``limit``, or
            ``limit`` is below 0.
    """
    sizes = [len(row) for _, row in rows]
    if not sizes or not min(sizes) or max(sizes) > _COLUMNS or len(sizes) > _ROWS:
        raise ValueError(
            f"`rows` should be 1 to {_ROWS} rows of 1 to {_COLUMNS} tiles or panels. Found rows of {sizes}."
        )
    heat = [tile.heat for _, row in rows for tile in row if isinstance(tile, Panel)]
    if heat and limit is None:
        raise ValueError(
            "`limit` should be the coefficient at the ends of the colour scale. Found panels and no limit."
        )
    lines = [
        (heading if start == 0 else "", row[start : start + per_line], min(per_line, len(row)))
        for heading, row in rows
        for per_line in [_per_line(len(row))]
        for start in range(0, len(row), per_line)
    ]
    sides = [min(_LARGEST, (style.ROOM + _GAP) // count - _GAP) for _, _, count in lines]
    tallest = [max(_proportion(tile.image) for tile in row) for _, row, _ in lines]
    talls = [round(side * proportion) for side, proportion in zip(sides, tallest, strict=True)]
    heights = [
        _heading_height(heading) + 2 * style.LINE + tall + _BELOW
        for (heading, _, _), tall in zip(lines, talls, strict=True)
    ]
    bar = None
    if heat and limit is not None:
        bar = ColourBar(colour_scale.symmetric(limit), quantity, colour_scale.largest(heat))
    panels = [tile for _, row in rows for tile in row if isinstance(tile, Panel)]
    top_of_page = Heading(caption, panel_key(panels), bar)
    top = top_of_page.height if bar is not None or caption else float(style.MARGIN)
    figure = style.page(top + sum(heights))
    top_of_page.draw(figure)
    for (heading, row, _), side, tall, height in zip(lines, sides, talls, heights, strict=True):
        y = top
        if heading:
            style.write_title(figure, style.MARGIN, y, heading, style.ROOM)
            y += _heading_height(heading)
        for i, tile in enumerate(row):
            left = style.MARGIN + i * (side + _GAP)
            style.write(figure, left, y, tile.title, points=style.TITLE, bold=True, width=side)
            style.write(figure, left, y + style.LINE, tile.subtitle, width=side, colour=style.MUTED)
            box = inner_box(tile.image, left, y + 2 * style.LINE, side, tall)
            if isinstance(tile, Panel):
                draw_overlay(figure, tile, limit or 0.0, box)
                continue
            if tile.segments is not None and tile.names:
                draw_places(figure, tile.image, tile.segments, tile.names, box)
                continue
            draw_image(figure, tile.image, box)
            if tile.segments is not None:
                draw_lines(figure, tile.segments, box)
        top += height
    return figure


def label2rgb(image: NDArray[np.uint8], mask: NDArray[np.integer[Any]]) -> NDArray[np.uint8]:
    """Tint pixels that raise the output orange and pixels that lower it blue; the others stay as they are.

    Args:
        image: the picture, uint8 ``[H, W, 3]``.
        mask: each pixel's sign, 1, -1 or 0, ``[H, W]``, as :meth:`~lime_callback.Explanation.image_and_mask` gives it.

    Returns:
        The tinted picture, uint8 ``[H, W, 3]``.

    Raises:
        ValueError: if ``image`` is not uint8 ``[H, W, 3]``, or ``mask`` does not fit it.
    """
    check_image(image)
    check_pixels("mask", mask, image)
    signs = np.asarray(mask)[..., None]
    colour = np.where(signs > 0, to_rgb(style.PLUS), to_rgb(style.MINUS))
    tinted = (1 - _ALPHA) * image + _ALPHA * 255 * colour
    return np.asarray(np.where(signs == 0, image, np.round(tinted)), dtype=np.uint8)


def _per_line(count: int) -> int:
    """Return how many of a row's tiles stand side by side, so that its lines are about equally long."""
    return -(-count // -(-count // _SIDE_BY_SIDE))


def _heading_height(heading: str) -> float:
    """Return the pixels that a row's heading takes: a line, or two if it has three parts as a title has."""
    return style.LINE * style.title_lines([heading]) + 6 if heading else 0


def _proportion(image: NDArray[np.uint8]) -> float:
    return float(np.clip(image.shape[0] / image.shape[1], 0.3, 1.4))

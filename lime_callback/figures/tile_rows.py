"""Pictures side by side: steps of one explanation, several explanations, features that stand out.

A tile is a picture as it is, a panel an overlay of coefficients; both may stand in one row.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.colors import to_rgb

from lime_callback.figures import colour_scale, style
from lime_callback.figures.overlays import draw_image, draw_lines, draw_overlay, inner_box
from lime_callback.figures.panels import Panel, check_image, check_pixels

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.figure import Figure
    from numpy.typing import NDArray

_WIDTH = 1160
_GAP = 12
_BELOW = 16
_LARGEST = 300  # side of a tile where there are few
_COLUMNS, _ROWS = 8, 16
_ALPHA = 0.45


@dataclass(frozen=True, eq=False)
class Tile:
    """A picture with a title.

    Attributes:
        image: uint8 ``[H, W, 3]``.
        title: in bold.
        subtitle: below it.
        segments: labels ``[H, W]``, between which lines are drawn; ``None``: no lines.

    Raises:
        ValueError: if the shapes do not fit each other.
    """

    image: NDArray[np.uint8]
    title: str
    subtitle: str = ""
    segments: NDArray[np.integer[Any]] | None = None

    def __post_init__(self) -> None:
        check_image(self.image)
        if self.segments is not None:
            check_pixels("segments", self.segments, self.image)


Row = tuple[str, "Sequence[Tile | Panel]"]


@style.isolated
def tiles(
    rows: Sequence[Row], *, limit: float | None = None, caption: str = "", quantity: str = colour_scale.COEFFICIENT
) -> Figure:
    """Draw rows of tiles and panels, each row under its heading, and larger where there are fewer in it.

    Args:
        rows: heading, which may be empty, and up to 8 tiles or panels; up to 16 rows.
        limit: coefficient at the ends of the colour scale; ``None`` where there are no panels.
        caption: what is shown.
        quantity: what panels show instead of coefficients, with its unit in brackets.

    Raises:
        ValueError: if there is no row or an empty one, too many tiles, panels without a limit, or a limit below 0.
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
    sides = [min(_LARGEST, (_WIDTH - 2 * style.MARGIN + _GAP) // size - _GAP) for size in sizes]
    widths = [2 * style.MARGIN + size * (side + _GAP) - _GAP for size, side in zip(sizes, sides, strict=True)]
    width = max(*widths, 760 if heat else 0)
    talls = [round(side * max(_proportion(t.image) for t in row)) for side, (_, row) in zip(sides, rows, strict=True)]
    heights = [
        (style.LINE + 8) * bool(heading) + 2 * style.LINE + tall + _BELOW
        for (heading, _), tall in zip(rows, talls, strict=True)
    ]
    top = style.HEADER if heat else style.MARGIN + (style.LINE + 10) * bool(caption)
    figure = style.page(width, top + sum(heights))
    room = width - 2 * style.MARGIN
    if heat and limit is not None:
        colour_scale.header(figure, caption, limit, heat, quantity)
    elif caption:
        style.write(figure, style.MARGIN, 16, caption, points=style.HEADING, bold=True, width=room)
    for (heading, row), side, tall, height in zip(rows, sides, talls, heights, strict=True):
        y = top
        if heading:
            style.write(figure, style.MARGIN, y, heading, points=style.TITLE, width=room)
            y += style.LINE + 8
        for i, tile in enumerate(row):
            left = style.MARGIN + i * (side + _GAP)
            style.write(figure, left, y, tile.title, points=style.TITLE, bold=True, width=side)
            style.write(figure, left, y + style.LINE, tile.subtitle, width=side, colour=style.MUTED)
            box = inner_box(tile.image, left, y + 2 * style.LINE, side, tall)
            if isinstance(tile, Panel):
                draw_overlay(figure, tile, limit or 0.0, box)
                continue
            draw_image(figure, tile.image, box)
            if tile.segments is not None:
                draw_lines(figure, tile.segments, box)
        top += height
    return figure


def label2rgb(image: NDArray[np.uint8], mask: NDArray[np.integer[Any]]) -> NDArray[np.uint8]:
    """Tint what raises the output orange and what lowers it blue; the rest stays as it is.

    Args:
        image: uint8 ``[H, W, 3]``.
        mask: 1, -1 and 0, ``[H, W]``, as of :meth:`~lime_callback.Explanation.image_and_mask`.

    Returns:
        uint8 ``[H, W, 3]``.

    Raises:
        ValueError: if the shapes do not fit each other.
    """
    check_image(image)
    check_pixels("mask", mask, image)
    signs = np.asarray(mask)[..., None]
    colour = np.where(signs > 0, to_rgb(style.PLUS), to_rgb(style.MINUS))
    tinted = (1 - _ALPHA) * image + _ALPHA * 255 * colour
    return np.asarray(np.where(signs == 0, image, np.round(tinted)), dtype=np.uint8)


def _proportion(image: NDArray[np.uint8]) -> float:
    return float(np.clip(image.shape[0] / image.shape[1], 0.3, 1.4))

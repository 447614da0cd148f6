"""Attribution images: each probe beside the map of its coefficients, for one explanation or for two."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lime_callback.figures import colour_scale, style
from lime_callback.figures.overlays import draw_image, draw_overlay, inner_box
from lime_callback.figures.panels import Panel, drawn_panels

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.figure import Figure

_GAP = 6  # pixels between the pictures of one probe
_COLUMN = 26  # pixels between probes
_BELOW = 16  # pixels under a row of pictures
_SMALLEST = 144  # pixels along a picture's side; a subtitle still fits above it


@style.isolated
def attributions(
    panels: Sequence[Panel],
    *,
    limit: float,
    caption: str = "",
    quantity: str = colour_scale.COEFFICIENT,
    targets: int = 1,
) -> Figure:
    """Draw each probe beside its map, up to 16.

    The map shows each pixel's coefficient in the colours of the colour bar, with a thin line around every feature.

    Args:
        panels: a panel for each probe and target.
        limit: the coefficient at the ends of the colour scale.
        caption: the figure's heading, as in ``"spatial · epoch 12"``.
        quantity: the name of the values, with their unit in brackets.
        targets: how many panels in a row belong to the same probe; they stay on one line if they fit.

    Raises:
        ValueError: if ``panels`` is empty, or ``limit`` is below 0.
    """
    panels, caption = drawn_panels(panels, caption)
    return _draw([[panel] for panel in panels], limit, caption, (), quantity, targets)


def pairs(
    first: Sequence[Panel],
    present: Sequence[Panel],
    moments: Sequence[str],
    limit: float,
    caption: str,
    quantity: str,
    targets: int,
) -> Figure:
    """Draw each probe beside its first and its present map, see :func:`~lime_callback.figures.before_after`."""
    present, caption = drawn_panels(present, caption)
    return _draw([[a, b] for a, b in zip(first, present, strict=False)], limit, caption, moments, quantity, targets)


def _draw(
    rows: list[list[Panel]], limit: float, caption: str, moments: Sequence[str], quantity: str, targets: int
) -> Figure:
    """Draw a cell for each probe: its picture, and beside it a map for each of the ``moments``."""
    columns, side = _grid(len(rows), 1 + len(rows[0]), targets)
    inside = (1 + len(rows[0])) * (side + _GAP) - _GAP
    proportion = max(row[-1].image.shape[0] / row[-1].image.shape[1] for row in rows)
    tall = round(side * float(np.clip(proportion, 0.3, 1.4)))
    title_lines = style.title_lines([row[-1].title for row in rows], inside)
    titled = title_lines * style.LINE
    text = titled + (2 if moments else 1) * style.LINE
    width = max(2 * style.MARGIN + columns * (inside + _COLUMN) - _COLUMN, 700)
    step = text + tall + _BELOW
    figure = style.page(width, style.HEADER + -(-len(rows) // columns) * step + 2)
    drawn = [panel for row in rows for panel in row]
    marks = " · ".join(
        text
        for text, is_drawn in (
            ("▲ raises, ▼ lowers it", any(panel.names for panel in drawn)),
            ("○ sign unknown", any(panel.unsure for panel in drawn)),
        )
        if is_drawn
    )
    colour_scale.header(figure, caption, limit, [panel.heat for panel in drawn], quantity, marks)
    indent = (width - columns * (inside + _COLUMN) + _COLUMN) / 2
    for i, row in enumerate(rows):
        left = indent + i % columns * (inside + _COLUMN)
        top = style.HEADER + i // columns * step
        style.write_title(figure, left, top, row[-1].title, inside, title_lines)
        draw_image(figure, row[-1].image, inner_box(row[-1].image, left, top + text, side, tall))
        for k, panel in enumerate(row):
            x = left + (k + 1) * (side + _GAP)
            draw_overlay(figure, panel, limit, inner_box(panel.image, x, top + text, side, tall))
            if moments:
                style.write(figure, x, top + titled, moments[k], width=side)
                y, small = top + titled + style.LINE - 2, style.SMALL
                style.write(figure, x, y, panel.subtitle, width=side, colour=style.MUTED, points=small)
            else:
                style.write(figure, left, top + titled, panel.subtitle, width=inside, colour=style.MUTED)
    return figure


def _grid(count: int, pictures: int, targets: int) -> tuple[int, int]:
    """Return how many cells stand side by side, and the side of each picture in pixels."""
    columns = 1 if count == 1 else 2 if count <= 4 else 3 if count <= 6 or pictures > 2 else 4
    if columns > 2:
        columns = next((n for n in (columns, 4, 3) if targets % n == 0 or n % targets == 0), columns)
    return columns, max({1: 660, 2: 610, 3: 432, 4: 288}[columns] // pictures, _SMALLEST)

"""Attribution images: each probe beside the map of its effects, for one explanation or for two."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lime_callback.figures import colour_scale, style
from lime_callback.figures.heading import ColourBar, Heading, panel_key
from lime_callback.figures.overlays import draw_image, draw_overlay, inner_box
from lime_callback.figures.panels import Panel, check_first, drawn_panels

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.figure import Figure

_GAP = 6  # pixels between the pictures of one probe
_COLUMN = 24  # pixels between probes
_BELOW = 16  # pixels under a row of pictures
_LARGEST = 210  # pixels along a picture's side


@style.isolated
def attributions(
    panels: Sequence[Panel],
    *,
    limit: float,
    caption: str = "",
    status: Sequence[str] = (),
    quantity: str = colour_scale.COEFFICIENT,
    targets: int = 1,
    first: Sequence[Panel] | None = None,
    moments: tuple[str, str] = ("first", "present"),
) -> Figure:
    """Draw each probe beside its map, up to 16; with ``first``, beside its first map and its present one.

    A map shows each pixel's value in the colours of the colour bar, with a thin line around every feature. The scale is
    the same for all maps.

    Args:
        panels: a panel for each probe and target.
        limit: the value at the ends of the colour scale.
        caption: the figure's heading, as in ``"spatial · epoch 12"``.
        status: short texts below the caption, which say how to take what is shown.
        quantity: the name of the values, with their unit in brackets.
        targets: how many panels in a row belong to the same probe; an even number of them stay on one line.
        first: panels of an earlier explanation, in the same order; only their maps are drawn.
        moments: the names of the two explanations, as in ``("epoch 1", "epoch 12")``; used with ``first`` alone.

    Raises:
        ValueError: if ``panels`` is empty, ``first`` has another number of panels, or ``limit`` is below 0.
    """
    check_first(first, panels)
    panels, caption = drawn_panels(panels, caption)
    rows = [[panel] for panel in panels] if first is None else [list(both) for both in zip(first, panels, strict=False)]
    pictures = 1 + len(rows[0])
    columns = 1 if len(rows) == 1 else 3 if pictures == 2 and targets % 3 == 0 else 2
    inside = (style.ROOM + _COLUMN) / columns - _COLUMN
    side = min((inside + _GAP) / pictures - _GAP, _LARGEST)
    proportion = max(row[-1].image.shape[0] / row[-1].image.shape[1] for row in rows)
    tall = round(side * float(np.clip(proportion, 0.3, 1.4)))
    titles = style.title_lines([row[-1].title for row in rows]) * style.LINE
    text = titles + 2 + (2 if first is not None else 1) * style.LINE
    step = text + tall + _BELOW
    drawn = [panel for row in rows for panel in row]
    largest = colour_scale.largest([panel.heat for panel in drawn])
    heading = Heading(
        caption, panel_key(drawn), status=status, bar=ColourBar(colour_scale.symmetric(limit), quantity, largest)
    )
    figure = style.page(heading.height + -(-len(rows) // columns) * step)
    heading.draw(figure)
    for i, row in enumerate(rows):
        left = style.MARGIN + i % columns * (inside + _COLUMN)
        top = heading.height + i // columns * step
        style.write_title(figure, left, top, row[-1].title, inside)
        draw_image(figure, row[-1].image, inner_box(row[-1].image, left, top + text, side, tall))
        for k, panel in enumerate(row):
            x = left + (k + 1) * (side + _GAP)
            if first is not None:
                style.write(figure, x, top + titles + 2, moments[k], width=side)
            at, room = (x, side) if first is not None else (left, inside)
            below = style.fit_parts(panel.subtitle, room)
            style.write(figure, at, top + text - style.LINE, below, width=room, colour=style.MUTED)
            draw_overlay(figure, panel, limit, inner_box(panel.image, x, top + text, side, tall))
    return figure

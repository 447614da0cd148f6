"""Draws small pictures on a page: composites, and maps of the coefficients with a line around every feature.

A map has the colours of the colour bar and no others: a picture under it would darken them, so the picture stands
beside it. Enlarged pixels stay sharp. A picture with more pixels than its box is reduced before its map is made, so
that lines lie between pixels and files stay small.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.collections import LineCollection
from matplotlib.colors import to_rgb
from matplotlib.image import BboxImage
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from matplotlib.transforms import Affine2D, Bbox, TransformedBbox
from PIL import Image
from scipy.ndimage import distance_transform_edt

from lime_callback.figures import colour_scale, style

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from lime_callback.figures.panels import Panel

Box = tuple[float, float, float, float]
_SHORT = 30  # pixels that a name in a region has at least, enough for any number
NARROWEST = 5  # pixels; features narrower than this get no line, since lines would be all that is seen


def draw_image(figure: Figure, image: NDArray[np.uint8], box: Box) -> None:
    """Fill a box (left, top, width, height in pixels) with an image, uint8 ``[H, W, 3]``."""
    left, top, width, height = box
    at = style.pixels(figure)
    shown = BboxImage(TransformedBbox(Bbox.from_bounds(*box), at), interpolation="nearest")
    shown.set_data(_reduced(image, _drawn(image, box)))
    figure.add_artist(shown)
    frame = Rectangle((left, top), width, height, fill=False, edgecolor=style.NEUTRAL, linewidth=0.5, transform=at)
    figure.add_artist(frame)


def draw_array(figure: Figure, image: NDArray[Any], box: Box) -> None:
    """Fill a box (left, top, width, height in pixels) with RGBA values from 0 to 1, ``[rows, columns, 4]``."""
    smooth = image.shape[0] > box[3]
    shown = BboxImage(
        TransformedBbox(Bbox.from_bounds(*box), style.pixels(figure)),
        interpolation="antialiased" if smooth else "nearest", zorder=1,
    )  # fmt: skip
    shown.set_data(image)
    figure.add_artist(shown)


def draw_overlay(figure: Figure, panel: Panel, limit: float, box: Box) -> None:
    """Fill a box (left, top, width, height in pixels) with a panel's map, the lines between features, and its marks."""
    small = _drawn(panel.image, box)
    if small != panel.image.shape[:2]:
        at = np.ix_(*(_centres(n, size) for n, size in zip(small, panel.image.shape[:2], strict=True)))
        image = _reduced(panel.image, small)
        panel = replace(panel, image=image, heat=panel.heat[at], segments=panel.segments[at])
    draw_image(figure, overlay(panel, limit), box)
    features = max(len(np.unique(panel.segments[panel.segments >= 0])), 1)
    left, top, width, height = box
    if width / features**0.5 >= NARROWEST and not panel.empty:
        draw_lines(figure, panel.segments, box)
    if panel.pale or panel.empty:
        note = {"facecolor": style.PAPER, "edgecolor": style.NEUTRAL, "linewidth": 0.6, "boxstyle": "square,pad=0.35"}
        middle = (left + width / 2, top + height / 2)
        style.write(figure, *middle, panel.empty or "poor fit", ha="center", va="center", bbox=note)
    else:
        _draw_marks(figure, panel, box)


def _draw_marks(figure: Figure, panel: Panel, box: Box) -> None:
    """Write the names of the strongest features into their regions, and a circle where no sign is known.

    A sign without its name stands where there is room for no more. A name that would cover a stronger one stands
    elsewhere in its region, as in a ring, or is left out.
    """
    left, top, width, height = box
    rows, columns = panel.segments.shape
    unsure: list[tuple[float, float]] = []
    taken: list[tuple[float, float, float]] = []
    for feature in dict.fromkeys([*panel.names, *panel.unsure]):
        inside = panel.segments == feature
        if not inside.any():
            continue
        places, room = _deepest(inside)
        points = (places[:, ::-1] + 0.5) * (width / columns, height / rows) + (left, top)
        wide = 2 * room * width / columns
        whole = panel.names.get(feature)
        name = whole and next((text for text in (whole, whole[:1]) if style.text_width(text) <= wide), None)
        if name is not None:
            half = style.text_width(name) / 2
            free = next(((x, y) for x, y in points.tolist() if _is_free(x, y, half, taken)), None)
            if free is not None:
                style.write(figure, *free, name, ha="center", va="center_baseline", halo=style.PAPER)
                taken.append((*free, half))
        elif feature in panel.unsure and wide >= 2 * NARROWEST:
            x, y = points[0].tolist()
            unsure.append((x, y))
    if unsure:
        circles = Line2D(
            *np.transpose(unsure), ls="none", marker="o", ms=4, mfc="none", mec=style.MUTED, mew=0.8,
            transform=style.pixels(figure),
        )  # fmt: skip
        figure.add_artist(circles)


def draw_places(
    figure: Figure, image: NDArray[np.uint8], segments: NDArray[np.integer[Any]], names: Mapping[int, str], box: Box
) -> None:
    """Fill a box with a picture in which some features are outlined and named.

    Args:
        figure: the page.
        image: the picture, uint8 ``[H, W, 3]``.
        segments: the number of each pixel's feature, ``[H, W]``.
        names: what is written into features, by their numbers, the most important first; a name that would cover an
            earlier one is left out.
        box: left, top, width, height in pixels.
    """
    small = _drawn(image, box)
    at = np.ix_(*(_centres(n, size) for n, size in zip(small, segments.shape, strict=True)))
    draw_image(figure, image, box)
    kept = np.where(np.isin(segments[at], list(names)), segments[at], -1)
    draw_lines(figure, kept, box, colour=style.PAPER, width=2.4)
    draw_lines(figure, kept, box, colour=style.INK, width=1.0)
    left, top, width, height = box
    taken: list[tuple[float, float, float]] = []
    for feature, name in names.items():
        inside = kept == feature
        if not inside.any():
            continue
        places, room = _deepest(inside)
        row, column = places[0].tolist()
        x, y = left + (column + 0.5) * width / kept.shape[1], top + (row + 0.5) * height / kept.shape[0]
        text = style.fit(name, max(2 * room * width / kept.shape[1], _SHORT))
        half = style.text_width(text) / 2
        x = min(max(x, left + half), left + width - half)
        if _is_free(x, y, half, taken):
            style.write(figure, x, y, text, ha="center", va="center_baseline", halo=style.PAPER)
            taken.append((x, y, half))


def _is_free(x: float, y: float, half: float, taken: Sequence[tuple[float, float, float]]) -> bool:
    """Whether a text around a point covers none of those that were written: their points, and half of their widths."""
    return all(abs(x - at) >= half + reach or abs(y - level) >= style.TEXT for at, level, reach in taken)


def _deepest(inside: NDArray[np.bool_]) -> tuple[NDArray[np.intp], float]:
    """Return the pixels that lie deepest in a region, rows and columns ``[n, 2]``, and their distance to its border.

    Of several that lie equally deep, as in a square, the one nearest to the region's middle comes first.
    """
    depth = distance_transform_edt(np.pad(inside, 1))[1:-1, 1:-1]
    places = np.argwhere(depth >= depth.max() - 0.5)
    apart = ((places - np.argwhere(inside).mean(0)) ** 2).sum(1)
    return places[apart.argsort(kind="stable")], float(depth.max())


def draw_lines(
    figure: Figure, segments: NDArray[np.integer[Any]], box: Box, *, colour: str = style.OUTLINE, width: float = 0.6
) -> None:
    """Draw a line wherever two segments meet.

    Args:
        figure: the page.
        segments: each pixel's label, ``[H, W]``.
        box: where the image lies: left, top, width, height in pixels.
        colour: the line's colour.
        width: the line's width in pixels.
    """
    left, top, wide, tall = box
    rows, columns = segments.shape
    at = Affine2D().translate(0.5, 0.5).scale(wide / columns, tall / rows).translate(left, top)
    outline = LineCollection(
        list(borders(segments)), colors=colour, linewidths=width, snap=True, capstyle="projecting",
        transform=at + style.pixels(figure),
    )  # fmt: skip
    figure.add_artist(outline)


def overlay(panel: Panel, limit: float) -> NDArray[np.uint8]:
    """Return the colours of a panel's coefficients, uint8 ``[H, W, 3]``; grey where nothing is ever hidden."""
    rgb = colour_scale.colours(panel.heat, limit)
    rgb = np.where(panel.segments[..., None] >= 0, rgb, to_rgb(style.NEVER_HIDDEN))
    return np.asarray(np.round(255 * (colour_scale.pale(rgb) if panel.pale else rgb)), dtype=np.uint8)


def borders(segments: NDArray[np.integer[Any]]) -> NDArray[np.floating[Any]]:
    """Return the edges of pixels where two segments meet, ``[n, 2, 2]``: for each line two points (x, y)."""
    row, column = np.nonzero(segments[:, 1:] != segments[:, :-1])
    upright = np.stack([[column + 0.5, row - 0.5], [column + 0.5, row + 0.5]])
    row, column = np.nonzero(segments[1:] != segments[:-1])
    level = np.stack([[column - 0.5, row + 0.5], [column + 0.5, row + 0.5]])
    return np.concatenate([upright, level], axis=-1).transpose(2, 0, 1)


def inner_box(image: NDArray[np.uint8], left: float, top: float, width: float, height: float) -> Box:
    """Return the largest centred box with the image's proportions; extreme proportions are limited to 0.3 and 3.5."""
    ratio = float(np.clip(image.shape[0] / image.shape[1], 0.3, 3.5))
    tall = min(height, width * ratio)
    wide = min(width, tall / ratio)
    return left + (width - wide) / 2, top + (height - tall) / 2, wide, tall


def _drawn(image: NDArray[np.uint8], box: Box) -> tuple[int, int]:
    """Return the rows and columns to draw of an image in a box: no more than the image or the box has."""
    return min(image.shape[0], max(round(box[3]), 1)), min(image.shape[1], max(round(box[2]), 1))


def _reduced(image: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    """Reduce a picture to ``size`` and to 32 shades a colour: it looks the same, and its file is a quarter smaller."""
    if size == image.shape[:2]:
        return image
    small = np.asarray(Image.fromarray(image).resize(size[::-1], Image.Resampling.BOX))
    return np.asarray(small & 0xF8 | small >> 5, dtype=np.uint8)


def _centres(count: int, size: int) -> NDArray[np.integer[Any]]:
    return np.asarray((np.arange(count) + 0.5) * size / count, dtype=np.int64)

"""Reads pages: which charts and texts they hold, and which values the marks of a chart stand for."""

from __future__ import annotations

from dataclasses import dataclass, replace
from unittest.mock import patch

import numpy as np
from matplotlib.collections import LineCollection, PolyCollection
from matplotlib.colors import to_rgb
from matplotlib.lines import Line2D

from lime_callback.figures import style
from lime_callback.figures.canvas import Canvas, Frame
from lime_callback.figures.labels import Label

NEAR = 1.0  # pixels that a mark may lie beyond its chart


@dataclass(frozen=True, eq=False)
class Chart:
    """A chart on a page; marks are read off the page's artists, and turned from pixels into values.

    Attributes:
        figure: the page.
        frame: where the chart lies, and the values at its edges.
        ticks: the ticks of the value axis; ``None`` if it has none.
        upright: whether that axis runs up the page.
    """

    figure: object
    frame: Frame
    ticks: list | None
    upright: bool

    def rectangles(self, colour=None):
        """Left, low, right and high value of each rectangle ``[n, 4]``, of all colours or of one."""
        corners = [
            self.values(points)
            for shade, points in _paths(self.figure, PolyCollection)
            if self._holds(points) and (colour is None or np.allclose(shade, to_rgb(colour)))
        ]
        return np.array([[*points.min(0), *points.max(0)] for points in corners]).reshape(-1, 4)

    def colours(self):
        """The colour of each rectangle ``[n, 3]``, in the order of :meth:`rectangles`."""
        shades = [shade for shade, points in _paths(self.figure, PolyCollection) if self._holds(points)]
        return np.reshape(shades, (-1, 3))

    def below(self, distance, height):
        """What lies a distance under this chart, over the same values."""
        top = self.frame.top + self.frame.height + distance
        return replace(self, frame=self.frame._replace(top=top, height=height, upright=(0.0, 1.0)), ticks=None)

    def lines(self, colour):
        """Points of each line of a colour, ``[points, 2]`` each."""
        return [
            self.values(points)
            for shade, points in _paths(self.figure, LineCollection)
            if self._holds(points) and np.allclose(shade, to_rgb(colour))
        ]

    def marks(self, marker="o", colour=None):
        """Where the marks of a kind stand, ``[n, 2]``, of all colours or of one."""
        points = [
            point
            for artist in self.figure.artists
            if isinstance(artist, Line2D) and artist.get_marker() == marker
            and (colour is None or artist.get_markerfacecolor() == colour)
            for point in _on_page(self.figure, artist, artist.get_xydata())
            if self._holds(point[None])
        ]  # fmt: skip
        return self.values(np.reshape(points, (-1, 2)))

    def numbers(self):
        """The text of each tick and the value where it stands."""
        left, top, width, height = self.frame[:4]
        found = []
        for text, x, y in written(self.figure):
            if self.upright and abs(x - (left - 5)) < 1 and top - 1 <= y <= top + height + 1:
                found.append((text, float(self.values(np.array([[x, y]]))[0, 1])))
            if not self.upright and abs(y - (top + height + 3)) < 1 and left - 1 <= x <= left + width + 1:
                found.append((text, float(self.values(np.array([[x, y]]))[0, 0])))
        return found

    def _holds(self, points):
        low = np.array([self.frame.left, self.frame.top]) - NEAR
        high = low + np.array([self.frame.width, self.frame.height]) + 2 * NEAR
        return bool(((points >= low) & (points <= high)).all())

    def values(self, points):
        """The values at points on the page ``[n, 2]``, across and upright."""
        left, top, width, height, (first, last), (lowest, highest) = self.frame
        x = first + (points[:, 0] - left) / width * (last - first)
        y = highest - (points[:, 1] - top) / height * (highest - lowest)
        return np.stack([x, y], 1)


def page(make, *args, **settings):
    """Make a figure; return it and its charts, in the order in which they were drawn."""
    seen: dict[tuple, dict] = {}

    def record(name, note):
        original = getattr(Canvas, name)

        def recording(canvas, frame, *args, **settings):
            seen.setdefault(frame[:4], {"frame": frame, "ticks": None, "upright": True}).update(note(args, settings))
            return original(canvas, frame, *args, **settings)

        return patch.object(Canvas, name, recording)

    grid = record("value_grid", lambda args, settings: {"ticks": list(args[0]), "upright": settings["upright"]})
    with grid, record("spectral_axis", lambda args, settings: {}):
        figure = make(*args, **settings)
    return figure, [Chart(figure, **chart) for chart in seen.values()]


def written(figure):
    """Each text of a page, and the point at which it is aligned, in pixels from the page's top left corner."""
    width, height = style.size(figure)
    labels = [label for label in figure.findobj(Label) if label.get_text()]
    return [(one.get_text(), one.get_position()[0] * width, (1 - one.get_position()[1]) * height) for one in labels]


def texts(figure):
    return [text for text, _, _ in written(figure)]


def boxes(figure):
    """Left, top, right and bottom of each text of a page in pixels, ``[n, 4]``; of letters, not of their lines."""
    renderer, (_, height) = figure.canvas.get_renderer(), style.size(figure)
    extents = [label.get_window_extent(renderer) for label in figure.findobj(Label) if label.get_text()]
    scale = figure.get_dpi() / style.DPI
    return np.array([[b.x0 / scale, height - b.y1 / scale, b.x1 / scale, height - b.y0 / scale] for b in extents])


def _paths(figure, kind):
    """The colour and the points, in pixels of the page, of each path of the page's collections of a kind."""
    for artist in figure.artists:
        if not isinstance(artist, kind):
            continue
        shades = artist.get_facecolor() if kind is PolyCollection else artist.get_edgecolor()
        for i, path in enumerate(artist.get_paths()):
            yield shades[i % len(shades)][:3], _on_page(figure, artist, path.vertices)


def _on_page(figure, artist, points):
    return style.pixels(figure).inverted().transform(artist.get_transform().transform(points))

"""Spectral attributions: each channel's effect over the wavelength, for one explanation or for two."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.collections import PolyCollection
from matplotlib.colors import to_rgba

from lime_callback.figures import colour_scale, style
from lime_callback.figures.canvas import Canvas, Frame, signed_ticks
from lime_callback.figures.heading import SPECTRAL_GAP, Heading, KeyEntry, sign_entries
from lime_callback.figures.overlays import draw_image, inner_box
from lime_callback.figures.panels import SpectrumPanel, check_first, drawn_panels
from lime_callback.figures.spectral_axis import SpectralAxis

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.figure import Figure

_COLUMN = 20  # pixels between charts
_TICKS = 36  # pixels for the numbers of the vertical axis
_SMALL = 36  # pixels along the side of the probe's picture, beside the title
_TALL, _ALONE = 84, 190  # height of a chart, and of one that is alone
_BELOW = 14  # pixels under a chart
_AXIS = 42  # pixels for the numbers and the name of the horizontal axis


@style.isolated
def spectra(
    panels: Sequence[SpectrumPanel],
    *,
    wavelengths: Sequence[float] | None,
    limit: float,
    caption: str = "",
    status: Sequence[str] = (),
    quantity: str = colour_scale.COEFFICIENT,
    first: Sequence[SpectrumPanel] | None = None,
    moment: str = "first",
    spectrum_unit: str = "",
) -> Figure:
    """Draw each probe's values over the wavelength with their 95 % intervals, up to 16 probes.

    A value is drawn light if its interval includes zero. All probes share one vertical scale, which shows ``limit`` and
    reaches further if a value does, and their spectra share one, which the key tells.

    Args:
        panels: a panel for each probe and target.
        wavelengths: the channels' wavelengths in nm; ``None`` draws channel numbers.
        limit: the value at the ends of the axes.
        caption: the figure's heading.
        status: short texts below the caption, which say how to take what is shown.
        quantity: the name of the values, with their unit in brackets.
        first: panels of an earlier explanation in the same order, whose values are drawn as a line.
        moment: the name of that explanation, as in ``"epoch 1"``.
        spectrum_unit: the name of what the spectra show, as in ``"reflectance"``.

    Raises:
        ValueError: if ``panels`` is empty, ``first`` has another number of panels, ``limit`` is below 0, or the
            wavelengths do not fit the panels.
    """
    check_first(first, panels)
    panels, caption = drawn_panels(panels, caption)
    earlier = [] if first is None else list(first[: len(panels)])
    axis = SpectralAxis.of(wavelengths, len(panels[0].coefficients))
    lowest, highest = _spectral_range(panels)
    heading = Heading(
        caption,
        _key(panels, axis, (lowest, highest), moment if earlier else "", spectrum_unit, quantity),
        status=status,
    )
    columns = 1 if len(panels) == 1 else 2
    cell = (style.ROOM + _COLUMN) / columns - _COLUMN
    pictured = any(panel.image is not None for panel in panels)
    titles = style.title_lines([panel.title for panel in panels]) * style.LINE
    above = max(titles + style.LINE, _SMALL if pictured else 0) + 4
    tall = _ALONE if columns == 1 else _TALL
    step = above + tall + _BELOW
    figure = style.page(heading.height + -(-len(panels) // columns) * step + _AXIS)
    heading.draw(figure)
    reach = colour_scale.axis_end(limit, [panel.coefficients for panel in (*panels, *earlier)])
    canvas = Canvas(figure)
    for i, panel in enumerate(panels):
        left, top = style.MARGIN + i % columns * (cell + _COLUMN), heading.height + i // columns * step
        beside = 0.0
        if panel.image is not None:
            draw_image(figure, panel.image, inner_box(panel.image, left, top + 1, _SMALL, above - 4))
            beside = _SMALL + 8
        style.write_title(figure, left + beside, top, panel.title, cell - beside)
        note = panel.empty or panel.subtitle + (" · poor fit: score below the gate" if panel.pale else "")
        style.write(figure, left + beside, top + titles, note, colour=style.MUTED, width=cell - beside)
        frame = Frame(left + _TICKS, top + above, cell - _TICKS, tall, axis.limits, (-reach, reach))
        canvas.value_grid(frame, signed_ticks(reach), upright=True)
        canvas.spectral_axis(frame, axis, labelled=i + columns >= len(panels))
        if panel.spectrum is not None:
            x, y = axis.steps(np.where(np.isfinite(panel.spectrum), panel.spectrum, np.nan))
            stretched = (1.8 * (y - lowest) / (highest - lowest) - 0.9) * reach
            canvas.polyline(frame.x(x), frame.y(stretched), style.SPECTRUM, layer=1)
        _chart(canvas, frame, panel, axis)
        if earlier:
            x, y = axis.steps(earlier[i].coefficients)
            for colour, width in ((style.INK, 2.6), (style.PAPER, 1.0)):  # hollow, so that it is seen on every colour
                canvas.polyline(frame.x(x), frame.y(y), colour, width=width, layer=4)
    canvas.draw()
    return figure


def _spectral_range(panels: Sequence[SpectrumPanel]) -> tuple[float, float]:
    """Return the lowest and the highest value of all spectra."""
    spectra = [np.ravel(panel.spectrum) for panel in panels if panel.spectrum is not None]
    values = np.concatenate([np.zeros(0), *spectra])
    values = values[np.isfinite(values)]
    low, high = (float(values.min()), float(values.max())) if len(values) else (0.0, 1.0)
    return low, high if high > low else low + 1


def _key(
    panels: Sequence[SpectrumPanel],
    axis: SpectralAxis,
    spectral_range: tuple[float, float],
    moment: str,
    spectrum_unit: str,
    quantity: str,
) -> list[KeyEntry]:
    spread = any(panel.spread is not None for panel in panels)
    known = all(np.isfinite(panel.halves[np.isfinite(panel.coefficients)]).all() for panel in panels)
    entries: list[KeyEntry] = [
        ("", style.MUTED, quantity),
        *sign_entries(known),
        ("line", style.INK, f"95 % interval{' over the inputs' * spread}"),
    ]
    if moment:
        entries.append(("hollow", style.INK, style.clean(moment)))
    if any(panel.spectrum is not None for panel in panels):
        low, high = map(style.number, spectral_range)
        unit = spectrum_unit or "as the model gets it"
        entries.append(("line", style.SPECTRUM, f"the probe's spectrum, scale of its own, {low} to {high} ({unit})"))
    if spread:
        entries.append(("patch", style.FAINT, "mean ± spread over the inputs"))
    return entries + [SPECTRAL_GAP] * bool(axis.gaps)


def _chart(canvas: Canvas, frame: Frame, panel: SpectrumPanel, axis: SpectralAxis) -> None:
    """Draw a panel's values as steps from zero, with a whisker in the middle of each run of equal channels."""
    values, halves = np.asarray(panel.coefficients, dtype=np.float64), colour_scale.finite(panel.halves)
    strength = 0.35 if panel.pale else 1.0
    ordered = values[axis.order]
    colours = colour_scale.sign_colours(ordered, np.abs(ordered) > halves[axis.order])
    colours = colours if not panel.pale else colour_scale.pale(colours)
    zero = np.full(len(ordered), float(frame.y(0.0)))
    y = frame.y(ordered)
    canvas.rectangles(frame.x(axis.left), np.minimum(y, zero), frame.x(axis.right), np.maximum(y, zero), colours)
    channel, middle = axis.runs(values, halves)
    ends = np.stack([frame.y(values[channel] - halves[channel]), frame.y(values[channel] + halves[channel])], 1)
    ends[~np.isfinite(halves[channel])] = np.nan
    x = frame.x(middle)
    ink = to_rgba(style.INK, strength)
    canvas.lines(np.stack([x, x], 1), ends, [ink] * len(x), width=1.2 if len(channel) < 80 else 0.6, layer=5)
    if panel.spread is not None:
        at, low = axis.steps(values - panel.spread)
        _, high = axis.steps(values + panel.spread)
        known = np.isfinite(low) & np.isfinite(high)
        for part in np.split(np.arange(len(at)), np.flatnonzero(np.diff(known.astype(int))) + 1):
            if known[part[0]]:
                outline = np.append(frame.y(low[part]), frame.y(high[part])[::-1])
                shape = np.stack([np.append(frame.x(at[part]), frame.x(at[part])[::-1]), outline], 1)
                canvas.figure.add_artist(
                    PolyCollection([shape], zorder=1, lw=0, transform=style.pixels(canvas.figure), **colour_scale.SPAN)
                )

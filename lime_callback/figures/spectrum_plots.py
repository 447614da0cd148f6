"""Spectral attributions: each channel's coefficient over the wavelength, for one explanation or for two."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.ticker import FuncFormatter

from lime_callback.figures import colour_scale, style
from lime_callback.figures.overlays import draw_image
from lime_callback.figures.panels import SpectrumPanel, drawn_panels
from lime_callback.figures.spectral_axis import SpectralAxis

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

_CHART = (560, 112)  # pixels
_SIDE = 80  # pixels along the small picture's side
_TICKS = 48  # pixels for the labels of the vertical axis
_BELOW = 14  # pixels under a chart


@style.isolated
def spectra(
    panels: Sequence[SpectrumPanel],
    *,
    wavelengths: Sequence[float] | None,
    limit: float,
    caption: str = "",
    quantity: str = colour_scale.COEFFICIENT,
) -> Figure:
    """Draw each probe's coefficients over the wavelength with their 95 % intervals, up to 16 probes.

    A coefficient is drawn light if its interval includes zero. All probes share one vertical scale, which shows
    ``limit`` and reaches further if a coefficient does.

    Args:
        panels: a panel for each probe and target.
        wavelengths: the channels' wavelengths in nm; ``None`` draws channel numbers.
        limit: the coefficient at the ends of the axes.
        caption: the figure's heading.
        quantity: the name of the values, with their unit in brackets.

    Raises:
        ValueError: if ``panels`` is empty, ``limit`` is below 0, or the wavelengths do not fit the panels.
    """
    panels, caption = drawn_panels(panels, caption)
    return _draw(panels, (), "", wavelengths, limit, caption, quantity)


def pairs(
    first: Sequence[SpectrumPanel],
    present: Sequence[SpectrumPanel],
    moments: Sequence[str],
    wavelengths: Sequence[float] | None,
    limit: float,
    caption: str,
    quantity: str,
) -> Figure:
    """Draw the first coefficients as a line over the present ones, see :func:`~lime_callback.figures.before_after`."""
    present, caption = drawn_panels(present, caption)
    return _draw(present, first[: len(present)], moments[0], wavelengths, limit, caption, quantity)


def _draw(
    panels: Sequence[SpectrumPanel],
    first: Sequence[SpectrumPanel],
    moment: str,
    wavelengths: Sequence[float] | None,
    limit: float,
    caption: str,
    quantity: str,
) -> Figure:
    """Draw a cell for each probe: its picture and its chart; ``first`` coefficients are a line named ``moment``."""
    side = _SIDE + 8 if any(panel.image is not None for panel in panels) else 0
    columns = 1 if len(panels) == 1 else 2
    chart, tall = (_CHART[0] * 1.6 + _SIDE + 8 - side, _CHART[1] * 1.8) if columns == 1 else _CHART
    text = style.LINE + 4
    cell = side + _TICKS + chart + style.MARGIN
    width = style.MARGIN + columns * cell
    figure = style.page(width, style.HEADER + -(-len(panels) // columns) * (text + tall + _BELOW) + 34)
    style.write(figure, style.MARGIN, 16, caption, points=style.HEADING, bold=True, width=width - 340)
    style.write(figure, width - style.MARGIN, 20, quantity, width=290, ha="right", colour=style.MUTED)
    axis = SpectralAxis.of(wavelengths, len(panels[0].coefficients))
    hatch: list[colour_scale.KeyEntry] = [("hatch", style.GAP, "no channel, or water")] if axis.gaps else []
    first_entry: list[colour_scale.KeyEntry] = [("line", style.FIRST, style.clean(moment))] if first else []
    spectrum_entry: list[colour_scale.KeyEntry] = [("line", style.SPECTRUM, "the probe's spectrum, own scale")]
    spread_entry: list[colour_scale.KeyEntry] = [("patch", style.FAINT, "mean ± spread over the inputs")]
    spectrum_entry = spectrum_entry if any(panel.spectrum is not None for panel in panels) else []
    spread_entry = spread_entry if any(panel.spread is not None for panel in panels) else []
    known = all(np.isfinite(panel.halves[np.isfinite(panel.coefficients)]).all() for panel in panels)
    over = " over the inputs" if any(panel.spread is not None for panel in panels) else ""
    interval: colour_scale.KeyEntry = ("line", style.INK, f"95 % interval{over}")
    colour_scale.draw_key(
        figure, [*colour_scale.sign_entries(known), interval, *spectrum_entry, *spread_entry, *hatch, *first_entry]
    )
    reach = colour_scale.axis_end(limit, [panel.coefficients for panel in (*panels, *first)])
    for i, panel in enumerate(panels):
        left = style.MARGIN + i % columns * cell
        top = style.HEADER + i // columns * (text + tall + _BELOW)
        _title(figure, panel, left, top, cell - style.MARGIN)
        if panel.image is not None:
            ratio = float(np.clip(panel.image.shape[0] / panel.image.shape[1], 0.25, 1.4))
            draw_image(figure, panel.image, (left, top + text, _SIDE, _SIDE * ratio))
        axes = style.place(figure, left + side + _TICKS, top + text, chart, tall)
        _chart(axes, panel, axis, reach)
        if first:
            axes.plot(*axis.steps(first[i].coefficients), color=style.FIRST, lw=1.3, zorder=3)
        lowest = i + columns >= len(panels)
        axis.dress(axes, labelled=lowest)
        axes.set_ylabel(style.fit(colour_scale.without_unit(quantity), tall) if lowest else "", labelpad=1)
    return figure


def _note(panel: SpectrumPanel) -> str:
    return panel.subtitle + (" · score below gate" if panel.pale else "")


def _title(figure: Figure, panel: SpectrumPanel, left: float, top: float, width: float) -> None:
    """Write the title on the left and the subtitle on the right."""
    note = style.fit(_note(panel), width / 2)
    taken = style.text_width(note) + 12
    style.write(figure, left + width, top + 1, note, ha="right", colour=style.MUTED)
    style.write(figure, left, top, panel.title, points=style.TITLE, bold=True, width=width - taken)


def _chart(axes: Axes, panel: SpectrumPanel, axis: SpectralAxis, reach: float) -> None:
    x, y = axis.steps(np.where(np.isfinite(panel.coefficients), panel.coefficients, np.nan))
    halves = colour_scale.known_halves(panel.halves)
    _, half = axis.steps(halves)
    strength = 0.35 if panel.pale else 1.0
    sure = np.abs(y) > half
    for sign, strong, light in ((1, style.PLUS, style.PLUS_UNSURE), (-1, style.MINUS, style.MINUS_UNSURE)):
        axes.fill_between(x, 0, y, where=(sign * y > 0) & sure, color=strong, lw=0, alpha=strength, zorder=2)
        axes.fill_between(x, 0, y, where=(sign * y > 0) & ~sure, color=light, lw=0, alpha=strength, zorder=2)
    channel, middle = axis.runs(panel.coefficients, panel.halves)
    value, half = panel.coefficients[channel], halves[channel]
    known = np.isfinite(value) & np.isfinite(half)
    ends = (value - half)[known], (value + half)[known]
    width = 1.1 if len(channel) < 80 else 0.5
    axes.vlines(middle[known], *ends, color=style.INK, lw=width, alpha=strength, zorder=4)
    axes.axhline(0, color=style.INK, lw=0.7, zorder=3)
    if panel.spectrum is not None:
        axes.plot(*_background(panel.spectrum, axis, reach), color=style.SPECTRUM, lw=0.9, zorder=1)
    if panel.spread is not None:
        _, low = axis.steps(panel.coefficients - panel.spread)
        _, high = axis.steps(panel.coefficients + panel.spread)
        axes.fill_between(x, low, high, lw=0, zorder=2.5, **colour_scale.SPAN)
    axes.set_ylim(-reach, reach)
    axes.yaxis.set_major_locator(style.signed_ticks())
    axes.yaxis.set_major_formatter(FuncFormatter(style.number))


def _background(spectrum: NDArray[Any], axis: SpectralAxis, reach: float) -> tuple[Any, Any]:
    """Return x and y of the spectrum, stretched from -0.9 to 0.9 of ``reach``."""
    x, y = axis.steps(np.where(np.isfinite(spectrum), spectrum, np.nan))
    finite = y[np.isfinite(y)]
    low, high = (finite.min(), finite.max()) if len(finite) else (0.0, 1.0)
    return x, (1.8 * (y - low) / (high - low if high > low else 1.0) - 0.9) * reach

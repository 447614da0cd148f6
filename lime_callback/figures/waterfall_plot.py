"""The waterfall: a picture of epochs by wavelengths, whose colours are coefficients.

Letters: ``E`` explained epochs, ``C`` channels.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from lime_callback.figures import colour_scale, style
from lime_callback.figures.spectral_axis import SpectralAxis

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.figure import Figure
    from numpy.typing import NDArray

_WIDTH = 1080
_ROW, _LOWEST, _HIGHEST = 24, 120, 480  # pixels: height of an epoch, least and largest height of the whole


@style.isolated
def waterfall(
    epochs: Sequence[float],
    coefficients: NDArray[np.floating[Any]],
    *,
    wavelengths: Sequence[float] | None,
    limit: float,
    target: str = "",
    pale: Sequence[bool] | None = None,
    caption: str = "",
    quantity: str = colour_scale.COEFFICIENT,
) -> Figure:
    """Draw each channel's coefficient over the epochs, the newest at the bottom.

    Args:
        epochs: the explained epochs, E.
        coefficients: each channel's coefficient, ``[E, C]``; a value that is not finite is drawn white.
        wavelengths: the channels' wavelengths in nm; ``None`` draws channel numbers.
        limit: the coefficient at the ends of the colour scale.
        target: the target's name.
        pale: for each epoch whether its score is below the gate, E; ``None`` draws no epoch pale.
        caption: the figure's heading.
        quantity: the name of the values, with their unit in brackets.

    Raises:
        ValueError: if the shapes or the wavelengths do not fit, there is no epoch or channel, or ``limit`` is below 0.
    """
    shape = np.shape(coefficients)
    if len(shape) != 2 or shape[0] != len(epochs) or 0 in shape:
        raise ValueError(
            f"`coefficients` should have the shape [E, C] with E = {len(epochs)} `epochs`. Found shape {shape}."
        )
    if pale is not None and len(pale) != len(epochs):
        raise ValueError(f"`pale` should have a value for each of the {len(epochs)} epochs. Found {len(pale)}.")
    axis = SpectralAxis.of(wavelengths, shape[1])
    tall = float(np.clip(_ROW * len(epochs), _LOWEST, _HIGHEST))
    top = style.HEADER + style.LINE
    figure = style.page(2 * style.MARGIN + 46 + _WIDTH, top + tall + 48)
    colour_scale.header(figure, caption, limit, [coefficients], quantity)
    note = "pale rows: score below gate" if pale is not None and any(pale) else ""
    style.write(figure, style.MARGIN + 46, style.HEADER - 4, target, points=style.TITLE, bold=True, width=600)
    style.write(figure, style.MARGIN + 46 + _WIDTH, style.HEADER - 4, note, ha="right", colour=style.MUTED)
    axes = style.place(figure, style.MARGIN + 46, top, _WIDTH, tall)
    axis.dress(axes, strip=0)
    low, high = axis.limits
    edges = np.linspace(low, high, _WIDTH + 1)
    channel = axis.channels_at((edges[1:] + edges[:-1]) / 2)
    rgb = colour_scale.colours(coefficients, limit)[:, np.maximum(channel, 0)]
    if pale is not None:
        rgb = np.where(np.asarray(pale, dtype=bool)[:, None, None], colour_scale.pale(rgb), rgb)
    seen = np.broadcast_to((channel >= 0).astype(float)[None, :, None], (*rgb.shape[:2], 1))
    image = np.concatenate([rgb, seen], axis=-1)
    extent = (low, high, len(epochs) - 0.5, -0.5)
    shrunk = len(epochs) > tall
    axes.imshow(image, extent=extent, aspect="auto", interpolation="antialiased" if shrunk else "nearest", zorder=1)
    axes.spines[:].set(visible=True, color=style.NEUTRAL)
    epochs_between_ticks = max(1, -(-len(epochs) * 18 // int(tall)))
    ticks = list(range(len(epochs) - 1, -1, -epochs_between_ticks))
    axes.set_yticks(ticks, [style.number(epochs[i]) for i in ticks])
    axes.set_ylabel("epoch", labelpad=2)
    return figure

"""Draws the first and the present explanation of the same probes beside each other."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from lime_callback.figures import colour_scale, style
from lime_callback.figures.attribution_images import pairs as picture_pairs
from lime_callback.figures.panels import Panel, SpectrumPanel
from lime_callback.figures.spectrum_plots import pairs as spectrum_pairs

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.figure import Figure


@style.isolated
def before_after(
    first: Sequence[Panel] | Sequence[SpectrumPanel],
    present: Sequence[Panel] | Sequence[SpectrumPanel],
    *,
    limit: float,
    wavelengths: Sequence[float] | None = None,
    moments: tuple[str, str] = ("first", "present"),
    caption: str = "",
    quantity: str = colour_scale.COEFFICIENT,
    targets: int = 1,
) -> Figure:
    """Draw two explanations of each probe on one scale.

    Maps stand beside each other; of spectra, the first is a line over the present one.

    Args:
        first: panels of the first explanation, one for each probe and target.
        present: panels of the present explanation, of the same kind and in the same order; the figure shows their
            titles and pictures.
        limit: the coefficient at the ends of the scale.
        wavelengths: the channels' wavelengths in nm, for spectral panels; ``None`` draws channel numbers.
        moments: the names of the two explanations, as in ``("epoch 0", "epoch 12")``.
        caption: the figure's heading.
        quantity: the name of the values, with their unit in brackets.
        targets: how many panels in a row belong to the same probe; their maps stay on one line if they fit.

    Raises:
        ValueError: if there is no panel, the two lists differ in length or kind, ``limit`` is below 0, or the
            wavelengths do not fit the panels.
    """
    kinds = {type(panel) for panel in (*first, *present)}
    if len(first) != len(present) or len(kinds) > 1:
        raise ValueError(
            "`first` and `present` should hold the same number of panels of one kind. Found "
            f"{len(first)} and {len(present)} of {sorted(kind.__name__ for kind in kinds)}."
        )
    if kinds == {SpectrumPanel}:
        a, b = cast("Sequence[SpectrumPanel]", first), cast("Sequence[SpectrumPanel]", present)
        return spectrum_pairs(a, b, moments, wavelengths, limit, caption, quantity)
    return picture_pairs(
        cast("Sequence[Panel]", first), cast("Sequence[Panel]", present), moments, limit, caption, quantity, targets
    )

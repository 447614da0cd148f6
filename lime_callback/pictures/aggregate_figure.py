"""Draws an aggregate: mean and spread over inputs, in the form of a single explanation.

Letters: ``T`` targets, ``d`` features, ``C`` channels.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lime_callback.outputs.targets import target_name
from lime_callback.summaries.aggregate import Aggregate

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.figure import Figure


def draw_aggregate(
    aggregate: Aggregate,
    *,
    wavelengths: Sequence[float] | None = None,
    class_names: Sequence[str] | None = None,
    caption: str = "",
) -> Figure:
    """Draw each feature's mean size, its signed mean with the 95 % interval, and mean ± standard deviation over inputs.

    The interval says how well the mean over all such inputs is known; the deviation says how much inputs differ.

    Args:
        aggregate: the aggregate, of any features; superbands stand at their wavelengths.
        wavelengths: the channels' wavelengths in nm; ``None`` draws channel numbers.
        class_names: the outputs' names; ``None`` draws their numbers.
        caption: the figure's heading, before the number of inputs.

    Raises:
        ValueError: if the aggregate holds no explanation, or the wavelengths do not fit its channels.
        TypeError: if ``aggregate`` is not an :class:`~lime_callback.summaries.Aggregate`.
    """
    from lime_callback.figures import superband_effects

    _check(aggregate)
    channels = aggregate.channels
    return superband_effects(
        aggregate.names,
        aggregate.magnitude.numpy(),
        aggregate.mean.numpy(),
        aggregate.half_width().numpy(),
        targets=_targets(aggregate, class_names),
        channels=None if channels is None else channels.numpy(),
        wavelengths=wavelengths,
        limit=_limit(aggregate),
        caption=_caption(aggregate, caption),
        spread=aggregate.spread.numpy() if aggregate.inputs > 1 else None,
    )


def draw_aggregate_spectra(
    aggregate: Aggregate,
    *,
    wavelengths: Sequence[float] | None = None,
    class_names: Sequence[str] | None = None,
    caption: str = "",
) -> Figure:
    """Draw each channel's mean over the wavelength, in a chart for each of the first 16 targets.

    Args:
        aggregate: the aggregate; its features are the same groups of channels in every input.
        wavelengths: the channels' wavelengths in nm; ``None`` draws channel numbers.
        class_names: the outputs' names; ``None`` draws their numbers.
        caption: the figure's heading, before the number of inputs.

    Raises:
        ValueError: if the aggregate's features are not groups of channels, it holds no explanation, or the wavelengths
            do not fit its channels.
        TypeError: if ``aggregate`` is not an :class:`~lime_callback.summaries.Aggregate`.
    """
    from lime_callback.figures import SpectrumPanel, spectra

    _check(aggregate)
    parts = (aggregate.mean, aggregate.half_width(), aggregate.spread)
    mean, halves, spread = (aggregate.on_channels(values).numpy() for values in parts)
    score, several = aggregate.score.tolist(), aggregate.inputs > 1
    panels = [
        SpectrumPanel(
            None,
            None,
            mean[t],
            halves[t],
            name,
            f"mean R² {score[t]:.2f}",
            spread=spread[t] if several else None,
        )
        for t, name in enumerate(_targets(aggregate, class_names))
    ]
    return spectra(panels, wavelengths=wavelengths, limit=_limit(aggregate), caption=_caption(aggregate, caption))


def _check(aggregate: object) -> None:
    if not isinstance(aggregate, Aggregate):
        raise TypeError(f"`aggregate` should be an Aggregate. Found a {type(aggregate).__name__}.")


def _targets(aggregate: Aggregate, class_names: Sequence[str] | None) -> list[str]:
    return ["several targets" if t < 0 else target_name(t, class_names) for t in aggregate.targets.tolist()]


def _limit(aggregate: Aggregate) -> float:
    """Return the largest ``|mean| + spread``, which the axes have to show."""
    reach = aggregate.mean.abs() + aggregate.spread.nan_to_num(0.0)
    return float(reach.nan_to_num(0.0).max())


def _caption(aggregate: Aggregate, caption: str) -> str:
    counted = int(aggregate.count.max())  # inputs whose score passed the gate
    counted_of = f"{counted} of " * (counted != aggregate.inputs)
    count = f"mean of {counted_of}{aggregate.inputs} input{'s' * (aggregate.inputs != 1)}"
    return f"{caption} · {count}" if caption else count

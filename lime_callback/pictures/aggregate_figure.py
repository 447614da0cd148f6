"""An aggregate as a figure: mean and spread over inputs, drawn like a single explanation.

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
    """Draw each feature's mean with its 95 % interval, over the span of one standard deviation of the inputs.

    The interval says how well the mean over all inputs alike is known; the span says how much inputs differ.

    Args:
        aggregate: of any features; superbands stand at their wavelengths.
        wavelengths: of the channels, in nm; ``None``: channel numbers stand for them.
        class_names: of the outputs.
        caption: what is shown.

    Raises:
        ValueError: if there is no explanation in it, or the wavelengths do not fit.
        TypeError: if it is no aggregate.
    """
    from lime_callback.figures import superband_bars

    _check(aggregate)
    channels = aggregate.channels
    return superband_bars(
        aggregate.names,
        aggregate.mean.unsqueeze(0).numpy(),
        aggregate.half_width().numpy(),
        targets=_targets(aggregate, class_names),
        channels=None if channels is None else channels.numpy(),
        wavelengths=wavelengths,
        limit=_limit(aggregate),
        caption=_caption(aggregate, caption),
        spread=aggregate.spread.numpy() if aggregate.inputs > 1 else None,
        sizes=aggregate.importance.nan_to_num(0.0).numpy(),
    )


def draw_aggregate_spectra(
    aggregate: Aggregate,
    *,
    wavelengths: Sequence[float] | None = None,
    class_names: Sequence[str] | None = None,
    caption: str = "",
) -> Figure:
    """Draw each channel's mean over the wavelength, a chart for each target, up to 16.

    Args:
        aggregate: of features that are the same groups of channels in every input.
        wavelengths: of the channels, in nm; ``None``: the axis shows channel numbers.
        class_names: of the outputs.
        caption: what is shown.

    Raises:
        ValueError: if its features are no groups of channels, there is no explanation in it, or the wavelengths do not
            fit.
        TypeError: if it is no aggregate.
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
    return ["each input's target" if t < 0 else target_name(t, class_names) for t in aggregate.targets.tolist()]


def _limit(aggregate: Aggregate) -> float:
    """What the axes have to show: the largest mean with its spread."""
    reach = aggregate.mean.abs() + aggregate.spread.nan_to_num(0.0)
    return float(reach.nan_to_num(0.0).max())


def _caption(aggregate: Aggregate, caption: str) -> str:
    counted = int(aggregate.count.max())  # of those above the gate
    some = f"{counted} of " * (counted != aggregate.inputs)
    count = f"mean of {some}{aggregate.inputs} input{'s' * (aggregate.inputs != 1)}"
    return f"{caption} · {count}" if caption else count

"""What a run came to: a table, and one chart for each soil parameter with the wavelengths that truly drive it.

Letters: ``P`` probes, ``T`` parameters, ``d`` superbands.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from hyperview import PARAMETERS, UNITS, wavelengths
from hyperview_made import DRIVERS, drives
from PIL import Image

from lime_callback.figures import style
from lime_callback.figures.canvas import Canvas, Frame, signed_ticks
from lime_callback.figures.heading import Heading
from lime_callback.figures.spectral_axis import SuperbandSpans
from lime_callback.summaries import Aggregate
from lime_callback.surrogates.confidence_intervals import critical_value

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from matplotlib.figure import Figure
    from torch import Tensor

    from lime_callback import Explanation
    from lime_callback.figures.heading import KeyEntry

_TALL, _GAP, _TICKS = 110, 38, 48
_BAR, _DRIVER = "#8ba6c2", "#f3e3b3"


@style.isolated
def importance_charts(
    explanation: Explanation,
    titles: Sequence[str],
    wavelengths: Sequence[float],
    drivers: Mapping[int, tuple[float, float]],
    *,
    caption: str,
    quantity: str,
) -> Figure:
    """Draw the mean absolute coefficient of each superband over the probes, on the wavelength axis.

    A line marks the middle half of the probes; how well the means over such fields are known is said in words.

    Args:
        explanation: of a spectral view, on the CPU.
        titles: of the charts, T.
        wavelengths: of the channels, in nm.
        drivers: the range of wavelengths that truly drives a parameter, by its number; empty where it is not known.
        caption: what is shown.
        quantity: of the vertical axes.
    """
    groups = SuperbandSpans.of(
        explanation.features.names, explanation.features.canonical[0, :, 0, 0].numpy(), wavelengths
    )
    mean, fields = importance(explanation).numpy(), explanation.coefficients.abs().numpy()
    lower, upper = np.quantile(fields, (0.25, 0.75), axis=0)
    spread = fields.std(axis=0, ddof=1) / len(fields) ** 0.5 if len(fields) > 1 else np.full(fields.shape[1:], np.nan)
    error = (spread * float(critical_value(len(fields) - 1.0))).max()
    key: list[KeyEntry] = [("", style.MUTED, quantity)]
    key += [("patch", _DRIVER, "drives the parameter")] * bool(drivers)
    key += [("patch", _BAR, f"mean over {len(fields)} fields"), ("upright", style.INK, "middle half of the fields")]
    if np.isfinite(error):
        key.append(("", style.MUTED, f"95 % interval of each mean over the fields: at most ±{error:.1g}"))
    heading = Heading(caption, key)
    figure = style.page(heading.height + len(titles) * (style.LINE + _TALL + _GAP) + 14)
    heading.draw(figure)
    canvas = Canvas(figure)
    for t, title in enumerate(titles):
        y = heading.height + t * (style.LINE + _TALL + _GAP)
        style.write(figure, style.MARGIN, y, title, points=style.TITLE, bold=True, width=style.ROOM)
        top = 1.15 * float(max(mean[t].max(), upper[t].max()))
        # The visible spectrum has its place below zero.
        left, width = style.MARGIN + _TICKS, style.ROOM - _TICKS
        frame = Frame(left, y + style.LINE + 4, width, _TALL, groups.axis.limits, (-0.07 * top, top))
        if t in drivers:
            left, right = frame.x(drivers[t])
            canvas.rectangles(left, frame.top, right, frame.top + _TALL, _DRIVER, layer=0)
        for group, low, high in groups.pieces():
            left, right = frame.x([low, high])
            canvas.rectangles(left + 0.5, frame.y(mean[t, group]), right - 0.5, frame.y(0.0), _BAR)
            middle = (left + right) / 2
            ends = frame.y([lower[t, group], upper[t, group]])
            canvas.lines([[middle, middle]], [ends], style.INK, width=1.4, layer=4)
        canvas.value_grid(frame, [tick for tick in signed_ticks(top) if tick >= 0], upright=True)
        canvas.spectral_axis(frame, groups.axis, labelled=t == len(titles) - 1)
    canvas.draw()
    return figure


def save(figure: Figure, path: Path) -> None:
    """Write a figure as a PNG file, in few colours, so that it stays small."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(style.render(figure)).quantize(256).save(path, optimize=True)


def importance(explanation: Explanation) -> Tensor:
    """Mean absolute coefficient over the probes, ``[T, d]``; signs tell a high parameter from a low one."""
    return Aggregate().add(explanation).magnitude


def strongest(explanation: Explanation, parameter: int, count: int = 2) -> list[str]:
    """The superbands with the largest mean absolute coefficient over the probes, largest first."""
    order = importance(explanation)[parameter].argsort(descending=True)[:count]
    return [explanation.features.names[i] for i in order]


def driving(explanation: Explanation, parameter: int) -> list[str]:
    """The superbands that truly drive a made-up parameter, in the order of their wavelengths."""
    labels, nm = explanation.features.canonical[0, :, 0, 0], torch.tensor(wavelengths())
    names = explanation.features.names
    spans = [(float(nm[labels == i].min()), float(nm[labels == i].max())) for i in range(len(names))]
    return [name for name, (low, high) in zip(names, spans, strict=True) if drives(low, high, PARAMETERS[parameter])]


def print_bands(metrics: Mapping[str, Tensor], spectral: Explanation, *, made_up: bool) -> None:
    """Print how good the model is, and which superbands count most for each parameter."""
    print("\nparameter  R²    error       strongest superbands, mean |coefficient| in units of the output")
    for t, (name, unit) in enumerate(zip(PARAMETERS, UNITS, strict=True)):
        size = dict(zip(spectral.features.names, importance(spectral)[t].tolist(), strict=True))
        known = driving(spectral, t) if made_up else []
        marks = [f"{one} {size[one]:.2f}{' *' if one in known else ''}" for one in strongest(spectral, t, 3)]
        error = f"{float(metrics[f'val/error/{name}']):.3g} {unit}"
        print(f"{name:<9}  {float(metrics[f'val/r2/{name}']):.2f}  {error:<10}  {', '.join(marks)}")
    if made_up:
        print("* truly drives the parameter; all other bands only tell how bright the field is")


def print_field(field: Explanation) -> None:
    """Print how much the field and what surrounds it count for each parameter."""
    print("\nparameter  " + "  ".join(f"{name:>18}" for name in field.features.names) + "    (mean |coefficient|)")
    for t, name in enumerate(PARAMETERS):
        print(f"{name:<9}  " + "  ".join(f"{one:18.3f}" for one in importance(field)[t].tolist()))


def charts(metrics: Mapping[str, Tensor], spectral: Explanation, *, made_up: bool) -> Figure:
    """The last picture: a chart for each parameter."""
    return importance_charts(
        spectral,
        [f"{name} · R² in validation {float(metrics[f'val/r2/{name}']):.2f}" for name in PARAMETERS],
        wavelengths(),
        {t: DRIVERS[name] for t, name in enumerate(PARAMETERS)} if made_up else {},
        caption=f"Soil parameters{' of made-up fields' if made_up else ''}: how much each superband counts",
        quantity="mean |coefficient| (units of the model's output)",
    )

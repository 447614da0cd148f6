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

from lime_callback.figures import colour_scale, style
from lime_callback.figures.superband_spans import SuperbandSpans
from lime_callback.summaries import Aggregate
from lime_callback.surrogates.confidence_intervals import critical_value

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from matplotlib.figure import Figure
    from torch import Tensor

    from lime_callback import Explanation

_WIDTH, _TALL, _GAP = 1000, 125, 40
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
    figure = style.page(_WIDTH, style.HEADER + 6 + len(titles) * (_TALL + _GAP) + 14)
    style.write(figure, style.MARGIN, 16, caption, points=style.HEADING, bold=True, width=_WIDTH - 2 * style.MARGIN)
    note = f"95 % interval of each mean over the fields: at most ±{error:.1g}" if np.isfinite(error) else ""
    style.write(
        figure, _WIDTH - style.MARGIN, style.HEADER - 30, note, ha="right", colour=style.MUTED, points=style.SMALL
    )
    entries: list[colour_scale.KeyEntry] = [
        ("patch", _BAR, f"mean over {len(fields)} fields"),
        ("line", style.INK, "middle half of the fields"),
    ]
    colour_scale.draw_key(figure, [("patch", _DRIVER, "drives the parameter"), *entries] if drivers else entries)
    middle = groups.left + groups.width / 2
    for t, title in enumerate(titles):
        y = style.HEADER + 6 + style.LINE + t * (_TALL + _GAP)
        left = style.MARGIN + 46
        axes = style.place(figure, left, y, _WIDTH - style.MARGIN - left, _TALL)
        style.write(figure, left, y - style.LINE, title, points=style.TITLE, bold=True, width=_WIDTH - 2 * left)
        top = 1.15 * max(mean[t].max(), upper[t].max())
        if t in drivers:
            first, last = drivers[t]
            axes.bar(first, top, last - first, align="edge", color=_DRIVER, lw=0, zorder=0)
        axes.bar(groups.left, mean[t], groups.width, align="edge", color=_BAR, edgecolor="white", lw=0.5, zorder=2)
        axes.vlines(middle, lower[t], upper[t], color=style.INK, lw=1.2, zorder=4)
        axes.set_ylim(-0.07 * top, top)  # the visible spectrum has its place below zero
        axes.axhline(0, color=style.INK, lw=0.7, zorder=3)
        axes.yaxis.set_major_formatter(style.number)
        axes.grid(axis="y", color="#ececec", lw=0.6)
        axes.set_axisbelow(True)
        groups.axis.dress(axes, labelled=t == len(titles) - 1, strip=5 / _TALL)
    x, y = (style.MARGIN - 4) / _WIDTH, 0.5
    figure.text(x, y, quantity, rotation=90, va="center", ha="left", size=style.TEXT, color=style.MUTED)
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

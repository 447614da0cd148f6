"""Superbands: how much each counts over all probes, each probe as a dot, and a map of probes by superbands.

A mean of signed values hides a superband that raises the output of some probes and lowers that of others. So superbands
are ranked, and drawn as wide, as the mean of the absolute values; the signed mean is a second mark.

Letters: ``P`` probes, ``T`` targets, ``d`` features, ``C`` channels.

References:
    Lundberg and Lee, shap's "beeswarm" and "heatmap" plots, for the dots and the map.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from lime_callback.figures import colour_scale, style
from lime_callback.figures.heading import SPECTRAL_GAP, ColourBar, Heading, KeyEntry
from lime_callback.figures.spectral_axis import SuperbandSpans
from lime_callback.figures.superband_charts import SuperbandValues, draw_across, draw_rows

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from lime_callback.figures.panels import ProbeRow

_TARGETS, _ROWS, _PROBES = 4, 36, 16
_FAR = 3.0  # a dot this many times as far out as the largest mean size becomes a triangle at the axis's end


@style.isolated
def superband_effects(
    names: Sequence[str],
    sizes: NDArray[np.floating[Any]],
    means: NDArray[np.floating[Any]],
    halves: NDArray[np.floating[Any]],
    *,
    targets: Sequence[str],
    channels: NDArray[np.integer[Any]] | None,
    wavelengths: Sequence[float] | None,
    limit: float,
    values: NDArray[np.floating[Any]] | None = None,
    probes: Sequence[ProbeRow] = (),
    map_limit: float = 1.0,
    caption: str = "",
    status: Sequence[str] = (),
    quantity: str = colour_scale.COEFFICIENT,
    spread: NDArray[np.floating[Any]] | None = None,
    first: tuple[str, NDArray[np.floating[Any]]] | None = None,
) -> Figure:
    """Draw each superband's mean size as a bar from zero, its signed mean, and each probe's value.

    If each group is one stretch of the axis, superbands stand at their wavelengths, over a map of probes by superbands.
    Otherwise they are rows in spectral order, beside the wavelengths that each covers. Values that are not finite are
    left out; a probe without a finite value is said to be fitted poorly.

    Args:
        names: the features' names, d.
        sizes: the mean absolute value of each, ``[T, d]``, by which the strongest three are named.
        means: the mean signed value of each, ``[T, d]``.
        halves: half of each mean's 95 % interval, ``[T, d]``; a value that is not finite is unknown.
        targets: the targets' names, T; the first 4 are drawn. An empty name is not written.
        channels: each channel's feature, ``[C]``; a channel below 0 is never hidden. ``None`` if the channels are
            unknown; the names then keep their order.
        wavelengths: the channels' wavelengths in nm; ``None`` takes channel numbers.
        limit: the largest size that surely fits; the axis reaches further if a size does.
        values: each probe's values, ``[P, T, d]``; ``None`` draws neither dots nor map.
        probes: what the map says of the P probes; the first 16 are drawn. Empty draws no map.
        map_limit: the value at the ends of the map's colour scale.
        caption: the figure's heading.
        status: short texts below the caption, which say how to take what is shown.
        quantity: the name of the values, with their unit in brackets.
        spread: standard deviation over the inputs, ``[T, d]``, for means over so many inputs that a dot for each cannot
            be drawn; a value that is not finite is unknown.
        first: the name of an earlier explanation and its mean sizes ``[T, d]``, drawn as lines.

    Raises:
        ValueError: if the shapes do not fit each other, there is no target or feature, or ``limit`` is below 0.
    """
    shape = (len(targets), len(names))
    given = {
        "sizes": sizes,
        "means": means,
        "halves": halves,
        "spread": spread,
        "first": None if first is None else first[1],
    }
    wrong = {name: np.shape(part) for name, part in given.items() if part is not None and np.shape(part) != shape}
    if values is not None and (np.ndim(values) != 3 or np.shape(values)[1:] != shape or len(values) == 0):
        wrong["values"] = np.shape(values)
    if wrong or 0 in shape:
        raise ValueError(
            f"`sizes`, `means`, `halves`, `spread` and `first` should have the shape [T, d], `values` [P, T, d], with "
            f"T = {shape[0]} `targets` and d = {shape[1]} `names`. Found {wrong}."
        )
    if values is not None and probes and len(probes) != len(values):
        raise ValueError(f"`probes` should have an entry for each of the {len(values)} probes. Found {len(probes)}.")
    groups = SuperbandSpans.of(names, channels, wavelengths)
    left_out = []
    if len(targets) > _TARGETS:
        left_out.append(f"first {_TARGETS} of {len(targets)} targets")
    across = groups.are_spans
    order = groups.order
    if not across and len(order) > _ROWS:
        largest_sizes = np.nan_to_num(colour_scale.finite(sizes)[:_TARGETS]).max(0)
        kept = np.sort(np.argsort(-largest_sizes[order], kind="stable")[:_ROWS])
        left_out.append(f"strongest {_ROWS} of {len(order)}")
        order = order[kept]
    mapped = bool(probes) and values is not None and across
    if mapped and len(probes) > _PROBES:
        left_out.append(f"first {_PROBES} of {len(probes)} probes in the map")
    # A caption that is too long loses its middle; what is left out has to be read.
    status = [*status, *(f"{text} shown" for text in left_out)]
    targets = targets[:_TARGETS]
    sizes, means, halves = (colour_scale.finite(part)[:_TARGETS] for part in (sizes, means, halves))
    values = None if values is None else np.asarray(values)[:, :_TARGETS]
    earlier = None if first is None else np.asarray(first[1], dtype=np.float64)[:_TARGETS]
    largest = max(
        colour_scale.symmetric(limit),
        colour_scale.largest([sizes[:, order], *([] if earlier is None else [earlier[:, order]])]),
    )
    farthest = colour_scale.largest([] if values is None else [values[:, :, order]])
    whiskers = np.abs(means) + np.nan_to_num(halves)
    reach = 1.06 * max(largest, min(max(farthest, colour_scale.largest([whiskers[:, order]])), _FAR * largest))
    data = SuperbandValues(
        groups, sizes, means, halves, values, spread, earlier, reach, order,
        list(probes[:_PROBES]) if mapped else [], map_limit,
    )  # fmt: skip
    bar = None
    if mapped and values is not None:
        bar = ColourBar(map_limit, quantity, colour_scale.largest([values[:_PROBES]]))
    heading = Heading(caption, _key(data, across, quantity, None if first is None else first[0]), bar, status)
    return (draw_across if across else draw_rows)(data, heading, list(targets))


def _key(data: SuperbandValues, across: bool, quantity: str, moment: str | None) -> list[KeyEntry]:
    alone = data.values is not None and len(data.values) == 1
    over = "" if alone else " over the inputs" if data.values is None else " over the probes"
    mean, size = ("value", "size") if alone else ("mean", "mean size")
    known = bool(np.isfinite(data.halves[:, data.order]).any())
    entries: list[KeyEntry] = [("patch", style.SIZE_LEADING, f"{size}{over}: the larger, the more it counts")]
    if not data.probes:
        entries.insert(0, ("", style.MUTED, quantity))
    if data.values is not None and len(data.values) > 1:
        beyond = colour_scale.largest([data.values[:, :, data.order]]) > data.reach
        ends = f", {'▲▼' if across else '◀▶'} beyond the axis" if beyond else ""
        entries.append(("dot", (style.MINUS, style.PLUS), f"each probe: lowers / raises{ends}"))
    interval = f"95 % interval{over}" if known else "no interval is known"
    entries.append(("diamond", style.INK, f"{mean} with sign, {interval}"))
    if moment is not None:
        entries.append(("hollow", style.INK, f"size at {style.clean(moment)}"))
    if data.spread is not None:
        entries.append(("patch", style.NEUTRAL, "mean ± spread over the inputs"))
    return entries + [SPECTRAL_GAP] * bool(across and data.groups.axis.gaps)

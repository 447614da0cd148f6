"""Draws an ensemble: each segmentation's map, their mean on pixels, and where they agree."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from lime_callback.pictures.input_panels import (
    check_superpixels,
    first_parts,
    fit_text,
    inputs_and_targets,
    on_pixels,
    panels,
    title,
)
from lime_callback.summaries.segmentation_ensemble import ensemble

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from lime_callback.explaining.explanation import Explanation
    from lime_callback.figures.tile_rows import Row

SCALED = "scaled coefficient"
_LIMIT = 3.0
_PAIRS = 8  # of an input and a target; each takes two rows


def draw_ensemble(
    members: Mapping[str, Explanation],
    pictures: NDArray[np.uint8],
    *,
    class_names: Sequence[str] | None = None,
    caption: str = "",
) -> Figure:
    """Draw several segmentations' explanations, their mean on pixels, and where they agree.

    :func:`~lime_callback.summaries.ensemble` scales each map to a root mean square of 1. Segmentations agree on a pixel
    if ``|mean| > spread`` there.

    Args:
        members: up to 8 explanations of the same inputs and targets, by the names of their segmentations; the first 8
            pairs of an input and a target are drawn.
        pictures: the inputs' pictures, uint8 ``[B, H, W, 3]``.
        class_names: the outputs' names; ``None`` draws their numbers.
        caption: the figure's heading.

    Raises:
        ValueError: if ``members`` is empty or holds more than 8, their inputs or targets differ, an explanation is not
            of superpixels, or the pictures do not fit the inputs.
        TypeError: if ``members`` is not a mapping, or holds something other than explanations.
    """
    from lime_callback.figures import Panel, Tile, tiles

    if not isinstance(members, Mapping):
        raise TypeError(f"`members` should be explanations by their names. Found a {type(members).__name__}.")
    parts = {name: check_superpixels(explanation, pictures) for name, explanation in members.items()}
    combined = ensemble(parts.values())
    agreed = torch.where(combined.heatmap.abs() > combined.spread, combined.heatmap, 0.0)
    any_member, size = next(iter(parts.values())), pictures.shape[1:3]
    seamless = np.zeros(size, dtype=np.int64)  # a mean over segmentations has no segments itself
    which, caption = first_parts(inputs_and_targets(any_member), _PAIRS, caption)
    by_member = [
        list(panels(explanation, pictures, which, partial(_texts, name, explanation), ensemble([explanation]).heatmap))
        for name, explanation in parts.items()
    ]
    rows: list[Row] = []
    for member_panels, (b, t) in zip(zip(*by_member, strict=True), which, strict=True):
        mean, common = (on_pixels(any_member.features.layout, heat[b, t], size) for heat in (combined.heatmap, agreed))
        heading = title(any_member, b, t, class_names)
        rows += [
            (f"{heading} · each segmentation by itself", member_panels),
            (
                f"{heading} · all of them together",
                [
                    Tile(pictures[b], "the input", f"output {float(any_member.prediction[b, t]):.3g}"),
                    Panel(pictures[b], mean, seamless, "mean", f"of {len(parts)} maps"),
                    Panel(pictures[b], common, seamless, "where they agree", "mean above spread"),
                ],
            ),
        ]
    return tiles(rows, limit=_LIMIT, caption=caption, quantity=SCALED)


def _texts(name: str, explanation: Explanation, b: int, t: int) -> dict[str, Any]:
    present = explanation.features.present.expand(len(explanation.score), -1)[b]
    return {"title": name, "subtitle": f"{int(present.sum())} superpixels, {fit_text(explanation, b, t)}"}

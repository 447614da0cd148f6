"""An ensemble as a figure: each segmentation's map, and what they have in common on pixels."""

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

SCALED = "scaled coefficient (root mean squares)"
_LIMIT = 3.0
_PAIRS = 8  # two rows each


def draw_ensemble(
    members: Mapping[str, Explanation],
    pictures: NDArray[np.uint8],
    *,
    class_names: Sequence[str] | None = None,
    caption: str = "",
) -> Figure:
    """Draw several segmentations' explanations, their mean on pixels, and where they agree.

    Maps are scaled as :func:`~lime_callback.summaries.ensemble` does it, to a root mean square of 1. Members agree
    where the mean's absolute value exceeds their spread.

    Args:
        members: up to 8 explanations of the same inputs and targets, by the names of their segmentations; up to 8
            inputs and targets are drawn.
        pictures: of their inputs, uint8 ``[B, H, W, 3]``.
        class_names: of the outputs.
        caption: what is shown.

    Raises:
        ValueError: if there is none, there are too many, they are not of the same inputs and targets, or the pictures
            do not fit.
        TypeError: if one is no explanation.
    """
    from lime_callback.figures import Panel, Tile, tiles

    if not isinstance(members, Mapping):
        raise TypeError(f"`members` should be explanations by their names. Found a {type(members).__name__}.")
    parts = {name: check_superpixels(one, pictures) for name, one in members.items()}
    together = ensemble(parts.values())
    agreed = torch.where(together.heatmap.abs() > together.spread, together.heatmap, 0.0)
    some, size = next(iter(parts.values())), pictures.shape[1:3]
    seamless = np.zeros(size, dtype=np.int64)  # what they have in common has no segments of its own
    which, caption = first_parts(inputs_and_targets(some), _PAIRS, caption)
    by_member = [
        list(panels(one, pictures, which, partial(_texts, name, one), ensemble([one]).heatmap))
        for name, one in parts.items()
    ]
    rows: list[Row] = []
    for apart, (b, t) in zip(zip(*by_member, strict=True), which, strict=True):
        mean, common = (on_pixels(some.features.layout, heat[b, t], size) for heat in (together.heatmap, agreed))
        heading = title(some, b, t, class_names)
        rows += [
            (f"{heading} · each segmentation by itself", apart),
            (
                f"{heading} · all of them together",
                [
                    Tile(pictures[b], "the input", f"output {float(some.prediction[b, t]):.3g}"),
                    Panel(pictures[b], mean, seamless, "mean", f"of {len(parts)} maps"),
                    Panel(pictures[b], common, seamless, "where they agree", "mean above spread"),
                ],
            ),
        ]
    return tiles(rows, limit=_LIMIT, caption=caption, quantity=SCALED)


def _texts(name: str, explanation: Explanation, b: int, t: int) -> dict[str, Any]:
    has = explanation.features.present.expand(len(explanation.score), -1)[b]
    return {"title": name, "subtitle": f"{int(has.sum())} superpixels, {fit_text(explanation, b, t)}"}

"""Stability as a figure: explanations of several seeds side by side, with the numbers above them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from lime_callback.pictures.input_panels import (
    EFFECT,
    check_superpixels,
    effect_limit,
    first_parts,
    fit_text,
    inputs_and_targets,
    panels,
    title,
)
from lime_callback.summaries.seed_stability import stability

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy as np
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from lime_callback.explaining.explanation import Explanation
    from lime_callback.figures import Panel

_ROWS = 16


def draw_stability(
    explanations: Mapping[str, Sequence[Explanation]] | Sequence[Explanation],
    pictures: NDArray[np.uint8],
    *,
    k: int = 5,
    class_names: Sequence[str] | None = None,
    caption: str = "",
) -> Figure:
    """Draw explanations of several seeds side by side, with the numbers of :func:`~lime_callback.summaries.stability`.

    Colours are effects: coefficients as shares of the output's spread.

    Args:
        explanations: of superpixels, up to 8 that differ in nothing but chance; or several such groups by their names,
            as of several designs. Up to 16 rows are drawn, one for each group, input and target.
        pictures: of their inputs, uint8 ``[B, H, W, 3]``.
        k: of the top-k overlap.
        class_names: of the outputs.
        caption: what is shown.

    Raises:
        ValueError: if the explanations cannot be compared, there are too many, or the pictures do not fit.
        TypeError: if one is no explanation.
    """
    from lime_callback.figures import tiles

    groups = explanations if isinstance(explanations, Mapping) else {"": explanations}
    rows: list[tuple[str, Sequence[Panel]]] = []
    limit = 0.0
    for name, group in groups.items():
        found = stability(group, k)
        seeds = [check_superpixels(one, pictures) for one in group]
        limit = max(limit, effect_limit(len(seeds[0].features)))
        which = inputs_and_targets(seeds[0])
        columns = [list(panels(one, pictures, which, _texts(one, s))) for s, one in enumerate(seeds)]
        for row, (b, t) in zip(zip(*columns, strict=True), which, strict=True):
            parts = [name] * bool(name) + [title(seeds[0], b, t, class_names), str(found.of(b, t))]
            rows.append((" · ".join(parts), row))
    kept, caption = first_parts(rows, _ROWS, caption)
    return tiles(kept, limit=limit, caption=caption, quantity=EFFECT)


def _texts(explanation: Explanation, number: int) -> Callable[[int, int], dict[str, str]]:
    return lambda b, t: {"title": f"explanation {number + 1}", "subtitle": fit_text(explanation, b, t)}

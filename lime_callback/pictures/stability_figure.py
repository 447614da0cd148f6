"""Draws explanations of several seeds side by side, with measures of their stability above them."""

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
    """Draw explanations of several seeds side by side, with the measures of :func:`~lime_callback.summaries.stability`.

    Colours are effects, see :meth:`~lime_callback.Explanation.effects`.

    Args:
        explanations: 2 to 8 explanations of superpixels that differ only in their seeds; or several such groups by
            their names, for example a group for each design. The first 16 rows are drawn; each group, input and target
            makes a row.
        pictures: the inputs' pictures, uint8 ``[B, H, W, 3]``.
        k: how many features the top-k overlap compares.
        class_names: the outputs' names; ``None`` draws their numbers.
        caption: the figure's heading.

    Raises:
        ValueError: if the explanations cannot be compared or are not of superpixels, a group holds more than 8, or the
            pictures do not fit the inputs.
        TypeError: if a group holds something other than explanations.
    """
    from lime_callback.figures import tiles

    groups = explanations if isinstance(explanations, Mapping) else {"": explanations}
    rows: list[tuple[str, Sequence[Panel]]] = []
    limit = 0.0
    for name, group in groups.items():
        measured = stability(group, k)
        seeds = [check_superpixels(explanation, pictures) for explanation in group]
        limit = max(limit, effect_limit(len(seeds[0].features)))
        which = inputs_and_targets(seeds[0])
        columns = [
            list(panels(explanation, pictures, which, _texts(explanation, s))) for s, explanation in enumerate(seeds)
        ]
        for row, (b, t) in zip(zip(*columns, strict=True), which, strict=True):
            parts = [name] * bool(name) + [title(seeds[0], b, t, class_names), str(measured.of(b, t))]
            rows.append((" · ".join(parts), row))
    kept, caption = first_parts(rows, _ROWS, caption)
    return tiles(kept, limit=limit, caption=caption, quantity=EFFECT)


def _texts(explanation: Explanation, number: int) -> Callable[[int, int], dict[str, str]]:
    return lambda b, t: {"title": f"explanation {number + 1}", "subtitle": fit_text(explanation, b, t)}

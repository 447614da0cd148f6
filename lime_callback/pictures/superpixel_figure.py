"""Draws the strongest superpixels: outlined in the picture, and by themselves with the rest hidden."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from lime_callback.explaining.image_and_mask import marked_images, strongest_signs
from lime_callback.pictures.input_panels import check_superpixels, first_parts, fit_text, inputs_and_targets, title

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from matplotlib.figure import Figure
    from numpy.typing import NDArray
    from torch import Tensor

    from lime_callback.explaining.explanation import Explanation

_ROWS = 16


def draw_features(
    explanation: Explanation,
    pictures: NDArray[np.uint8],
    *,
    num_features: int = 5,
    positive_only: bool = True,
    negative_only: bool = False,
    hide_color: float | Sequence[float] | Tensor = 127.0,
    min_weight: float = 0.0,
    class_names: Sequence[str] | None = None,
    caption: str = "",
) -> Figure:
    """Draw the strongest superpixels of each input and target: outlined, and by themselves with the rest hidden.

    ``▲`` raises the output, ``▼`` lowers it; a tint would change the picture's own colours. The options are those of
    :meth:`~lime_callback.Explanation.image_and_mask`.

    Args:
        explanation: an explanation of superpixels; its first 16 pairs of an input and a target are drawn.
        pictures: the inputs' pictures, uint8 ``[B, H, W, 3]``.
        num_features: how many superpixels to draw, at most.
        positive_only: whether to draw only superpixels that raise the output.
        negative_only: whether to draw only superpixels that lower the output.
        hide_color: colour of the hidden rest, from 0 to 255: a number, or red, green and blue.
        min_weight: the absolute coefficient that a superpixel has to exceed, in units of the output.
        class_names: the outputs' names; ``None`` draws their numbers.
        caption: the figure's heading.

    Raises:
        ValueError: if an option is out of range, the explanation is not of superpixels, or the pictures do not fit.
        TypeError: if ``explanation`` is not an :class:`~lime_callback.Explanation`, or an option has another type.
    """
    from lime_callback.figures import Tile, tiles

    explanation = check_superpixels(explanation, pictures)
    signs = strongest_signs(
        explanation.coefficients, explanation.features.present, num_features=num_features,
        positive_only=positive_only, negative_only=negative_only, min_weight=min_weight,
    )  # fmt: skip
    flat = explanation.features.layout.canonical(explanation.on_elements(signs).flatten(0, 1))
    masks = flat.view(*signs.shape[:2], *flat.shape[1:]).expand(-1, -1, -1, *pictures.shape[1:3])
    images = torch.from_numpy(pictures).movedim(-1, 1)
    alone = marked_images(images, masks, hide_rest=True, hide_color=hide_color).movedim(2, -1).numpy()
    which, caption = first_parts(inputs_and_targets(explanation), _ROWS, caption)
    rows, labels = [], explanation.features.canonical
    for b, t in which:
        mask, sign = masks[b, t, 0].numpy(), signs[b, t]
        counts = f"{int((sign > 0).sum())} raise it, {int((sign < 0).sum())} lower it"
        whole = Tile(pictures[b], title(explanation, b, t, class_names), _output(explanation, b, t))
        segments = labels[b if len(labels) > 1 else 0, 0].expand(pictures.shape[1:3]).numpy()
        outlined = Tile(pictures[b], "strongest superpixels", counts, segments, _marks(explanation, sign, b, t))
        rows.append(("", [whole, outlined, Tile(alone[b, t], "by themselves", "the rest hidden", mask)]))
    return tiles(rows, caption=caption)


def _marks(explanation: Explanation, signs: Tensor, b: int, t: int) -> dict[int, str]:
    """Return ``"▲"`` or ``"▼"`` and the number of each drawn superpixel, by its label, the strongest first."""
    order = explanation.coefficients[b, t].abs().argsort(descending=True).tolist()
    from lime_callback.figures.panels import common_start

    names = explanation.features.names
    start = common_start(names)
    return {i: ("▲" if signs[i] > 0 else "▼") + names[i].removeprefix(start) for i in order if signs[i] != 0}


def _output(explanation: Explanation, b: int, t: int) -> str:
    return f"output {float(explanation.prediction[b, t]):.3g}, {fit_text(explanation, b, t)}"

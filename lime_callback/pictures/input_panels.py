"""What figures show of single inputs: explanations and pictures of their inputs in, panels and bars out.

Letters: ``B`` inputs, ``T`` targets, ``H``, ``W`` pixels.
"""

from __future__ import annotations

import math
from itertools import product
from typing import TYPE_CHECKING, Any, TypeVar

from lime_callback.comparing.same_question import check_explanation
from lime_callback.outputs.targets import target_name
from lime_callback.surrogates.confidence_intervals import critical_value

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

    from lime_callback.explaining.explanation import Explanation
    from lime_callback.figures import Panel
    from lime_callback.views.layout import Layout

T = TypeVar("T")
EFFECT = "effect (share of the attribution)"


def effect_limit(features: int) -> float:
    """Effect at the ends of the colour scale: not fitted to what was found, so that a colour means the same again."""
    return min(1.0, 1.5 / math.sqrt(features))


def panels(
    explanation: Explanation,
    pictures: NDArray[np.uint8],
    which: Iterable[tuple[int, int]],
    texts: Callable[[int, int], Mapping[str, Any]],
    heat: Tensor | None = None,
) -> Iterator[Panel]:
    """Overlays for some inputs and targets.

    Args:
        explanation: on the CPU; its features are outlined.
        pictures: of its inputs.
        which: numbers of the inputs and targets.
        texts: gives a panel's title and subtitle, and whether it is pale.
        heat: of each element, ``[B, T, *dims]``, with size 1 where the mask has it; ``None``: effects, see
            :meth:`~lime_callback.Explanation.effects`.
    """
    from lime_callback.figures import Panel

    layout, size = explanation.features.layout, pictures.shape[1:3]
    if heat is None:
        heat = explanation.on_elements(explanation.effects)
    mask = explanation.features.canonical.expand(len(pictures), -1, -1, -1)
    for b, t in which:
        segments = mask[b, 0].expand(size)
        values = on_pixels(layout, heat[b, t], size)
        yield Panel(image=pictures[b], heat=values, segments=segments.numpy(), **texts(b, t))


def bars(
    explanation: Explanation,
    which: Iterable[tuple[int, int]],
    title: Callable[[int, int], str],
    *,
    as_effects: bool = False,
) -> Iterator[tuple[str, list[str], NDArray[np.floating[Any]], NDArray[np.floating[Any]]]]:
    """Title, names of the features that are there, coefficients and their halves for some inputs and targets.

    Halves are half widths of 95 % intervals that hold for all features of an input at once, because the strongest are
    looked at.

    Args:
        explanation: on the CPU.
        which: numbers of the inputs and targets.
        title: of each of them.
        as_effects: give effects and their halves, see :meth:`~lime_callback.Explanation.effects`.
    """
    given = (explanation.coefficients, explanation.standard_error)
    if as_effects:
        given = (explanation.effects, explanation.effect_errors)
    present = explanation.features.present.expand(len(explanation.score), -1)
    freedom = explanation.freedom.double().cpu()
    for b, t in which:
        has = present[b]
        names = [name for name, there in zip(explanation.features.names, has.tolist(), strict=True) if there]
        values, errors = (one[b, t][has].detach() for one in given)
        yield title(b, t), names, values.numpy(), (errors.double() * critical_value(freedom[b], of=len(names))).numpy()


def on_pixels(layout: Layout, values: Tensor, size: tuple[int, ...]) -> NDArray[np.floating[Any]]:
    """Values of one input's elements, ``[*dims]`` with size 1 where they broadcast, as ``[H, W]``."""
    return layout.canonical(values.unsqueeze(0))[0].mean(0).expand(size).numpy()


def check_superpixels(explanation: object, pictures: NDArray[np.uint8]) -> Explanation:
    """An explanation, on the CPU.

    Raises:
        TypeError: if it is none.
        ValueError: if it is none of superpixels, or the pictures are none of its inputs.
    """
    found = check_explanation("explanation", explanation).to("cpu")
    channels = found.features.canonical.shape[1]
    if channels > 1:
        raise ValueError(f"`explanation` should be one of superpixels. Found features that cut {channels} channels.")
    size = found.features.layout.canonical(found.fingerprint.new_empty(1, *found.shape)).shape[2:]
    shape = (len(found.score), *size, 3)
    if pictures.dtype.name != "uint8" or pictures.shape != shape:
        raise ValueError(
            f"`pictures` should be uint8 of shape {shape}, one for each input. Found {pictures.dtype} of shape "
            f"{pictures.shape}; `lime_callback.figures.composite` makes them of the inputs."
        )
    return found


def inputs_and_targets(explanation: Explanation) -> list[tuple[int, int]]:
    """Numbers of the inputs and targets."""
    inputs, targets = explanation.score.shape
    return list(product(range(inputs), range(targets)))


def first_parts(parts: Sequence[T], most: int, caption: str) -> tuple[Sequence[T], str]:
    """Those for which there is room, and a caption that says so where some are left out."""
    if len(parts) > most:
        caption = f"{caption} · first {most} of {len(parts)} shown".removeprefix(" · ")
    return parts[:most], caption


def title(explanation: Explanation, b: int, t: int, class_names: Sequence[str] | None) -> str:
    """Which target it is, and of which input where there are several."""
    target = target_name(int(explanation.targets[b, t]), class_names)
    return f"input {b} · {target}" if len(explanation.score) > 1 else target


def fit_text(explanation: Explanation, b: int, t: int) -> str:
    """How well the surrogate fits."""
    return f"R² {float(explanation.score[b, t]):.2f}"

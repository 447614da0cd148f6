"""Turns explanations and pictures of their inputs into the panels and bars that figures show of single inputs.

Letters: ``B`` inputs, ``T`` targets, ``H``, ``W`` pixels.
"""

from __future__ import annotations

import math
from itertools import product
from typing import TYPE_CHECKING, Any, TypeVar

import torch

from lime_callback.comparing.same_question import check_explanation
from lime_callback.outputs.targets import target_name
from lime_callback.pictures.map_regions import MapRegions
from lime_callback.surrogates.confidence_intervals import critical_value

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

    from lime_callback.explaining.explanation import Explanation
    from lime_callback.figures import BarPanel, Panel
    from lime_callback.views.layout import Layout

T = TypeVar("T")
_ROUND = (1, 1.2, 1.6, 2, 2.4, 3, 4, 5, 6, 8, 10)
EFFECT = "effect (share of the attribution)"
SIZE = "mean size of the effect"


def effect_limit(features: int) -> float:
    """Return the effect at the ends of the colour scale: the round number from ``1.5 / sqrt(features)`` on, at most 1.

    It depends on no explanation, so that a colour means the same effect at every epoch. Its half is round, too, since
    the colour bar has a tick there.
    """
    return min(1.0, round_limit(1.5 / math.sqrt(features)))


def round_limit(least: float) -> float:
    """Return the smallest round number that is at least ``least``, and whose half is round, too; 1 for 0."""
    if not least > 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(least))
    return next(round(step * power, 12) for step in _ROUND if step * power >= least * (1 - 1e-9))


def size_limit(largest: float, features: int) -> float:
    """Return the end of a colour scale of mean sizes of effects: round, and at most 1, which no effect exceeds."""
    return min(1.0, round_limit(max(largest, 4 / features)))


def panels(
    explanation: Explanation,
    pictures: NDArray[np.uint8],
    which: Iterable[tuple[int, int]],
    texts: Callable[[int, int], Mapping[str, Any]],
    heat: Tensor | None = None,
) -> Iterator[Panel]:
    """Yield a map for each chosen pair of an input and a target; one of effects has their names and signs on it.

    Args:
        explanation: the explanation, on the CPU; its features are outlined.
        pictures: its inputs' pictures, uint8 ``[B, H, W, 3]``.
        which: pairs of an input's and a target's number.
        texts: returns the title and subtitle of a pair's panel by their names, and whether the panel is pale.
        heat: each element's value, ``[B, T, *dims]``, with size 1 wherever the mask has it; ``None`` takes effects, see
            :meth:`~lime_callback.Explanation.effects`.
    """
    from lime_callback.figures import Panel

    layout, size, effects = explanation.features.layout, pictures.shape[1:3], None
    if heat is None:
        effects = (explanation.effects, explanation.effect_errors)
        heat = explanation.on_elements(effects[0])
    mask = explanation.features.canonical.expand(-1, -1, *size)
    regions = [MapRegions(labels.numpy()) for labels in mask]
    for b, t in which:
        values, own = on_pixels(layout, heat[b, t], size), regions[b if len(regions) > 1 else 0]
        marks = {} if effects is None else _marks(explanation, b, own, *(values[b, t] for values in effects))
        yield Panel(image=pictures[b], heat=values, segments=own.numbers, overlap=own.overlap, **marks, **texts(b, t))


def _marks(explanation: Explanation, b: int, regions: MapRegions, value: Tensor, error: Tensor) -> dict[str, Any]:
    """Return the names of an input's strongest features, with their signs, and where no sign is known.

    What all names begin with is left out: a number is enough for what other pictures call ``"superpixel 14"``.

    Args:
        explanation: the explanation.
        b: the input's number.
        regions: those of the input's picture.
        value: the effects of one target, ``[d]``.
        error: their standard errors, ``[d]``.
    """
    from lime_callback.figures.panels import common_start

    present = explanation.features.present.expand(len(explanation.score), -1)[b]
    reach = critical_value(explanation.freedom.double().cpu()[b], of=int(present.sum()))
    effects, sure = value.tolist(), ((value.abs() > error * reach) & present).tolist()
    names = explanation.features.names
    start = common_start(names)
    return {
        "names": {
            region: ("▲" if effects[f] > 0 else "▼") + names[f].removeprefix(start)
            for region, f in regions.strongest(effects, sure).items()
        },
        "unsure": regions.unsure(sure),
        "start": start,
    }


def bars(
    explanation: Explanation,
    which: Iterable[tuple[int, int]],
    title: Callable[[int, int], str],
    *,
    as_effects: bool = False,
    pictures: NDArray[np.uint8] | None = None,
) -> Iterator[BarPanel]:
    """Yield for each chosen pair of an input and a target what its bars show.

    Their intervals hold for all of an input's features at once, because people look at the strongest.

    Args:
        explanation: the explanation, on the CPU.
        which: pairs of an input's and a target's number.
        title: returns a pair's title.
        as_effects: whether to yield effects instead of coefficients, see
            :meth:`~lime_callback.Explanation.effects`.
        pictures: the inputs' pictures, uint8 ``[B, H, W, 3]``, in which superpixels are shown; ``None`` shows none.
    """
    from lime_callback.figures import BarPanel

    coefficients_and_errors = (explanation.coefficients, explanation.standard_error)
    if as_effects:
        coefficients_and_errors = (explanation.effects, explanation.effect_errors)
    present = explanation.features.present.expand(len(explanation.score), -1)
    freedom = explanation.freedom.double().cpu()
    mask = explanation.features.canonical
    for b, t in which:
        numbers = torch.nonzero(present[b]).flatten().tolist()
        names = [explanation.features.names[i] for i in numbers]
        values, errors = (values_of_all[b, t][present[b]].detach() for values_of_all in coefficients_and_errors)
        halves = (errors.double() * critical_value(freedom[b], of=len(names))).numpy()
        place = {}
        if pictures is not None:
            segments = mask[b if len(mask) > 1 else 0, 0].expand(pictures.shape[1:3]).numpy()
            place = {"image": pictures[b], "segments": segments, "numbers": numbers}
        yield BarPanel(title(b, t), names, values.numpy(), halves, **place)


def on_pixels(layout: Layout, values: Tensor, size: tuple[int, ...]) -> NDArray[np.floating[Any]]:
    """Average values of an input's elements over the channels.

    Args:
        layout: names the axes of the values.
        values: a value for each element, ``[*dims]``, or of size 1 along axes of pixels that share it.
        size: the picture's size, ``(H, W)``.

    Returns:
        A value for each pixel, ``[H, W]``.
    """
    return layout.canonical(values.unsqueeze(0))[0].mean(0).expand(size).numpy()


def check_superpixels(explanation: object, pictures: NDArray[np.uint8]) -> Explanation:
    """Return the explanation on the CPU, if it is one of superpixels and the pictures fit its inputs.

    Raises:
        TypeError: if ``explanation`` is not an :class:`~lime_callback.Explanation`.
        ValueError: if its features cut channels, or ``pictures`` is not uint8 ``[B, H, W, 3]`` of its inputs' size.
    """
    checked = check_explanation("explanation", explanation).to("cpu")
    channels = checked.features.canonical.shape[1]
    if channels > 1:
        raise ValueError(f"`explanation` should be one of superpixels. Found features that cut {channels} channels.")
    size = checked.features.layout.canonical(checked.fingerprint.new_empty(1, *checked.shape)).shape[2:]
    shape = (len(checked.score), *size, 3)
    if pictures.dtype.name != "uint8" or pictures.shape != shape:
        raise ValueError(
            f"`pictures` should be uint8 of shape {shape}, one for each input. Found {pictures.dtype} of shape "
            f"{pictures.shape}; `lime_callback.figures.composite` makes them of the inputs."
        )
    return checked


def inputs_and_targets(explanation: Explanation) -> list[tuple[int, int]]:
    """Return all pairs of an input's and a target's number."""
    inputs, targets = explanation.score.shape
    return list(product(range(inputs), range(targets)))


def first_parts(parts: Sequence[T], most: int, caption: str) -> tuple[Sequence[T], str]:
    """Return the first ``most`` parts, and the caption, which says how many there were if some are left out."""
    if len(parts) > most:
        caption = f"{caption} · first {most} of {len(parts)} shown".removeprefix(" · ")
    return parts[:most], caption


def title(explanation: Explanation, b: int, t: int, class_names: Sequence[str] | None) -> str:
    """Return the target's name, after the input's number if there are several inputs."""
    target = target_name(int(explanation.targets[b, t]), class_names)
    return f"input {b} · {target}" if len(explanation.score) > 1 else target


def fit_text(explanation: Explanation, b: int, t: int) -> str:
    """Return the surrogate's score as a text."""
    return f"R² {score_text(float(explanation.score[b, t]))}"


def score_text(value: float) -> str:
    """Return a score or an output as a text of three digits, with a true minus sign."""
    text = f"{value:.2f}" if abs(value) < 10 else f"{value:.3g}"
    return text.replace("-", "\N{MINUS SIGN}")

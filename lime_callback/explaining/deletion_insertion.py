"""Faithfulness: whether the features that an explanation ranks first are those that move the model.

Deletion hides features one after another, insertion shows them: once in the order of their coefficients, once in a
random order that stays the same over a run. If the explanation is right, its order lets the output fall and rise sooner
than the random order does.

Letters: ``B`` inputs, ``S`` steps along each curve, ``d`` features.

References:
    Petsiuk, Das and Saenko, "RISE: Randomized Input Sampling for Explanation of Black-box Models", BMVC 2018, for the
    two curves.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lime_callback.explaining.explanation import Explanation

_ROWS = 64  # perturbations for each step of the four curves, which then take a sixteenth of the explanation's forwards


def steps_for(n: int) -> int:
    """How many steps each curve has beside an explanation of ``n`` perturbations; 0 if these are few."""
    return n // _ROWS


def curve_rows(explanation: Explanation, steps: int, seeds: Sequence[int]) -> Tensor:
    """The curves' on/off rows, bool ``[B, 4 S, d]``: ranked insertion and deletion, then random ones.

    Args:
        explanation: its first target ranks the features, the most positive coefficient first.
        steps: S.
        seeds: one number an input, for its random order.
    """
    coefficients = explanation.coefficients[:, 0]
    present = explanation.features.present.expand(len(coefficients), -1)
    chance = torch.stack(
        [torch.rand(present.shape[1], generator=torch.Generator().manual_seed(seed)) for seed in seeds]
    )
    counts = present.sum(1)[:, None, None]
    shares = torch.arange(1, steps + 1, device=present.device).view(1, -1, 1) / (steps + 1)
    rows = []
    for value in (coefficients, chance.to(coefficients)):
        place = value.masked_fill(~present, -torch.inf).argsort(dim=1, descending=True, stable=True).argsort(dim=1)
        first = place.unsqueeze(1) < (shares * counts).round().clamp(min=1)
        rows += [first, ~first]
    return torch.cat(rows, 1) & present.unsqueeze(1)


def area_beyond_chance(outputs: Tensor, spread: Tensor) -> Tensor:
    """Mean area between the ranked and the random curves, ``[B]``; above 0 if the explanation beats chance.

    Args:
        outputs: outputs for the rows of :func:`curve_rows`, ``[B, 4 S]``.
        spread: the outputs' standard deviation over the perturbations, ``[B]``, the area's unit.
    """
    insertion, deletion, by_chance, from_chance = outputs.view(len(outputs), 4, -1).mean(2).unbind(1)
    gained = (insertion - by_chance + from_chance - deletion) / 2
    return torch.where(spread > 0, gained / torch.where(spread > 0, spread, 1.0), 0.0)

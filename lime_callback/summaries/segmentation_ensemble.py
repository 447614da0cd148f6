"""Ensembles: the mean heatmap of explanations by several segmentations of the same inputs.

A segmentation decides where an explanation can have borders; what several of them agree on is in the model.

Letters: ``B`` inputs, ``T`` targets, ``*dims`` the axes of one input.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import torch

from lime_callback.comparing.coefficient_similarity import unit
from lime_callback.comparing.same_question import check_explanation, difference

if TYPE_CHECKING:
    from collections.abc import Iterable

    from torch import Tensor

    from lime_callback.explaining.explanation import Explanation


class Ensemble(NamedTuple):
    """The mean and spread of several explanations' heatmaps.

    Attributes:
        heatmap: the heatmaps' mean, ``[B, T, *dims]``, of size 1 along axes on which all masks have size 1.
        spread: the heatmaps' standard deviation, in the same shape; small where the explanations agree.
        members: the number of explanations.
    """

    heatmap: Tensor
    spread: Tensor
    members: int


def ensemble(explanations: Iterable[Explanation]) -> Ensemble:
    """Average the heatmaps of explanations by different features, each scaled to a root mean square of 1.

    A coarse segment's coefficient is larger than those of the small segments within it. Scaled maps let all members
    count alike, however many features they have. The scale is the map's norm rather than its maximum, which a single
    segment would decide. A map of zeros stays 0.

    Args:
        explanations: explanations of the same inputs and targets, by any features; a generator needs the memory of
            two, however many it gives.

    Raises:
        ValueError: if there is no explanation, or they differ in inputs or targets; the message says in which.
        TypeError: if ``explanations`` holds something other than explanations.
    """
    first: Explanation | None = None
    mean = squares = torch.empty(0)
    members = 0
    for member in explanations:
        check_explanation("explanations", member)
        first = first or member
        differs_in = difference(first, member, features=False)
        if differs_in:
            raise ValueError(
                f"`explanations` should be of the same inputs and targets. Found in explanation {members} {differs_in}."
            )
        scaled = _scaled(member.on_elements(member.coefficients)).to(first.coefficients)
        members += 1
        if members == 1:
            mean, squares = scaled, torch.zeros_like(scaled)
            continue
        # Welford's recurrence, which loses no digits if members hardly differ.
        away = scaled - mean
        mean = mean + away / members
        squares = squares + away * (scaled - mean)
    if first is None:
        raise ValueError("`explanations` should be at least one. Found none.")
    return Ensemble(mean, (squares / members).clamp(min=0).sqrt(), members)


def _scaled(maps: Tensor) -> Tensor:
    """Scale maps ``[B, T, *dims]`` to a root mean square of 1; zero maps stay zero."""
    flat = maps.flatten(2)
    root: float = flat.shape[-1] ** 0.5
    return (unit(flat) * root).view_as(maps)

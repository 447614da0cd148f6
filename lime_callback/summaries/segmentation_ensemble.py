"""Ensembles: several ways to cut the same inputs, laid onto their elements and averaged.

One segmentation decides where an explanation can have borders; what several of them agree on is in the model.

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
    """What several explanations have in common.

    Attributes:
        heatmap: the members' mean, ``[B, T, *dims]``, with size 1 where all members' masks have it.
        spread: their standard deviation, of the same shape: small where they agree.
        members: how many.
    """

    heatmap: Tensor
    spread: Tensor
    members: int


def ensemble(explanations: Iterable[Explanation]) -> Ensemble:
    """Average the heatmaps of explanations by different features, each scaled to a root mean square of 1.

    A coarse segment's coefficient is larger than that of the small ones that it is made of, so the maps are scaled
    before they are averaged: all members count alike, however many features they have. The scale is the map's norm,
    not its maximum, which a single segment would decide. A member that found nothing stays 0.

    Args:
        explanations: of the same inputs and targets, by any features; one after another is looked at, so a generator
            needs the memory of two, however many there are.

    Raises:
        ValueError: if there are none, or they differ in inputs or targets; the message says in which.
        TypeError: if one is no explanation.
    """
    first: Explanation | None = None
    mean = squares = torch.empty(0)
    members = 0
    for one in explanations:
        check_explanation("explanations", one)
        first = first or one
        what = difference(first, one, features=False)
        if what:
            raise ValueError(
                f"`explanations` should be of the same inputs and targets. Found in explanation {members} {what}."
            )
        scaled = _scaled(one.on_elements(one.coefficients)).to(first.coefficients)
        members += 1
        if members == 1:
            mean, squares = scaled, torch.zeros_like(scaled)
            continue
        # Welford's recurrence, which keeps its digits where members hardly differ.
        away = scaled - mean
        mean = mean + away / members
        squares = squares + away * (scaled - mean)
    if first is None:
        raise ValueError("`explanations` should be at least one. Found none.")
    return Ensemble(mean, (squares / members).clamp(min=0).sqrt(), members)


def _scaled(maps: Tensor) -> Tensor:
    """Maps ``[B, T, *dims]`` of root mean square 1; zero maps stay zero."""
    flat = maps.flatten(2)
    root: float = flat.shape[-1] ** 0.5
    return (unit(flat) * root).view_as(maps)

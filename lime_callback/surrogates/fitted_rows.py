"""The data of a surrogate's fit: a design's rows, their weights, and the model's outputs for them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, eq=False)
class Samples:
    """The data that a surrogate was fitted to; explanations on the same design can be compared row by row.

    Attributes:
        design: on/off rows, bool ``[B or 1, n, d]``.
        weights: the kernel's weights, ``[B or 1, n]``.
        outputs: the model's outputs, ``[B, n, T]``.
        group: number of neighbouring rows that were drawn together.
        chance: whether outputs depend on more than the features that are on, such as on background samples.
        period: number of rows after which the design begins again, with other background samples; rows with the same
            features on are then averaged before the fit, see :mod:`lime_callback.surrogates.averaged_rows`. ``None``:
            it never does.
        efficient: whether the fit goes through the outputs of the first two rows, see
            :mod:`lime_callback.surrogates.efficient`.
    """

    design: Tensor
    weights: Tensor
    outputs: Tensor
    group: int = 1
    chance: bool = False
    period: int | None = None
    efficient: bool = False

"""What a surrogate is fitted to: the design's rows, their weights, and the model's outputs for them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, eq=False)
class Samples:
    """What the surrogate was fitted to; two explanations on the same design can be compared row by row.

    Attributes:
        design: on/off rows, bool ``[B or 1, n, d]``.
        weights: of the kernel, ``[B or 1, n]``.
        outputs: of the model, ``[B, n, T]``.
        group: rows that were drawn together stand together, this many at a time.
        chance: whether outputs depend on more than which features are on, as on samples that stand in for hidden ones.
        period: after so many rows the design begins again, with other samples; what is fitted is the mean of rows with
            the same features on, see :mod:`lime_callback.surrogates.averaged_rows`. ``None``: it never does.
    """

    design: Tensor
    weights: Tensor
    outputs: Tensor
    group: int = 1
    chance: bool = False
    period: int | None = None

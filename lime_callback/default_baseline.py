"""The callback's baseline where the user names none, chosen by what ``benchmarks/baselines.py`` measures."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from lime_callback.baselines import Data, Mean
from lime_callback.hidden import Baseline

if TYPE_CHECKING:
    from torch import Tensor

    from lime_callback.features import Features


@dataclass(frozen=True)
class Usual(Baseline):
    """The mean of the data where there is a background; where there is none, the input's own mean."""

    def bound(self, features: Features, background: Tensor | None) -> Baseline:
        """See :class:`~lime_callback.hidden.Baseline`."""
        return Mean() if background is None else Data().bound(features, background)

    def __call__(self, inputs: Tensor, features: Features) -> Tensor:
        """Values without a background."""
        return Mean()(inputs, features)

    def __repr__(self) -> str:
        """What it is in nearly every run."""
        return repr(Data())

"""The callback's baseline where the user names none: that of each view, as ``benchmarks/baselines.py`` measures it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from lime_callback.baselines import Data, Mean
from lime_callback.hidden import Baseline

if TYPE_CHECKING:
    from torch import Tensor

    from lime_callback.features import Features

_DATA, _MEAN = Data(), Mean()


@dataclass(frozen=True)
class ViewDefault(Baseline):
    """What suits how the inputs are cut.

    Args:
        channels: for features that are cut by channel: bands, cubes, elements of vectors.
        space: for features that hold all channels of some pixels.
        without: where there is no background.
    """

    channels: Baseline = _DATA
    space: Baseline = _DATA
    without: Baseline = _MEAN

    def bound(self, features: Features, background: Tensor | None) -> Baseline:
        """See :class:`~lime_callback.hidden.Baseline`."""
        if background is None:
            return self.without
        return self.of(features).bound(features, background)

    def of(self, features: Features) -> Baseline:
        """The baseline for these features, where there is a background."""
        return self.channels if features.canonical.shape[1] > 1 else self.space

    def __call__(self, inputs: Tensor, features: Features) -> Tensor:
        """Values without a background."""
        return self.without(inputs, features)

    def __repr__(self) -> str:
        """In the words of a run's card."""
        if self.channels == self.space:
            return repr(self.channels)
        return f"{self.channels} for channels, {self.space} for pixels"

"""The callback's baseline where the user names none, chosen by what ``benchmarks/baselines.py`` measures."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from lime_callback.sampling.baselines import Background, Blur, Data, Mean
from lime_callback.sampling.hidden_values import Baseline

if TYPE_CHECKING:
    from torch import Tensor

    from lime_callback.views.features import Features


@dataclass(frozen=True)
class DefaultBaseline(Baseline):
    """What suits how the inputs are cut.

    The mean of the data for features that are cut by channel: bands, cubes. The blurred input for features that hold
    all channels of some pixels, such as superpixels. For vectors, of which each element counts by itself, values of
    other samples: a class may lie where the mean of the data is, so that hiding by the mean hides nothing. Without a
    background the input's own mean.
    """

    def of(self, features: Features) -> Baseline:
        """The baseline for these features, where there is a background."""
        if not features.layout.has_pixels:
            return Background()
        return Data() if features.canonical.shape[1] > 1 else Blur()

    def bound(self, features: Features, background: Tensor | None) -> Baseline:
        """See :class:`~lime_callback.sampling.Baseline`."""
        return Mean() if background is None else self.of(features).bound(features, background)

    def __call__(self, inputs: Tensor, features: Features) -> Tensor:
        """Values without a background."""
        return Mean()(inputs, features)

    def __repr__(self) -> str:
        """In the words of a run's card."""
        return f"{Data()}, for superpixels {Blur()}, for vectors {Background()}"

"""The baseline ``"absent"``: hidden patches of a transformer have no value, since their tokens are left out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from lime_callback.sampling.hidden_values import Baseline

if TYPE_CHECKING:
    from torch import Tensor

    from lime_callback.views.features import Features


@dataclass(frozen=True)
class Absent(Baseline):
    """Leaves the tokens of hidden patches out, so that a vision transformer sees what is left and nothing else.

    A patch that is replaced by a mean, a blur or black is still seen by the model, as something. A patch of which less
    than half is on is left out as a whole; class tokens and registers always stay. It is for models whose output
    depends on which tokens there are and not on their order, which is proved before, see
    :mod:`lime_callback.forwards.tokens`. Models that take a wavelength for each channel get fewer of both.

    References:
        Jain, Salman, Wong, Zhang, Vineet, Vemprala and Madry, "Missingness Bias in Model Debugging", ICLR 2022.
    """

    def __call__(self, inputs: Tensor, features: Features) -> Tensor:
        """Zeros, for kernels that measure how far a perturbed input is from the input."""
        return inputs.new_zeros((1,) * inputs.ndim)

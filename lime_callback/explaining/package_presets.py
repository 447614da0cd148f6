"""Other packages' defaults as strategies of this package, which ``like=`` selects for comparisons.

They are taken from the sources of ``lime`` 0.2.0.1, ``captum`` 0.9.0 and ``meteors`` 0.2.0. A preset sets the design,
the kernel, the baseline, and the surrogate with its penalty. It does not set the number of perturbations (theirs are
1000 for images and 5000 for tables, 25, and 10), the features, and the output, which for ``lime`` is a probability.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal

from lime_callback.sampling.baselines import Baseline, Constant, SegmentMean
from lime_callback.sampling.designs import Bernoulli, Design
from lime_callback.sampling.input_distance_kernel import InputCosine
from lime_callback.sampling.locality_kernels import Cosine, Euclidean, Kernel
from lime_callback.sampling.shapley_coalitions import Coalitions, ShapleyKernel
from lime_callback.surrogates.efficient import Efficient
from lime_callback.surrogates.linear_models import Lasso, Ridge, Surrogate

if TYPE_CHECKING:
    from collections.abc import Mapping

Like = Literal["lime_image", "lime_tabular", "captum", "meteors", "kernel_shap"]
"""Packages and methods whose defaults ``like=`` sets."""


@dataclass(frozen=True)
class Preset:
    """A package's defaults.

    Attributes:
        design: draws the rows.
        kernel: weighs them.
        surrogate: the linear model.
        baseline: replaces hidden elements; ``None`` if that depends on the training data, and so is the user's choice.
        own_baseline: whether ``baseline`` stands in only where the user names none.
    """

    design: Design
    kernel: Kernel
    surrogate: Surrogate
    baseline: Baseline | None = None
    own_baseline: bool = False

    @property
    def strategies(self) -> dict[str, Design | Kernel | Surrogate | Baseline]:
        """The strategies that are set, by the name of their argument."""
        strategies = {f.name: getattr(self, f.name) for f in fields(self) if f.name != "own_baseline"}
        return {name: strategy for name, strategy in strategies.items() if strategy is not None}


PRESETS: Mapping[str, Preset] = MappingProxyType(
    {
        "lime_image": Preset(Bernoulli(whole=True), Cosine(0.25), Ridge(1.0, absolute=True), SegmentMean()),
        # A feature is on where a value falls into the instance's quarter of the training data.
        "lime_tabular": Preset(Bernoulli(0.25, whole=True), Euclidean(0.75), Ridge(1.0, absolute=True)),
        "captum": Preset(Bernoulli(), InputCosine(1.0), Lasso(0.01), Constant(0.0)),
        "meteors": Preset(Bernoulli(), InputCosine(1.0), Lasso(0.08), Constant(0.0)),
        # captum's KernelShap, whose baseline is what a Shapley value is told apart from.
        "kernel_shap": Preset(Coalitions(), ShapleyKernel(), Efficient(), Constant(0.0), own_baseline=True),
    }
)

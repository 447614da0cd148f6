"""Sampling: the question that is asked, the same at every epoch.

Begin with :mod:`~lime_callback.sampling.designs`: which features are on in which row. A kernel says what a row
counts, a baseline what a hidden feature becomes; for reliance,
:mod:`~lime_callback.sampling.value_swaps` says whose values hide whose.
"""

from typing import TYPE_CHECKING

from lime_callback.checks.lazy_names import lazily

if TYPE_CHECKING:
    from lime_callback.sampling.absent import Absent
    from lime_callback.sampling.background_baselines import Background, Data
    from lime_callback.sampling.baselines import Blur, Constant, Mean, SegmentMean
    from lime_callback.sampling.designs import Bernoulli, Design, Orthogonal, Paired
    from lime_callback.sampling.hidden_values import Baseline
    from lime_callback.sampling.input_distance_kernel import InputCosine
    from lime_callback.sampling.locality_kernels import Cosine, Euclidean, Kernel, Uniform
    from lime_callback.sampling.shapley_coalitions import Coalitions, ShapleyKernel

__all__ = [
    "Absent",
    "Background",
    "Baseline",
    "Bernoulli",
    "Blur",
    "Coalitions",
    "Constant",
    "Cosine",
    "Data",
    "Design",
    "Euclidean",
    "InputCosine",
    "Kernel",
    "Mean",
    "Orthogonal",
    "Paired",
    "SegmentMean",
    "ShapleyKernel",
    "Uniform",
]

__getattr__, __dir__ = lazily(
    __name__,
    {
        "designs": ["Bernoulli", "Design", "Orthogonal", "Paired"],
        "locality_kernels": ["Cosine", "Euclidean", "Kernel", "Uniform"],
        "input_distance_kernel": ["InputCosine"],
        "hidden_values": ["Baseline"],
        "absent": ["Absent"],
        "baselines": ["Blur", "Constant", "Mean", "SegmentMean"],
        "background_baselines": ["Background", "Data"],
        "shapley_coalitions": ["Coalitions", "ShapleyKernel"],
    },
)

"""Summaries: join many explanations into one.

Begin with :mod:`~lime_callback.summaries.aggregate`, which sums over any number of inputs, and
:mod:`~lime_callback.summaries.explain_dataset`, which explains a data set batch by batch.
:mod:`~lime_callback.summaries.segmentation_ensemble` averages explanations by several segmentations,
:mod:`~lime_callback.summaries.seed_stability` says how far explanations of several seeds agree.
"""

from typing import TYPE_CHECKING

from lime_callback.checks.lazy_names import lazily

if TYPE_CHECKING:
    from lime_callback.summaries.aggregate import Aggregate
    from lime_callback.summaries.explain_dataset import explain_all
    from lime_callback.summaries.seed_stability import Stability, stability
    from lime_callback.summaries.segmentation_ensemble import Ensemble, ensemble

__all__ = ["Aggregate", "Ensemble", "Stability", "ensemble", "explain_all", "stability"]

__getattr__, __dir__ = lazily(
    __name__,
    {
        "aggregate": ["Aggregate"],
        "explain_dataset": ["explain_all"],
        "segmentation_ensemble": ["Ensemble", "ensemble"],
        "seed_stability": ["Stability", "stability"],
    },
)

"""Comparing: two explanations of the same question.

Begin with :mod:`~lime_callback.comparing.drift`, which compares what
:mod:`~lime_callback.comparing.same_question` finds comparable, and tells change from noise
(:mod:`~lime_callback.comparing.perturbation_noise`, :mod:`~lime_callback.comparing.significance`). What moved
is in :mod:`~lime_callback.comparing.attribution_shift`.
"""

from typing import TYPE_CHECKING

from lime_callback.checks.lazy_names import lazily

if TYPE_CHECKING:
    from lime_callback.comparing.attribution_shift import Shift
    from lime_callback.comparing.drift import Drift, compare
    from lime_callback.comparing.reference import Reference, ReferenceRow
    from lime_callback.comparing.torchmetrics_drift import ExplanationDrift

__all__ = ["Drift", "ExplanationDrift", "Reference", "ReferenceRow", "Shift", "compare"]

__getattr__, __dir__ = lazily(
    __name__,
    {
        "drift": ["Drift", "compare"],
        "attribution_shift": ["Shift"],
        "torchmetrics_drift": ["ExplanationDrift"],
        "reference": ["Reference", "ReferenceRow"],
    },
)

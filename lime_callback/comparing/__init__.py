"""Comparing: measures how two explanations of the same inputs, features and targets differ.

Begin with :mod:`~lime_callback.comparing.drift`. It compares two explanations of the same inputs, features and targets
(:mod:`~lime_callback.comparing.same_question`), and tells change from noise
(:mod:`~lime_callback.comparing.perturbation_noise`, :mod:`~lime_callback.comparing.significance`).
:mod:`~lime_callback.comparing.attribution_shift` says how much of the attribution moved.
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

"""Probes: which samples are explained, and what the explainer needs of a batch and of the model.

Begin with :mod:`~lime_callback.probes.probe_choices`, which says which samples become probes;
:mod:`~lime_callback.probes.capture` takes them from the batches as they pass, in all processes, and the
background beside them.
"""

from typing import TYPE_CHECKING

from lime_callback.checks.lazy_names import lazily

if TYPE_CHECKING:
    from lime_callback.probes.probe_choices import Evenly, HighestLoss, Misclassified, Numbered, OnePerClass, Unsure
    from lime_callback.probes.ranked_samples import Choice, Seen

__all__ = ["Choice", "Evenly", "HighestLoss", "Misclassified", "Numbered", "OnePerClass", "Seen", "Unsure"]

__getattr__, __dir__ = lazily(
    __name__,
    {
        "probe_choices": ["Evenly", "HighestLoss", "Misclassified", "Numbered", "OnePerClass", "Unsure"],
        "ranked_samples": ["Choice", "Seen"],
    },
)

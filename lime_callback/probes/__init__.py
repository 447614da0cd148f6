"""Probes: chooses the samples that are explained, and captures them from the validation batches.

Begin with :mod:`~lime_callback.probes.probe_choices`, which ranks samples. :mod:`~lime_callback.probes.capture` takes
the probes and the background from the batches of a validation pass, in all processes.
"""

from typing import TYPE_CHECKING

from lime_callback.checks.lazy_names import lazily

if TYPE_CHECKING:
    from lime_callback.probes.label_choices import HasClass, OnePerClass
    from lime_callback.probes.probe_choices import Evenly, HighestLoss, Misclassified, Numbered, Unsure
    from lime_callback.probes.ranked_samples import Choice, Seen

__all__ = ["Choice", "Evenly", "HasClass", "HighestLoss", "Misclassified", "Numbered", "OnePerClass", "Seen", "Unsure"]

__getattr__, __dir__ = lazily(
    __name__,
    {
        "label_choices": ["HasClass", "OnePerClass"],
        "probe_choices": ["Evenly", "HighestLoss", "Misclassified", "Numbered", "Unsure"],
        "ranked_samples": ["Choice", "Seen"],
    },
)

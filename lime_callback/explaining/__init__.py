"""Explaining: LIME for a batch of inputs, without Lightning.

Begin with :mod:`~lime_callback.explaining.explain_batch`: perturb, run the model, fit, conclude. Its result is an
:class:`~lime_callback.explaining.explanation.Explanation`. :mod:`~lime_callback.explaining.explain_function` is what
users call. :mod:`~lime_callback.explaining.model_reliance` asks another question: what does hiding a set change?
"""

from typing import TYPE_CHECKING

from lime_callback.checks.lazy_names import lazily

if TYPE_CHECKING:
    from lime_callback.explaining.explain_function import explain
    from lime_callback.explaining.explanation import Explanation
    from lime_callback.explaining.model_reliance import reliance
    from lime_callback.explaining.package_presets import Like
    from lime_callback.explaining.reliance_result import Reliance
    from lime_callback.explaining.uses.set_use import SetUse

__all__ = ["Explanation", "Like", "Reliance", "SetUse", "explain", "reliance"]

__getattr__, __dir__ = lazily(
    __name__,
    {
        "explain_function": ["explain"],
        "explanation": ["Explanation"],
        "model_reliance": ["reliance"],
        "reliance_result": ["Reliance"],
        "package_presets": ["Like"],
        "uses.set_use": ["SetUse"],
    },
)

"""Explain a vision model while it trains: batched LIME in a PyTorch Lightning callback.

:func:`explain` and :func:`explain_all` work without Lightning, :class:`LimeCallback` with it. Nothing heavy is imported
before it is needed: Lightning takes seconds, torch too, and the process that draws the pictures has no use for either.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lime_callback.callback import LimeCallback
    from lime_callback.explaining.explain_function import explain
    from lime_callback.explaining.explanation import Explanation
    from lime_callback.forwards.no_trace_guard import is_explaining
    from lime_callback.outputs.contrast import Contrast
    from lime_callback.outputs.targets import TopLabels
    from lime_callback.summaries.aggregate import Aggregate
    from lime_callback.summaries.explain_dataset import explain_all
    from lime_callback.surrogates.linear_models import Lasso, Ridge
    from lime_callback.views import Cubes, Merged, Superbands, Superpixels, Validity
    from lime_callback.views.features import Features
    from lime_callback.views.watch import Watch

__all__ = [
    "Aggregate",
    "Contrast",
    "Cubes",
    "Explanation",
    "Features",
    "Lasso",
    "LimeCallback",
    "Merged",
    "Ridge",
    "Superbands",
    "Superpixels",
    "TopLabels",
    "Validity",
    "Watch",
    "explain",
    "explain_all",
    "is_explaining",
]

__version__ = "0.1.0"

_HOMES = {
    "Aggregate": "summaries.aggregate",
    "Contrast": "outputs.contrast",
    "Cubes": "views",
    "Explanation": "explaining.explanation",
    "Features": "views.features",
    "Lasso": "surrogates.linear_models",
    "LimeCallback": "callback",
    "Merged": "views",
    "Ridge": "surrogates.linear_models",
    "Superbands": "views",
    "Superpixels": "views",
    "TopLabels": "outputs.targets",
    "Validity": "views",
    "Watch": "views.watch",
    "explain": "explaining.explain_function",
    "explain_all": "summaries.explain_dataset",
    "is_explaining": "forwards.no_trace_guard",
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        value = globals()[name] = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
        return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})

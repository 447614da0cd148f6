"""Explain a vision model while it trains: batched LIME in a PyTorch Lightning callback.

:func:`explain` and :func:`explain_all` work without Lightning, :class:`LimeCallback` with it. Nothing heavy is imported
before it is needed: Lightning takes seconds, torch too, and the process that draws the pictures has no use for either.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lime_callback.aggregate import Aggregate
    from lime_callback.callback import LimeCallback
    from lime_callback.contrast import Contrast
    from lime_callback.dataset import explain_all
    from lime_callback.explainer import explain
    from lime_callback.explanation import Explanation
    from lime_callback.features import Features
    from lime_callback.inference import is_explaining
    from lime_callback.surrogates import Lasso, Ridge
    from lime_callback.targets import TopLabels
    from lime_callback.views import Cubes, Merged, Superbands, Superpixels, Validity
    from lime_callback.watch import Watch

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

_HOMES = {
    "Aggregate": "aggregate",
    "Contrast": "contrast",
    "Cubes": "views",
    "Explanation": "explanation",
    "Features": "features",
    "Lasso": "surrogates",
    "LimeCallback": "callback",
    "Merged": "views",
    "Ridge": "surrogates",
    "Superbands": "views",
    "Superpixels": "views",
    "TopLabels": "targets",
    "Validity": "views",
    "Watch": "watch",
    "explain": "explainer",
    "explain_all": "dataset",
    "is_explaining": "inference",
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        value = globals()[name] = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
        return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})

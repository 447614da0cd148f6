"""Explain a vision model while it trains: batched LIME in a PyTorch Lightning callback.

:func:`explain` and :func:`explain_all` work without Lightning, :class:`LimeCallback` with it. Nothing heavy is imported
before it is needed.
"""

from typing import TYPE_CHECKING, Any

from lime_callback.aggregate import Aggregate
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

if TYPE_CHECKING:
    from lime_callback.callback import LimeCallback

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


def __getattr__(name: str) -> Any:
    # Lightning takes seconds to import and is not needed for `explain`.
    if name == "LimeCallback":
        from lime_callback.callback import LimeCallback

        return LimeCallback
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

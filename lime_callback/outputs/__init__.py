"""Outputs: what the model returned, on which scale, and which of it is explained.

Begin with :mod:`~lime_callback.outputs.targets`; :mod:`~lime_callback.outputs.output_kinds` decides where the
user left it open. Reducers make one value a class of one a pixel, and models of scikit-learn are forwards by
:mod:`~lime_callback.outputs.sklearn_forward`.
"""

from typing import TYPE_CHECKING

from lime_callback.checks.lazy_names import lazily

if TYPE_CHECKING:
    from lime_callback.outputs.contrast import Contrast
    from lime_callback.outputs.segmentation_reducers import ClassRegion, PixelCount, Reducer
    from lime_callback.outputs.sklearn_forward import SklearnForward
    from lime_callback.outputs.targets import TopLabels

__all__ = ["ClassRegion", "Contrast", "PixelCount", "Reducer", "SklearnForward", "TopLabels"]

__getattr__, __dir__ = lazily(
    __name__,
    {
        "targets": ["TopLabels"],
        "contrast": ["Contrast"],
        "segmentation_reducers": ["ClassRegion", "PixelCount", "Reducer"],
        "sklearn_forward": ["SklearnForward"],
    },
)

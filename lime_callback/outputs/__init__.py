"""Outputs: puts the model's outputs on a scale, and selects those that are explained.

Begin with :mod:`~lime_callback.outputs.targets`. If the user has not chosen a scale or a target,
:mod:`~lime_callback.outputs.output_kinds` does. Reducers (:mod:`~lime_callback.outputs.segmentation_reducers`) turn a
value for each pixel into a value for each class. :mod:`~lime_callback.outputs.sklearn_forward` makes forwards of models
of scikit-learn.
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

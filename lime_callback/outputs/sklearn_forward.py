"""Makes forwards of models of scikit-learn, so that :func:`~lime_callback.explain` explains a forest or an SVM.

An input ``[*dims]`` becomes a row of all its elements, in row-major order.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from lime_callback.checks.arguments import check_one_of

Method = Literal["predict_proba", "decision_function", "predict"]
_METHODS: tuple[Method, ...] = ("predict_proba", "decision_function", "predict")


@dataclass(frozen=True, eq=False)
class SklearnForward:
    """A fitted classifier or regressor of scikit-learn, as a function of tensors ``[m, *dims]``.

    A classifier's output k belongs to the class ``classes_[k]``. It is that class's probability, its decision value, or
    1 for the predicted class and else 0, depending on ``method``. Two classes get two decision values, one the negative
    of the other. A regressor's outputs are the predicted numbers, ``[m]`` or ``[m, K]``.

    Args:
        estimator: the model, or a pipeline or search that ends in a model.
        method: the method to call; ``None`` takes the first of ``predict_proba``, ``decision_function`` and ``predict``
            that the model has.

    Raises:
        ValueError: if the model is not fitted, or ``method`` is unknown or the model does not have it.
        TypeError: if ``estimator`` is neither a classifier nor a regressor.
    """

    estimator: Any
    method: Method | None = None

    def __post_init__(self) -> None:
        from sklearn.exceptions import NotFittedError
        from sklearn.utils.validation import check_is_fitted

        name = type(self.estimator).__name__
        if isinstance(self.estimator, type):
            raise TypeError(
                f"`estimator` should be a fitted model. Found the class {self.estimator.__name__}; make an object of "
                "it and fit that."
            )
        if not (hasattr(self.estimator, "fit") and (self._classifies or self._regresses)):
            raise TypeError(f"`estimator` should be a classifier or a regressor of scikit-learn. Found a {name}.")
        try:
            check_is_fitted(self.estimator)
        except NotFittedError:
            raise ValueError(
                f"`estimator` should be fitted. Found a {name} that is not; call its `fit(X, y)` first."
            ) from None
        offered = [method for method in _METHODS if hasattr(self.estimator, method)]
        if self.method is None:
            object.__setattr__(self, "method", offered[0])
        check_one_of("method", self.method, _METHODS)
        if self.method not in offered:
            raise ValueError(
                f"`method` should be one that the model has: {', '.join(map(repr, offered))}. Found `method = "
                f"{self.method!r}` of a {name}."
            )

    @property
    def _classifies(self) -> bool:
        from sklearn.base import is_classifier

        return bool(is_classifier(self.estimator))

    @property
    def _regresses(self) -> bool:
        from sklearn.base import is_regressor

        return bool(is_regressor(self.estimator))

    def __call__(self, inputs: Tensor) -> Tensor:
        """Return outputs ``[m]`` or ``[m, K]`` in float64 (float32 on MPS), on the inputs' device.

        Raises:
            ValueError: if an input does not have as many elements as the model was fitted with, or the model does not
                have one output for each class.
        """
        rows = inputs.detach().flatten(1).cpu().double().numpy()
        expected = getattr(self.estimator, "n_features_in_", rows.shape[1])
        if rows.shape[1] != expected:
            raise ValueError(
                f"`inputs` should have the {expected} elements that the {type(self.estimator).__name__} was fitted "
                f"with. Found shape {tuple(inputs.shape)}, {rows.shape[1]} elements each."
            )
        outputs = getattr(self.estimator, str(self.method))(rows)
        if self._classifies:
            outputs = self._by_class(outputs)
        dtype = torch.float32 if inputs.device.type == "mps" else torch.float64
        return torch.as_tensor(np.asarray(outputs, dtype=np.float64)).to(inputs.device, dtype)

    def _by_class(self, outputs: Any) -> Any:
        """Return a classifier's outputs with a column for each class."""
        classes = self.estimator.classes_
        if isinstance(outputs, list) or isinstance(classes, list):
            raise ValueError(
                f"`estimator` should tell the classes of one label. Found a {type(self.estimator).__name__} of "
                f"{len(classes)} labels; fit one model for each."
            )
        if self.method == "predict":
            return outputs[:, None] == classes
        if self.method == "decision_function" and outputs.ndim == 1:
            return np.stack([-outputs, outputs], axis=1)
        if outputs.shape[1] != len(classes):
            raise ValueError(
                f"`estimator` should have one output for each of its {len(classes)} classes. Found {outputs.shape[1]} "
                f"of a {type(self.estimator).__name__}; an SVM has one a class by `decision_function_shape='ovr'`."
            )
        return outputs

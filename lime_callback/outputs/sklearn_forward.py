"""Models of scikit-learn as forwards: a random forest or an SVM in :func:`~lime_callback.explain`.

An input ``[*dims]`` becomes a row of d elements, in the order of its memory.
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

    Of a classifier, output k belongs to ``classes_[k]``: its probability; where the model has none, its decision value;
    where it has neither, 1 if it is the predicted class and else 0. Two classes have two decision values, one the
    negative of the other. Of a regressor, outputs are the predicted numbers, ``[m]`` or ``[m, K]``.

    Args:
        estimator: the model, or a pipeline or search that ends in one.
        method: which of its methods is called; ``None`` takes the first of ``predict_proba``, ``decision_function`` and
            ``predict`` that it has.

    Raises:
        ValueError: if the model is not fitted, or the method is unknown or one that it does not have.
        TypeError: if it is neither a classifier nor a regressor.
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
        """Outputs ``[m]`` or ``[m, K]`` in float64 (float32 on devices without it), on the inputs' device.

        Raises:
            ValueError: if the inputs have another number of elements than the model was fitted with, or its outputs do
                not belong to its classes one by one.
        """
        rows = inputs.detach().flatten(1).cpu().double().numpy()
        expected = getattr(self.estimator, "n_features_in_", rows.shape[1])
        if rows.shape[1] != expected:
            raise ValueError(
                f"`inputs` should have the {expected} elements that the {type(self.estimator).__name__} was fitted "
                f"with. Found shape {tuple(inputs.shape)}, {rows.shape[1]} elements each."
            )
        found = getattr(self.estimator, str(self.method))(rows)
        if self._classifies:
            found = self._by_class(found)
        dtype = torch.float32 if inputs.device.type == "mps" else torch.float64
        return torch.as_tensor(np.asarray(found, dtype=np.float64)).to(inputs.device, dtype)

    def _by_class(self, found: Any) -> Any:
        """One column a class."""
        classes = self.estimator.classes_
        if isinstance(found, list) or isinstance(classes, list):
            raise ValueError(
                f"`estimator` should tell the classes of one label. Found a {type(self.estimator).__name__} of "
                f"{len(classes)} labels; fit one model for each."
            )
        if self.method == "predict":
            return found[:, None] == classes
        if self.method == "decision_function" and found.ndim == 1:
            return np.stack([-found, found], axis=1)
        if found.shape[1] != len(classes):
            raise ValueError(
                f"`estimator` should have one output for each of its {len(classes)} classes. Found {found.shape[1]} "
                f"of a {type(self.estimator).__name__}; an SVM has one a class by `decision_function_shape='ovr'`."
            )
        return found

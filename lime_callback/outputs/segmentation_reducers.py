"""Output reducers: from an output of one value for each pixel to one for each class, which a surrogate can explain.

Letters: ``m`` rows of a batch, ``K`` classes, ``S`` pixels (or tokens). A model returns ``[m, K, *pixels]``, not yet as
probabilities; where there is one number for each pixel, it is the logit of the second of two classes.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, Literal, get_args

import torch
from torch import Tensor

from lime_callback.checks.arguments import check_flag, check_one_of
from lime_callback.checks.numbers import whole_number

Scale = Literal["softmax", "raw", "sigmoid"]


class Reducer(ABC):
    """Turns a model's output into scores, and may ask for what the model said of the inputs as they are.

    What :meth:`pin` returns is kept for the inputs, in the callback for the whole run: so the same is asked of each
    perturbation, and at every epoch.
    """

    def pin(self, output: Tensor) -> Tensor | None:
        """What has to be known of unperturbed inputs, one row for each.

        Args:
            output: of the model for the inputs as they are, ``[m, ...]``.
        """
        return None

    @abstractmethod
    def __call__(self, output: Tensor, pinned: Tensor | None) -> Tensor:
        """Scores ``[m, K]``.

        Args:
            output: of the model for perturbed inputs, ``[m, ...]``.
            pinned: for each row what was pinned of its unperturbed input, ``[m, ...]``.
        """


@dataclass(frozen=True)
class ClassRegion(Reducer):
    """The mean of each class over the pixels that were predicted as it before anything was hidden.

    0 for a class without any. So a coefficient says what a feature adds to the model's belief in its own segmentation.

    Args:
        scale: of what the mean is taken: probabilities, ``"softmax"`` or ``"sigmoid"``, or the ``"raw"`` output.
        axis: of the classes in the output, where the batch is axis 0; ``None`` where there is none, ``[m, *pixels]``.

    Raises:
        ValueError: if the scale is unknown, or the axis is 0.
        TypeError: if the axis is no whole number.
    """

    scale: Scale = "softmax"
    axis: int | None = 1

    def __post_init__(self) -> None:
        check_one_of("scale", self.scale, get_args(Scale))
        object.__setattr__(self, "axis", _check_axis(self.axis))

    def pin(self, output: Tensor) -> Tensor:
        """The class of each pixel, ``[m, S]``; of one byte where there are no more than 256 classes."""
        logits = _classes(output, self.axis)
        return logits.argmax(1).to(torch.uint8 if logits.shape[1] <= 256 else torch.int32)

    def __call__(self, output: Tensor, pinned: Tensor | None) -> Tensor:
        """See :class:`Reducer`."""
        logits = _classes(output, self.axis)
        assert pinned is not None, "what `pin` returned comes with it"
        if pinned.shape != (len(logits), logits.shape[2]):
            raise ValueError(
                f"`forward` should return as many pixels for each batch. Found {logits.shape[2]}, and "
                f"{pinned.shape[1]} for the unperturbed inputs."
            )
        values = logits
        if self.scale != "raw":
            values = logits.softmax(1) if self.scale == "softmax" else logits.sigmoid()
        # No scatter: on a device its sums depend on the order, and an unchanged model would drift.
        inside = pinned.unsqueeze(1) == torch.arange(logits.shape[1], device=logits.device).unsqueeze(1)
        return torch.where(inside, values, 0.0).sum(2) / inside.sum(2).clamp(min=1)


@dataclass(frozen=True)
class PixelCount(Reducer):
    """How many pixels each class has.

    Args:
        soft: whether a pixel counts for each class by its probability, rather than for the largest alone.
        share: whether to divide by the number of all pixels.
        axis: of the classes in the output, where the batch is axis 0; ``None`` where there is none, ``[m, *pixels]``.

    Raises:
        ValueError: if the axis is 0.
        TypeError: if an argument is of another kind.
    """

    soft: bool = False
    share: bool = False
    axis: int | None = 1

    def __post_init__(self) -> None:
        check_flag("soft", self.soft)
        check_flag("share", self.share)
        object.__setattr__(self, "axis", _check_axis(self.axis))

    def __call__(self, output: Tensor, pinned: Tensor | None) -> Tensor:
        """See :class:`Reducer`."""
        logits = _classes(output, self.axis)
        if self.soft:
            counts = logits.softmax(1).sum(2)
        else:
            classes = torch.arange(logits.shape[1], device=logits.device).unsqueeze(1)
            counts = (logits.argmax(1).unsqueeze(1) == classes).sum(2).to(logits.dtype)
        return counts / logits.shape[2] if self.share else counts


def _check_axis(value: Any) -> int | None:
    axis = whole_number(value)
    if axis is None and value is not None:
        raise TypeError(f"`axis` should be a whole number, or None. Found `axis = {value!r}`.")
    if axis == 0:
        raise ValueError("`axis` should be that of the classes. Found `axis = 0`, which is the batch.")
    return axis


def _classes(output: Any, axis: int | None) -> Tensor:
    """The output as ``[m, K, S]``, in float32 or wider, with at least two classes.

    Raises:
        TypeError: if it is no tensor.
        ValueError: if it has no axis of pixels.
    """
    if not isinstance(output, Tensor):
        raise TypeError(
            f"`forward` should return a tensor [m, K, H, W]. Found a {type(output).__name__}. Pick the tensor inside "
            "`forward`."
        )
    found = tuple(output.shape)
    if axis is None:
        output, axis = output.unsqueeze(1), 1
    if output.ndim < 3 or not -output.ndim < axis < output.ndim:
        raise ValueError(
            f"`forward` should return a value for each class and pixel, [m, K, H, W], with the classes on `axis`. "
            f"Found shape {found}. A model of one value an input needs no reducer."
        )
    logits = output.movedim(axis, 1).flatten(2)
    logits = logits if logits.dtype in (torch.float32, torch.float64) else logits.float()
    return torch.cat([torch.zeros_like(logits), logits], 1) if logits.shape[1] == 1 else logits

"""Reducers: turn an output with values for each pixel into a value for each class, which a surrogate can explain.

Letters: ``m`` rows of a batch, ``K`` classes, ``S`` pixels (or tokens). A model returns logits ``[m, K, *pixels]``. If
it returns a single number for each pixel, that number is the logit of the second of two classes.
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
    """Turns a model's output into a value for each class, and may use the model's output for the unperturbed inputs.

    The result of :meth:`pin` is kept for the inputs, and by the callback for the whole run. So every perturbation at
    every epoch is reduced by the same rule.
    """

    def pin(self, output: Tensor) -> Tensor | None:
        """Return what has to be kept of the output for unperturbed inputs, ``[m, ...]``, or ``None``.

        Args:
            output: the model's output for the unperturbed inputs, ``[m, ...]``.
        """
        return None

    @abstractmethod
    def __call__(self, output: Tensor, pinned: Tensor | None) -> Tensor:
        """Return a value for each row and class, ``[m, K]``.

        Args:
            output: the model's output for perturbed inputs, ``[m, ...]``.
            pinned: for each row the result of :meth:`pin` for its unperturbed input, ``[m, ...]``, or ``None``.
        """


@dataclass(frozen=True)
class ClassRegion(Reducer):
    """The mean value of each class over the pixels that the model assigns to that class in the unperturbed input.

    A class without pixels has the value 0. A coefficient then says what a feature adds to the model's belief in its own
    segmentation.

    Args:
        scale: the values that are averaged: probabilities by ``"softmax"`` or ``"sigmoid"``, or the ``"raw"`` output.
        axis: the output's axis of classes, where axis 0 is the batch; ``None`` if the output is ``[m, *pixels]``.

    Raises:
        ValueError: if ``scale`` is unknown, or ``axis`` is 0.
        TypeError: if ``axis`` is not a whole number.
    """

    scale: Scale = "softmax"
    axis: int | None = 1

    def __post_init__(self) -> None:
        check_one_of("scale", self.scale, get_args(Scale))
        object.__setattr__(self, "axis", _check_axis(self.axis))

    def pin(self, output: Tensor) -> Tensor:
        """Return each pixel's class, ``[m, S]``, uint8 for up to 256 classes, else int32."""
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
        # No scatter: a GPU's sums depend on their order, and an unchanged model would seem to drift.
        inside = pinned.unsqueeze(1) == torch.arange(logits.shape[1], device=logits.device).unsqueeze(1)
        return torch.where(inside, values, 0.0).sum(2) / inside.sum(2).clamp(min=1)


@dataclass(frozen=True)
class PixelCount(Reducer):
    """The number of pixels of each class.

    Args:
        soft: whether a pixel counts for each class by its probability; otherwise it counts for its largest class.
        share: whether to divide by the number of all pixels.
        axis: the output's axis of classes, where axis 0 is the batch; ``None`` if the output is ``[m, *pixels]``.

    Raises:
        ValueError: if ``axis`` is 0.
        TypeError: if ``soft`` or ``share`` is not a bool, or ``axis`` is not a whole number.
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
    """Return the output as ``[m, K, S]``, in float32 or wider, with at least two classes.

    Raises:
        TypeError: if ``output`` is not a tensor.
        ValueError: if it has no axis of pixels, or ``axis`` is not one of its axes.
    """
    if not isinstance(output, Tensor):
        raise TypeError(
            f"`forward` should return a tensor [m, K, H, W]. Found a {type(output).__name__}. Pick the tensor inside "
            "`forward`."
        )
    shape = tuple(output.shape)
    if axis is None:
        output, axis = output.unsqueeze(1), 1
    if output.ndim < 3 or not -output.ndim < axis < output.ndim:
        raise ValueError(
            f"`forward` should return a value for each class and pixel, [m, K, H, W], with the classes on `axis`. "
            f"Found shape {shape}. A model of one value an input needs no reducer."
        )
    logits = output.movedim(axis, 1).flatten(2)
    logits = logits if logits.dtype in (torch.float32, torch.float64) else logits.float()
    return torch.cat([torch.zeros_like(logits), logits], 1) if logits.shape[1] == 1 else logits

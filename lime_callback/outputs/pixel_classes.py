"""Reads outputs with classes of pixels: scores ``[m, K, *pixels]``, their axes in any order, or maps of class numbers.

Letters: ``m`` rows of a batch, ``K`` classes, ``S`` pixels (or tokens). A single number for each pixel is the logit of
the second of two classes.
"""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor

Axis = int | Literal["auto"] | None


class PixelClasses(NamedTuple):
    """An output, pixel by pixel.

    Attributes:
        scores: ``[m, K, S]`` in float32 or wider; of a map of class numbers 1 for the class of a pixel and else 0.
        labels: the class of each pixel, int64 ``[m, S]``; of a map it may be a number that is no class.
        numbers: whether the output was a map of class numbers.
        single: whether the output was a single logit for each pixel, which ``scores`` hold beside a 0 for class 0.
    """

    scores: Tensor
    labels: Tensor
    numbers: bool = False
    single: bool = False

    @property
    def symmetric(self) -> Tensor:
        """The scores where each class has one of its own: class 0 of a single logit has the negative one."""
        return torch.cat([-self.scores[:, 1:], self.scores[:, 1:]], 1) if self.single else self.scores


def pixel_classes(output: Any, axis: Axis, pixels: tuple[int, ...], classes: int | None) -> PixelClasses:
    """Read an output.

    Args:
        output: the model's output, ``[m, ...]``.
        axis: the axis of the classes; ``None`` if there is none, ``"auto"`` to find it.
        pixels: the sizes of the inputs' axes of pixels, if they are known; else ``()``.
        classes: how many classes a map of class numbers has, which also tells that it is one.

    Raises:
        TypeError: if ``output`` is not a tensor.
        ValueError: if there is no axis of pixels, ``axis`` is not an axis, or a map's number of classes is not known.
    """
    if not isinstance(output, Tensor):
        raise TypeError(
            f"`forward` should return a tensor [m, K, H, W]. Found a {type(output).__name__}. Pick the tensor inside "
            "`forward`, or by `output_key`."
        )
    shape = tuple(output.shape)
    at = class_axis(shape, pixels) if axis == "auto" else axis
    whole = not output.is_floating_point() and not output.is_complex()
    if axis == "auto" and whole and output.ndim == 3:
        at = None  # rows of whole numbers are no scores
    if (output.ndim if at is None else output.ndim - 1) < 2 or (at is not None and not -output.ndim < at < output.ndim):
        raise ValueError(
            f"`forward` should return a value for each class and pixel, [m, K, H, W], with the classes on `axis`. "
            f"Found shape {shape}. A model of one value an input needs no reducer."
        )
    scores = (output.unsqueeze(1) if at is None else output.movedim(at, 1)).flatten(2)
    single = scores.shape[1] == 1
    if single and (whole or classes is not None):
        return _of_numbers(scores[:, 0], 2 if output.dtype == torch.bool and classes is None else classes)
    if classes is not None:
        raise ValueError(
            f"`classes` is for maps of class numbers, [m, H, W]. Found `classes = {classes}` and scores of "
            f"{scores.shape[1]} classes, shape {shape}; leave it out."
        )
    scores = scores if scores.dtype in (torch.float32, torch.float64) else scores.float()
    scores = torch.cat([torch.zeros_like(scores), scores], 1) if single else scores
    return PixelClasses(scores, scores.argmax(1), single=single)


def _of_numbers(numbers: Tensor, classes: int | None) -> PixelClasses:
    if classes is None:
        found = int(numbers.max())
        raise ValueError(
            f"`classes` should say how many classes there are, where the model returns a map of class numbers. Found "
            f"{numbers.dtype} numbers up to {found}, and `classes = None`. Pass for example "
            f"`output=PixelCount(classes={max(found, 1) + 1})` or "
            f"`output=ClassRegion(classes={max(found, 1) + 1})`; or return the scores, [m, K, H, W], which "
            "tell more."
        )
    labels = numbers.long()
    inside = labels.unsqueeze(1) == torch.arange(classes, device=labels.device).unsqueeze(1)
    return PixelClasses(inside.float(), labels, numbers=True)


def class_axis(shape: tuple[int, ...], pixels: tuple[int, ...]) -> int | None:
    """Find the axis of the classes in an output's shape ``[m, ...]``; ``None`` if all others are axes of pixels.

    Args:
        shape: of the output.
        pixels: the sizes of the inputs' axes of pixels, of which an output may have fewer, in the same proportion; if
            they are not known or do not fit, the classes are on axis 1, or on a last axis of size 1.
    """
    dims, last = shape[1:], len(shape) - 1
    for same in (tuple.__eq__, _in_proportion):
        for axis in (None, 1, last):
            rest = dims if axis is None else shape[1:axis] + shape[axis + 1 :]
            if len(dims) > 1 and len(rest) == len(pixels) and same(rest, pixels):
                return axis
    return last if len(dims) > 2 and dims[-1] == 1 != dims[0] else 1


def _in_proportion(dims: tuple[int, ...], pixels: tuple[int, ...]) -> bool:
    """Whether ``dims`` are two or more ``pixels``, all divided by one number."""
    alike = all(dim * pixels[0] == size * dims[0] for dim, size in zip(dims, pixels, strict=True))
    return len(dims) > 1 and alike and dims[0] <= pixels[0]

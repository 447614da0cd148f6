"""Reducers: turn an output with values for each pixel into a value for each class, which a surrogate can explain.

Letters: ``m`` rows of a batch, ``K`` classes, ``S`` pixels (or tokens). A model returns scores ``[m, K, *pixels]``, or
a map of class numbers, see :mod:`lime_callback.outputs.pixel_classes`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from copy import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Self, get_args

import torch
from torch import Tensor

from lime_callback.checks.arguments import check_flag, check_key, check_one_of
from lime_callback.checks.descriptions import describe
from lime_callback.checks.entry_paths import Key, entry, has_entry  # LightningCLI reads the annotations
from lime_callback.checks.numbers import check_count, whole_number
from lime_callback.outputs.pixel_classes import Axis, pixel_classes

if TYPE_CHECKING:
    from lime_callback.outputs.pixel_classes import PixelClasses

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

    def pin_more(self, pinned: Tensor, output: Tensor) -> Tensor:
        """Return what is kept from now on, where a later epoch's output for the same inputs shows more.

        Args:
            pinned: what is kept so far, ``[m, ...]``.
            output: the model's output for the unperturbed inputs now, ``[m, ...]``.
        """
        return pinned

    def given(self, batch: Any) -> Tensor | None:
        """Return what the inputs' batch says is kept, ``[m, ...]``, in the place of :meth:`pin`; ``None``: nothing."""
        return None

    def without_value(self, pinned: Tensor, size: int) -> Tensor | None:
        """Return which of ``size`` classes have no value of the rows, bool ``[m, size]``; ``None`` if all have."""
        return None

    def region_counts(self, pinned: Tensor, output: Tensor) -> Tensor | None:
        """Return how many pixels each class's region has, and how many of them have the class now, ``[m, K, 2]``.

        ``None`` if the reducer has no regions.

        Args:
            pinned: what is kept, ``[m, ...]``.
            output: the model's output for the unperturbed inputs now, ``[m, ...]``.
        """
        return None

    @property
    def follows_model(self) -> bool:
        """Whether what is kept are the model's own predictions, when it was pinned, and not the user's."""
        return True

    def for_pixels(self, sizes: tuple[int, ...]) -> Reducer:
        """Return the reducer for inputs whose axes of pixels have these sizes."""
        return self

    @abstractmethod
    def __call__(self, output: Tensor, pinned: Tensor | None) -> Tensor:
        """Return a value for each row and class, ``[m, K]``.

        Args:
            output: the model's output for perturbed inputs, ``[m, ...]``.
            pinned: for each row the result of :meth:`pin` for its unperturbed input, ``[m, ...]``, or ``None``.
        """


class OfPixels(Reducer):
    """Reads outputs with a class for each pixel.

    Attributes:
        axis: the output's axis of classes.
        classes: how many classes a map of class numbers has.
    """

    axis: Axis
    classes: int | None
    _pixels: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "axis", _check_axis(self.axis))
        if self.classes is not None:
            object.__setattr__(self, "classes", check_count("classes", self.classes, 2))

    def for_pixels(self, sizes: tuple[int, ...]) -> Self:
        """See :class:`Reducer`."""
        made = copy(self)
        object.__setattr__(made, "_pixels", sizes)
        return made

    @property
    @abstractmethod
    def words(self) -> str:
        """What the value of a class is, for a sentence about the class."""

    def _read(self, output: Any) -> PixelClasses:
        return pixel_classes(output, self.axis, self._pixels, self.classes)


@dataclass(frozen=True)
class ClassRegion(OfPixels):
    """The mean value of each class over a region: the pixels of the class in a mask, or those that the model predicts.

    Without ``region``, a class's region in the callback is what the model predicts at the first explained epoch that
    predicts the class, and then stays: by then the model has hardly learned. For a training run pass
    ``ClassRegion(region="mask")``, the batch's own labels, which are the same at every epoch and in every run. A
    class without pixels has the value 0, and nothing is explained of it.

    Of a map of class numbers, the value is the share of the region that still has the class.

    Args:
        scale: the values that are averaged: probabilities by ``"softmax"`` or ``"sigmoid"``, or the ``"raw"`` output.
            A single logit for each pixel is that of class 1; class 0 has the negative logit.
        axis: the output's axis of classes, where axis 0 is the batch; ``None`` if the output is ``[m, *pixels]``;
            ``"auto"`` compares its axes with those of the inputs' pixels, and else takes axis 1.
        classes: how many classes a map of class numbers ``[m, *pixels]`` has; ``None`` for scores.
        region: the regions, where they are not what is predicted: class numbers ``[B, *pixels]``, of which those that
            are no class belong to none; or their key in the batch, such as ``"mask"``.

    Raises:
        ValueError: if ``scale`` is unknown, or ``axis`` is 0.
        TypeError: if ``axis`` is not a whole number, or ``region`` is neither a tensor nor a key.
    """

    scale: Scale = "softmax"
    axis: Axis = "auto"
    classes: int | None = None
    region: Key | Tensor | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        check_one_of("scale", self.scale, get_args(Scale))
        if not isinstance(self.region, Tensor):
            object.__setattr__(self, "region", check_key("region", self.region))

    @property
    def words(self) -> str:
        """See :class:`OfPixels`."""
        which = "the pixels that are predicted as it at the first explained epoch that predicts any"
        if self.region is not None:
            named = "the given mask" if isinstance(self.region, Tensor) else f"the batch's {self.region!r}"
            which = f"its pixels in {named}"
        return f"the mean {'output' if self.scale == 'raw' else 'probability'} over {which}"

    @property
    def follows_model(self) -> bool:
        """See :class:`Reducer`."""
        return self.region is None

    def pin(self, output: Tensor) -> Tensor:
        """Return the regions, one bit a class: uint8 ``[m, ceil(K / 8), S]``."""
        read = self._read(output)
        return _bits(read.labels, read.scores.shape[1])

    def pin_more(self, pinned: Tensor, output: Tensor) -> Tensor:
        """Add the regions that are predicted now, of classes that had none."""
        if self.region is not None:
            return pinned
        read = self._read(output)
        size = read.scores.shape[1]
        new = self.without_value(pinned, size).gather(1, read.labels.clamp(0, size - 1))
        return pinned | _bits(read.labels.where(new, -1), size)

    def given(self, batch: Any) -> Tensor | None:
        """Return the regions that the user gave, ``[B, 1, S]``.

        Raises:
            ValueError: if the batch has no such entry, or it is not a tensor of numbers.
        """
        if self.region is None:
            return None
        if not isinstance(self.region, Tensor) and not has_entry(batch, self.region, Tensor):
            told = "no batch" if batch is None else f"a batch of {describe(batch)}"
            raise ValueError(
                f"`region` should be class numbers [B, H, W], or their key in the batch. Found `region = "
                f"{self.region!r}` and {told}. Pass a tensor, `ClassRegion(region=mask)`, or a key that is there."
            )
        region = self.region if isinstance(self.region, Tensor) else entry(batch, self.region)
        return region.flatten(1).long().unsqueeze(1)

    def without_value(self, pinned: Tensor, size: int) -> Tensor:
        """Return which classes have no region."""
        return ~self._inside(pinned, size).any(2)

    def region_counts(self, pinned: Tensor, output: Tensor) -> Tensor:
        """See :class:`Reducer`."""
        read = self._read(output)
        size = read.scores.shape[1]
        inside = self._inside(pinned, size)
        classes = torch.arange(size, device=inside.device).unsqueeze(1)
        return torch.stack([inside.sum(2), (inside & (read.labels.unsqueeze(1) == classes)).sum(2)], 2)

    def _inside(self, pinned: Tensor, size: int) -> Tensor:
        """Return which pixels are in each class's region, bool ``[m, size, S]``."""
        classes = torch.arange(size, device=pinned.device)
        if self.region is not None:
            return pinned == classes.unsqueeze(1)
        return (pinned[:, classes // 8] >> (classes % 8).to(torch.uint8).unsqueeze(1)) & 1 > 0

    def __call__(self, output: Tensor, pinned: Tensor | None) -> Tensor:
        """See :class:`Reducer`."""
        read = self._read(output)
        scores = read.scores
        assert pinned is not None, "what `pin` returned comes with it"
        if pinned.shape[::2] != scores.shape[::2]:
            raise ValueError(
                f"`forward` should return as many pixels for each batch. Found {scores.shape[2]}, and "
                f"{pinned.shape[2]} {'in `region`' if self.region is not None else 'for the unperturbed inputs'}."
            )
        if read.numbers:
            values = scores
        elif self.scale == "softmax":
            values = scores.softmax(1)
        else:
            values = read.symmetric if self.scale == "raw" else read.symmetric.sigmoid()
        # No scatter: a GPU's sums depend on their order, and an unchanged model would seem to drift.
        inside = self._inside(pinned, scores.shape[1])
        return torch.where(inside, values, 0.0).sum(2) / inside.sum(2).clamp(min=1)


@dataclass(frozen=True)
class PixelCount(OfPixels):
    """The number of pixels of each class.

    Args:
        soft: whether a pixel counts for each class by its probability; otherwise it counts for its largest class.
        share: whether to divide by the number of all pixels.
        axis: the output's axis of classes, where axis 0 is the batch; ``None`` if the output is ``[m, *pixels]``;
            ``"auto"`` compares its axes with those of the inputs' pixels, and else takes axis 1.
        classes: how many classes a map of class numbers ``[m, *pixels]`` has; ``None`` for scores.

    Raises:
        ValueError: if ``axis`` is 0.
        TypeError: if ``soft`` or ``share`` is not a bool, or ``axis`` is not a whole number.
    """

    soft: bool = False
    share: bool = False
    axis: Axis = "auto"
    classes: int | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        check_flag("soft", self.soft)
        check_flag("share", self.share)

    @property
    def words(self) -> str:
        """See :class:`OfPixels`."""
        return f"the {'share' if self.share else 'number'} of its pixels"

    def __call__(self, output: Tensor, pinned: Tensor | None) -> Tensor:
        """See :class:`Reducer`."""
        read = self._read(output)
        scores = read.scores
        if self.soft and not read.numbers:
            counts = scores.softmax(1).sum(2)
        else:
            classes = torch.arange(scores.shape[1], device=scores.device).unsqueeze(1)
            counts = (read.labels.unsqueeze(1) == classes).sum(2).to(scores.dtype)
        return counts / scores.shape[2] if self.share else counts


def _bits(labels: Tensor, classes: int) -> Tensor:
    """Return class numbers ``[m, S]`` as bits, uint8 ``[m, ceil(classes / 8), S]``; none for other numbers."""
    places = torch.arange(-(-classes // 8), device=labels.device).unsqueeze(1)
    bits = (1 << (labels % 8)).to(torch.uint8)
    return torch.where(labels.unsqueeze(1) // 8 == places, bits.unsqueeze(1), 0)


def _check_axis(value: Any) -> Axis:
    axis = whole_number(value)
    if axis is None and value not in (None, "auto"):
        raise TypeError(f"`axis` should be a whole number, None, or 'auto'. Found `axis = {value!r}`.")
    if axis == 0:
        raise ValueError("`axis` should be that of the classes. Found `axis = 0`, which is the batch.")
    return "auto" if value == "auto" else axis

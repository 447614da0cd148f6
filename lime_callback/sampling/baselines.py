"""Baselines: what a hidden element is replaced with.

A baseline takes inputs ``[B, *dims]`` and their features, and returns a tensor that broadcasts to the inputs' shape, of
their dtype and on their device. It is computed once an explanation. Those that need other inputs of the same data are
in :mod:`lime_callback.sampling.background_baselines`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from lime_callback.checks.arguments import check_function
from lime_callback.checks.numbers import check_number, is_number
from lime_callback.checks.strategy_names import resolve_strategy
from lime_callback.sampling.absent import Absent as Absent
from lime_callback.sampling.background_baselines import Background as Background
from lime_callback.sampling.background_baselines import Data as Data
from lime_callback.sampling.hidden_values import Baseline as Baseline
from lime_callback.sampling.precision import wide_dtype

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from lime_callback.views.features import Features


@dataclass(frozen=True)
class Constant(Baseline):
    """One value for all elements.

    Args:
        value: in the units of the inputs.

    Raises:
        ValueError: if ``value`` is NaN or infinite.
        TypeError: if it is no number.
    """

    value: float = 0.0

    def __post_init__(self) -> None:
        check_number("value", self.value)

    def __call__(self, inputs: Tensor, features: Features) -> Tensor:
        """See :class:`Baseline`.

        Raises:
            ValueError: if the inputs' dtype does not reach so far.
        """
        if abs(self.value) > torch.finfo(inputs.dtype).max:
            raise ValueError(
                f"`baseline` should be a number that {inputs.dtype} can hold. Found {self.value}; convert the inputs "
                f"with `.float()`, or take a smaller number."
            )
        return inputs.new_full((1,) * inputs.ndim, self.value)


@dataclass(frozen=True)
class Mean(Baseline):
    """Each channel's mean over the input's pixels; of inputs without pixels (spectra), the mean of all elements."""

    def __call__(self, inputs: Tensor, features: Features) -> Tensor:
        """See :class:`Baseline`."""
        x = features.layout.canonical(inputs)
        return features.layout.restore(x.mean((1, 2, 3) if _is_spectrum(x) else (2, 3), keepdim=True))


@dataclass(frozen=True)
class SegmentMean(Baseline):
    """Each channel's mean over the pixels of the same feature, as ``lime`` does for images.

    For inputs without pixels (spectra), the mean over the feature's own channels. Elements that are never hidden keep
    their value.
    """

    def __call__(self, inputs: Tensor, features: Features) -> Tensor:
        """See :class:`Baseline`."""
        x = features.layout.canonical(inputs)
        spectrum = _is_spectrum(x)
        labels = features.canonical.long().expand(x.shape if spectrum else (len(x), -1, *x.shape[2:])) + 1
        # One row for the pixels of each channel; of a spectrum, one row for all channels.
        # In full width: a sum of many pixels does not fit into half precision.
        rows = (x.flatten(1).unsqueeze(1) if spectrum else x.flatten(2)).to(wide_dtype(x.device))
        index = (labels.flatten(1).unsqueeze(1) if spectrum else labels.flatten(2)).expand_as(rows)
        sums = rows.new_zeros(*rows.shape[:2], len(features) + 1).scatter_add_(2, index, rows)
        counts = torch.zeros_like(sums).scatter_add_(2, index, torch.ones_like(rows)).clamp(min=1)
        means = (sums / counts).gather(2, index).reshape(x.shape).to(x.dtype)
        return features.layout.restore(torch.where(labels > 0, means, x))


@dataclass(frozen=True)
class Blur(Baseline):
    """The input blurred by a Gaussian: over its pixels, or over the channels of inputs without pixels.

    Args:
        sigma: standard deviation as a share of the longer side, above 0 and at most 10.

    Raises:
        ValueError: if ``sigma`` is not above 0, or above 10.
        TypeError: if it is no number.

    References:
        Fong and Vedaldi, "Interpretable Explanations of Black Boxes by Meaningful Perturbation", ICCV 2017, section
        4.1.
    """

    sigma: float = 0.125

    def __post_init__(self) -> None:
        strongest = "`baseline='mean'` is the strongest blur"
        if check_number("sigma", self.sigma, above=0, hint=strongest) > 10:  # the kernel's memory grows with it
            raise ValueError(f"`sigma` should be at most 10. Found `sigma = {self.sigma}`; {strongest}.")

    def __call__(self, inputs: Tensor, features: Features) -> Tensor:
        """See :class:`Baseline`."""
        x = features.layout.canonical(inputs)
        axes = (1,) if _is_spectrum(x) else (2, 3)
        sigma = self.sigma * max(x.shape[axis] for axis in axes)
        for axis in axes:
            x = _blur(x, axis, sigma)
        return features.layout.restore(x)


def _is_spectrum(x: Tensor) -> bool:
    """Whether canonical inputs have one pixel each, over which no mean can be taken."""
    return x.shape[2] * x.shape[3] == 1


def _blur(x: Tensor, axis: int, sigma: float) -> Tensor:
    """Gaussian blur along one axis; edges are continued by their last value."""
    radius = max(1, round(3 * sigma))
    taps = torch.arange(-radius, radius + 1, device=x.device, dtype=x.dtype)
    taps = torch.exp(-((taps / sigma) ** 2) / 2)
    moved = x.movedim(axis, -1)
    lines = F.pad(moved.reshape(-1, 1, moved.shape[-1]), (radius, radius), mode="replicate")
    return F.conv1d(lines, (taps / taps.sum()).view(1, 1, -1)).view(moved.shape).movedim(-1, axis)


@dataclass(frozen=True, eq=False)
class Given(Baseline):
    """Values of the user's own.

    Args:
        values: a tensor that broadcasts to the inputs' shape [B, *dims] or [*dims], or one value a channel [C]; or a
            function of the inputs that returns such a tensor.

    Raises:
        ValueError: if a tensor holds NaN, infinite or complex values.
        TypeError: if it is neither a tensor nor a function.
    """

    values: Tensor | Callable[[Tensor], Tensor]

    def __post_init__(self) -> None:
        if isinstance(self.values, Tensor):
            _check_values(self.values)
        else:
            check_function("baseline", self.values, "the inputs, or a tensor")

    def __call__(self, inputs: Tensor, features: Features) -> Tensor:
        """See :class:`Baseline`.

        Raises:
            ValueError: if the values' shape does not fit, or they are not finite.
            TypeError: if the function returns no tensor.
        """
        if isinstance(self.values, Tensor):
            values = self.values
        else:
            values = self.values(inputs.clone())
            if not isinstance(values, Tensor):
                raise TypeError(f"`baseline` should return a tensor. Found a {type(values).__name__}.")
            _check_values(values)
        channels = features.layout.canonical(inputs).shape[1]
        values = values.detach().to(inputs)
        if values.ndim == 1 and inputs.ndim > 2 and len(values) == channels:
            return features.layout.restore(values.view(1, -1, 1, 1))
        try:
            values.expand(inputs.shape)
        except RuntimeError:
            raise ValueError(
                f"`baseline` should broadcast to the inputs' shape {tuple(inputs.shape)}, or hold one value for each "
                f"of the "
                f"{channels} channels. Found shape {tuple(values.shape)}."
            ) from None
        return values.view((1,) * (inputs.ndim - values.ndim) + tuple(values.shape))


def _numbers(values: Sequence[Any]) -> Tensor:
    try:
        return torch.tensor(values, dtype=torch.float64)
    except (TypeError, ValueError) as error:
        raise TypeError(f"`baseline` should hold numbers, such as one for each channel. Found {values!r}.") from error


def _check_values(values: Tensor) -> None:
    if values.is_complex() or not bool(values.isfinite().all()):
        found = f"dtype {values.dtype}" if values.is_complex() else "NaN or infinite values"
        raise ValueError(f"`baseline` should be finite and real. Found {found}.")


BaselineName = Literal["zero", "mean", "segment_mean", "blur", "data", "background", "absent"]
BASELINES: dict[str, Callable[[], Baseline]] = {
    "zero": Constant,
    "mean": Mean,
    "segment_mean": SegmentMean,
    "blur": Blur,
    "data": Data,
    "background": Background,
}
"""The baselines that have values for hidden elements, by their names."""
NAMED_BASELINES: dict[str, Callable[[], Baseline]] = {**BASELINES, "absent": Absent}


def resolve_baseline(value: Any) -> Baseline:
    """A baseline of its name, a number, numbers, a tensor, a function of the inputs, or a :class:`Baseline`.

    Raises:
        ValueError: if the name is unknown, or the number or the tensor is not finite.
        TypeError: if it is none of these.
    """
    if is_number(value):
        try:
            return Constant(check_number("baseline", value))
        except OverflowError:
            raise ValueError(f"`baseline` should be finite. Found {value}.") from None
    if isinstance(value, Iterable) and not isinstance(value, (str, Tensor, Mapping)) and not callable(value):
        return Given(_numbers(list(value)))
    if isinstance(value, Tensor) or (callable(value) and not isinstance(value, (Baseline, type))):
        return Given(value)
    besides = "a number, a tensor, a function of the inputs"
    return resolve_strategy("baseline", value, NAMED_BASELINES, Baseline, besides)

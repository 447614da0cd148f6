"""Locality kernels: how much each perturbation counts in the surrogate's fit.

A kernel takes a design, bool ``[B, n, d]``, and the features that each input has, bool ``[B, d]``, and returns weights
``[B, n]`` above 0 and at most 1; the unperturbed input has weight 1. Distances here are between a row z and the row of
ones; those of :mod:`lime_callback.sampling.input_distance_kernel` are between the inputs themselves.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import torch

from lime_callback.checks.numbers import check_number
from lime_callback.sampling.precision import wide_dtype

if TYPE_CHECKING:
    from torch import Tensor

    from lime_callback.views.features import Features


class Kernel(ABC):
    """Turns on/off rows into weights."""

    @abstractmethod
    def __call__(self, design: Tensor, present: Tensor) -> Tensor:
        """Weights ``[B, n]`` for a design ``[B, n, d]``, float64 where the device has it, else float32."""

    def bound(self, inputs: Tensor, baseline: Tensor, features: Features) -> Kernel:
        """The kernel for inputs ``[B, *dims]``, a baseline of that shape and their features.

        It is called with a design that has size 1 in place of B where all inputs share it.
        """
        return self


@dataclass(frozen=True)
class ExponentialKernel(Kernel):
    """A kernel with a width: ``exp(-distance² / (2 width²))``, however the distance is measured."""

    width: float

    def __post_init__(self) -> None:
        check_number("width", self.width, above=0, hint="`kernel='none'` counts every perturbation the same")

    def _weights(self, squared_distance: Tensor) -> Tensor:
        """Weights above 0, however narrow the kernel."""
        tiny = torch.finfo(squared_distance.dtype).tiny
        return torch.exp(-squared_distance / max(2 * self.width * self.width, tiny)).clamp(min=tiny)


@dataclass(frozen=True)
class _RowKernel(ExponentialKernel):
    """An exponential kernel on the on/off rows alone."""

    def __call__(self, design: Tensor, present: Tensor) -> Tensor:
        on = (design & present.unsqueeze(1)).sum(-1, dtype=wide_dtype(design.device))
        return self._weights(self._squared_distance(on / present.sum(-1, keepdim=True).clamp(min=1)))

    @abstractmethod
    def _squared_distance(self, kept: Tensor) -> Tensor:
        """Squared distance to the row of ones, given the share of features that are on."""


@dataclass(frozen=True)
class Cosine(_RowKernel):
    """Exponential kernel on the cosine distance ``1 - sqrt(on / d)``, where ``on`` of d features are on.

    Args:
        width: kernel width, without unit, above 0.

    Raises:
        ValueError: if ``width`` is not above 0, or infinite.
        TypeError: if it is no number.

    References:
        Ribeiro, Singh and Guestrin, "Why Should I Trust You?", KDD 2016, section 3.4; 0.25 is what ``lime`` takes for
        images.
    """

    width: float = 0.25

    def _squared_distance(self, kept: Tensor) -> Tensor:
        return (1 - kept.sqrt()) ** 2


@dataclass(frozen=True)
class Euclidean(_RowKernel):
    """Exponential kernel on ``||1 - z|| / sqrt(d)``, the Euclidean distance as a share of the largest one.

    Args:
        width: kernel width as a share of ``sqrt(d)``, above 0.

    Raises:
        ValueError: if ``width`` is not above 0, or infinite.
        TypeError: if it is no number.

    References:
        The tabular explainer of ``lime``, whose width is 0.75 ``sqrt(d)``.
    """

    width: float = 0.75

    def _squared_distance(self, kept: Tensor) -> Tensor:
        return 1 - kept


@dataclass(frozen=True)
class Uniform(Kernel):
    """Every perturbation counts the same."""

    def __call__(self, design: Tensor, present: Tensor) -> Tensor:
        """Ones, ``[B, n]``."""
        return torch.ones(design.shape[:2], dtype=wide_dtype(design.device), device=design.device)


KernelName = Literal["cosine", "euclidean", "none"]
KERNELS: dict[str, type[Kernel]] = {"cosine": Cosine, "euclidean": Euclidean, "none": Uniform}

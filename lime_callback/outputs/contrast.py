"""Contrasts: why this output and not that one. What is explained is the difference of two outputs.

Letters: ``m`` rows, ``B`` inputs, ``K`` outputs, ``P`` pairs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from lime_callback.checks.numbers import check_indices
from lime_callback.outputs.targets import TopLabels

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True)
class Contrast:
    """One output less another: an ``output`` of ``explain`` and of the callback.

    What raises the difference speaks for the first. Of two logits it is the logarithm of the odds between the two
    classes, in which the softmax's denominator cancels. A linear surrogate without an absolute penalty explains it by
    the difference of the two outputs' coefficients; its score and errors are its own.

    Args:
        first: index of the output, or of one output a pair.
        second: index of the output that is taken from it, likewise.

    Raises:
        ValueError: if there is no pair, an index is below 0, the two are not equally many, or an output is compared
            with itself.
        TypeError: if they are no whole numbers.
    """

    first: int | Sequence[int]
    second: int | Sequence[int]

    def __post_init__(self) -> None:
        first, second = (
            check_indices(name, getattr(self, name), "the index of an output, or a sequence of them, from 0 on")
            for name in ("first", "second")
        )
        if len(first) != len(second):
            raise ValueError(
                f"`first` and `second` should be equally many, one of each for a pair. Found {len(first)} and "
                f"{len(second)}."
            )
        same = [i for i, j in zip(first, second, strict=True) if i == j]
        if same:
            raise ValueError(f"`first` and `second` should be different outputs. Found {same[0]} against itself.")
        object.__setattr__(self, "first", first)
        object.__setattr__(self, "second", second)

    @classmethod
    def predicted(cls, outputs: Tensor) -> Contrast:
        """Each input's largest output against its second largest, as they are now: B pairs.

        ``explain(model, x, features, torch.arange(len(x)), output=Contrast.predicted(model(x)))`` explains each input
        by its own pair, which stays the same whatever the perturbations do to the order.

        Args:
            outputs: ``[B, K]``, at least two of them.

        Raises:
            ValueError: if there are fewer.
        """
        first, second = TopLabels(2)(outputs).T.tolist()
        return cls(first, second)

    def __call__(self, outputs: Tensor) -> Tensor:
        """Differences ``[m, P]`` of outputs ``[m, K]``, in float32 or wider.

        Raises:
            ValueError: if there are no such outputs.
            TypeError: if they are no tensor.
        """
        if not isinstance(outputs, Tensor):
            raise TypeError(f"`Contrast` takes outputs [m, K]. Found a {type(outputs).__name__}.")
        pairs = list(zip(self.first, self.second, strict=True))  # type: ignore[arg-type]
        needed = max(map(max, pairs))
        if outputs.ndim != 2 or outputs.shape[1] <= needed:
            raise ValueError(
                f"`Contrast` takes outputs [m, K], with K at least {needed + 1} for output {needed}. Found shape "
                f"{tuple(outputs.shape)}."
            )
        # Before the difference, whose digits half precision would lose.
        y = outputs if outputs.dtype == torch.float64 else outputs.float()
        return torch.stack([y[:, i] - y[:, j] for i, j in pairs], dim=1)

"""Contrasts: explains the difference of two outputs, and so why the model prefers one to the other.

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
    """The difference ``first - second`` of two outputs, as the ``output`` of ``explain`` and of the callback.

    A feature with a positive coefficient speaks for the first output. The difference of two logits is the logarithm of
    the odds between the two classes, since the softmax's denominator cancels. Without an L1 penalty, the surrogate's
    coefficients are the differences of the two outputs' coefficients; score and errors are not.

    Args:
        first: the index of the output, or a sequence with an index for each pair.
        second: the index of the output that is subtracted, or a sequence with an index for each pair.

    Raises:
        ValueError: if there is no pair, an index is below 0, the two sequences differ in length, or an output is
            compared with itself.
        TypeError: if an index is not a whole number.
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
        """Return B pairs: for each input the largest output against the second largest.

        ``explain(model, x, features, torch.arange(len(x)), output=Contrast.predicted(model(x)))`` explains each input
        by its own pair. The pair stays the same, even if perturbations change the order of the outputs.

        Args:
            outputs: the unperturbed inputs' outputs, ``[B, K]``, with K at least 2.

        Raises:
            ValueError: if K is below 2.
        """
        first, second = TopLabels(2)(outputs).T.tolist()
        return cls(first, second)

    def __call__(self, outputs: Tensor) -> Tensor:
        """Return the differences ``[m, P]`` of outputs ``[m, K]``, in float32 or wider.

        Raises:
            ValueError: if ``outputs`` does not have two axes, or K is not above every index.
            TypeError: if ``outputs`` is not a tensor.
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
        # The outputs are widened first, since a difference in half precision would lose digits.
        y = outputs if outputs.dtype == torch.float64 else outputs.float()
        return torch.stack([y[:, i] - y[:, j] for i, j in pairs], dim=1)

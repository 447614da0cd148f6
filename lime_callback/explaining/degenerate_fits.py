"""What is found out when the device is done: whether outputs were finite, and which fits explain nothing.

Up to here an explanation reads nothing back, so that a device never waits for the host. Here all is read at once.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

    from lime_callback.surrogates.fitting import Fit
    from lime_callback.views.features import Features

# Rows, all of one weight, that suffice for a few features, also where they come in pairs.
_ADVISED = 64


def check_outputs(whole: Tensor, outputs: Tensor) -> None:
    """Raise if a model's outputs are not finite.

    Args:
        whole: for the inputs as they are, ``[B, K]``.
        outputs: for their perturbations, ``[B, n, T]``.

    Raises:
        ValueError: if one is NaN or infinite.
    """
    _raise_if_broken(_broken(whole, outputs).tolist(), outputs.shape[1])


def fit_problems(
    whole: Tensor, outputs: Tensor, found: Fit, features: Features
) -> tuple[dict[int, str], dict[int, str]]:
    """Why an input's fit explains nothing, and else why it tells little, by the input's number; empty if all is well.

    Args:
        whole: outputs for the inputs as they are, ``[B, K]``.
        outputs: those for their perturbations, ``[B, n, T]``.
        found: what was fitted to them.
        features: of the inputs.

    Raises:
        ValueError: if an output is NaN or infinite.
    """
    constant, zero = found.constant.any(1), (found.coefficients == 0).all(-1).any(1)
    facts = (constant, zero, features.present.sum(1), found.freedom, found.effective_rows)
    dtype = found.spread.dtype
    columns = [_broken(whole, outputs).to(dtype), *(one.to(dtype).expand(len(outputs)).unsqueeze(1) for one in facts)]
    read = torch.cat(columns, 1).tolist()
    n = outputs.shape[1]
    _raise_if_broken([[int(number) for number in row[:2]] for row in read], n)
    nothing: dict[int, str] = {}
    few: dict[int, tuple[float, float]] = {}  # features, and the rows that there are for them
    scarce: dict[int, tuple[float, float]] = {}
    for b, (_, _, is_constant, is_zero, d, freedom, rows) in enumerate(read):
        if is_constant:
            nothing[b] = "the output does not change with any perturbation"
        elif freedom == 0:
            few[b] = d, rows
        elif is_zero:
            nothing[b] = "all coefficients are zero; a smaller `alpha` of the surrogate would keep some"
        elif rows < 2 * d and freedom < math.inf:
            scarce[b] = d, rows
    if few:
        counted, d, rows = _worst(n, few)
        nothing |= dict.fromkeys(
            few,
            f"{counted} are too few to tell {d:.0f} features apart, and no intervals are stated; raise "
            f"`n_perturbations`, best to {max(8 * d, _ADVISED) * n / rows:.0f} or more",
        )
    if scarce:
        counted, d, _ = _worst(n, scarce)
        return nothing, dict.fromkeys(scarce, f"{counted} are few for {d:.0f} features, so that intervals are long")
    return nothing, {}


def _worst(n: int, inputs: Mapping[int, tuple[float, float]]) -> tuple[str, float, float]:
    """What is said of the input that lacks rows most, so that one cause is told once."""
    d, rows = max(inputs.values(), key=lambda one: one[0] / one[1])
    weighed = f", which count as {rows:.0f} under the kernel," if rows < 0.9 * n else ""
    return f"its {n} perturbations{weighed}", d, rows


def _broken(whole: Tensor, outputs: Tensor) -> Tensor:
    """For each input how many perturbations have outputs that are not finite, and whether it has itself, ``[B, 2]``."""
    return torch.stack([(~outputs.isfinite().all(-1)).sum(1), (~whole.isfinite().all(-1)).long()], 1)


def _raise_if_broken(broken: list[list[int]], n: int) -> None:
    b, (count, itself) = max(enumerate(broken), key=lambda one: sum(one[1]))
    if count or itself:
        raise ValueError(
            f"`forward` should return finite numbers. Found NaN or infinite outputs for {count} of {n} perturbations "
            f"of input {b}{', and for the input itself' if itself else ''}."
        )

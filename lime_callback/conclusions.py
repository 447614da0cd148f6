"""What is found out when the device is done: whether outputs were finite, and which fits explain nothing.

Up to here an explanation reads nothing back, so that a device never waits for the host. Here all is read at once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from torch import Tensor

    from lime_callback.features import Features
    from lime_callback.surrogates import Fit


def check_outputs(whole: Tensor, outputs: Tensor) -> None:
    """Raise if a model's outputs are not finite.

    Args:
        whole: for the inputs as they are, ``[B, K]``.
        outputs: for their perturbations, ``[B, n, T]``.

    Raises:
        ValueError: if one is NaN or infinite.
    """
    _raise_if_broken(_broken(whole, outputs).tolist(), outputs.shape[1])


def degenerate(whole: Tensor, outputs: Tensor, found: Fit, features: Features) -> dict[int, str]:
    """Why an input's fit explains nothing, by the input's number; empty if all is well.

    Args:
        whole: outputs for the inputs as they are, ``[B, K]``.
        outputs: those for their perturbations, ``[B, n, T]``.
        found: what was fitted to them.
        features: of the inputs.

    Raises:
        ValueError: if an output is NaN or infinite.
    """
    constant, zero = found.constant.any(1), (found.coefficients == 0).all(-1).any(1)
    facts = [fact.long().expand(len(outputs)) for fact in (constant, features.present.sum(1), found.rank, zero)]
    read = torch.cat([_broken(whole, outputs), torch.stack(facts, 1)], 1).tolist()
    n = outputs.shape[1]
    _raise_if_broken([row[:2] for row in read], n)
    reasons = {}
    for b, (_, _, is_constant, d, rank, is_zero) in enumerate(read):
        if is_constant:
            reasons[b] = "the output does not change with any perturbation"
        # A fit with hardly a row more than features describes any output well, unless its rows are all that there are.
        elif rank < d or too_few(n, d):
            reasons[b] = (
                f"its {n} perturbations are too few to tell {d} features apart; raise `n_perturbations`, best to "
                f"{8 * d} or more"
            )
        elif is_zero:
            reasons[b] = "all coefficients are zero; a smaller `alpha` of the surrogate would keep some"
    return reasons


def too_few(n: int, d: int) -> bool:
    """Whether ``n`` perturbations describe any output well by ``d`` features, and are not all that there are."""
    return n <= d + 1 + d // 4 and n != 2**d


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

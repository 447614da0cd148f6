"""Degenerate fits: which inputs' fits explain nothing or little, and whether all outputs were finite.

Everything before reads nothing back, so that the host never waits for the device. Here all is read at once.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import torch

from lime_callback.checks import extension_points
from lime_callback.outputs.segmentation_reducers import Reducer
from lime_callback.surrogates.fitting import fit

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

    from lime_callback.explaining.strategies import Strategies
    from lime_callback.forwards.batched_forwards import Unperturbed
    from lime_callback.sampling.locality_kernels import Kernel
    from lime_callback.surrogates.fitted_rows import Samples
    from lime_callback.surrogates.fitting import Fit
    from lime_callback.views.features import Features

# Rows of equal weight that suffice for a few features, also if rows come in pairs.
_ADVISED = 64
_CONSTANT = "the output does not change with any perturbation"


class BrokenOutputsError(ValueError):
    """A model's outputs are NaN or infinite."""


def check_outputs(whole: Tensor, samples: Samples, kernel: Kernel) -> None:
    """Raise if a model's outputs are not finite, or a kernel's weights are none.

    Args:
        whole: the explained outputs for the unperturbed inputs, ``[B, T]``.
        samples: outputs for their perturbations, and their weights.
        kernel: what weighed them.

    Raises:
        ValueError: if an output is NaN or infinite, or a weight is not finite and at least 0.
    """
    _raise_if_broken(_broken(whole, samples.outputs).tolist(), samples.outputs.shape[1])
    extension_points.check_values(
        kernel, None, [[count] for count in extension_points.flaws(samples.weights)[0].tolist()]
    )


def without_broken(samples: Samples, prediction: Tensor) -> tuple[Samples, Tensor]:
    """The same with zeros for each input that has an output which is not finite; nothing is read back.

    Args:
        samples: the outputs for the perturbations, ``[B, n, T]``.
        prediction: the explained outputs for the unperturbed inputs, ``[B, T]``.
    """
    fine = samples.outputs.isfinite().flatten(1).all(1) & prediction.isfinite().all(1)
    outputs = torch.where(fine.view(-1, 1, 1), samples.outputs, 0.0)
    return replace(samples, outputs=outputs), torch.where(fine.unsqueeze(1), prediction, 0.0)


def broken_reasons(prediction: Tensor, samples: Samples) -> dict[int, str]:
    """Say why inputs with outputs that are not finite explain nothing, by the input's number.

    Args:
        prediction: the explained outputs for the unperturbed inputs, ``[B, T]``.
        samples: the outputs for the perturbations, ``[B, n, T]``.

    Raises:
        BrokenOutputsError: if all inputs have such outputs.
    """
    n = samples.outputs.shape[1]
    broken = [[int(number) for number in row] for row in _broken(prediction, samples.outputs).tolist()]
    if all(any(counts) for counts in broken):
        _raise_if_broken(broken, n)
    return {
        b: f"the model's output is NaN or infinite for {count} of {n} perturbations"
        + " and for the sample itself" * bool(itself)
        for b, (count, itself) in enumerate(broken)
        if count or itself
    }


def fit_checked(settings: Strategies, samples: Samples, prediction: Tensor) -> Fit:
    """Fit a surrogate; where that fails, say first if outputs that are not finite may be why."""
    try:
        return fit(settings.surrogate, samples)
    except Exception:
        check_outputs(prediction, samples, settings.kernel)
        raise


def fit_problems(
    whole: Tensor, samples: Samples, fitted: Fit, features: Features, settings: Strategies
) -> tuple[dict[int, str], dict[int, str]]:
    """Find the inputs whose fit explains nothing, and those whose fit tells little.

    Args:
        whole: the explained outputs for the unperturbed inputs, ``[B, T]``.
        samples: outputs for their perturbations, and their weights.
        fitted: the surrogates that were fitted to them.
        features: the inputs' features.
        settings: with the kernel and the surrogate, for errors that name them.

    Returns:
        The reason of each degenerate fit, and that of each other weak one, by the input's number.

    Raises:
        ValueError: if an output is NaN or infinite, or a weight, a coefficient or a score is.
    """
    outputs = samples.outputs
    constant, zero = fitted.constant.any(1), (fitted.coefficients == 0).all(-1).any(1)
    flaws = extension_points.flaws(samples.weights, fitted.coefficients, fitted.score)
    facts = (*flaws, constant, zero, features.present.sum(1), fitted.freedom, fitted.effective_rows)
    dtype = fitted.spread.dtype
    columns = [
        _broken(whole, outputs).to(dtype),
        *(fact.to(dtype).expand(len(outputs)).unsqueeze(1) for fact in facts),
    ]
    read = torch.cat(columns, 1).tolist()
    n = outputs.shape[1]
    _raise_if_broken([[int(number) for number in row[:2]] for row in read], n)
    extension_points.check_values(settings.kernel, settings.surrogate, [row[2:5] for row in read])
    nothing: dict[int, str] = {}
    few: dict[int, tuple[float, float]] = {}  # number of features, number of effective rows
    scarce: dict[int, tuple[float, float]] = {}
    for b, (is_constant, is_zero, d, freedom, rows) in enumerate(row[5:] for row in read):
        if is_constant:
            nothing[b] = _CONSTANT
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


def few_rows_advice(n: int, d: int) -> str:
    """Say before anything is explained that perturbations are few; nothing where ``n`` are enough for ``d`` features.

    After a fit :func:`fit_problems` knows more: how much the rows count under the kernel.
    """
    if n >= 2 * d:
        return ""
    lack = "too few to tell them apart, and no intervals are stated" if n <= d else "few, so that intervals are long"
    return (
        f"for {d} features, {n} perturbations are {lack}; pass `n_perturbations={2 * d}` or more, or let features be "
        "larger"
    )


def degenerate_because(
    degenerate: Mapping[int, str], asked: Unperturbed, targets: Tensor, output: Any
) -> dict[int, str]:
    """Say more of the inputs whose outputs are constant, where it is known why.

    Args:
        degenerate: the reason of each degenerate fit, by the input's number.
        asked: what the model says of the unperturbed inputs.
        targets: the explained outputs, int64 ``[B, T]``.
        output: the outputs' scale, or the reducer that made them.
    """
    constant = [b for b, reason in degenerate.items() if reason == _CONSTANT]
    if not constant:
        return dict(degenerate)
    reasons = dict(degenerate)
    if isinstance(output, Reducer) and asked.pinned is not None:
        without = output.without_value(asked.pinned, asked.outputs.shape[1])
        for b in constant:
            classes = [] if without is None else [t for t in targets[b].tolist() if bool(without[b, t])]
            if classes:
                named = f"class{'es' * (len(classes) > 1)} {', '.join(map(str, classes))}"
                were = "were" if len(classes) > 1 else "was"
                reasons[b] = (
                    f"{named} {were} predicted nowhere and has no region; explain another `target`, or pass the "
                    "region, `ClassRegion(region=...)`, a mask or its key in the batch"
                    if output.follows_model
                    else f"`region` has no pixel of {named}; explain another `target`, or other inputs"
                )
    if asked.dtype in (torch.float16, torch.bfloat16):
        for b in constant:
            if reasons[b] == _CONSTANT:
                size = float(asked.outputs[b].abs().amax())
                step = float(torch.finfo(asked.dtype).eps) * 2.0 ** math.floor(math.log2(size)) if size else 0.0
                name = str(asked.dtype).removeprefix("torch.")
                reasons[b] = (
                    f"{_CONSTANT}, as far as {name} can tell, which rounds outputs near {size:.3g} to steps of "
                    f"{step:.2g}; return them in float32, from a last layer without autocast"
                )
    return reasons


def _worst(n: int, inputs: Mapping[int, tuple[float, float]]) -> tuple[str, float, float]:
    """Describe the input that lacks rows most, so that all inputs state one cause in the same words."""
    d, rows = max(inputs.values(), key=lambda counts: counts[0] / counts[1])
    weighed = f", which count as {rows:.0f} under the kernel," if rows < 0.9 * n else ""
    return f"its {n} perturbations{weighed}", d, rows


def _broken(whole: Tensor, outputs: Tensor) -> Tensor:
    """How many of an input's perturbations have outputs that are not finite, and whether it has itself, ``[B, 2]``."""
    return torch.stack([(~outputs.isfinite().all(-1)).sum(1), (~whole.isfinite().all(-1)).long()], 1)


def _raise_if_broken(broken: list[list[int]], n: int) -> None:
    """Raise if some input has outputs that are not finite, by :func:`_broken` and perturbations ``n``."""
    b, (count, itself) = max(enumerate(broken), key=lambda of_input: sum(of_input[1]))
    if count or itself:
        raise BrokenOutputsError(
            f"`forward` should return finite numbers. Found NaN or infinite outputs for {count} of {n} perturbations "
            f"of input {b}{', and for the input itself' if itself else ''}."
        )

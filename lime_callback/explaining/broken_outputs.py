"""Outputs that are NaN or infinite: which inputs have them, and the fit of the others."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import torch

from lime_callback.explaining.degenerate_fits import broken_counts, check_outputs, raise_if_broken
from lime_callback.surrogates.fitting import fit

if TYPE_CHECKING:
    from torch import Tensor

    from lime_callback.explaining.strategies import Strategies
    from lime_callback.surrogates.fitted_rows import Samples
    from lime_callback.surrogates.fitting import Fit


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
    broken = [[int(number) for number in row] for row in broken_counts(prediction, samples.outputs).tolist()]
    if all(any(counts) for counts in broken):
        raise_if_broken(broken, n)
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

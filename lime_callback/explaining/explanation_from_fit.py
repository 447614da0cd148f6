"""An explanation's attributes from its fit, and an explanation refitted to fewer of its rows."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from lime_callback.surrogates.fitting import Fit, fit

if TYPE_CHECKING:
    from lime_callback.explaining.explanation import Explanation
    from lime_callback.surrogates.linear_models import Surrogate


def refitted_like(explanation: Explanation, later: Explanation, surrogate: Surrogate) -> Explanation:
    """Refit an explanation to no more rows of its design than a later one has."""
    samples, n = explanation.samples, later.n_perturbations
    if samples is None or later.samples is None or n >= explanation.n_perturbations:
        return explanation
    # The later one may have only the first rows of each group, see `designs.used_rows`, and fewer samples a row.
    step = max(1, samples.group // later.samples.group)
    period = samples.period and later.samples.period
    stop = n * step if samples.period is None or period is not None else min(n * step, samples.period)
    kept = {name: getattr(samples, name)[:, :stop:step] for name in ("design", "weights", "outputs")}
    samples = replace(
        samples, **kept, group=samples.group // step, chance=samples.chance or later.samples.chance, period=period
    )
    fewer = attributes_of_fit(fit(surrogate, samples), explanation.coefficients.dtype, explanation.prediction)
    return replace(explanation, **fewer, n_perturbations=samples.design.shape[1], samples=samples)


def attributes_of_fit(fitted: Fit, dtype: torch.dtype, prediction: Tensor) -> dict[str, Any]:
    """An explanation's attributes that follow from its fit and from the unperturbed inputs' outputs ``[B, T]``."""
    whole = fitted.intercept + fitted.coefficients.sum(-1)
    gap = torch.where(fitted.constant, 0.0, (whole - prediction) / torch.where(fitted.constant, 1.0, fitted.spread))
    named = {name: getattr(fitted, name) for name in ("coefficients", "standard_error", "intercept", "score")}
    named |= {"fit_score": fitted.fit_score, "gap": gap}
    named |= {name: getattr(fitted, name).expand(len(prediction)) for name in ("freedom", "effective_rows")}
    return {name: value.to(dtype) for name, value in named.items()}

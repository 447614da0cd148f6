"""From a fit to the attributes of an explanation, also of fewer of its rows."""

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
    """What the explanation would be with no more rows of its design than a later one has, as fitted again."""
    samples, n = explanation.samples, later.n_perturbations
    if samples is None or later.samples is None or n >= explanation.n_perturbations:
        return explanation
    # The later one may have the first rows of groups alone, see `designs.used_rows`, and rows with fewer samples each.
    step = max(1, samples.group // later.samples.group)
    period = samples.period and later.samples.period
    stop = n * step if samples.period is None or period is not None else min(n * step, samples.period)
    kept = {name: getattr(samples, name)[:, :stop:step] for name in ("design", "weights", "outputs")}
    samples = replace(
        samples, **kept, group=samples.group // step, chance=samples.chance or later.samples.chance, period=period
    )
    found = fit(surrogate, samples)
    fewer = attributes_of_fit(found, explanation.coefficients.dtype, explanation.prediction)
    return replace(explanation, **fewer, n_perturbations=samples.design.shape[1], samples=samples)


def attributes_of_fit(found: Fit, dtype: torch.dtype, prediction: Tensor) -> dict[str, Any]:
    """An explanation's attributes that follow from its fit, and from the outputs ``[B, T]`` for the inputs."""
    whole = found.intercept + found.coefficients.sum(-1)
    away = torch.where(found.constant, 0.0, (whole - prediction) / torch.where(found.constant, 1.0, found.spread))
    named = {name: getattr(found, name) for name in ("coefficients", "standard_error", "intercept", "score")}
    named |= {"fit_score": found.fit_score, "gap": away}
    named |= {name: getattr(found, name).expand(len(prediction)) for name in ("freedom", "effective_rows")}
    return {name: value.to(dtype) for name, value in named.items()}

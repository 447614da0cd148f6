"""Whether another baseline says the opposite: asked once a run, of a few probes and by few perturbations.

What hidden elements become is part of the question. Where the answer's sign hangs on it, nobody should read the sign.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

import torch

from lime_callback.explaining.explain_batch import explain_batch
from lime_callback.sampling.baselines import Background, Baseline, Data
from lime_callback.sampling.default_baseline import DefaultBaseline
from lime_callback.sampling.seeds import seed_for
from lime_callback.surrogates.predictive_score import least_freedom

if TYPE_CHECKING:
    from lime_callback.explaining.explanation import Explanation
    from lime_callback.following.explain_context import ExplainContext
    from lime_callback.following.followed_view import FollowedView

_PROBES, _SHARE = 2, 4  # at most so many probes, and one of so many perturbations where those suffice for errors
_MARGIN = 1.25  # so many times the perturbations that suffice on average, since their weights are left to chance
_ERRORS = 2.0  # a coefficient is sure from so many standard errors on
_STRONGEST = 3  # of the first explanation so many features count,
_LEAST = 0.25  # and of the second those above this share of its largest


def other(baseline: Baseline) -> Baseline:
    """The baseline to compare with: values of other samples for the data's mean, and that for all others."""
    return Background() if isinstance(baseline, Data) else Data()


def ask(followed: FollowedView, context: ExplainContext) -> str | None:
    """Explain the first probes again, with another baseline; in all processes.

    Args:
        followed: a view that was explained.
        context: how to explain, and the probes.

    Returns:
        What there is to say, or ``None``.
    """
    model, settings = context.model, followed.settings
    last, features = followed.last, followed.features
    assert last is not None, "explain comes first"
    assert features is not None, "pin comes first"
    assert followed.targets is not None, "pin comes first"
    n = settings.n_perturbations // _SHARE
    n = max(n, _sufficient(last, settings.design.group(n, features.most)))
    if model.background is None or n > settings.n_perturbations:
        return None
    inputs = model.probes.inputs[:_PROBES]
    few = replace(features, mask=features.mask[:_PROBES]) if len(features.mask) > 1 else features
    baseline = settings.baseline
    baseline = baseline.of(features) if isinstance(baseline, DefaultBaseline) else baseline
    second = other(baseline)
    result = explain_batch(
        model,
        inputs,
        few.to(inputs.device),
        followed.targets[:_PROBES],
        settings=replace(settings, baseline=second, n_perturbations=n),
        batch_size=context.batch_size,
        seeds=[seed_for(followed.config.seed, probe, followed.view.name) for probe in range(len(inputs))],
        ranks=context.ranks,
        module=model.module,
        pinned=None if followed.pinned is None else followed.pinned[:_PROBES].to(inputs.device),
        background=model.background,
    )
    turned = opposite(last, result.explanation.to("cpu"))
    if not turned:
        return None
    names = ", ".join(f"'{name}'" for name, _ in turned.most_common())
    return (
        f"in view '{followed.view.name}' the sign of {names} hangs on what hidden elements become: with `baseline = "
        f"{baseline}` it is the opposite of that with `baseline = {second}`, and neither is by chance. "
        "Read the size of these features, not their sign, or choose the `baseline` that means what you ask."
    )


def _sufficient(first: Explanation, group: int) -> int:
    """How many perturbations, drawn in groups, it takes to know the errors, if they weigh as those of ``first`` do."""
    features = torch.tensor(float(len(first.features)))
    groups = float(features + 1 + least_freedom(features))
    fitted = first.n_perturbations if first.samples is None else first.samples.period or first.n_perturbations
    return math.ceil(_MARGIN * groups * group * fitted / float(first.effective_rows.min()))


def opposite(first: Explanation, second: Explanation) -> Counter[str]:
    """Features that are strong and sure in both explanations, with opposite signs, and in how many inputs and targets.

    Args:
        first: of P inputs.
        second: of the first few of them, by the same features and targets.
    """
    count = len(second.coefficients)
    a, b = first.coefficients[:count], second.coefficients
    sure = (a.abs() > _ERRORS * first.standard_error[:count]) & (b.abs() > _ERRORS * second.standard_error)
    size = a.abs()
    least = size.topk(min(_STRONGEST, size.shape[-1]), dim=-1).values[..., -1:]
    strong = (size >= least) & (b.abs() >= _LEAST * b.abs().amax(-1, keepdim=True))
    turned = (sure & strong & (a * b < 0)).flatten(0, 1).sum(0)
    return Counter({name: n for name, n in zip(first.features.names, turned.tolist(), strict=True) if n})

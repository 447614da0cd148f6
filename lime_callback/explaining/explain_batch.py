"""LIME for one batch of checked inputs, without Lightning: perturb, run the model, fit the surrogates, conclude.

:func:`explain_batch` is a list of steps. Each step that may fail in one process alone runs within
:meth:`~lime_callback.forwards.processes.Ranks.together`; no step that fails before its first forward shares that with
the forwards, where processes of sharded weights wait for each other.

Letters: ``B`` inputs, ``K`` outputs, ``T`` targets, ``n`` perturbations, ``d`` features.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor, nn

from lime_callback.checks import extension_points
from lime_callback.explaining.degenerate_fits import (
    broken_reasons,
    degenerate_because,
    fit_checked,
    fit_problems,
    without_broken,
)
from lime_callback.explaining.deletion_insertion import area_beyond_chance, curve_rows, steps_for
from lime_callback.explaining.explanation import Explanation
from lime_callback.explaining.explanation_from_fit import attributes_of_fit
from lime_callback.explaining.input_checks import fingerprint
from lime_callback.forwards.batched_forwards import (
    all_hidden_outputs,
    outputs_like,
    perturbed_outputs,
    unperturbed_outputs,
)
from lime_callback.forwards.folded_stem import FoldedStem, StemFinder, fold_stem
from lime_callback.forwards.perturbed_inputs import PerturbedInputs
from lime_callback.forwards.processes import ALONE, Ranks
from lime_callback.forwards.profiler_sections import progress_unheard, stage
from lime_callback.forwards.tokens.absent_rows import AbsentRows, absent_rows
from lime_callback.outputs.targets import Target, select_targets
from lime_callback.sampling.absent import Absent
from lime_callback.sampling.designs import draw_designs, used_rows
from lime_callback.sampling.hidden_values import hidden_in_rows, row_weights
from lime_callback.surrogates.averaged_rows import RowCounts, repeated_rows, rows_to_ask
from lime_callback.surrogates.fitted_rows import Samples

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from lime_callback.explaining.strategies import Strategies
    from lime_callback.sampling.baselines import Baseline
    from lime_callback.views.features import Features

    RowForward = Callable[[Tensor, Tensor], Any]


class ExplainedBatch(NamedTuple):
    """The result of :func:`explain_batch`.

    Attributes:
        explanation: on the inputs' device.
        outputs: the model's outputs for the unperturbed inputs, ``[B, K]``.
        degenerate: for each input whose fit explains nothing the reason.
        weak: for each other input whose rows tell little the reason.
        batch_size: rows a forward for which memory sufficed, in all processes.
        pinned: what the output's reducer has pinned, ``[B, ...]``; ``None`` if it pins nothing.
        unfolded: why the model's stem could not be folded, where that was asked for.
        faithfulness: how much sooner the first output falls and rises than by chance, ``[B]``, see
            :mod:`lime_callback.explaining.deletion_insertion`; ``None`` where it was not asked for.
        remarks: what there is to say of how features were hidden.
        regions: each class's pixels, and those that have it now, ``[B, K, 2]``; ``None`` without regions.
        forwards: how many times the model was asked about each input: its perturbations, of which a design may have
            fewer than were asked for, itself, itself with everything hidden, and the curves of the faithfulness.
    """

    explanation: Explanation
    outputs: Tensor
    degenerate: dict[int, str]
    weak: dict[int, str]
    batch_size: int
    pinned: Tensor | None = None
    unfolded: str = ""
    faithfulness: Tensor | None = None
    forwards: int = 0
    remarks: tuple[str, ...] = ()
    regions: Tensor | None = None


@dataclass(frozen=True, eq=False)
class _Batch:
    """The arguments of :func:`explain_batch` that say what to perturb, and how."""

    inputs: Tensor
    features: Features
    settings: Strategies
    seeds: Sequence[int]
    used: int | None
    background: Tensor | None


@dataclass(frozen=True, eq=False)
class Perturbations:
    """The rows of a batch.

    Attributes:
        perturber: makes the perturbed inputs.
        group: rows that were drawn together stand together, this many at a time.
        period: after so many rows the design begins again.
        unknown: rows to which the model has no answer, bool ``[B, n]``; ``None`` if it has one to all.
        remark: what there is to say of these.
    """

    perturber: PerturbedInputs
    group: int
    period: int
    unknown: Tensor | None = None
    remark: str = ""


def explain_batch(
    forward: RowForward,
    inputs: Tensor,
    features: Features,
    target: Target,
    *,
    settings: Strategies,
    batch_size: int,
    seeds: Sequence[int],
    used: int | None = None,
    ranks: Ranks = ALONE,
    module: nn.Module | None = None,
    pinned: Tensor | None = None,
    pins_more: bool = False,
    background: Tensor | None = None,
    checked: bool = False,
    leaves_out: bool = False,
) -> ExplainedBatch:
    """Explain checked inputs.

    Args:
        forward: takes ``[m, *dims]`` and the number of the input that each row was made of, int64 ``[m]``.
        inputs: ``[B, *dims]``, the same in all processes.
        features: the inputs' features, on their device.
        target: see :func:`~lime_callback.explain`.
        settings: how to explain.
        batch_size: rows a forward at most; fewer where memory does not suffice.
        seeds: one number an input.
        used: how many rows of each design are used, from its first; ``None``: all.
        ranks: processes that share the forwards.
        module: the module that ``forward`` runs, for its stem; ``None`` leaves the stem alone.
        pinned: what a reducer has pinned for the inputs, ``[B, ...]``; ``None``: it does so now.
        pins_more: whether the reducer may add to that.
        background: other inputs ``[N, *dims]``, on any device, for baselines that take their values from the data.
        checked: whether to measure the faithfulness, too, which takes a sixteenth of the forwards.
        leaves_out: whether an input whose outputs are not finite counts as degenerate, unless all are such.

    Raises:
        ValueError: if the outputs' shape does not fit, or they are not finite.
        RankError: if the forwards failed in another process.
    """
    settings = settings.for_inputs(features.layout, inputs.shape)
    batch = _Batch(inputs, features, settings, seeds, used, background)
    # With sharded weights each process would have to decide alike.
    foldable = module is not None and settings.folds and not ranks.lockstep
    finder = StemFinder(module if foldable else None)
    with torch.no_grad():
        with stage("forwards"):
            with finder.looking(forward) as watched, ranks.together():
                asked = unperturbed_outputs(
                    watched, inputs, settings.output, batch_size, ranks, pinned, pins_more=pins_more
                )
                whole, pinned = asked.outputs, asked.pinned
            with ranks.together():
                targets = select_targets(target, whole)
                rows = perturbations(batch)
            evaluate = partial(outputs_like, whole, forward, settings.output, pinned)
            run: PerturbedInputs | FoldedStem | AbsentRows = rows.perturber
            unfolded, remarks = "", tuple[str, ...]()
            if isinstance(settings.baseline, Absent):
                with ranks.together():
                    run, remarks = absent_rows(
                        module, evaluate, rows.perturber, batch_size, whole, ranks, ends=settings.surrogate.efficient
                    )
                rows = replace(rows, unknown=run.unknown, remark=run.left_out)
                hidden = _outputs_with_all_absent(evaluate, run, whole, batch_size, ranks)
            else:
                hidden = all_hidden_outputs(forward, rows.perturber, settings.output, batch_size, ranks, pinned)
            if foldable:
                with ranks.together():
                    stem, unfolded = fold_stem(finder, evaluate, rows.perturber, batch_size, whole[:1])
                run = stem or run
            outputs, sufficed = perturbed_outputs(evaluate, run, targets, batch_size, ranks)
        with stage("fit"), ranks.together():
            explained = _conclude(batch, rows, targets, whole, hidden, outputs, leaves_out)
            reasons = degenerate_because(explained.degenerate, asked, targets, settings.output)
        explained = explained._replace(degenerate=reasons, pinned=pinned, batch_size=sufficed, regions=asked.regions)
        explained = explained._replace(unfolded=unfolded, remarks=remarks)
        if checked and (steps := steps_for(rows.perturber.per_input)):
            with ranks.together():
                perturber = rows.perturber.other(curve_rows(explained.explanation, steps, seeds))
                curves = perturber if isinstance(run, PerturbedInputs) else run.other(perturber)
            with stage("forwards"), progress_unheard():
                along, _ = perturbed_outputs(evaluate, curves, targets[:, :1], sufficed, ranks)
            spread = outputs.view(len(inputs), -1, outputs.shape[1])[..., 0].std(1)
            area = area_beyond_chance(along.view(len(inputs), -1), spread)
            forwards = explained.forwards + along.numel() // len(inputs)
            explained = explained._replace(faithfulness=area, forwards=forwards)
        return explained


def perturbations(batch: _Batch) -> Perturbations:
    """Draw the rows of a batch, and the values that hide its features in each of them."""
    settings, features = batch.settings, batch.features
    baseline = settings.baseline.bound(features, batch.background)
    asked = _asked(settings, baseline, features)
    design = repeated_rows(
        draw_designs(settings.design, asked.period, features.present, batch.seeds, baseline.varies), asked
    )
    hidden = baseline.hide(batch.inputs, features, design.shape[1], batch.seeds, asked.period)
    hidden = extension_points.hidden_values(baseline, hidden, batch.inputs)
    rows, group = used_rows(settings.design, asked.period, features.most, batch.used)
    perturber = PerturbedInputs(batch.inputs, hidden_in_rows(hidden, rows), features, design[:, rows])
    return Perturbations(perturber, group, asked.period)


def _asked(settings: Strategies, baseline: Baseline, features: Features) -> RowCounts:
    if not baseline.varies:
        return RowCounts(settings.n_perturbations, settings.n_perturbations)
    return rows_to_ask(settings.design, settings.kernel, settings.n_perturbations, features.most, baseline.grounds)


def _outputs_with_all_absent(
    forward: RowForward, rows: AbsentRows, whole: Tensor, batch_size: int, ranks: Ranks
) -> Tensor:
    """The outputs with every feature hidden, ``[B, K]``; NaN where no token is left then."""
    with ranks.together():
        nothing = rows.nothing()
    every = torch.arange(whole.shape[1], device=whole.device).expand(whole.shape)
    with progress_unheard():
        outputs, _ = perturbed_outputs(forward, nothing, every, batch_size, ranks)
    return torch.where(nothing.unknown, math.nan, outputs)


def _conclude(
    batch: _Batch,
    rows: Perturbations,
    targets: Tensor,
    whole: Tensor,
    hidden: Tensor,
    outputs: Tensor,
    leaves_out: bool,
) -> ExplainedBatch:
    """Fit the surrogates, and make the explanation of their coefficients.

    Args:
        batch: what was perturbed.
        rows: its perturbations.
        targets: int64 ``[B, T]``.
        whole: outputs for the unperturbed inputs, ``[B, K]``.
        hidden: outputs with every feature hidden, ``[B, K]``.
        outputs: targets' outputs for the perturbations, ``[B n, T]``.
        leaves_out: see :func:`explain_batch`.
    """
    perturber, features, prediction = rows.perturber, batch.features, whole.gather(1, targets)
    design, baseline, *others = batch.settings.texts
    given = weighted_samples(batch.settings, rows, outputs)
    samples, said = without_broken(given, prediction) if leaves_out else (given, prediction)
    fitted = fit_checked(batch.settings, samples, said)
    degenerate, weak = fit_problems(said, samples, fitted, features, batch.settings)
    if leaves_out and degenerate:
        degenerate |= broken_reasons(prediction, given)
    explanation = Explanation(
        **attributes_of_fit(fitted, outputs.dtype, prediction),
        targets=targets,
        prediction=prediction,
        hidden=hidden.gather(1, targets),
        fingerprint=fingerprint(batch.inputs),
        features=features,
        n_perturbations=perturber.per_input,
        shape=tuple(batch.inputs.shape[1:]),
        samples=samples,
        strategies=(design, ", ".join(filter(None, (baseline, rows.remark))), *others),
    )
    return ExplainedBatch(explanation, whole, degenerate, weak, 0, forwards=perturber.per_input + 1 + perturber.grounds)


def weighted_samples(settings: Strategies, rows: Perturbations, outputs: Tensor) -> Samples:
    """The outputs ``[B n, T]`` of all perturbations, with the rows and the weights that belong to them."""
    perturber, period = rows.perturber, rows.period
    design, n = perturber.design, perturber.per_input
    weights = row_weights(settings.kernel, perturber.inputs, perturber.hidden, perturber.features, design)
    outputs = outputs.view(len(perturber.inputs), n, -1)
    if rows.unknown is not None:
        weights = torch.where(rows.unknown, 0.0, weights)
    some = perturber.grounds > 1 and n < period * perturber.grounds  # not all samples for each row
    again = period if period < n else None
    return Samples(design, weights, outputs, rows.group, some, again, settings.surrogate.efficient)

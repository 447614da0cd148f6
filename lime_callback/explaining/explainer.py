"""LIME for a batch of inputs, without Lightning: perturb, run the model, fit the surrogates."""

from __future__ import annotations

import logging
import warnings
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import torch
from torch import Tensor, nn

from lime_callback.checks.arguments import check_function, check_seeds
from lime_callback.checks.numbers import check_count
from lime_callback.explaining.degenerate_fits import check_outputs, verdicts
from lime_callback.explaining.deletion_insertion import area, curves, steps_for
from lime_callback.explaining.explanation import Explanation
from lime_callback.explaining.explanation_from_fit import of_fit
from lime_callback.explaining.input_checks import check_background, check_inputs, features_of, fingerprint
from lime_callback.explaining.strategies import Strategies
from lime_callback.forwards.batched_forwards import predictions, sweep
from lime_callback.forwards.folded_stem import Folded, StemFinder, fold
from lime_callback.forwards.perturbed_inputs import PerturbedInputs
from lime_callback.forwards.processes import ALONE, Ranks
from lime_callback.forwards.profiler_sections import stage, unheard
from lime_callback.outputs.targets import Output, Target, scores, select
from lime_callback.sampling.designs import Design, draw, used_rows
from lime_callback.sampling.hidden_values import of_rows, weighed
from lime_callback.surrogates.averaged_rows import Rows, again, rows_to_ask
from lime_callback.surrogates.fitted_rows import Samples
from lime_callback.surrogates.fitting import fit

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from lime_callback.explaining.package_presets import Like
    from lime_callback.outputs.segmentation_reducers import Reducer
    from lime_callback.sampling.baselines import Baseline
    from lime_callback.sampling.locality_kernels import Kernel
    from lime_callback.views.features import Features

    Forward = Callable[[Tensor], Any]
    RowForward = Callable[[Tensor, Tensor], Any]

_DEFAULT_BATCH = 64
_log = logging.getLogger("lime_callback")


def explain(
    forward: Forward,
    inputs: Tensor,
    features: Features | Tensor,
    target: Target = None,
    *,
    n_perturbations: int = 256,
    design: str | Design | None = None,
    baseline: str | float | Tensor | Callable[[Tensor], Tensor] | Baseline | None = None,
    kernel: str | Kernel | None = None,
    surrogate: Any = None,
    like: Like | None = None,
    output: Output | Reducer | Callable[[Tensor], Tensor] = "raw",
    batch_size: int | None = None,
    stem: Literal["auto", "off"] = "auto",
    background: Tensor | None = None,
    seed: int | Sequence[int] = 0,
) -> Explanation:
    """Explain a model's outputs by a weighted linear model over features that are switched on and off.

    All inputs and targets share the forwards. The model is called as it is: put it into evaluation mode yourself.
    Global random state is not touched.

    Args:
        forward: takes ``[m, *dims]``, returns ``[m]`` or ``[m, K]`` (or what a callable ``output`` turns into that).
        inputs: ``[B, *dims]``, floating point, finite.
        features: of a view, or an integer mask that broadcasts to the inputs' shape, -1 where nothing is ever hidden.
        target: one output's index for all inputs, a list ``[T]`` for all, a tensor ``[B]`` or ``[B, T]``, a function
            of the outputs ``[B, K]`` that returns one, such as :class:`~lime_callback.TopLabels`, or ``None`` for every
            output.
        n_perturbations: rows of the design, at least 2.
        design: ``"orthogonal"`` (if ``None``), ``"paired"``, ``"bernoulli"``, or a
            :class:`~lime_callback.sampling.Design`.
        baseline: what hidden elements become: ``"mean"`` of the input by channel (if ``None`` and there is no
            background), ``"zero"``, ``"segment_mean"``, ``"blur"``, a number, a tensor, a function of the inputs, or a
            :class:`~lime_callback.sampling.Baseline`; with a background also ``"data"`` (if ``None``) or
            ``"background"``.
        kernel: ``"cosine"`` (if ``None``), ``"euclidean"``, ``"none"``, or a :class:`~lime_callback.sampling.Kernel`.
        surrogate: ``"ridge"`` (if ``None``), ``"lasso"``, a scikit-learn linear regressor, or a
            :class:`~lime_callback.surrogates.Surrogate`.
        like: sets design, baseline, kernel and surrogate as another package has them by default, to compare with it:
            ``"lime_image"``, ``"lime_tabular"``, ``"captum"`` or ``"meteors"``, see
            :mod:`lime_callback.explaining.package_presets`. What it sets has to be left out.
        output: ``"raw"``, ``"centered"`` (less the mean of all outputs, so that what is added to all logits, which
            changes no probability, counts for nothing), ``"log_softmax"`` (the log-probability, at least that of
            1e-12; of outputs that are probabilities their logarithm), ``"softmax"``, ``"sigmoid"``, a function of what
            ``forward`` returned, such as a :class:`~lime_callback.Contrast` of two outputs, or a
            :class:`~lime_callback.outputs.Reducer` for segmentation.
        batch_size: perturbed inputs a forward; 64 at most if ``None``.
        stem: ``"auto"`` folds the model's first layer where it is linear, where that pays, and where it proves itself:
            perturbed inputs are then never made. ``forward`` has to be a module for that. ``"off"`` makes them.
        background: other inputs of the same data, ``[N, *dims]``: ``"data"`` hides by their mean, ``"background"`` by
            their values.
        seed: of the designs: one number, which gives each input the same rows, so that a batch is explained as its
            inputs are one by one; or one number an input.

    Returns:
        The explanation, on the inputs' device.

    Raises:
        ValueError: if an argument's value or shape does not fit, or the model's outputs are not finite.
        TypeError: if an argument is of another kind.

    Warns:
        UserWarning: if a fit is degenerate (the output does not vary, rows are too few for the features, or all
            coefficients are zero), or uncertain (fewer than two effective rows a feature).

    References:
        Ribeiro, Singh and Guestrin, "Why Should I Trust You?", KDD 2016.
    """
    usual = "mean" if background is None else "data"
    settings = Strategies(n_perturbations, design, baseline, kernel, surrogate, output, stem, like, usual)
    check_function("forward", forward, "inputs [m, *dims] and returns [m] or [m, K]")
    check_inputs(inputs)
    check_background(background, inputs)
    seeds = check_seeds(seed, len(inputs))
    if batch_size is not None:
        batch_size = check_count("batch_size", batch_size)
    found = run(
        lambda x, _: forward(x),
        inputs,
        features_of(features, inputs),
        target,
        settings=settings,
        batch_size=batch_size or _DEFAULT_BATCH,
        seeds=seeds,
        module=forward if isinstance(forward, nn.Module) else None,
        background=background,
    )
    for b, reason in found.weak.items():
        warnings.warn(f"The explanation of input {b} is uncertain: {reason}.", UserWarning, stacklevel=2)
    if found.unfolded:
        _log.info("The model's stem is not folded, and perturbed inputs are made, since %s.", found.unfolded)
    for b, reason in found.degenerate.items():
        warnings.warn(f"The explanation of input {b} is degenerate: {reason}.", UserWarning, stacklevel=2)
    return found.explanation


class ExplainerResult(NamedTuple):
    """What :func:`run` found.

    Attributes:
        explanation: on the inputs' device.
        outputs: of the model for the inputs as they are, ``[B, K]``.
        degenerate: for each input whose fit explains nothing the reason.
        weak: for each other input whose rows tell little the reason.
        batch_size: rows a forward for which memory sufficed, in all processes.
        unfolded: why the model's stem could not be folded, where that was asked for.
        faithfulness: how much sooner the first output falls and rises than by chance, ``[B]``, see
            :mod:`lime_callback.explaining.deletion_insertion`; ``None`` where it was not asked for.
        forwards: inputs that the model was asked about for each input: its perturbations, of which a design may have
            fewer than were asked for, itself, itself with everything hidden, and the curves of the faithfulness.
    """

    explanation: Explanation
    outputs: Tensor
    degenerate: dict[int, str]
    weak: dict[int, str]
    batch_size: int
    unfolded: str = ""
    faithfulness: Tensor | None = None
    forwards: int = 0


def run(
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
    background: Tensor | None = None,
    checked: bool = False,
) -> ExplainerResult:
    """Explain checked inputs.

    Args:
        forward: takes ``[m, *dims]`` and the number of the input that each row was made of, int64 ``[m]``.
        inputs: ``[B, *dims]``, the same in all processes.
        features: of the inputs, on their device.
        target: see :func:`explain`.
        settings: how to explain.
        batch_size: rows a forward at most; fewer where memory does not suffice.
        seeds: one number an input.
        used: rows of each design that are used, from its first; ``None``: all.
        ranks: processes that share the forwards.
        module: that ``forward`` runs, for its stem; ``None`` leaves the stem alone.
        pinned: what a reducer has pinned of the inputs; ``None``: it does so now.
        background: other inputs ``[N, *dims]``, on any device, for baselines that take their values from the data.
        checked: whether to measure the faithfulness, too, which takes a sixteenth of the forwards.

    Raises:
        ValueError: if the outputs' shape does not fit, or they are not finite.
        RankError: if the forwards failed in another process.
    """

    def score(x: Tensor, rows: Tensor) -> Tensor:
        found = scores(forward(x, rows), len(x), settings.output, None if pinned is None else pinned[rows])
        if found.shape[1] != whole.shape[1] or found.dtype != whole.dtype:
            raise ValueError(
                f"`forward` should return outputs of one kind for every batch. Found {whole.shape[1]} outputs an "
                f"input, {whole.dtype}, and then {found.shape[1]}, {found.dtype}."
            )
        return found

    def prepare() -> tuple[Tensor, Tensor | None, Tensor, PerturbedInputs, Rows, int, Tensor]:
        with finder.looking(forward) as watched:
            whole, region = predictions(watched, inputs, settings.output, batch_size, ranks, pinned)
        targets = select(target, whole)
        baseline = settings.baseline.bound(features, background)
        asked = _asked(settings, baseline, features)
        design = draw(settings.design, asked.period, features.present, seeds, baseline.varies)
        design = again(design, asked)
        hidden = baseline.hide(inputs, features, design.shape[1], seeds, asked.period)
        rows, group = used_rows(settings.design, asked.period, len(features), used)
        perturber = PerturbedInputs(inputs, of_rows(hidden, rows), features, design[:, rows])
        grounds = (perturber.nothing(k) for k in range(perturber.grounds))
        empty = torch.stack(
            [predictions(forward, x, settings.output, batch_size, ranks, region)[0] for x in grounds]
        ).mean(0)
        return whole, region, targets, perturber, asked, group, empty

    def folded() -> tuple[Folded | None, str]:
        return fold(finder, score, perturber, batch_size, whole[:1]) if foldable else (None, "")

    def conclude() -> ExplainerResult:
        samples = gathered(settings, perturber, features, outputs, group, asked.period)
        try:
            found = fit(settings.surrogate, samples)
        except Exception:
            check_outputs(whole, samples.outputs)  # which may be why
            raise
        reasons, weak = verdicts(whole, samples.outputs, found, features)
        prediction = whole.gather(1, targets)
        explanation = Explanation(
            **of_fit(found, outputs.dtype, prediction),
            targets=targets,
            prediction=prediction,
            hidden=empty.gather(1, targets),
            fingerprint=fingerprint(inputs),
            features=features,
            n_perturbations=perturber.per_input,
            shape=tuple(inputs.shape[1:]),
            samples=samples,
        )
        looks = perturber.per_input + 1 + perturber.grounds
        return ExplainerResult(explanation, whole, reasons, weak, sufficed, unfolded, forwards=looks)

    # With sharded weights each process would have to decide alike.
    foldable = module is not None and settings.stem != "off" and not ranks.lockstep
    finder = StemFinder(module if foldable else None)
    with torch.no_grad():
        with stage("forwards"):
            whole, pinned, targets, perturber, asked, group, empty = ranks.together(prepare)
            stem, unfolded = ranks.together(folded)
            outputs, sufficed = sweep(score, stem or perturber, targets, batch_size, ranks)
        with stage("fit"):
            concluded = ranks.together(conclude)
        if steps := steps_for(perturber.per_input) if checked else 0:
            rows = perturber.other(curves(concluded.explanation, steps, seeds))
            with stage("forwards"), unheard():
                along, _ = sweep(score, rows if stem is None else stem.other(rows), targets[:, :1], sufficed, ranks)
            spread = outputs.view(len(inputs), -1, targets.shape[1])[..., 0].std(1)
            along = along.view(len(inputs), -1)
            looks = concluded.forwards + along.shape[1]
            concluded = concluded._replace(faithfulness=area(along, spread), forwards=looks)
        return concluded


def _asked(settings: Strategies, baseline: Baseline, features: Features) -> Rows:
    n = settings.n_perturbations
    if not baseline.varies:
        return Rows(n, n)
    return rows_to_ask(settings.design, settings.kernel, n, len(features), baseline.grounds)


def gathered(
    settings: Strategies, perturber: PerturbedInputs, features: Features, outputs: Tensor, group: int, period: int
) -> Samples:
    """The outputs ``[B n, T]`` of all perturbations, with the rows and the weights that belong to them."""
    design, n = perturber.design, perturber.per_input
    weights = weighed(settings.kernel, perturber.inputs, perturber.hidden, features, design)
    outputs = outputs.view(len(perturber.inputs), n, -1)
    some = perturber.grounds > 1 and n < period * perturber.grounds  # not all samples for each row
    return Samples(design, weights, outputs, group, chance=some, period=period if period < n else None)

"""LIME for a batch of inputs, without Lightning: perturb, run the model, fit the surrogates."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from lime_callback.arguments import check_count
from lime_callback.baselines import Baseline, resolve_baseline
from lime_callback.designs import DESIGNS, Design, draw
from lime_callback.explanation import Explanation, Samples
from lime_callback.features import Features
from lime_callback.kernels import KERNELS, Kernel, wide
from lime_callback.perturb import perturbed
from lime_callback.spelling import resolve
from lime_callback.surrogates import Fit, Ridge, Surrogate, fit, resolve_surrogate
from lime_callback.targets import Output, check_output, scores, select

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    Forward = Callable[[Tensor], Any]
    RowForward = Callable[[Tensor, Tensor], Any]

_DEFAULT_BATCH = 64


@dataclass(frozen=True)
class Settings:
    """How explanations are made: every strategy resolved and checked.

    Raises:
        ValueError: for an unknown name or a number out of range.
        TypeError: for an argument of another kind.
    """

    n_perturbations: int = 256
    design: Any = "paired"
    baseline: Any = "mean"
    kernel: Any = "cosine"
    surrogate: Any = field(default_factory=Ridge)
    output: Output | Callable[[Tensor], Tensor] = "raw"

    def __post_init__(self) -> None:
        check_count("n_perturbations", self.n_perturbations, 2)
        check_output(self.output)
        resolved: dict[str, Design | Kernel | Baseline | Surrogate] = {
            "design": resolve("design", self.design, DESIGNS, Design),
            "kernel": resolve("kernel", self.kernel, KERNELS, Kernel),
            "baseline": resolve_baseline(self.baseline),
            "surrogate": resolve_surrogate(self.surrogate),
        }
        for name, strategy in resolved.items():
            object.__setattr__(self, name, strategy)


def explain(
    forward: Forward,
    inputs: Tensor,
    features: Features | Tensor,
    target: int | Sequence[int] | Tensor | None = None,
    *,
    n_perturbations: int = 256,
    design: str | Design = "paired",
    baseline: str | float | Tensor | Callable[[Tensor], Tensor] | Baseline = "mean",
    kernel: str | Kernel = "cosine",
    surrogate: Any = Ridge(),  # noqa: B008 (frozen)
    output: Output | Callable[[Tensor], Tensor] = "raw",
    batch_size: int | None = None,
    seed: int | Sequence[int] = 0,
) -> Explanation:
    """Explain a model's outputs by a weighted linear model over features that are switched on and off.

    All inputs and targets share the forwards. The model is called as it is: put it into evaluation mode yourself.
    Global random state is not touched.

    Args:
        forward: takes ``[m, *dims]``, returns ``[m]`` or ``[m, K]`` (or what a callable ``output`` turns into that).
        inputs: ``[B, *dims]``, floating point, finite.
        features: of a view, or an integer mask that broadcasts to the inputs' shape, -1 where nothing is ever hidden.
        target: one output's index for all inputs, a list ``[T]`` for all, a tensor ``[B]`` or ``[B, T]``, or ``None``
            for every output.
        n_perturbations: rows of the design, at least 2.
        design: ``"bernoulli"``, ``"paired"``, or a :class:`~lime_callback.designs.Design`.
        baseline: what hidden elements become: ``"zero"``, ``"mean"``, ``"segment_mean"``, ``"blur"``, a number, a
            tensor, a function of the inputs, or a :class:`~lime_callback.baselines.Baseline`.
        kernel: ``"cosine"``, ``"euclidean"``, ``"none"``, or a :class:`~lime_callback.kernels.Kernel`.
        surrogate: ``"ridge"``, ``"lasso"``, a scikit-learn linear regressor, or a
            :class:`~lime_callback.surrogates.Surrogate`.
        output: ``"raw"``, ``"softmax"``, ``"sigmoid"``, or a function of what ``forward`` returned.
        batch_size: perturbed inputs a forward; 64 at most if ``None``.
        seed: of the designs: one number, which gives each input the same rows, so that a batch is explained as its
            inputs are one by one; or one number an input.

    Returns:
        The explanation, on the inputs' device.

    Raises:
        ValueError: if an argument's value or shape does not fit, or the model's outputs are not finite.
        TypeError: if an argument is of another kind.

    Warns:
        UserWarning: if a fit is degenerate: no variation in the output, fewer rows than features, or all coefficients
            zero.

    References:
        Ribeiro, Singh and Guestrin, "Why Should I Trust You?", KDD 2016.
    """
    settings = Settings(n_perturbations, design, baseline, kernel, surrogate, output)
    seeds = [seed] * len(inputs) if isinstance(seed, int) else list(seed)
    check_inputs(inputs)
    if len(seeds) != len(inputs):
        raise ValueError(
            f"`seed` should be a number, or one for each of the {len(inputs)} inputs. Found {len(seeds)} numbers."
        )
    if batch_size is not None:
        check_count("batch_size", batch_size, 1)
    explanation, degenerate = run(
        lambda x, _: forward(x),
        inputs,
        features_of(features, inputs),
        target,
        settings=settings,
        batch_size=batch_size or _DEFAULT_BATCH,
        seeds=seeds,
    )
    for b, reason in degenerate.items():
        warnings.warn(f"The explanation of input {b} is degenerate: {reason}.", UserWarning, stacklevel=2)
    return explanation


def run(
    forward: RowForward,
    inputs: Tensor,
    features: Features,
    target: int | Sequence[int] | Tensor | None,
    *,
    settings: Settings,
    batch_size: int,
    seeds: Sequence[int],
) -> tuple[Explanation, dict[int, str]]:
    """Explain checked inputs.

    Args:
        forward: takes ``[m, *dims]`` and the number of the input that each row was made of, int64 ``[m]``.
        inputs: ``[B, *dims]``.
        features: of the inputs, on their device.
        target: see :func:`explain`.
        settings: how to explain.
        batch_size: rows a forward.
        seeds: one number an input.

    Returns:
        The explanation, and for each input whose fit is degenerate the reason.

    Raises:
        ValueError: if the outputs' shape does not fit, or they are not finite.
    """
    n = settings.n_perturbations
    with torch.no_grad():
        design = draw(settings.design, n, features.present, seeds)
        values = settings.baseline(inputs, features)
        owners = torch.arange(len(inputs), device=inputs.device)

        def score(x: Tensor, rows: Tensor) -> Tensor:
            return scores(forward(x, rows), len(x), settings.output)

        # Cloned, since a model may write into its input.
        parts = zip(torch.split(inputs, batch_size), torch.split(owners, batch_size), strict=True)
        whole = torch.cat([score(x.clone(), rows) for x, rows in parts])
        targets = select(target, len(inputs), whole.shape[1], inputs.device)
        outputs = whole.new_empty(len(inputs) * n, targets.shape[1])
        for start, x in perturbed(inputs, values, features, design, batch_size):
            rows = torch.arange(start, start + len(x), device=inputs.device) // n
            torch.gather(score(x, rows), 1, targets[rows], out=outputs[start : start + len(x)])

        weights = settings.kernel(design, features.present.expand(len(design), -1))
        samples = Samples(
            design,
            weights,
            outputs.view(len(inputs), n, -1),
            settings.design.group(len(features)),
            settings.surrogate.l2,
        )
        _check_outputs(whole, samples.outputs)
        found = fit(settings.surrogate, samples)
        dtype = outputs.dtype
        explanation = Explanation(
            coefficients=found.coefficients.to(dtype),
            standard_error=found.standard_error.to(dtype),
            intercept=found.intercept.to(dtype),
            score=found.score.to(dtype),
            targets=targets,
            prediction=whole.gather(1, targets),
            fingerprint=fingerprint(inputs),
            features=features,
            n_perturbations=n,
            shape=tuple(inputs.shape[1:]),
            samples=samples,
        )
    return explanation, _degenerate(found, features, n)


def check_inputs(inputs: Tensor) -> None:
    """Raise if ``inputs`` are not finite floating-point numbers ``[B, *dims]`` with B of at least 1.

    Raises:
        TypeError: if they are no tensor, or of an integer type.
        ValueError: if they are empty or hold NaN or infinite values.
    """
    if not isinstance(inputs, Tensor):
        raise TypeError(f"`inputs` should be a tensor [B, *dims]. Found a {type(inputs).__name__}.")
    if not inputs.is_floating_point():
        raise TypeError(f"`inputs` should be floating point. Found dtype {inputs.dtype}; convert them with `.float()`.")
    if inputs.ndim < 2 or inputs.numel() == 0:
        raise ValueError(f"`inputs` should have shape [B, *dims] and not be empty. Found shape {tuple(inputs.shape)}.")
    finite = inputs.isfinite().flatten(1).all(1)
    if not bool(finite.all()):
        raise ValueError(
            f"`inputs` should be finite. Found NaN or infinite values in input "
            f"{finite.logical_not().nonzero().flatten().tolist()}. "
            "Replace them before they reach the model, for example by `torch.nan_to_num`."
        )


def fingerprint(inputs: Tensor) -> Tensor:
    """Three numbers that tell inputs apart, also from a shuffled copy: mean, spread and slope, ``[B, 3]``."""
    values = inputs.flatten(1).to(wide(inputs.device))
    ramp = torch.linspace(-1, 1, values.shape[1], dtype=values.dtype, device=values.device)
    return torch.stack([values.mean(1), values.std(1, correction=0), (values * ramp).mean(1)], 1)


def features_of(features: Features | Tensor, inputs: Tensor) -> Features:
    """Features that fit the inputs, on their device.

    Raises:
        TypeError: if they are neither features nor a tensor.
        ValueError: if the mask's shape does not fit.
    """
    if isinstance(features, Tensor):
        if features.ndim == inputs.ndim - 1:
            features = features.unsqueeze(0)
        if features.ndim != inputs.ndim:
            raise ValueError(
                f"`features` should be a mask that broadcasts to the inputs' shape {tuple(inputs.shape)}. Found shape "
                f"{tuple(features.shape)}."
            )
        features = Features.from_mask(features)
    elif not isinstance(features, Features):
        raise TypeError(
            f"`features` should be `Features` of a view, or an integer mask. Found a {type(features).__name__}."
        )
    features.check(tuple(inputs.shape))
    return features.to(inputs.device)


def _check_outputs(whole: Tensor, outputs: Tensor) -> None:
    bad = ~outputs.isfinite().all(-1)
    count, broken = bad.sum(1), ~whole.isfinite().all(-1)
    if bool(count.any()) or bool(broken.any()):
        b = int((count + broken).argmax())
        raise ValueError(
            f"`forward` should return finite numbers. Found NaN or infinite outputs for {int(count[b])} of "
            f"{outputs.shape[1]} "
            f"perturbations of input {b}{', and for the input itself' if bool(broken[b]) else ''}."
        )


def _degenerate(found: Fit, features: Features, n: int) -> dict[int, str]:
    """Why an input's fit explains nothing, by the input's number; empty if all is well."""
    sizes = features.present.sum(1).expand(len(found.score)).tolist()
    constant = found.constant.any(1).tolist()
    zero = (found.coefficients == 0).all(-1).any(1).tolist()
    ranks = found.rank.expand(len(found.score)).tolist()
    reasons = {}
    for b, d in enumerate(sizes):
        if constant[b]:
            reasons[b] = "the output does not change with any perturbation"
        elif ranks[b] < d:
            reasons[b] = (
                f"its {n} perturbations are too few to tell {d} features apart; raise `n_perturbations`, best to "
                f"{8 * d} or more"
            )
        elif zero[b]:
            reasons[b] = "all coefficients are zero; a smaller `alpha` of the surrogate would keep some"
    return reasons

"""``explain``: the public function, and the arguments that it shares with ``explain_all``.

The work is done by :func:`~lime_callback.explaining.explain_batch.explain_batch`.
"""

from __future__ import annotations

import logging
import warnings
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, Unpack

from torch import Tensor, nn

from lime_callback.checks.arguments import check_flag, check_function, check_key, check_seeds
from lime_callback.checks.entry_paths import tensors
from lime_callback.checks.numbers import check_count
from lime_callback.explaining.explain_batch import ExplainedBatch, explain_batch
from lime_callback.explaining.input_checks import check_background, check_inputs, checked_features
from lime_callback.explaining.strategies import Strategies, StrategyArguments
from lime_callback.forwards.no_trace_guard import guarded
from lime_callback.forwards.profiler_sections import progress_heard
from lime_callback.forwards.tokens.patch_grid import patches_of
from lime_callback.outputs.contrast import Contrast
from lime_callback.outputs.output_entries import output_tensor
from lime_callback.outputs.segmentation_reducers import Reducer
from lime_callback.sampling.absent import Absent

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from contextlib import AbstractContextManager

    import numpy as np

    from lime_callback.checks.entry_paths import Key
    from lime_callback.explaining.explanation import Explanation
    from lime_callback.explaining.package_presets import Like
    from lime_callback.outputs.targets import Output, Target
    from lime_callback.sampling.baselines import Baseline
    from lime_callback.sampling.designs import Design
    from lime_callback.sampling.locality_kernels import Kernel
    from lime_callback.views.features import Features
    from lime_callback.views.layout import Layout

    Forward = Callable[[Tensor], Any]

_DEFAULT_BATCH = 64
_log = logging.getLogger("lime_callback")


def explain(
    forward: Forward,
    inputs: Tensor,
    features: Features | Tensor | np.ndarray[Any, Any],
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
    output_key: Key | None = None,
    progress: bool = False,
) -> Explanation:
    """Explain a model's outputs by a weighted linear model over features that are switched on and off.

    All inputs and targets share the forwards. Where ``forward`` is a module or a module's method, the module is in
    evaluation mode meanwhile, and its modes, buffers and attributes are put back. Global random state is not touched.

    Args:
        forward: takes ``[m, *dims]``, returns ``[m]`` or ``[m, K]`` (or what a callable ``output`` turns into that), or
            a dictionary, tuple or object that holds it. A function of your own is called as it is: put the modules that
            it calls into evaluation mode yourself.
        inputs: ``[B, *dims]``, floating point, finite.
        features: of a view, or an integer mask, a tensor or an array, below 0 where nothing is ever hidden. It has the
            inputs' shape, with size 1 along axes where it is the same, or fewer axes: ``[H, W]`` for all inputs,
            ``[B, H, W]``, one for each, ``[C]``, groups of channels. A shape with two meanings is refused.
        target: one output's index for all inputs; a list of T different indices, which are explained of every input,
            also where there are T inputs; a tensor or an array ``[B]`` with one index for each input, or ``[B, T]``;
            ``"predicted"``, each input's largest output; a function of the outputs ``[B, K]`` that returns such a
            tensor, such as :class:`~lime_callback.TopLabels`; or ``None`` or ``"all"`` for every output.
        n_perturbations: rows of the design, at least 2.
        design: ``"orthogonal"`` (if ``None``), ``"paired"``, ``"bernoulli"``, or a
            :class:`~lime_callback.sampling.Design`.
        baseline: what hidden elements become: ``"mean"`` of the input by channel (if ``None`` and there is no
            background), ``"zero"``, ``"segment_mean"``, ``"blur"``, a number, a tensor, a function of the inputs, or a
            :class:`~lime_callback.sampling.Baseline`; with a background also ``"data"`` (if ``None``) or
            ``"background"``. ``"absent"`` leaves the tokens of hidden patches out of a vision transformer, see
            :class:`~lime_callback.sampling.Absent`.
        kernel: ``"cosine"`` (if ``None``), ``"euclidean"``, ``"none"``, or a :class:`~lime_callback.sampling.Kernel`.
        surrogate: ``"ridge"`` (if ``None``), ``"lasso"``, a scikit-learn linear regressor, or a
            :class:`~lime_callback.surrogates.Surrogate`.
        like: sets design, baseline, kernel and surrogate as another package has them by default, to compare with it:
            ``"lime_image"``, ``"lime_tabular"``, ``"captum"``, ``"meteors"``, or ``"kernel_shap"`` for Shapley values,
            see :mod:`lime_callback.explaining.package_presets`. What it sets has to be left out, but for the baseline
            of ``"kernel_shap"``.
        output: ``"raw"``, ``"centered"`` (less the mean of all outputs, so that what is added to all logits, which
            changes no probability, counts for nothing), ``"log_softmax"`` (the log-probability, at least that of
            1e-12; of outputs that are probabilities their logarithm), ``"softmax"``, ``"sigmoid"``, a function of what
            ``forward`` returned, such as a :class:`~lime_callback.Contrast` of two outputs, or a
            :class:`~lime_callback.outputs.Reducer` for segmentation.
        batch_size: perturbed inputs a forward; 64 at most if ``None``. With ``"absent"`` as many tokens, in up to twice
            as many rows.
        stem: ``"auto"`` folds the model's first layer where it is linear, where that pays, and where it proves itself:
            perturbed inputs are then never made. ``forward`` has to be a module for that. ``"off"`` makes them.
        background: other inputs of the same data, ``[N, *dims]``: ``"data"`` hides by their mean, ``"background"`` by
            their values.
        seed: of the designs: one number, which gives each input the same rows, so that a batch is explained as its
            inputs are one by one; or one number an input.
        output_key: the prediction in what ``forward`` returns: a key, a place, an attribute, or a path of these such as
            ``"head.logits"``; ``None`` looks for it, unless ``output`` is a function, which gets all.
        progress: whether to show a bar of the perturbed inputs.

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
    arguments = ExplainArguments.checked(
        forward,
        background,
        _DEFAULT_BATCH if batch_size is None else batch_size,
        n_perturbations=n_perturbations,
        design=design,
        baseline=baseline,
        kernel=kernel,
        surrogate=surrogate,
        like=like,
        output=output,
        stem=stem,
        output_key=output_key,
    )
    arguments.check_inputs(inputs)
    mask, seeds = checked_features(features, inputs), check_seeds(seed, len(inputs))
    with arguments.no_trace(), _bar() if check_flag("progress", progress) else nullcontext():
        explained = arguments.explain(inputs, mask, target, seeds)
    for text in _problems("uncertain", explained.weak):
        warnings.warn(text, UserWarning, stacklevel=2)
    if explained.unfolded:
        _log.info("It took longer than it could, since %s. The explanation is the same.", explained.unfolded)
    for remark in explained.remarks:
        _log.info("Of the patches, %s.", remark)
    for text in _problems("degenerate", explained.degenerate):
        warnings.warn(text, UserWarning, stacklevel=2)
    return explained.explanation


def _problems(kind: str, reasons: Mapping[int, str]) -> Iterator[str]:
    """Yield a sentence for each cause, with the inputs that have it."""
    for reason in dict.fromkeys(reasons.values()):
        first, *more = (b for b, why in reasons.items() if why == reason)
        others = f"; so are those of {len(more)} more, up to input {more[-1]}" if more else ""
        yield f"The explanation of input {first} is {kind}: {reason}{others}."


@contextmanager
def _bar() -> Iterator[None]:
    from tqdm.auto import tqdm

    with tqdm(desc="Explaining", unit=" rows") as bar:

        def show(done: int, total: int) -> None:
            bar.total, bar.n = total, done
            bar.refresh()

        with progress_heard(show):
            yield


@dataclass(frozen=True, eq=False)
class ExplainArguments:
    """The arguments that :func:`explain` and :func:`~lime_callback.explain_all` share, checked once.

    Attributes:
        forward: takes ``[m, *dims]``.
        settings: every strategy.
        batch_size: perturbed inputs a forward.
        background: other inputs ``[N, *dims]``, or ``None``.
        output_key: the prediction in what ``forward`` returns; ``None`` looks for it.
    """

    forward: Forward
    settings: Strategies
    batch_size: int
    background: Tensor | None
    output_key: Key | None = None

    @classmethod
    def checked(
        cls, forward: Any, background: Tensor | None, batch_size: int, *, output_key: Key | None = None,
        **strategies: Unpack[StrategyArguments],
    ) -> ExplainArguments:  # fmt: skip
        """Check the user's arguments, but those that need the inputs.

        Args:
            forward: what the user gave.
            background: likewise; without it a baseline of ``None`` is ``"mean"``, with it ``"data"``.
            batch_size: perturbed inputs a forward.
            output_key: what the user gave.
            **strategies: see :class:`~lime_callback.explaining.strategies.Strategies`.

        Raises:
            ValueError: if an argument's value does not fit.
            TypeError: if an argument is of another kind.
        """
        check_function("forward", forward, "inputs [m, *dims] and returns [m] or [m, K]")
        settings = Strategies(**strategies, usual="mean" if background is None else "data")
        key = check_key("output_key", output_key)
        return cls(forward, settings, check_count("batch_size", batch_size, 1), background, key)

    def check_inputs(self, inputs: Tensor) -> None:
        """Raise if inputs are not finite numbers ``[B, *dims]`` of the background's shape.

        Raises:
            ValueError: if their values or shapes do not fit.
            TypeError: if they are no floating-point tensors.
        """
        check_inputs(inputs)
        check_background(self.background, inputs)

    @property
    def module(self) -> nn.Module | None:
        """The module that ``forward`` is, or is a method of; ``None`` for other functions."""
        function: Any = self.forward
        while isinstance(function, partial):
            function = function.func
        owner = getattr(function, "__self__", function)
        return owner if isinstance(owner, nn.Module) else None

    def no_trace(self) -> AbstractContextManager[None]:
        """Return a context in which the module is in evaluation mode, and after which it is as it was."""
        return nullcontext() if self.module is None else guarded(self.module)

    def row_forward(self, x: Tensor, rows: Tensor) -> Any:
        """The prediction in what the user's forward returns, which does not ask what the rows were made of."""
        returned, output = self.forward(x), self.settings.output
        own = callable(output) and not isinstance(output, (Reducer, Contrast))
        if self.output_key is None and (own or not tensors(returned)):
            return returned
        return output_tensor(returned, self.output_key, len(x))

    def patches(self, inputs: Tensor, layout: Layout) -> Tensor:
        """The patches that the model sees as tokens, see :func:`~lime_callback.forwards.model_patches`.

        Raises:
            AbsentError: if there are none.
        """
        with self.no_trace():
            return patches_of(self.module, self.row_forward, inputs[:1], layout)

    def explain(
        self, inputs: Tensor, features: Features, target: Target, seeds: Sequence[int], pinned: Tensor | None = None
    ) -> ExplainedBatch:
        """Explain a checked batch.

        Args:
            inputs: ``[B, *dims]``.
            features: the inputs' features, on their device.
            target: see :func:`explain`.
            seeds: one number an input.
            pinned: what a reducer has pinned for the inputs, ``[B, ...]``; ``None``: it does so now.
        """
        if pinned is None and isinstance(self.settings.output, Reducer):
            pinned = self.settings.output.given(None)
        absent = isinstance(self.settings.baseline, Absent)  # whose blocks a method's module has, too
        return explain_batch(
            self.row_forward,
            inputs,
            features,
            target,
            settings=self.settings,
            batch_size=self.batch_size,
            seeds=seeds,
            module=self.module if absent or isinstance(self.forward, nn.Module) else None,
            pinned=pinned,
            background=self.background,
        )

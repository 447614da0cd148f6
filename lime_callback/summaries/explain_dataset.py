"""``explain_all``: explains a whole data set batch by batch, and keeps only the aggregate."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, Unpack

import torch

from lime_callback.checks.arguments import check_target
from lime_callback.checks.numbers import check_count
from lime_callback.checks.wavelengths import check_wavelengths
from lime_callback.explaining.explain_function import ExplainArguments
from lime_callback.explaining.strategies import StrategyArguments
from lime_callback.forwards.batched_forwards import unperturbed_outputs
from lime_callback.outputs.segmentation_reducers import Reducer
from lime_callback.outputs.targets import pinned_targets
from lime_callback.probes.batch_keys import BatchKeys
from lime_callback.probes.captured_samples import captured_batch
from lime_callback.probes.probe_samples import probes_of
from lime_callback.summaries.aggregate import Aggregate
from lime_callback.views import View
from lime_callback.views.layout import Layout

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from torch import Tensor

    from lime_callback.checks.entry_paths import Key as OutputKey
    from lime_callback.probes.batch_entries import Key
    from lime_callback.probes.probe_samples import Probes

_OWN_MEAN = (
    "Bands are hidden by each image's own mean, which keeps what the image has there, so that shares say little of "
    "bands that differ between samples. Pass `background=` with other inputs of the same data, such as some of the "
    "training set, or say `baseline='mean'` to keep it so."
)


def explain_all(
    forward: Callable[[Tensor], Any],
    loader: Iterable[Any],
    view: View,
    target: Literal["predicted", "label", "all"] | int | list[int] | Callable[[Tensor], Tensor] = "all",
    *,
    layout: str | Layout = "CHW",
    wavelengths: Sequence[float] | None = None,
    batch_size: int = 64,
    background: Tensor | None = None,
    seed: int = 0,
    gate: float | None = None,
    input_key: Key | None = None,
    label_key: Key | None = None,
    output_key: OutputKey | None = None,
    device: torch.device | str | None = None,
    **strategies: Unpack[StrategyArguments],
) -> Aggregate:
    """Explain every sample of a loader, and average the explanations: which features does the model use in a data set?

    Memory does not grow with the number of batches. Sample ``i`` has the perturbations of the seed ``seed + i``, so
    that their noise averages out, and the batches' size does not matter. ``tqdm(loader)`` shows the progress.

    Args:
        forward: the model, see :func:`~lime_callback.explain`.
        loader: yields batches: a tensor, a sequence or a mapping, whose entries have a row for each sample.
        view: cuts each batch into features. Names identify features, so the view has to give the same names to every
            sample, see :class:`~lime_callback.Aggregate`.
        target: the outputs to explain: ``"predicted"`` (the largest), ``"label"``, ``"all"``, an index, a list of
            indices, or a function of a batch's outputs, such as ``TopLabels(3)``.
        layout: the names of a sample's axes.
        wavelengths: the channels' wavelengths in nm; ``None`` if they are unknown.
        batch_size: the largest number of perturbed inputs in a forward; it shrinks if memory does not suffice.
        background: other inputs of the same data, ``[N, *dims]``, for the baselines ``"data"`` and ``"background"``.
        seed: the seed of the first sample's design.
        gate: the lowest score of an explanation that counts; ``None`` counts all.
        input_key: the key of the batch's entry with the inputs; ``None`` searches for it.
        label_key: the key of the batch's entry with the labels; ``None`` searches for it.
        output_key: the prediction in what ``forward`` returns, see :func:`~lime_callback.explain`.
        device: the device that explains; ``None`` takes that of the batches.
        **strategies: ``n_perturbations``, ``design``, ``baseline``, ``kernel``, ``surrogate``, ``like``, ``output`` and
            ``stem``, as for :func:`~lime_callback.explain`, with its defaults.

    Returns:
        The aggregate of all explanations, which can be merged with those of other loaders and processes.

    Raises:
        ValueError: if an argument's value or shape does not fit, an output is not finite, there is no sample, or the
            view cuts each sample into features of its own, whose names mean nothing in other samples.
        TypeError: if an argument has the wrong type.

    Warns:
        UserWarning: with the number of samples whose fit is degenerate; and where bands are hidden by each image's own
            mean, for want of a ``background``.
    """
    unknown = strategies.keys() - StrategyArguments.__optional_keys__
    if unknown:
        raise TypeError(f"explain_all() got an unexpected keyword argument {min(unknown)!r}")
    arguments = ExplainArguments.checked(forward, background, batch_size, output_key=output_key, **strategies)
    if not isinstance(loader, Iterable):
        raise TypeError(f"`loader` should give batches, as a DataLoader does. Found a {type(loader).__name__}.")
    if not isinstance(view, View):
        raise TypeError(f"`view` should be a view, such as Superbands(). Found `view = {view!r}`.")
    target, layout, seed = check_target(target), Layout.of(layout), check_count("seed", seed, 0)
    nm = check_wavelengths(wavelengths)
    keys = BatchKeys(input_key, label_key, layout, None if nm is None else len(nm))
    aggregate, reasons = Aggregate(gate), list[str]()
    for batch in loader:
        samples = probes_of([captured_batch(batch, keys)], keys)
        samples = samples if device is None else samples.to(torch.device(device))
        if samples.integer is not None:
            arguments = replace(arguments, forward=_in_their_dtype(forward, samples))
        layout.check(tuple(samples.inputs.shape), "the loader's batch")
        arguments.check_inputs(samples.inputs)
        features = view.features(
            samples.inputs,
            layout=layout,
            wavelengths=wavelengths,
            batch=samples.batch,
            patches=partial(arguments.patches, samples.inputs, layout),
        )
        aggregate.check(features)
        unsaid = background is None and strategies.get("baseline") is None and strategies.get("like") is None
        spectral = nm is not None or getattr(view, "wavelengths", None) is not None
        if (
            unsaid
            and spectral
            and not aggregate.inputs
            and features.layout.has_pixels
            and features.canonical.shape[1] > 1
        ):
            warnings.warn(_OWN_MEAN, UserWarning, stacklevel=2)
        settings = arguments.settings.for_inputs(layout, samples.inputs.shape)
        given = settings.output.given(samples.batch) if isinstance(settings.output, Reducer) else None
        seeds = [seed + aggregate.inputs + i for i in range(len(samples))]
        with arguments.no_trace(), torch.no_grad():
            outputs, pinned, *_ = unperturbed_outputs(
                arguments.row_forward, samples.inputs, settings.output, arguments.batch_size, pinned=given
            )
            targets = pinned_targets(target, outputs, samples.labels)
            explained = arguments.explain(samples.inputs, features, targets, seeds, pinned)
        aggregate.add(explained.explanation)
        reasons += explained.degenerate.values()
        arguments = replace(arguments, batch_size=explained.batch_size)  # for which memory sufficed
    if not aggregate.inputs:
        raise ValueError("`loader` should give at least one batch. Found none.")
    if reasons:
        warnings.warn(
            f"The explanations of {len(reasons)} of {aggregate.inputs} samples are degenerate, the first because "
            f"{reasons[0]}.",
            UserWarning,
            stacklevel=2,
        )
    return aggregate


def _in_their_dtype(forward: Callable[[Tensor], Any], samples: Probes) -> Callable[[Tensor], Any]:
    """The forward for inputs in the dtype of a batch of integers, which are perturbed as floating-point numbers."""
    return lambda x: forward(samples.as_given(x))

"""Hides sets in samples and measures the change: the work behind :mod:`lime_callback.explaining.model_reliance`.

Letters: ``S`` sets, ``m`` samples, ``K`` outputs.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor

from lime_callback.explaining.answer_changes import AnswerChanges
from lime_callback.explaining.random_set_p_values import p_value_of_count, p_value_of_mean, p_value_of_ranks
from lime_callback.explaining.reliance_result import Reliance
from lime_callback.forwards.batched_forwards import perturbed_outputs, unperturbed_outputs
from lime_callback.forwards.processes import ALONE, Ranks
from lime_callback.outputs.by_shape import ByShape
from lime_callback.outputs.segmentation_reducers import OfPixels, Reducer
from lime_callback.outputs.targets import scaled_outputs
from lime_callback.sampling.value_swaps import SwappedInputs, Swaps
from lime_callback.views.channels.set_extent import extent_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from lime_callback.explaining.strategies import Strategies
    from lime_callback.views.layout import Layout


_MOST_SHARED = 0.99  # of random sets that are nearly one


class HiddenOutputs(NamedTuple):
    """Outputs of the same samples with sets hidden, float64 on the CPU.

    Attributes:
        whole: with nothing hidden, ``[m, K]``.
        hidden: with each mask of the swaps hidden, ``[len(masks), m, K]``.
        everything: with all elements hidden, ``[m, K]``: the outputs for the donors, over the sample's own regions.
        answers: compares outputs.
    """

    whole: Tensor
    hidden: Tensor
    everything: Tensor
    answers: AnswerChanges


def hidden_outputs(
    forward: Callable[[Tensor, Tensor], Any],
    inputs: Tensor,
    layout: Layout,
    swaps: Swaps,
    labels: Tensor | None,
    settings: Strategies,
    batch_size: int,
    ranks: Ranks = ALONE,
    device: torch.device | None = None,
    batch: Any = None,
) -> HiddenOutputs:
    """Run the model on the samples as they are and with each set hidden, in all processes together.

    Args:
        forward: takes ``[m, *dims]`` and the number of each row's sample.
        inputs: ``[N, *dims]``, of which ``swaps`` chose the samples.
        layout: the axes of one input.
        swaps: which elements are replaced by which sample's.
        labels: the N inputs' labels, or ``None``.
        settings: gives the outputs' scale.
        batch_size: rows a forward at most.
        ranks: the processes, which share the forwards.
        device: the model's device; ``None``: the inputs' device. Rows of inputs elsewhere are moved batch by batch.
        batch: the inputs' batch, in which a reducer may find its regions.

    Raises:
        ValueError: if outputs are not finite.
        RankError: if something failed in another process.
    """
    there = inputs.device if device is None else device
    settings = settings.for_inputs(layout, inputs.shape)
    own = swaps.samples.to(inputs.device)
    chosen = own.to(there)

    def asked(x: Tensor, rows: Tensor) -> Any:
        return forward(x.to(there), chosen[rows.to(there)])

    with torch.no_grad():
        with ranks.together():
            output, given = given_regions(settings.output, batch, len(inputs))
            given = None if given is None else given[swaps.samples.to(given.device)].to(there)
            whole, pinned, *_ = unperturbed_outputs(asked, inputs[own], output, batch_size, ranks, given)
        everything = whole[swaps.donor_rows.to(whole.device)]
        if pinned is not None:  # by sample, as the rows are
            every = pinned.new_zeros(len(inputs), *pinned.shape[1:])
            every[chosen] = pinned
            donors = inputs[own][swaps.donor_rows.to(own.device)]
            with ranks.together():
                everything = unperturbed_outputs(asked, donors, output, batch_size, ranks, pinned).outputs

        def score(x: Tensor, rows: Tensor) -> Tensor:
            return scaled_outputs(forward(x, rows), len(x), output, None if pinned is None else every[rows])

        targets = torch.arange(whole.shape[1], device=there).expand(len(swaps.masks), -1)
        hidden, _ = perturbed_outputs(score, SwappedInputs(inputs, layout, swaps, there), targets, batch_size, ranks)

    with ranks.together():
        both = torch.cat([whole, hidden]).cpu().double().view(len(swaps.masks) + 1, len(chosen), -1)
        if not bool(both.isfinite().all()):
            raise ValueError("`forward` should return finite numbers. Found some that are not, with parts hidden.")
        everything = everything.cpu().double()
        if pinned is not None and isinstance(output, (OfPixels, ByShape)):
            without = output.without_value(pinned, whole.shape[1])
            has = torch.ones(both[0].shape, dtype=torch.bool) if without is None else ~without.cpu()
            return HiddenOutputs(both[0], both[1:], everything, AnswerChanges.of_regions(both[0], everything, has))
        known = None if labels is None else labels.cpu()[swaps.samples]
        answers = AnswerChanges.of(both[0], known, "raw" if isinstance(output, ByShape) else output)
    return HiddenOutputs(both[0], both[1:], everything, answers)


def given_regions(output: Any, batch: Any, inputs: int) -> tuple[Any, Tensor | None]:
    """The output for other inputs than the probes, and the regions that their batch names, if it does.

    A mask that was given as a tensor is that of the probes: others take the regions that are predicted.
    """
    if not isinstance(output, Reducer):
        return output, None
    region = getattr(output, "region", None)
    if isinstance(region, Tensor) and len(region) != inputs:
        return replace(output, region=None), None  # type: ignore[type-var]
    return output, output.given(batch)


def reliance_of_outputs(found: HiddenOutputs, swaps: Swaps, wavelengths: Sequence[float] | None = None) -> Reliance:
    """Compare the outputs with each set hidden to those with its random sets hidden.

    Args:
        found: the outputs.
        swaps: the sets, and their random sets.
        wavelengths: of all channels, in nm, which name the sets' bands; or ``None``.
    """
    whole, hidden, everything, answers = found
    of_values = answers.kind == "values"
    changed = answers.changed(whole, hidden)
    right, loss = answers.right(hidden), answers.loss(hidden)
    was_right, own_loss = answers.right(whole), answers.loss(whole)
    drop = None if right is None else was_right - right  # type: ignore[operator]
    rise = None if loss is None else loss - own_loss  # type: ignore[operator]
    # The squared error is divided by the labels' variance, whose n - 1 is no part of R².
    unbiased = len(whole) / max(len(whole) - 1, 1) if of_values else None
    names, among = swaps.names, swaps.references

    def usual(values: Tensor) -> Tensor:
        """The mean over each set's random sets, ``[S, m]``."""
        return torch.stack([values[list(places)].mean(0) for places in among])

    def chances(test: Callable[[Tensor, Tensor], float]) -> Tensor:
        """Each set's p value, ``[S]``."""
        found = [test(changed[i], changed[list(places)]) for i, places in enumerate(among)]
        return torch.tensor(found, dtype=torch.float64)

    excess = changed[: len(names)] - usual(changed)
    return Reliance(
        names=names,
        changed=changed[: len(names)].mean(1),
        changed_error=_error(changed[: len(names)]),
        expected=usual(changed).mean(1),
        excess_error=_error(excess),
        everything=answers.changed(whole, everything.unsqueeze(0)).mean(1).expand(len(names)),
        spread=torch.stack([changed[list(places)].mean(1).std(0) for places in among]) * _wider(swaps),
        chance=chances(p_value_of_mean if of_values else p_value_of_count),
        rank_chance=chances(p_value_of_ranks) if of_values else None,
        accuracy_drop=None if drop is None else drop[: len(names)].nanmean(1),
        expected_accuracy_drop=None if drop is None else usual(drop).nanmean(1),
        loss_increase=None if rise is None else rise[: len(names)].nanmean(1),
        expected_loss_increase=None if rise is None else usual(rise).nanmean(1),
        share=torch.tensor([float(mask.double().mean()) for mask in swaps.masks[: len(names)]], dtype=torch.float64),
        references=torch.tensor([len(places) for places in among]),
        samples=torch.full((len(names),), len(swaps.samples)),
        classes=not of_values,
        accuracy=None if was_right is None else was_right.nanmean().expand(len(names)),
        r2=None if own_loss is None or unbiased is None else (1 - own_loss.mean() * unbiased).expand(len(names)),
        r2_drop=None if rise is None or unbiased is None else rise[: len(names)].mean(1) * unbiased,
        extents=tuple(extent_of(mask, wavelengths) for mask in swaps.masks[: len(names)]),
        **_by_class(changed[: len(names)], answers),
    )


def _by_class(changed: Tensor, answers: AnswerChanges) -> dict[str, Tensor]:
    """The mean change ``[S, m]`` among the samples of each class, and their number; nothing without such labels."""
    if answers.kind == "values" or answers.labels is None:
        return {}
    classes = torch.arange(int(answers.labels.max()) + 1)
    members = (answers.labels.unsqueeze(1) == classes).double()  # [m, K]
    return {
        "class_changed": changed @ members / members.sum(0),
        "class_samples": members.sum(0).long().expand(len(changed), -1),
    }


def _error(values: Tensor) -> Tensor:
    """Standard error of the mean over samples, ``[S]`` of ``[S, m]``.

    If all samples agree, one more could still have disagreed: the error is at least 1 / m.
    """
    count = values.shape[1]
    return (values.var(1) / count + 1 / count**2).sqrt()


def _wider(swaps: Swaps) -> Tensor:
    """How much further sets that do not overlap differ than the random sets, which do, ``[S]``.

    With a share ``r`` of their elements in common, sets have a covariance of ``r`` times their variance: the random
    sets seem to differ by ``1 - r`` of it, and the set in question differs from them by ``1 + r`` of it.
    """
    shared = torch.tensor(swaps.overlaps or (0.0,) * len(swaps.names), dtype=torch.float64).clamp(max=_MOST_SHARED)
    return ((1 + shared) / (1 - shared)).sqrt()

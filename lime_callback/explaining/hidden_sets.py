"""Hides sets in samples and measures the change: the work behind :mod:`lime_callback.explaining.model_reliance`.

Letters: ``S`` sets, ``m`` samples, ``K`` outputs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from lime_callback.explaining.answer_changes import AnswerChanges
from lime_callback.explaining.random_set_p_values import p_value_of_count, p_value_of_mean
from lime_callback.explaining.reliance_result import Reliance
from lime_callback.forwards.batched_forwards import perturbed_outputs, unperturbed_outputs
from lime_callback.forwards.processes import ALONE, Ranks
from lime_callback.outputs.by_shape import ByShape
from lime_callback.outputs.targets import scaled_outputs
from lime_callback.sampling.value_swaps import SwappedInputs, Swaps

if TYPE_CHECKING:
    from collections.abc import Callable

    from lime_callback.explaining.strategies import Strategies
    from lime_callback.views.layout import Layout


_MOST_SHARED = 0.99  # of random sets that are nearly one


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
) -> tuple[Tensor, Tensor, AnswerChanges]:
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

    Returns:
        The outputs for the samples as they are, float64 ``[m, K]``; those with each mask of ``swaps`` hidden,
        ``[len(masks), m, K]``; and what compares them. All on the CPU.

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
            whole, pinned, _ = unperturbed_outputs(asked, inputs[own], settings.output, batch_size, ranks)
        if pinned is not None:  # by sample, as the rows are
            every = pinned.new_zeros(len(inputs), *pinned.shape[1:])
            every[chosen] = pinned

        def score(x: Tensor, rows: Tensor) -> Tensor:
            return scaled_outputs(forward(x, rows), len(x), settings.output, None if pinned is None else every[rows])

        targets = torch.arange(whole.shape[1], device=there).expand(len(swaps.masks), -1)
        hidden, _ = perturbed_outputs(score, SwappedInputs(inputs, layout, swaps, there), targets, batch_size, ranks)

    with ranks.together():
        both = torch.cat([whole, hidden]).cpu().double().view(len(swaps.masks) + 1, len(chosen), -1)
        if not bool(both.isfinite().all()):
            raise ValueError("`forward` should return finite numbers. Found some that are not, with parts hidden.")
        known = None if labels is None else labels.cpu()[swaps.samples]
        output = "raw" if isinstance(settings.output, ByShape) and pinned is None else settings.output
        answers = AnswerChanges.of(both[0], known, output)
    return both[0], both[1:], answers


def reliance_of_outputs(whole: Tensor, hidden: Tensor, swaps: Swaps, answers: AnswerChanges) -> Reliance:
    """Compare the outputs with each set hidden to those with its random sets hidden.

    Args:
        whole: outputs for the samples as they are, ``[m, K]``.
        hidden: outputs with each mask of ``swaps`` hidden, ``[len(masks), m, K]``.
        swaps: the sets, and their random sets.
        answers: compares outputs.
    """
    changed = answers.changed(whole, hidden)
    right, loss = answers.right(hidden), answers.loss(hidden)
    drop = None if right is None else answers.right(whole) - right  # type: ignore[operator]
    rise = None if loss is None else loss - answers.loss(whole)  # type: ignore[operator]
    names, among = swaps.names, swaps.references

    def usual(values: Tensor) -> Tensor:
        """The mean over each set's random sets, ``[S, m]``."""
        return torch.stack([values[list(places)].mean(0) for places in among])

    excess = changed[: len(names)] - usual(changed)
    return Reliance(
        names=names,
        changed=changed[: len(names)].mean(1),
        changed_error=_error(changed[: len(names)]),
        expected=usual(changed).mean(1),
        excess_error=_error(excess),
        everything=answers.changed(whole, whole[swaps.donor_rows].unsqueeze(0)).mean(1).expand(len(names)),
        spread=torch.stack([changed[list(places)].mean(1).std(0) for places in among]) * _wider(swaps),
        chance=torch.tensor(
            [
                (p_value_of_mean if answers.kind == "values" else p_value_of_count)(changed[i], changed[list(places)])
                for i, places in enumerate(among)
            ],
            dtype=torch.float64,
        ),
        accuracy_drop=None if drop is None else drop[: len(names)].nanmean(1),
        expected_accuracy_drop=None if drop is None else usual(drop).nanmean(1),
        loss_increase=None if rise is None else rise[: len(names)].nanmean(1),
        expected_loss_increase=None if rise is None else usual(rise).nanmean(1),
        share=torch.tensor([float(mask.double().mean()) for mask in swaps.masks[: len(names)]], dtype=torch.float64),
        references=torch.tensor([len(places) for places in among]),
        samples=torch.full((len(names),), len(swaps.samples)),
        classes=answers.kind != "values",
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

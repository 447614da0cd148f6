"""Findings about the answers: they hardly depend on the input, or on one of several inputs."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, ClassVar

import torch

from lime_callback.findings.hidden.hidden_sets_plan import INPUT
from lime_callback.findings.suspicion import Detector, Suspicion
from lime_callback.publishing.finding import Figure

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from torch import Tensor

    from lime_callback.findings.epoch_facts import EpochFacts, HiddenSets

_SAME = 0.02  # of the outputs' usual spread: what moves less than this is not used
_SPREAD = 0.1  # of the labels' standard deviation


class Blind(Detector):
    """The predictions hardly depend on the input, or are one class for all."""

    name: ClassVar[str] = "blind"
    patience: ClassVar[int] = 3  # an untrained model says one class for all, too

    def look(self, facts: EpochFacts) -> Iterator[Suspicion]:
        """Look at the predictions of the background beside its labels."""
        outputs, labels, hidden = facts.outputs, facts.labels, facts.hidden
        if outputs is None or hidden is None or len(outputs) < 8:
            return
        if hidden.classes and outputs.shape[1] > 1:
            predicted = outputs.argmax(1)
            values, counts = torch.unique(predicted, return_counts=True)
            if len(values) > 1 or labels is None:
                return
            likely = float((labels == values[0]).double().mean())
            figures = {"predicted": Figure(1.0), "true": Figure(likely)}
            yield Suspicion(
                subject="one class for all",
                sentence=(
                    f"the model predicts {facts.class_words(int(values[0]))} for all {int(counts[0])} samples, of "
                    f"which {likely:.0%} are of that class."
                ),
                advice="Look at the learning rate, the loss and the inputs' scale: nothing of the input is used.",
                severity=1.0 - likely,
                # Even a model that knows no more than how frequent classes are would sometimes name another.
                p_value=max(likely, 0.5) ** int(counts[0]),
                figures=figures,
                picture="spatial/attributions",
            )
        elif not hidden.classes and not hidden.of_pixels:  # a region's mean is alike in all samples if it is right
            spread = outputs.double().std(0)
            level = outputs.double().abs().mean(0)
            part = _part_of_labels(spread, facts.label_spreads)
            same = bool((spread < 1e-3 * level.clamp(min=1e-12)).all())
            if same or part < _SPREAD:
                what = f"vary by {part:.0%} of what their labels do" if part < _SPREAD else "are the same"
                yield Suspicion(
                    subject="one value for all",
                    sentence=f"the outputs hardly depend on the input: over all samples they {what}.",
                    advice="Look at the learning rate, the loss and the inputs' scale: nothing of the input is used.",
                    severity=1.0 - (part if part < _SPREAD else 0.0),
                    p_value=0.0,
                    figures={"spread": Figure(float(spread.mean()))},
                )


class OneModality(Detector):
    """Of several inputs one is not used."""

    name: ClassVar[str] = "one_modality"

    def look(self, facts: EpochFacts) -> Iterator[Suspicion]:
        """Give each input another sample's values."""
        hidden = facts.hidden
        if hidden is None or len(facts.parts) < 2:
            return
        names = [f"{INPUT}{part}" for part in facts.parts if f"{INPUT}{part}" in hidden]
        moved = {name: hidden.moved_part(name) for name in names}
        if not moved or max(moved.values()) < 0.2:
            return
        for name, value in moved.items():
            if value < _SAME:
                part = name.removeprefix(INPUT)
                yield Suspicion(
                    subject=part,
                    sentence=(
                        f"input '{part}' is not used: hiding it moves the outputs by {value:.1%} of what hiding all "
                        "does."
                    ),
                    advice="Look at its branch: is it frozen, zero, or drowned by the other? Train with it alone.",
                    severity=1.0 - value,
                    p_value=_hardly_moves(hidden, name),
                    fresh=True,
                    figures={"moved": Figure(value)},
                    picture="inputs/superbands",
                )


def _part_of_labels(spread: Tensor, labels: Sequence[float]) -> float:
    """How far outputs vary, ``[K]``, as a part of what their labels do, on average; infinite where that is unknown."""
    if len(labels) != len(spread) or not all(own > 0 for own in labels):
        return math.inf
    return float((spread / torch.tensor(labels, dtype=spread.dtype)).mean())


def _hardly_moves(hidden: HiddenSets, name: str) -> float:
    """Probability that so few samples move, if half of them were moved by a tenth of what all inputs move."""
    from scipy.stats import binom

    less = hidden.moved[name] < 0.1 * hidden.everything_moved
    return float(binom.sf(int(less.sum()) - 1, len(less), 0.5))

"""Findings about the training: what should move stands still, what should not moves, and what was known is lost."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import TYPE_CHECKING, ClassVar

import torch

from lime_callback.findings.suspicion import Detector, Suspicion
from lime_callback.publishing.finding import Figure

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from torch import Tensor

    from lime_callback.findings.epoch_facts import EpochFacts

_STILL = 1e-9  # of the outputs' size
_HARDLY = 0.02  # standard deviations of the outputs from one explained epoch to the next
_MOVES, _FLAT, _LOOKS = 0.3, 0.1, 3
_FEWEST_SWINGS = 3  # from epoch to epoch
_SWING, _OF_ALL = 0.025, 0.25  # of the attribution; of what moves in all
_BY_CHANCE, _FEATURES = 8, 6  # times as far as the median feature; of which there need to be some
_ATTRIBUTED = 0.7  # of a feature's share is that of the attribution, where swaps were measured, too
_COLLAPSED = 0.2  # of the largest spread that an output had
_GONE, _WORSE = 0.4, 0.98
_KNOWN = 0.3  # of a class's samples were right
_TWICE = 0.85  # severity; one look is not enough for it
_SEEN = 0.0  # the p value of what is no matter of chance
_NAMED = 3
_ALIVE = 0.15  # of the answers change when everything is hidden


class Frozen(Detector):
    """Weights are trained and nothing moves; or what should stay as it is moves."""

    name: ClassVar[str] = "frozen"

    def look(self, facts: EpochFacts) -> Iterator[Suspicion]:
        """Compare outputs and weights with those of the explained epoch before."""
        weights = facts.weights
        if weights.trained is False and weights.trainable:
            yield Suspicion(
                subject="weights",
                sentence=f"none of {weights.trainable} trainable weights has changed since the epoch before.",
                advice="Look at the optimizer: does it have these parameters, and a learning rate above 0?",
                severity=1.0,
                p_value=0.0,
                figures={"trainable": Figure(float(weights.trainable))},
            )
        elif weights.trained and _stands_still(facts):
            yield Suspicion(
                subject="outputs",
                sentence="weights are trained, and the outputs for validation samples do not move at all.",
                advice="Look at what is trained: is it on the way from the input to the output?",
                severity=1.0,
                p_value=0.0,
                figures={"moved": Figure(0.0)},
                picture="spatial/drift_chart",
            )
        # Of sharded weights nobody knows whether they are trained.
        elif weights.trained is not False and facts.moves and max(facts.moves) <= _HARDLY and _depends(facts):
            moved = max(facts.moves)
            yield Suspicion(
                subject="steps",
                sentence=(
                    f"the outputs have hardly moved since the first explained epoch: by {moved:.2%} of their spread an "
                    "epoch at most."
                ),
                advice="Look at the learning rate, and at what is trained: the model is still what it began as.",
                severity=_TWICE,  # the first epochs may be a warm-up's
                p_value=_SEEN,
                figures={"moved": Figure(moved)},
                picture="spatial/drift_chart",
            )
        if weights.moved_while_frozen:
            names = weights.moved_while_frozen
            more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
            yield Suspicion(
                subject="frozen parts",
                sentence=f"frozen parts of the model move: {', '.join(names[:_NAMED])}{more}.",
                advice="Put the frozen modules into evaluation mode: BatchNorm goes on counting in training mode.",
                severity=1.0,
                p_value=0.0,
                figures={"moved": Figure(float(len(names)))},
            )


class Forgetting(Detector):
    """In fine-tuning, what the reference relied on is gone, while the validation got no better."""

    name: ClassVar[str] = "forgetting"

    def look(self, facts: EpochFacts) -> Iterator[Suspicion]:
        """Compare explanations with the reference's, and the loss with its own, or with the best so far."""
        if len(facts.losses) < 2:
            return
        before = min(facts.losses[:-1]) if facts.reference_loss is None else facts.reference_loss
        if not facts.losses[-1] >= _WORSE * before:
            return
        for name, view in facts.views.items():
            moved = view.metrics.get("moved_from_reference", 0.0)
            if moved > _GONE and bool(view.counts.any()):
                yield Suspicion(
                    subject=name,
                    sentence=(
                        f"{moved:.0%} of what the reference relied on is gone by view '{name}', and the validation is "
                        "no better."
                    ),
                    advice="Train with a lower learning rate or fewer layers, or warm the head up first.",
                    severity=min(1.0, moved),
                    p_value=_SEEN,
                    figures={"moved": Figure(moved), "loss": Figure(facts.losses[-1]), "loss before": Figure(before)},
                    picture=f"{name}/drift_chart",
                )


class Unstable(Detector):
    """Reasons keep moving when the loss is flat; or one class is lost."""

    name: ClassVar[str] = "unstable"

    def look(self, facts: EpochFacts) -> Iterator[Suspicion]:
        """Look at how far explanations moved at the last epochs, and at which classes are still recognised."""
        if is_flat(facts.losses[-_LOOKS:]):
            for name, view in facts.views.items():
                moves = [move for move in view.moves[-_LOOKS:] if math.isfinite(move)]
                readable = bool(view.counts.double().mean() > 0.5) and _depends(facts)
                if readable and len(moves) == _LOOKS and min(moves) > _MOVES:
                    yield Suspicion(
                        subject=name,
                        sentence=(
                            f"reasons keep moving by view '{name}': {min(moves):.0%} or more of the attribution at "
                            f"each of {_LOOKS} epochs, while the loss is flat."
                        ),
                        advice="Lower the learning rate, or average the weights, before you trust an explanation.",
                        severity=min(moves),
                        p_value=_SEEN,
                        figures={"moved": Figure(sum(moves) / len(moves))},
                        picture=f"{name}/drift_chart",
                    )
        yield from self._swings(facts)
        yield from self._lost(facts)
        yield from self._collapsed(facts)

    def _swings(self, facts: EpochFacts) -> Iterator[Suspicion]:
        """A feature whose share of the attribution goes up and down by turns."""
        for name, view in facts.views.items():
            readable = bool(view.counts.double().mean() > 0.5) and _depends(facts)
            if not readable or len(view.sizes) <= _FEWEST_SWINGS or not view.sizes[-1].shape[1] >= _FEATURES:
                continue
            shares = shares_of(view.sizes)
            if len(view.swaps) == len(view.sizes):  # the noise of the two is not the same
                shares = _ATTRIBUTED * shares + (1 - _ATTRIBUTED) * torch.stack(list(view.swaps))
            swings = swing(shares)
            first = int(swings.argmax())
            most, usual = float(swings[first]), float(swings.abs().median())
            moved = float(shares.diff(dim=0).abs().sum(1).mean()) / 2
            if not most >= max(_SWING, _OF_ALL * moved, _BY_CHANCE * usual):
                continue  # NaN, too
            low, high = sorted((float(shares[::2, first].mean()), float(shares[1::2, first].mean())))
            yield Suspicion(
                subject=f"swings of {name}",
                sentence=(
                    f"reasons swing by view '{name}': {view.explanation.features.names[first]} has {high:.0%} and "
                    f"{low:.0%} of them by turns, from epoch to epoch."
                ),
                advice="Look at what differs from epoch to epoch: is each another part of the data? Shuffle them.",
                severity=min(1.0, float(swings.clamp(min=0).sum())),
                p_value=_SEEN,
                figures={"swing": Figure(most), "others": Figure(usual)},
                picture=f"{name}/drift_chart",
            )

    def _collapsed(self, facts: EpochFacts) -> Iterator[Suspicion]:
        """Of several values, outputs that told samples apart before, and are nearly the same for all now."""
        spreads = [spread for spread in facts.spreads if spread]
        if len(spreads) < 2 or len(spreads[-1]) < 2 or len(facts.label_spreads) != len(spreads[-1]):
            return  # what has no labels may vary as little as it likes, such as the means over a segmentation's regions
        most = [max(spread[i] for spread in spreads[:-1]) for i in range(len(spreads[-1]))]
        left = [now / max(before, 1e-30) for now, before in zip(spreads[-1], most, strict=True)]
        for i, part in enumerate(left):
            others = sorted(left[:i] + left[i + 1 :])
            if part < _COLLAPSED and others[len(others) // 2] > 2 * _COLLAPSED:
                yield Suspicion(
                    subject=facts.output_words(i),
                    sentence=(
                        f"{facts.output_words(i)} is lost: it varies by {part:.0%} of what it did before, and others "
                        "do not."
                    ),
                    advice="Look at what changed: its labels, its loss weight, or a step of the learning rate.",
                    severity=1.0 - part,
                    p_value=_SEEN,
                    figures={"left": Figure(part)},
                )

    def _lost(self, facts: EpochFacts) -> Iterator[Suspicion]:
        """Classes that were recognised at two looks in a row before, and of which nothing is right any more."""
        if len(facts.recalls) < 2:
            return
        for label, (right, count) in facts.recalls[-1].items():
            known = [recall[label][0] for recall in facts.recalls[:-1] if label in recall]
            best = max(
                (sum(pair) / 2 for pair in pairwise(known)), default=0
            )  # early in a training classes come and go
            if count >= 4 and right == 0 and best >= max(3, _KNOWN * count):
                yield Suspicion(
                    subject=facts.class_words(label),
                    sentence=(
                        f"{facts.class_words(label)} is lost: {best:.0f} of {count} samples were right before, none is "
                        "now."
                    ),
                    advice="Look at what changed: the sampler, the loss weights, or a step of the learning rate.",
                    severity=_TWICE,
                    p_value=min(1.0, len(facts.recalls[-1]) * (1 - best / count) ** count),
                    figures={"before": Figure(best / count), "now": Figure(0.0)},
                )


def swing(shares: Tensor) -> Tensor:
    """How far each feature's share of the attribution goes up and down by turns, ``[d]``.

    A trend cancels, what moves at random hardly adds up, and one large step, as of the first epochs, does not count.

    Args:
        shares: of each feature at explained epochs in a row, ``[E, d]``.

    Returns:
        The mean step but the largest, where steps in turn count as up and as down; negative where they rather go on.
    """
    steps = shares.diff(dim=0)
    turns = steps * torch.tensor([[(-1.0) ** i] for i in range(len(steps))], dtype=steps.dtype)
    turns = turns * turns.sum(0).sign()
    return (turns.sum(0) - turns.amax(0)) / (len(steps) - 1)


def shares_of(sizes: Sequence[Tensor]) -> Tensor:
    """Each feature's share of the attribution at each epoch, on average over targets, ``[E, d]``.

    Args:
        sizes: the features' mean absolute effects at each epoch, ``[T, d]``. A target that had none at one of them,
            since its output did not vary, is left out of all; NaN where none is left.
    """
    of_targets = torch.stack([one.double() for one in sizes])
    of_targets = of_targets[:, of_targets.isfinite().all(2).all(0)]
    return (of_targets / of_targets.sum(2, keepdim=True).clamp(min=1e-30)).mean(1)


def _depends(facts: EpochFacts) -> bool:
    """Whether the answers depend on the input; where they do not, what explains them is noise."""
    return facts.hidden is None or facts.hidden.whole >= _ALIVE


def _stands_still(facts: EpochFacts) -> bool:
    before, now = facts.before, facts.outputs
    if before is None or now is None or before.shape != now.shape:
        return False
    return bool((now - before).abs().max() <= _STILL * now.abs().max())


def is_flat(losses: Sequence[float]) -> bool:
    """Whether losses of three epochs lie within a tenth of each other."""
    if len(losses) < _LOOKS or not all(map(math.isfinite, losses)):
        return False
    return max(losses) - min(losses) <= _FLAT * max(abs(max(losses)), 1e-12)

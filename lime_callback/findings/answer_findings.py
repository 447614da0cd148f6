"""Findings about the answers: they hardly depend on the input or on one of several, or are wrong for one reason."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import torch

from lime_callback.findings.hidden_sets_plan import INPUT, PLACE
from lime_callback.findings.place_findings import CARRIES
from lime_callback.findings.suspicion import Detector, Suspicion, strongest
from lime_callback.publishing.finding import Figure

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lime_callback.findings.epoch_facts import EpochFacts, HiddenSets

_SAME = 0.02  # of the outputs' usual spread: what moves less than this is not used
_SPREAD = 0.03  # of the labels' standard deviation
_FIXED, _FIXED_BY_OTHERS = 0.5, 0.15
_FEWEST_WRONG = 5
_ALIVE = 0.15  # of the answers change when everything is hidden
_SOME, _NOBODY, _MUCH_MORE = 0.12, 0.06, 3.0


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
                    f"the model predicts class {int(values[0])} for all {int(counts[0])} samples, of which "
                    f"{likely:.0%} are of that class."
                ),
                advice="Look at the learning rate, the loss and the inputs' scale: nothing of the input is used.",
                severity=1.0 - likely,
                # Even a model that knows no more than how frequent classes are would sometimes name another.
                p_value=max(likely, 0.5) ** int(counts[0]),
                figures=figures,
                picture="spatial/attributions",
            )
        elif not hidden.classes:
            spread = outputs.double().std(0)
            level = outputs.double().abs().mean(0)
            if bool((spread < 1e-3 * level.clamp(min=1e-12)).all()):
                yield Suspicion(
                    subject="one value for all",
                    sentence="the outputs are the same for all samples, to a thousandth of their size.",
                    advice="Look at the learning rate, the loss and the inputs' scale: nothing of the input is used.",
                    severity=1.0,
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
                    figures={"moved": Figure(value)},
                    picture=f"{part}/attributions",
                )


class WrongReasons(Detector):
    """Some predictions rest on a place that others do not use; or wrong ones become right when one thing is hidden."""

    name: ClassVar[str] = "wrong_reasons"

    def look(self, facts: EpochFacts) -> Iterator[Suspicion]:
        """Compare what each place changes in some samples with the others, and what puts wrong predictions right."""
        yield from strongest(facts, self._some)
        hidden = facts.hidden
        if hidden is None or hidden.was_right is None or not hidden.classes:
            return
        wrong = hidden.was_right == 0
        tried = [name for name in hidden.right if "~" not in name and hidden.shares[name] < 0.3]
        if int(wrong.sum()) < _FEWEST_WRONG or len(tried) < 3:
            return
        fixed = torch.stack([hidden.right[name][wrong].double() for name in tried])
        means = fixed.mean(1)
        first = int(means.argmax())
        others = torch.cat([fixed[:first], fixed[first + 1 :]])
        if float(means[first]) < _FIXED or float(others.mean(1).median()) > _FIXED_BY_OTHERS:
            return
        from lime_callback.explaining.random_set_p_values import p_value_of_count

        name = tried[first]
        what = facts.subjects.get(name, name.rpartition("/")[2])
        yield Suspicion(
            subject=what,
            sentence=(
                f"{float(means[first]):.0%} of the wrong predictions become right when {what} are hidden "
                f"({float(others.mean()):.0%} with other sets)."
            ),
            advice="Look at the samples that are wrong: what do they have there that others of their class do not?",
            severity=float(means[first]),
            p_value=min(1.0, len(tried) * p_value_of_count(fixed[first], others)),
            figures={"fixed": Figure(float(means[first])), "others": Figure(float(others.mean()))},
            picture="spatial/attributions",
        )

    def _some(self, facts: EpochFacts, hidden: HiddenSets) -> Iterator[Suspicion]:
        """A place that decides for a part of the samples alone; one that decides for most is a finding of places."""
        tiles = [name for name in hidden.changed if name.startswith(PLACE)]
        if not tiles or hidden.whole < _ALIVE:
            return
        means = torch.stack([hidden.changed[name].mean() for name in tiles])
        first = int(means.argmax())
        others = torch.cat([means[:first], means[first + 1 :]])
        part, usual = hidden.part(tiles[first]), float(others.median()) / hidden.whole
        if not _SOME <= part < CARRIES or usual > _NOBODY or float(means[first]) < _MUCH_MORE * float(others.max()):
            return
        place = tiles[first].removeprefix(PLACE)
        beside = [name for name in tiles if name != tiles[first]]
        yield Suspicion(
            subject=f"their {place} part",
            sentence=(
                f"some predictions rest on the pictures' {place} part, which others do not use: hiding it changes "
                f"{part:.0%} of what hiding all does, and other places {usual:.0%}."
            ),
            advice="Look at pictures that differ there: do some have a tag or a mark?",
            severity=min(1.0, 2 * part),
            p_value=min(1.0, len(tiles) * hidden.p_value(tiles[first], beside)),
            figures={"changed": hidden.mean(tiles[first]), "others": Figure(usual)},
            picture="spatial/attributions",
        )


def _hardly_moves(hidden: HiddenSets, name: str) -> float:
    """Probability that so few samples move, if half of them were moved by a tenth of what all inputs move."""
    from scipy.stats import binom

    less = hidden.moved[name] < 0.1 * hidden.everything_moved
    return float(binom.sf(int(less.sum()) - 1, len(less), 0.5))

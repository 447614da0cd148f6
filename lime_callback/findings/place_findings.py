"""Findings about places: one place decides in all pictures, or pixels outside of the valid mask do."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import torch

from lime_callback.explaining.answer_changes import deviations_text
from lime_callback.findings.hidden.hidden_sets_plan import FRAME, INSIDE, OUTSIDE, PADDING
from lime_callback.findings.hidden.padding import told_by_padding
from lime_callback.findings.hidden.picture_places import PLACE
from lime_callback.findings.suspicion import Detector, Suspicion, strongest
from lime_callback.publishing.finding import Figure

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from lime_callback.findings.epoch_facts import EpochFacts, HiddenSets

_ALIVE = 0.15  # of the answers change when everything is hidden
CARRIES = 0.4  # of all that hiding everything changes
_TIMES = 2.5  # as much as the other places
_MORE = 1.5  # as much as blocks within the border
_OUTSIDE = 0.1  # of what hiding everything changes
_PADDED, _TOLD = 0.2, 0.6  # of what hiding everything changes; of the predictions
_ADVICE = (
    "Look there: is there a mark, a border, padding or a time stamp? Crop it, or move it between training samples."
)


class Place(Detector):
    """The same place decides in all pictures, whatever they show, and it is not the middle.

    In the middle lies what is shown, and of patches the pixel whose class is told: it may decide.
    """

    name: ClassVar[str] = "place"

    def look(self, facts: EpochFacts) -> Iterator[Suspicion]:
        """Compare each outer ninth of the pictures with the others, and the border with what it surrounds."""
        yield from strongest(facts, self._look)

    def _look(self, facts: EpochFacts, hidden: HiddenSets) -> Iterator[Suspicion]:
        if hidden.whole < _ALIVE:
            return
        tiles = [name for name in hidden.changed if name.startswith(PLACE)]
        if tiles:
            yield from self._tile(hidden, tiles)
        if FRAME in hidden.references and hidden.part(FRAME) > max(CARRIES, hidden.part(INSIDE) - 0.25):
            beside = hidden.references[FRAME]
            if float(hidden.changed[FRAME].mean()) > _MORE * max(float(hidden.changed[one].mean()) for one in beside):
                yield self._of(hidden, FRAME, "border", beside, 1)

    def _tile(self, hidden: HiddenSets, tiles: list[str]) -> Iterator[Suspicion]:
        means = torch.stack([hidden.changed[name].mean() for name in tiles])
        first = int(means.argmax())
        name, others = tiles[first], [other for other in tiles if other != tiles[first]]
        usual = float(torch.cat([means[:first], means[first + 1 :]]).median())
        if hidden.part(name) >= CARRIES and float(means[first]) > _TIMES * usual:
            yield self._of(hidden, name, name.removeprefix(PLACE), others, len(tiles))

    def _of(self, hidden: HiddenSets, name: str, place: str, others: Sequence[str], searched: int) -> Suspicion:
        usual = float(torch.stack([hidden.changed[other] for other in others]).mean())
        where = "their border" if name == FRAME else f"their {place} part"
        beside = "blocks as large within it" if name == FRAME else "other places as large"
        changed = float(hidden.changed[name].mean())
        if hidden.classes:
            text = f"changes {changed:.0%} of {len(hidden.changed[name])} predictions ({usual:.0%} for {beside})"
        else:
            many = deviations_text(changed)
            text = f"changes the outputs by {many} standard deviations ({deviations_text(usual)} for {beside})"
        return Suspicion(
            subject=place,
            sentence=f"one place decides, whatever pictures show: hiding {where} {text}.",
            advice=_ADVICE,
            severity=min(1.0, hidden.part(name)),
            p_value=min(1.0, searched * hidden.p_value(name, others)),
            fresh=True,
            figures={"changed": hidden.mean(name), "others": Figure(usual), "share": Figure(hidden.shares[name])},
            picture="spatial/attributions",
        )


class Outside(Detector):
    """The model rests on pixels outside of the valid mask, or on padding."""

    name: ClassVar[str] = "outside"

    def look(self, facts: EpochFacts) -> Iterator[Suspicion]:
        """Ask whether other samples' values outside of the mask, where both are outside, change the answers."""
        yield from strongest(facts, self._look)

    def _look(self, facts: EpochFacts, hidden: HiddenSets) -> Iterator[Suspicion]:
        if hidden.whole < _ALIVE:
            return
        yield from self._padding(facts, hidden)
        if OUTSIDE not in hidden or hidden.part(OUTSIDE) < _OUTSIDE:
            return
        figure = hidden.mean(OUTSIDE)
        if figure.low is None or not figure.low > 0:  # of values that are not defined, NaN
            return
        changed = figure.value
        what = (
            f"change {changed:.0%} of {len(hidden.changed[OUTSIDE])} predictions"
            if hidden.classes
            else f"change the outputs by {deviations_text(changed)} standard deviations"
        )
        yield Suspicion(
            subject="outside of the mask",
            sentence=f"the model rests on pixels outside of the valid mask: other values there {what} (0 expected).",
            advice="Set pixels outside of the mask to one constant, in training and validation, or pool within it.",
            severity=min(1.0, hidden.part(OUTSIDE)),
            p_value=outside_p_value(hidden),
            fresh=True,
            figures={"changed": figure, "everything": Figure(hidden.whole)},
            picture="spatial/attributions",
        )

    def _padding(self, facts: EpochFacts, hidden: HiddenSets) -> Iterator[Suspicion]:
        """Ask whether other padding changes the answers, and how pictures are padded tells what they are."""
        padding = facts.inputs.padding if facts.inputs is not None else None
        if PADDING not in hidden or hidden.part(PADDING) < _PADDED or padding is None or facts.outputs is None:
            return
        told, p_value = told_by_padding(padding, facts.outputs, classes=hidden.classes)
        figure = hidden.mean(PADDING)
        if told < _TOLD or figure.low is None or not figure.low > 0:
            return
        changed = float(hidden.changed[PADDING].mean())
        many = f"the outputs by {deviations_text(changed)} deviations"
        what = f"{changed:.0%} of {len(hidden.changed[PADDING])} predictions" if hidden.classes else many
        yield Suspicion(
            subject="padding",
            sentence=(
                f"the model rests on which pixels are constant, as padding is: others' change {what}, and pictures "
                f"that have them at the same places get like predictions ({told:.0%})."
            ),
            advice="Pad all pictures alike or at random, or crop them: their sizes give something away.",
            severity=min(1.0, told),
            p_value=p_value,
            figures={"changed": figure, "told": Figure(told)},
            picture="spatial/attributions",
        )


def outside_p_value(hidden: HiddenSets) -> float:
    """Probability of so many changed answers, if at most one in fifty changed by pixels that count for nothing."""
    from scipy.stats import binom

    # A value counts as changed where it moves by a tenth of what hiding everything moves it.
    bound = 0.5 if hidden.classes else 0.1 * hidden.whole
    count = int((hidden.changed[OUTSIDE] > bound).sum())
    return float(binom.sf(count - 1, len(hidden.everything), 0.02))

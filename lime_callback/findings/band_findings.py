"""Findings about bands: a few of them carry everything, they are the air's or the sensor's own, or none is read."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, ClassVar

from lime_callback.explaining.answer_changes import deviations_text
from lime_callback.findings.hidden.hidden_sets_plan import (
    ABSORPTION,
    BESIDE,
    CANDIDATE,
    DEVIATION,
    NARROW,
    OTHER_BANDS,
    STRONGEST_CARRY,
    UNREAD,
)
from lime_callback.findings.input_findings import misplaced
from lime_callback.findings.suspicion import Detector, Suspicion, strongest
from lime_callback.publishing.finding import Figure

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lime_callback.findings.epoch_facts import EpochFacts, HiddenSets

_ALIVE = 0.15  # of the answers change when everything is hidden, or nothing can be said of parts
_BEYOND, _TIMES = 0.15, 2.5  # a set changes so much more, and so many times as much, as the worst of its random sets
_TIMES_REST = 2.0  # as much as a random set that may hold a rest of the same bands
_TIMES_BESIDE = 1.5  # as much as bands on either side
_BY_OUTPUT = ("water vapour", "noise", "edges")
_BY_ALL = ("oxygen", "carbon dioxide")  # single ranges, on which one of several values may hang by nature
_RELIES, _RELIES_ALONE = 0.35, 0.55  # of all that hiding everything changes: of classes, and of each of several values
_CARRIES, _CARRIES_ALL, _MOST = 0.45, 0.6, 0.65  # of all that hiding everything changes
# Of what hiding the bands changes, and times as much as any random set: values hang on narrow ranges by nature sooner.
_OF_CLASSES, _OF_VALUES = (0.5, 2.5), (0.8, 2.0)
_OF_EACH = 0.3  # of what hiding everything changes of each of several values
_OF_GAS, _OF_SINGLE = 0.4, 0.8  # likewise; of a gas with several ranges, or one
_UNREAD_MOVES, _UNREAD_SHARE = 0.02, 0.25
_READ_MOVES = 0.2


def stands_far_out(hidden: HiddenSets, name: str, times: float, *, but_one: bool = False) -> bool:
    """Whether hiding a set changes far more, so many times as much, than hiding any, or any but one, beside it."""
    changed, most = float(hidden.changed[name].mean()), hidden.most_expected(name, but_one=but_one)
    return changed - most > _BEYOND * max(hidden.whole, _ALIVE) and changed > times * most


def is_narrow(hidden: HiddenSets) -> bool:
    """Whether the strongest bands are few of those that are read."""
    unread = hidden.shares[UNREAD] if UNREAD in hidden and hidden.moved_part(UNREAD) < _UNREAD_MOVES else 0.0
    return hidden.shares[CANDIDATE] <= NARROW * (1 - unread) + 0.01


def changes_text(hidden: HiddenSets, name: str) -> str:
    """Say what hiding a set changes, beside what is expected."""
    changed, expected = float(hidden.changed[name].mean()), hidden.expected(name)
    if hidden.classes:
        count = len(hidden.changed[name])
        return f"changes {changed:.0%} of {count} predictions ({expected:.0%} expected of random bands)"
    many, usual = deviations_text(changed), deviations_text(expected)
    return f"changes the outputs by {many} standard deviations ({usual} expected of random bands)"


def figures_of(hidden: HiddenSets, name: str) -> dict[str, Figure]:
    """What hiding a set changes, or what other bands do not show of it, beside random sets and everything."""
    expected, whole = Figure(hidden.expected(name)), name.removesuffix(BESIDE)
    figures = {"changed": hidden.mean(whole)}
    if name == whole:
        figures["expected"] = expected
    else:
        figures = {"deviations": hidden.mean(name), "deviations elsewhere": expected} | figures
    return figures | {"everything": Figure(hidden.whole), "share": Figure(hidden.shares[whole])}


def hiding_text(name: str) -> str:
    """Say what is hidden."""
    return "hiding what other bands do not show" if name.endswith(BESIDE) else "hiding them"


class ShortcutBands(Detector):
    """A narrow set of bands carries the predictions, far beyond random sets of its size.

    Of a spectrum of many bands it has to be what other bands do not show; of one of few bands, about as much as all
    other bands carry. Of several values all count together, and of many bands each has to hang on them: one or two may
    well do so by nature.
    """

    name: ClassVar[str] = "shortcut_bands"

    def look(self, facts: EpochFacts) -> Iterator[Suspicion]:
        """Compare what the strongest few bands change with random ones."""
        hidden = facts.hidden
        if hidden is None or CANDIDATE not in hidden or hidden.whole < _ALIVE or not is_narrow(hidden):
            return
        if DEVIATION in hidden.references:
            part, (mostly, times) = hidden.part(CANDIDATE), _OF_CLASSES if hidden.classes else _OF_VALUES
            enough = part >= STRONGEST_CARRY and hidden.part(DEVIATION) >= max(STRONGEST_CARRY, mostly * part)
            each = all(one.part(DEVIATION) >= _OF_EACH for one in facts.by_output if not one.classes)
            if enough and each and stands_far_out(hidden, DEVIATION, times):
                yield self._of(facts, hidden, DEVIATION)
        elif CANDIDATE in hidden.references and self._among_few(hidden):
            yield self._of(facts, hidden, CANDIDATE, others=hidden.mean(OTHER_BANDS))

    def _among_few(self, hidden: HiddenSets) -> bool:
        """Whether the strongest of few bands change far more than random ones, and about as much as all others."""
        part = hidden.part(CANDIDATE)
        # Where the bands carry most, one of the random sets may hold what is left of the same shortcut.
        far = stands_far_out(hidden, CANDIDATE, _TIMES) or (
            part >= _MOST
            and stands_far_out(hidden, CANDIDATE, _TIMES, but_one=True)
            and stands_far_out(hidden, CANDIDATE, _TIMES_REST)
        )
        return far and part >= _CARRIES_ALL and part > hidden.part(OTHER_BANDS) - 0.25

    def _of(self, facts: EpochFacts, hidden: HiddenSets, name: str, **more: Figure) -> Suspicion:
        what = facts.subjects[CANDIDATE]
        return Suspicion(
            subject="a few bands",  # each look names them anew
            sentence=f"the predictions hang on {what}: {hiding_text(name)} {changes_text(hidden, name)}.",
            advice=(
                "Do labels differ there by nature? If not, train without these bands, or with them swapped between "
                "samples, and see what is left."
            ),
            severity=min(1.0, hidden.part(CANDIDATE)),
            p_value=hidden.p_value(name),  # other samples chose the bands than are asked about them
            fresh=True,
            figures=figures_of(hidden, name) | more,
            picture="spectral/superbands",
        )


class Absorption(Detector):
    """The model rests on bands in which the air absorbs, on the sensor's edges, or on noisy bands."""

    name: ClassVar[str] = "absorption"

    def look(self, facts: EpochFacts) -> Iterator[Suspicion]:
        """Compare what each such set, or what other bands do not show of it, changes with shoulders and random sets."""
        if misplaced(facts):
            return  # nobody knows which bands these are
        yield from strongest(facts, partial(self._look, kinds=_BY_OUTPUT))
        if facts.hidden is not None:
            yield from self._look(facts, facts.hidden, _BY_ALL)

    def _look(self, facts: EpochFacts, hidden: HiddenSets, kinds: tuple[str, ...]) -> Iterator[Suspicion]:
        if hidden.whole < _ALIVE:
            return
        named = [name for name in hidden.references if name.startswith(ABSORPTION)]
        for name in named:
            bands = name.removesuffix(BESIDE)
            kind, part = bands.removeprefix(ABSORPTION), hidden.part(bands)
            least = _CARRIES if kind in _BY_ALL else _RELIES if len(facts.by_output) == 1 else _RELIES_ALONE
            mostly = 0.0 if name == bands else _OF_SINGLE if kind in _BY_ALL else _OF_GAS
            enough = part >= least and hidden.part(name) >= mostly * part
            if kind in kinds and enough and stands_far_out(hidden, name, _TIMES_BESIDE):
                what = facts.subjects[bands]
                yield Suspicion(
                    subject=kind,
                    sentence=f"the model rests on {what}: {hiding_text(name)} {changes_text(hidden, name)}.",
                    advice="Leave these bands out, or find out what in the data they give away.",
                    severity=min(1.0, part),
                    p_value=min(1.0, len(named) * hidden.p_value(name)),
                    fresh=True,
                    figures=figures_of(hidden, name),
                    picture="spectral/superbands",
                )


class UnreadBands(Detector):
    """A large part of the spectrum moves no output, though it tells the labels."""

    name: ClassVar[str] = "unread_bands"

    def look(self, facts: EpochFacts) -> Iterator[Suspicion]:
        """Hide all bands together that no explanation uses, and ask whether the labels could be told by them."""
        hidden, inputs = facts.hidden, facts.inputs
        if hidden is None or UNREAD not in hidden or inputs is None or hidden.shares[UNREAD] < _UNREAD_SHARE:
            return
        moved = hidden.moved_part(UNREAD)
        if moved > _UNREAD_MOVES or float(hidden.everything_moved.mean()) < _READ_MOVES:
            return
        what = facts.subjects[UNREAD]
        yield Suspicion(
            subject="bands that are not read",
            sentence=(
                f"{hidden.shares[UNREAD]:.0%} of the bands are not read: hiding {what} moves the outputs by "
                f"{moved:.1%} of what hiding everything does."
            ),
            advice="Look at the first layer's weights for these channels: are they zero, frozen or never loaded?",
            severity=min(1.0, hidden.shares[UNREAD] / 0.5),
            p_value=unread_p_value(hidden),
            fresh=True,
            figures={"moved": Figure(moved), "share": Figure(hidden.shares[UNREAD])},
            picture="spectral/superbands",
        )


def unread_p_value(hidden: HiddenSets) -> float:
    """Probability that bands hardly move so many samples' outputs, if half of the samples were moved as by others."""
    from scipy.stats import binom

    less = hidden.moved[UNREAD] < 0.1 * hidden.everything_moved
    return float(binom.sf(int(less.sum()) - 1, len(less), 0.5))

"""A detector, which looks for one kind of fault in what an explained epoch knows, and what it says."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from lime_callback.findings.epoch_facts import EpochFacts, HiddenSets
    from lime_callback.publishing.finding import Figure


@dataclass(frozen=True)
class Suspicion:
    """What a detector says of one explained epoch; whether it is told, the ledger decides.

    Args:
        subject: what it is about, such as ``"1350 to 1430 nm"``: the same words at each epoch for the same thing.
        sentence: what is wrong, for people, with the number that says so.
        advice: one thing to do, as a sentence.
        severity: how much of the model's answers is concerned, from 0 to 1.
        p_value: the probability of such evidence at this look, were nothing wrong, with all that was searched paid for.
        figures: the evidence by its names.
        picture: tag of the picture that shows it, without the callback's name, such as ``"spectral/superbands"``;
            ``spectral`` and ``spatial`` stand for the run's first view that cuts channels, and pixels. A run without
            such a picture tells none.
        fresh: whether the evidence is of samples that no other of the last looks has, so that it adds up over looks.
    """

    subject: str
    sentence: str
    advice: str
    severity: float
    p_value: float
    figures: Mapping[str, Figure] = field(default_factory=dict)
    picture: str = ""
    fresh: bool = False


class Detector(ABC):
    """Looks for one kind of fault. Subclass it for findings of your own, and pass an object in ``findings=[...]``.

    Attributes:
        name: of its findings; part of the metric ``<callback>/finding/<name>``.
        patience: at how many explained epochs in a row a suspicion has to come up before it is told, unless it is
            overwhelming.
    """

    name: ClassVar[str]
    patience: ClassVar[int] = 2

    @abstractmethod
    def look(self, facts: EpochFacts) -> Iterable[Suspicion]:
        """Return what is suspicious at an explained epoch, if anything.

        Args:
            facts: what is known of the epoch and of those before. What a run does not have is ``None`` or empty there.
        """


def strongest(facts: EpochFacts, look: Callable[[EpochFacts, HiddenSets], Iterable[Suspicion]]) -> list[Suspicion]:
    """Look at each output by itself where there are several values, and take the clearest of each subject.

    Args:
        facts: of the epoch.
        look: what there is to say of one output's changes.
    """
    count, found = len(facts.by_output), dict[str, Suspicion]()
    for i, hidden in enumerate(facts.by_output):
        for one in look(facts, hidden):
            said = one.sentence if count == 1 else f"{facts.output_words(i)}: {one.sentence}"
            paid = replace(one, p_value=min(1.0, count * one.p_value), sentence=said)
            if one.subject not in found or paid.p_value < found[one.subject].p_value:
                found[one.subject] = paid
    return list(found.values())

"""The one place that decides when a finding is told: not by chance, at several looks in a row, and once.

A run asks many questions: each detector at each explained epoch. So each is asked at a level of its own, such that all
levels of a run together come to 5 %, however many findings there are and however long the run is. Detectors pay for
what they search within.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from lime_callback.following.watch_alarms import RUN
from lime_callback.publishing.finding import Finding

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from lime_callback.findings.suspicion import Suspicion

Key = tuple[str, str]
_OVERWHELMING = 0.9  # severity at which one look is enough, if the evidence is as clear
_CLEARER = 1e-4  # times the level that several looks are asked at
_TOGETHER = 3  # looks in a row whose evidence counts together, at most
_CHANGED = 0.25  # of severity: a finding that changed by more is told again
_GONE = 2  # looks in a row without a suspicion, after which a finding is over


def level(look: int, questions: int) -> float:
    """Probability to suspect something without a cause, of one detector at one look.

    ``3 / ((k + 2) (k + 3))`` of all goes to the k-th look: these sum to 1 over any number of them, and the first, which
    alone tells hardly anything, has little.

    Args:
        look: which explained epoch it is, counted from 1.
        questions: detectors that look.
    """
    return RUN * 3 / ((look + 2) * (look + 3)) / max(questions, 1)


def together(p_values: Sequence[float]) -> float:
    """Probability of evidence as clear as that of independent looks together.

    Args:
        p_values: of the looks.

    References:
        Fisher, "Statistical Methods for Research Workers" (1925), section 21.1.
    """
    from scipy.stats import chi2

    if len(p_values) == 1 or min(p_values) <= 0:
        return min(p_values)
    return float(chi2.sf(-2 * sum(map(math.log, p_values)), 2 * len(p_values)))


@dataclass
class Ledger:
    """Keeps what was suspected and what was told.

    Args:
        name: the callback's, first part of the pictures' tags.
        looks: how many explained epochs there were.
        findings: all that were told, in that order, open and closed.
    """

    name: str
    looks: int = 0
    findings: list[Finding] = field(default_factory=list)
    _in_a_row: dict[Key, list[float]] = field(default_factory=dict)
    _absent: dict[Key, int] = field(default_factory=dict)

    def take(
        self,
        epoch: int,
        suspected: Mapping[str, Sequence[Suspicion]],
        patience: Mapping[str, int],
        independent: int = 1,
    ) -> list[Finding]:
        """Take in what the detectors say at an explained epoch.

        Args:
            epoch: its number, counted from 0.
            suspected: for each detector that looked what it says, maybe nothing. Of one that could not look nothing is
                known, and its findings stand.
            patience: for each detector at how many looks in a row it has to say so.
            independent: at how many looks in a row what is fresh is of other samples, so that it counts together.

        Returns:
            The findings to tell now: new ones, those that came back, and those that are much more severe than told.
        """
        self.looks += 1
        alpha = level(self.looks, len(patience))
        news: list[Finding] = []
        seen: set[Key] = set()
        rows: dict[Key, list[float]] = {}
        for name, suspicions in suspected.items():
            for suspicion in suspicions:
                key = (name, suspicion.subject)
                if key in rows or not suspicion.p_value <= 1:
                    continue
                row = [*self._in_a_row.get(key, ()), suspicion.p_value][-max(patience[name], _TOGETHER) :]
                p_value = together(row[-(min(independent, _TOGETHER) if suspicion.fresh else 1) :])
                sure = suspicion.severity >= _OVERWHELMING and suspicion.p_value <= _CLEARER * alpha
                if p_value <= alpha:
                    seen.add(key)
                    if len(row) >= patience[name] or (sure and patience[name] <= 2):
                        news += self._told(key, suspicion, epoch)
                rows[key] = row
        others = {key: row for key, row in self._in_a_row.items() if key[0] not in suspected}
        self._in_a_row = others | rows
        self._close(epoch, suspected, seen)
        return news

    def open(self) -> list[Finding]:
        """The findings that are there now."""
        return [finding for finding in self.findings if finding.is_open]

    def metrics(self, names: Sequence[str]) -> dict[str, float]:
        """How many findings are open, and the largest severity of each name; 0 where there is none."""
        worst = {name: max((one.severity for one in self.open() if one.name == name), default=0.0) for name in names}
        return {"findings": float(len(self.open())), **{f"finding/{name}": value for name, value in worst.items()}}

    def state(self) -> dict[str, Any]:
        """What a resumed run needs to tell nothing twice."""
        return {
            "looks": self.looks,
            "findings": [finding.as_plain() for finding in self.findings],
            "in_a_row": [[*key, row] for key, row in self._in_a_row.items()],
            "absent": [[*key, count] for key, count in self._absent.items()],
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """The inverse of :meth:`state`.

        Raises:
            Exception: if any of it cannot be read.
        """
        self.looks = int(state["looks"])
        self.findings = [Finding.of_plain(values) for values in state["findings"]]
        self._in_a_row = {(str(name), str(subject)): list(map(float, row)) for name, subject, row in state["in_a_row"]}
        self._absent = {(str(name), str(subject)): int(count) for name, subject, count in state["absent"]}

    def _told(self, key: Key, suspicion: Suspicion, epoch: int) -> list[Finding]:
        """Note a finding; return it if it is to be told now."""
        name, subject = key
        place = next((i for i, one in enumerate(self.findings) if (one.name, one.subject) == key and one.is_open), None)
        known = None if place is None else self.findings[place]
        finding = Finding(
            name, subject, suspicion.sentence, suspicion.advice, suspicion.severity, suspicion.p_value,
            dict(suspicion.figures), f"{self.name}/{suspicion.picture}" if suspicion.picture else "",
            epoch if known is None else known.epoch, self.looks if known is None else known.look, epoch,
        )  # fmt: skip
        if known is None or place is None:
            self.findings.append(finding)
            return [finding]
        if finding.severity > known.severity + _CHANGED:
            self.findings[place] = finding
            return [finding]
        # What was told stays as it was told, so that small changes add up.
        self.findings[place] = replace(known, last=epoch)
        return []

    def _close(self, epoch: int, suspected: Mapping[str, Sequence[Suspicion]], seen: set[Key]) -> None:
        for i, finding in enumerate(self.findings):
            key = (finding.name, finding.subject)
            if not finding.is_open or finding.name not in suspected:
                continue
            self._absent[key] = 0 if key in seen else self._absent.get(key, 0) + 1
            if self._absent[key] >= _GONE:
                self.findings[i] = replace(finding, closed=epoch)
                del self._absent[key]

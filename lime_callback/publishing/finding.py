"""A finding: something that the callback found wrong by itself, in the form in which it is told and kept."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

NAMES = (
    "shortcut_bands", "absorption", "place", "outside", "blind", "one_modality", "unread_bands", "frozen", "forgetting",
    "wrong_reasons", "scale", "unstable", "unreadable",
)  # fmt: skip
"""Names of the findings that the callback looks for by itself, see ``docs/findings.md``."""


@dataclass(frozen=True)
class Figure:
    """A number that a finding rests on.

    Args:
        value: the number.
        low: lower end of its 95 % interval; ``None`` where it has none.
        high: upper end.
    """

    value: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Finding:
    """Something that is wrong with a run, as it was told.

    Attributes:
        name: what kind it is of, such as ``"shortcut_bands"``.
        subject: what it is about, such as ``"1350 to 1430 nm"``; tells findings of one name apart.
        sentence: what is wrong, for people, with the number that says so.
        advice: one thing to do.
        severity: how much of the model's answers is concerned, from 0 to 1.
        p_value: the probability of such evidence at one look, were nothing wrong.
        figures: the evidence by its names, such as ``{"changed": Figure(0.55, 0.42, 0.68)}``.
        picture: tag of the picture that shows it, such as ``"lime/spectral/superbands"``; empty where none does.
        epoch: at which it was told first, counted from 0 as Lightning counts.
        look: which explained epoch that was, counted from 1.
        last: the last epoch at which it was seen.
        closed: the epoch at which it was found to be over; ``None`` while it is open.
    """

    name: str
    subject: str
    sentence: str
    advice: str
    severity: float
    p_value: float
    figures: Mapping[str, Figure] = field(default_factory=dict)
    picture: str = ""
    epoch: int = 0
    look: int = 0
    last: int = 0
    closed: int | None = None

    @property
    def is_open(self) -> bool:
        """Whether it was there when the model was last looked at."""
        return self.closed is None

    @property
    def line(self) -> str:
        """The sentence, where to look, and what to do, in one line."""
        look = f" See {self.picture}." if self.picture else ""
        return f"{self.sentence}{look} {self.advice}".strip()

    def as_plain(self) -> dict[str, Any]:
        """Return it as plain values, for JSON and checkpoints."""
        return asdict(self)

    @classmethod
    def of_plain(cls, values: Mapping[str, Any]) -> Finding:
        """The inverse of :meth:`as_plain`.

        Raises:
            TypeError: if there are other values than a finding has.
        """
        figures = {name: Figure(**figure) for name, figure in dict(values.get("figures", {})).items()}
        return cls(**{**values, "figures": figures})

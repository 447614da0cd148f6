"""Findings as loggers show them: rows of a table, and a list in Markdown. Epochs count from 1, as all in loggers."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lime_callback.publishing.finding import Finding


class FindingRow(NamedTuple):
    """A finding in a table.

    Attributes:
        name: what kind it is of.
        subject: what it is about.
        sentence: what is wrong.
        severity: how much of the model's answers is concerned, from 0 to 1.
        epoch: at which it was told first.
        closed: at which it was found to be over; ``None`` while it is open.
        advice: one thing to do.
    """

    name: str
    subject: str
    sentence: str
    severity: float
    epoch: int
    closed: int | None
    advice: str


def finding_rows(findings: Sequence[Finding]) -> list[FindingRow]:
    """Return a row for each finding, the open ones first, and of these the most severe ones."""
    return [
        FindingRow(
            one.name, one.subject, one.sentence, one.severity, one.epoch + 1,
            None if one.closed is None else one.closed + 1, one.advice,
        )
        for one in sorted(findings, key=lambda one: (not one.is_open, -one.severity))
    ]  # fmt: skip


def open_findings(findings: Sequence[Finding]) -> str:
    """Return a list in Markdown of the open findings, the most severe ones first; a word where none is open."""
    ordered = sorted((one for one in findings if one.is_open), key=lambda one: -one.severity)
    lines = [f"- **{one.name}**, since epoch {one.epoch + 1}: {one.line}" for one in ordered]
    return "\n".join(lines) or "No finding is open."

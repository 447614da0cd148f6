"""Reads a run's ``findings.jsonl``, which somebody else may have written: keeps the lines that are findings."""

from __future__ import annotations

import json
import math
from dataclasses import fields
from typing import TYPE_CHECKING, Any

from lime_callback.checks.whole_files import check_regular
from lime_callback.publishing.finding import Figure, Finding
from lime_callback.report.run_settings import is_number, is_text, is_whole

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

_MOST = 1 << 21  # bytes; the findings of thousands of epochs
_KEPT, _NOTES = 200, 5  # findings on a page, and notes on lines that are none
_LONGEST = 2000  # characters of a text
_FIGURES = 40


def read_findings(path: Path, notes: list[str]) -> tuple[Finding, ...]:
    """Read ``findings.jsonl``; leave out lines that are no finding, and add a note on each of the first few.

    Args:
        path: the file's path.
        notes: gets the notes.

    Raises:
        FileNotFoundError: if there is no such file.
        OSError: if the file cannot be read.
        ValueError: if it is no text, or too large.
    """
    check_regular(path, _MOST)
    found: list[Finding] = []
    wrong: list[int] = []
    for number, line in enumerate(path.read_text(encoding="utf-8").split("\n"), start=1):
        if not line.strip():
            continue
        finding = _finding(line)
        if finding is None:
            wrong.append(number)
        else:
            found.append(finding)
    notes += [f"findings.jsonl is shown without line {number}, which is no finding." for number in wrong[:_NOTES]]
    if len(wrong) > _NOTES:
        notes.append(f"findings.jsonl is shown without {len(wrong) - _NOTES} more lines, which are no findings.")
    if len(found) > _KEPT:
        notes.append(f"findings.jsonl is shown without {len(found) - _KEPT} of its {len(found)} findings.")
        found = by_weight(found)[:_KEPT]
    return tuple(found)


def by_weight(findings: list[Finding] | tuple[Finding, ...]) -> list[Finding]:
    """Return the findings in the order in which people should read them: open ones first, then by severity."""
    return sorted(findings, key=lambda one: (not one.is_open, -one.severity, one.epoch))


def findings_data(findings: tuple[Finding, ...] | None) -> list[dict[str, Any]] | None:
    """Return findings as values for a page's JSON, with epochs counted from 1; ``None`` where nobody looked."""
    if findings is None:
        return None
    return [
        {
            **{name: getattr(one, name) for name in ("name", "subject", "sentence", "advice", "severity", "picture")},
            "figures": [[name, each.value, each.low, each.high] for name, each in one.figures.items()],
            "epoch": one.epoch + 1,
            "last": one.last + 1,
            "closed": None if one.closed is None else one.closed + 1,
        }
        for one in by_weight(findings)
    ]


def _finding(line: str) -> Finding | None:
    """Return what a line says; ``None`` if that is no finding."""
    try:
        values = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(values, dict) or not all(check(values.get(name)) for name, check in _CHECKS.items()):
        return None
    known = {field.name for field in fields(Finding)}
    figures = {name: _figure(figure) for name, figure in values["figures"].items()}
    return Finding(**{**{name: value for name, value in values.items() if name in known}, "figures": figures})


def _figure(values: Mapping[str, float | None]) -> Figure:
    value, low, high = (values.get(name) for name in ("value", "low", "high"))
    return Figure(float("nan") if value is None else value, low, high)


def _is_line(value: Any) -> bool:
    return is_text(value) and len(value) <= _LONGEST


def _is_share(value: Any) -> bool:
    return is_number(value) and 0 <= value <= 1


def _is_finite(value: Any) -> bool:
    return is_number(value) or (isinstance(value, float) and math.isfinite(value))


def _is_epoch(value: Any) -> bool:
    return is_whole(value) and value >= 0


def _are_figures(value: Any) -> bool:
    return (
        isinstance(value, dict)
        and len(value) <= _FIGURES
        and all(
            len(name) <= _LONGEST
            and isinstance(figure, dict)
            and all(number is None or _is_finite(number) for number in map(figure.get, ("value", "low", "high")))
            for name, figure in value.items()
        )
    )


_CHECKS: dict[str, Callable[[Any], bool]] = {
    "name": _is_line, "subject": _is_line, "sentence": _is_line, "advice": _is_line, "picture": _is_line,
    "severity": _is_share, "p_value": lambda value: value is None or _is_finite(value), "figures": _are_figures,
    "epoch": _is_epoch, "look": _is_epoch, "last": _is_epoch, "closed": lambda value: value is None or _is_epoch(value),
}  # fmt: skip
"""What each entry of a line has to be."""

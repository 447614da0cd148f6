"""Writes ``findings.jsonl``: what was found wrong with a run, one line of JSON a finding, in the order it was told."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from lime_callback.checks.plain_values import finite
from lime_callback.checks.whole_files import replacing

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from lime_callback.publishing.finding import Finding

FINDINGS = "findings.jsonl"


def write_findings(folder: Path, findings: Sequence[Finding]) -> None:
    """Replace the file as a whole, so that it says what the run knows now, also where that goes on from a checkpoint.

    Without a finding the file is empty: it says that somebody looked.

    Args:
        folder: the history's folder.
        findings: all that were told so far, open and closed.

    Raises:
        OSError: if the file cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with replacing(folder / FINDINGS) as file:
        for finding in findings:
            file.write(json.dumps(plain_finding(finding), allow_nan=False).encode() + b"\n")


def plain_finding(finding: Finding) -> dict[str, Any]:
    """Return :meth:`Finding.as_plain` as values that JSON has; numbers that are not finite become ``None``."""
    values: dict[str, Any] = finite(finding.as_plain())
    return values

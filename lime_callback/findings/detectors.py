"""All detectors, and which of them a run has."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from lime_callback.findings.answer_findings import Blind, OneModality
from lime_callback.findings.band_findings import Absorption, ShortcutBands, UnreadBands
from lime_callback.findings.input_findings import Scale
from lime_callback.findings.place_findings import Outside, Place
from lime_callback.findings.reason_findings import WrongReasons
from lime_callback.findings.suspicion import Detector
from lime_callback.findings.training_findings import Forgetting, Frozen, Unstable
from lime_callback.findings.trust_findings import Unreadable

if TYPE_CHECKING:
    from collections.abc import Sequence

DETECTORS: tuple[type[Detector], ...] = (
    ShortcutBands, Absorption, Place, Outside, Blind, OneModality, UnreadBands, Frozen, Forgetting, WrongReasons, Scale,
    Unstable, Unreadable,
)  # fmt: skip
"""All that the callback looks for by itself; ``findings=[...]`` takes their names."""
_WORDS = ("warn", "stop", "off")


def detectors_of(value: Any) -> tuple[Detector, ...]:
    """Return the detectors that an argument ``findings`` asks for.

    Args:
        value: ``"warn"`` or ``"stop"`` for all, ``"off"`` for none; or a list of names and of objects.

    Raises:
        ValueError: if a word or a name is unknown, or two detectors have one name.
        TypeError: if an entry is neither a name nor a :class:`Detector`.
    """
    by_name = {detector.name: detector for detector in DETECTORS}
    if isinstance(value, str):
        if value not in _WORDS:
            raise ValueError(
                f"`findings` should be one of {list(_WORDS)}, or a list of names. Found `findings = {value!r}`"
                + (f"; pass `findings=[{value!r}]`." if value in by_name else ".")
            )
        return () if value == "off" else tuple(detector() for detector in DETECTORS)
    if not isinstance(value, Iterable):
        raise TypeError(
            f"`findings` should be one of {list(_WORDS)}, or a list of names. Found `findings = {value!r}`."
        )
    found = [_detector(one, by_name) for one in value]
    names = [one.name for one in found]
    if len(set(names)) < len(names):
        raise ValueError(f"`findings` should have each name once. Found {names}.")
    return tuple(found)


def _detector(one: Any, by_name: dict[str, type[Detector]]) -> Detector:
    if isinstance(one, Detector):
        return one
    if not isinstance(one, str):
        raise TypeError(
            f"`findings` should list names and `lime_callback.findings.Detector` objects. Found {one!r}; derive a "
            "class from `Detector`, and pass an object of it."
        )
    if one not in by_name:
        raise ValueError(f"`findings` should list some of {list(by_name)}. Found {one!r}.")
    return by_name[one]()


def patience_of(detectors: Sequence[Detector]) -> dict[str, int]:
    """At how many looks in a row each detector's suspicion is told."""
    return {one.name: one.patience for one in detectors}

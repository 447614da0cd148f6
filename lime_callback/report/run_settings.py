"""Reads a run's ``run.json``, which somebody else may have written: keeps what has the shape that the page expects."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from lime_callback.checks.whole_files import check_regular
from lime_callback.publishing.run_metadata import FORMAT

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_MOST = 1 << 26  # bytes; the pictures of hundreds of probes
_DEEPEST = 16  # levels of a setting; sound ones have three
_NUMBERS = 1 << 53  # whole numbers from here on are not exact in a page's script

_MAY_LACK = ("wavelengths", "class_names")  # a run says that there are none


def read_settings(path: Path, notes: list[str]) -> dict[str, Any]:
    """Read ``run.json``; leave out entries of another shape, and add a note on each.

    Args:
        path: the file's path.
        notes: gets the notes.

    Raises:
        OSError: if the file cannot be read.
        ValueError: if it is no JSON of this format.
    """
    check_regular(path, _MOST)
    try:
        about = json.loads(path.read_text(encoding="utf-8"))
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    if not isinstance(about, dict) or about.get("format") != FORMAT:
        raise ValueError("it is not of this format")
    kept = {}
    for name, value in about.items():
        if not _KNOWN.get(name, _is_plain)(value):
            notes.append(f"run.json is shown without {name[:40]!r}, which is not of the kind that a run writes.")
        elif value is not None or name in _MAY_LACK:
            kept[name] = value
    return kept


def is_number(value: Any) -> bool:
    """Return whether a value is a finite number that a page's script reads as it is."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < _NUMBERS


def is_whole(value: Any) -> bool:
    """Return whether a value is such a whole number."""
    return isinstance(value, int) and is_number(value)


def is_text(value: Any) -> bool:
    """Return whether a value is a text."""
    return isinstance(value, str)


def _is_flag(value: Any) -> bool:
    return isinstance(value, bool)


def _is_spectral(value: Any) -> bool:
    return isinstance(value, float) or is_number(value)  # NaN, too, where a probe has it


def _is_share(value: Any) -> bool:
    return value is None or is_number(value)


def _is_plain(value: Any) -> bool:
    """Return whether a value is plain, not deep, and of numbers that a page's script can read."""
    level = [value]
    for _ in range(_DEEPEST):
        if any(isinstance(one, int) and abs(one) >= _NUMBERS for one in level):
            return False
        level = [
            part
            for one in level
            if isinstance(one, (list, dict))
            for part in (one.values() if isinstance(one, dict) else one)
        ]
        if not level:
            return True
    return False


def _list_of(check: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: value is None or (isinstance(value, list) and all(map(check, value)))


def _entries(**checks: Callable[[Any], bool]) -> Callable[[Any], bool]:
    """Check a mapping's entries; those that are missing are as ``None``."""
    return lambda value: isinstance(value, dict) and all(check(value.get(name)) for name, check in checks.items())


def _is_mapping(check: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, dict) and all(map(check, value.values()))


def _or_none(check: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: value is None or check(value)


def _is_picture(value: Any) -> bool:
    return value is None or (isinstance(value, str) and value.startswith("data:image/png;base64,"))


_is_numbers = _list_of(is_number)
_KNOWN: dict[str, Callable[[Any], bool]] = {
    "name": is_text,
    "wavelengths": _is_numbers,
    "class_names": _list_of(is_text),
    "views": _list_of(_entries(name=is_text, wavelengths=_is_numbers, kind=_or_none(is_text), cut=_or_none(is_text))),
    "settings": lambda value: isinstance(value, dict) and _is_plain(value),
    "gate": _is_share,
    "reference": _or_none(_is_flag),
    "watch": _is_mapping(
        _entries(
            above=_is_share,
            below=_is_share,
            reliance=_is_share,
            changed=_is_share,
            extent=_or_none(is_text),
            elements=_or_none(is_text),
        )
    ),
    "anew": _or_none(_is_flag),
    "probes": _list_of(
        _entries(
            number=is_whole,
            chosen=_or_none(_is_flag),
            label=_or_none(is_text),
            picture=_is_picture,
            spectrum=_list_of(_is_spectral),
        )
    ),
}
"""What the page reads, and what it has to be."""

"""Looks up the wavelengths of spectral bands and indices by their names, as spyndex lists them.

A band is an interval of wavelengths in nm. An index stands for the bands that its formula uses; constants in the
formula are not bands, and a kernel such as ``kNR`` stands for the bands that it compares, N and R.
"""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches
from functools import lru_cache
from typing import Any

_HOW_TO_LIST = "`import spyndex; print(*spyndex.bands, *spyndex.indices)` lists all names"


@dataclass(frozen=True)
class Band:
    """An interval of wavelengths with its name.

    Attributes:
        name: the short name, such as ``"R"``.
        low: the first wavelength, in nm.
        high: the last wavelength, in nm, included.
    """

    name: str
    low: float
    high: float


@lru_cache(maxsize=1)
def _bands() -> dict[str, Band]:
    import spyndex

    bands = {name: spyndex.bands[name] for name in spyndex.bands}
    return {name: Band(name, float(b.min_wavelength), float(b.max_wavelength)) for name, b in bands.items()}


@lru_cache(maxsize=1)
def _known() -> dict[str, str]:
    """Map each name that a user might write for a band or an index, in lower case, to its proper spelling."""
    import spyndex

    spellings = {str(spyndex.bands[name].common_name).lower(): name for name in spyndex.bands}
    names = [*spyndex.indices, *spyndex.bands]  # of a band and an index with the same letters, the band wins
    return spellings | {name.lower(): name for name in names}


def bands_of(name: str) -> tuple[Band, ...]:
    """Return the bands for the name of a band (``"R"``) or of a spectral index (``"NDVI"``), each once.

    Raises:
        ValueError: if the name is unknown, or names an index without an optical band, such as a radar index.
    """
    import spyndex

    bands = _bands()
    if name in bands:
        return (bands[name],)
    if set(name) & set("()[]{}"):
        raise ValueError(
            f"`bands` should name bands or spectral indices. Found the text {name!r}; on the command line and in YAML, "
            f"which have no tuples, a range is [[400.0, 500.0]] or {{from: 400, to: 500}}, without quotes around it."
        )
    if name not in spyndex.indices:
        raise ValueError(
            f"`bands` should name bands or spectral indices that spyndex knows. Found {name!r}.{_suggestion(name)} "
            f"{_HOW_TO_LIST}; a range of wavelengths is written (400.0, 500.0), in YAML {{from: 400, to: 500}}."
        )
    terms = spyndex.indices[name].bands
    parts = [part for term in terms for part in ([term] if term in bands else _kernel(term))]
    bands_named = tuple(bands[part] for part in dict.fromkeys(parts))
    if not bands_named:
        raise ValueError(
            f"`bands` should name indices of optical bands. Found {name!r}, which is computed from {', '.join(terms)}."
        )
    return bands_named


def is_band(name: Any) -> bool:
    """Whether a name, or each of several, is that of a band or an index as spyndex spells it."""
    if isinstance(name, tuple):
        return bool(name) and all(map(is_band, name))
    return isinstance(name, str) and _known().get(name.lower()) == name


def _kernel(term: str) -> list[str]:
    """Return the bands that a kernel such as ``kNR`` compares; none if the term is not a kernel."""
    return [letter for letter in term[1:] if letter in _bands()] if term.startswith("k") else []


def _suggestion(name: str) -> str:
    known = _known()
    matches = get_close_matches(name.lower(), known, n=3, cutoff=0.6)
    near = dict.fromkeys(known[match] for match in matches)
    return f" Did you mean {' or '.join(map(repr, near))}?" if near else ""

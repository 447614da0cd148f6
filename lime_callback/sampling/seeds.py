"""Seeds of everything that is drawn: one number from the run's seed and what it is drawn for."""

from __future__ import annotations

from hashlib import blake2b


def seed_for(*parts: object) -> int:
    """A seed that depends on all parts and on nothing else, the same on every machine: for ``(seed, probe, view)``."""
    return int.from_bytes(blake2b(repr(parts).encode(), digest_size=7).digest(), "big")

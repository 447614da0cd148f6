"""Finds what a user may have meant otherwise in a group of channels: missing bands, and single ones for a range."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lime_callback.views.channels.groups import parse_group
from lime_callback.views.channels.parts import Interval, Nearest, Picked

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


def group_doubts(name: str, spec: Any, wavelengths: Sequence[float] | None, count: int) -> Iterator[str]:
    """Yield sentences that the user should read; none where the group holds what it names.

    Args:
        name: what the group is called in the sentences, such as ``"watch 'water'"``.
        spec: the group, as :func:`parse_group` takes it.
        wavelengths: of all channels, in nm, or ``None``.
        count: number of channels.

    Raises:
        ValueError: if the group does not fit the sensor.
    """
    group = parse_group(spec)
    picked = group.pick(wavelengths, count)
    if not wavelengths:
        return
    if picked.missing and picked.channels:
        ends = f"{min(wavelengths):g}-{max(wavelengths):g} nm"
        yield f"{name} goes without {', '.join(picked.missing)}, of which the sensor's {ends} hold no band."
    yield from (f"{name}: {text}" for text in picked.warnings)
    for part in group.parts:
        if isinstance(part, Nearest):
            yield from _as_ranges(name, part, wavelengths, count)


def _as_ranges(name: str, singles: Nearest, wavelengths: Sequence[float], count: int) -> Iterator[str]:
    """Yield a sentence if pairs of single wavelengths look like ranges: each has further channels between its ends."""
    nm = singles.wavelengths
    pairs = list(zip(nm[::2], nm[1::2], strict=False))
    if len(nm) % 2 or any(low >= high for low, high in pairs) or list(nm) != sorted(nm):
        return
    held, ranges = Picked(), Picked()
    singles.pick(wavelengths, count, held)
    for low, high in pairs:
        before = len(ranges.channels)
        Interval(low, high).pick(wavelengths, count, ranges)
        if not set(ranges.channels[before:]) - set(held.channels):
            return
    tuples, lists = ", ".join(map(str, pairs)), ", ".join(str(list(pair)) for pair in pairs)
    mappings = ", ".join(f"{{from: {low:g}, to: {high:g}}}" for low, high in pairs)
    several = len(pairs) > 1
    yield (
        f"{name} holds {len(nm)} single bands; as {'ranges' if several else 'a range'} it would hold "
        f"{len(set(ranges.channels))} of the {count}. A range is written {f'[{tuples}]' if several else tuples} in "
        f"Python, [{lists}] or {f'[{mappings}]' if several else mappings} on the command line and in YAML."
    )

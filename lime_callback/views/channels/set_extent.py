"""Says of a set of channels or pixels how much of the inputs it is, and where: ``"2 of 40 bands, 400 to 420 nm"``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

Elements = Literal["bands", "channels", "pixels", "elements"]
_MOST_RANGES = 4  # that a person reads in one line


class SetExtent(NamedTuple):
    """How much of the inputs a set is.

    Attributes:
        text: for people, such as ``"2 of 40 bands, 400 to 420 nm"`` or ``"9 of 64 pixels"``.
        elements: what it is made of: channels are called bands where their wavelengths are known.
    """

    text: str
    elements: Elements


def extent_of(inside: Tensor, wavelengths: Sequence[float] | None = None) -> SetExtent:
    """How much of the inputs a set is, and of channels which.

    Args:
        inside: the set, bool ``[1 or B, C, H, W]``, in which axes may have size 1 and broadcast.
        wavelengths: of all channels, in nm, or ``None``.
    """
    channels, pixels = inside.shape[1], inside.shape[2] * inside.shape[3]
    if pixels == 1 and len(inside) == 1:
        there = inside.flatten().nonzero().flatten().tolist()
        known = wavelengths if wavelengths is not None and len(wavelengths) == channels else None
        kind: Elements = "channels" if known is None else "bands"
        return SetExtent(f"{len(there)} of {channels} {kind}, {ranges_text(there, known, _MOST_RANGES)}", kind)
    kind = "pixels" if channels == 1 else "channels" if pixels == 1 else "elements"
    counts = inside.flatten(1).sum(1)
    if bool((counts == counts[0]).all()):
        return SetExtent(f"{int(counts[0]):,} of {channels * pixels:,} {kind}", kind)
    return SetExtent(f"{100 * float(inside.double().mean()):.0f} % of the {kind}", kind)


def ranges_text(channels: Sequence[int], wavelengths: Sequence[float] | None, most: int | None = None) -> str:
    """Name channels as ranges in nm, such as ``"1350 to 1430 and 1800 to 1950 nm"``, or by their numbers.

    Args:
        channels: their numbers.
        wavelengths: of all channels, in nm, or ``None``.
        most: ranges that are named; of more, their number and the ends of all are.
    """
    last = max(channels, default=0)
    order = range(last + 1) if wavelengths is None else sorted(range(len(wavelengths)), key=lambda i: wavelengths[i])
    place = {channel: i for i, channel in enumerate(order)}
    runs: list[list[int]] = []
    for channel in sorted(channels, key=lambda one: place[one]):
        if runs and place[channel] == place[runs[-1][-1]] + 1:
            runs[-1].append(channel)
        else:
            runs.append([channel])
    say = str if wavelengths is None else lambda channel: f"{wavelengths[channel]:.0f}"
    unit = "" if wavelengths is None else " nm"
    if most is not None and len(runs) > most:
        return f"{len(runs)} ranges from {say(runs[0][0])} to {say(runs[-1][-1])}{unit}"
    texts = [say(run[0]) if len(run) == 1 else f"{say(run[0])} to {say(run[-1])}" for run in runs]
    return ", ".join(texts[:-1]) + " and " * (len(texts) > 1) + texts[-1] + unit

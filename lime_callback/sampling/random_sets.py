"""Sets of the same shape at other places: what a set of channels or pixels is compared with.

A set is a bool mask ``[1 or B, C, H, W]``, in which axes may have size 1 and broadcast. Ranges stay ranges and patches
stay patches, since a range takes more from a model than as many scattered channels: neighbours stand in for each other.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

_MOST_PARTS = 64  # of a mask with more, no part has a meaning of its own, and it is moved as a whole
_TRIES = 32
_MOST_TAKEN = 0.2  # of a part, which otherwise is hardly at another place


def random_set_elsewhere(inside: Tensor, generator: torch.Generator, order: Sequence[int] | None = None) -> Tensor:
    """A random set of as many elements, made of the same ranges or patches, away from the set where there is room.

    Args:
        inside: the set, bool ``[1 or B, C, H, W]``; at least one element of each row.
        generator: of the random places.
        order: of the channels by their wavelengths; ``None``: as they are.

    Returns:
        Another set of the same shape.
    """
    channels, space = inside.shape[1], inside.shape[2] * inside.shape[3]
    if len(inside) == 1 and (channels == 1 or space == 1):
        plane = inside[0].reshape(channels, 1).mT if space == 1 else inside[0, 0]
        ordered = plane[:, list(order)] if space == 1 and order is not None else plane
        found = _moved(ordered, generator)
        if ordered is not plane:
            assert order is not None
            back = torch.empty_like(found)
            back[:, list(order)] = found
            found = back
        return (found.mT if space == 1 else found).reshape(inside.shape)
    return _rolled(inside, generator)


def _moved(inside: Tensor, generator: torch.Generator) -> Tensor:
    """Each connected part of a plane ``[H, W]`` at another place, and none of them on another."""
    from scipy.ndimage import find_objects, label

    parts, count = label(inside.numpy(), structure=np.ones((3, 3)))
    if count > _MOST_PARTS:
        return _rolled(inside[None, None], generator)[0, 0]
    windows = [parts[place] == number + 1 for number, place in enumerate(find_objects(parts))]
    taken, found = inside.numpy().copy(), np.zeros(inside.shape, dtype=bool)
    for window in sorted(windows, key=lambda one: -int(one.sum())):
        place = _place(taken, window, generator)
        if place is None:
            continue
        top, left = place
        where = slice(top, top + window.shape[0]), slice(left, left + window.shape[1])
        found[where] |= window
        taken[where] |= window
    # What found no room, such as a frame, which lies everywhere, is made of single elements.
    _fill(found, int(inside.sum()) - int(found.sum()), taken, generator)
    return torch.from_numpy(found)


def _place(taken: NDArray[np.bool_], window: NDArray[np.bool_], generator: torch.Generator) -> tuple[int, int] | None:
    """A random place for a part, of those where it lies on the fewest elements that are taken; ``None`` if on many."""
    from scipy.signal import fftconvolve

    hits = np.rint(fftconvolve(taken.astype(float), window[::-1, ::-1].astype(float), mode="valid"))
    if hits.min() > _MOST_TAKEN * window.sum():
        return None
    places = np.argwhere(hits == hits.min())
    top, left = places[int(torch.randint(len(places), (1,), generator=generator))]
    return int(top), int(left)


def _fill(found: NDArray[np.bool_], missing: int, taken: NDArray[np.bool_], generator: torch.Generator) -> None:
    """Add elements at random until the set is large enough, free ones first."""
    if missing <= 0:
        return
    order = torch.randperm(found.size, generator=generator).numpy()
    free, rest = (~(taken | found)).flat[order], (taken & ~found).flat[order]
    found.flat[np.concatenate([order[free], order[rest]])[:missing]] = True


def _rolled(inside: Tensor, generator: torch.Generator) -> Tensor:
    """The whole set moved along its axes, what leaves at one end comes in at the other; the least overlap of a few."""
    best, least = inside, inside.numel() + 1
    for _ in range(_TRIES):
        shift = [int(torch.randint(size, (1,), generator=generator)) for size in inside.shape[1:]]
        moved = inside.roll(shift, (1, 2, 3))
        overlap = int((moved & inside).sum())
        if overlap < least:
            best, least = moved, overlap
        if not overlap:
            break
    return best

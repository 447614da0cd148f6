"""Random sets of the same shape elsewhere, with which a set of channels or pixels is compared.

A set is a bool mask ``[1 or B, C, H, W]``, in which axes may have size 1 and broadcast. Ranges stay ranges and patches
stay patches: hiding a range takes more from a model than hiding as many scattered channels, whose neighbours remain.
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
        inside: the set, bool ``[1 or B, C, H, W]``, with at least one element in each row.
        generator: draws the places.
        order: the channels' order by wavelength; ``None``: as they are.

    Returns:
        Another set of the same shape.
    """
    channels, space = inside.shape[1], inside.shape[2] * inside.shape[3]
    if len(inside) == 1 and (channels == 1 or space == 1):
        plane = inside[0].reshape(channels, 1).mT if space == 1 else inside[0, 0]
        ordered = plane[:, list(order)] if space == 1 and order is not None else plane
        moved = _moved(ordered, generator)
        if ordered is not plane:
            assert order is not None
            back = torch.empty_like(moved)
            back[:, list(order)] = moved
            moved = back
        return (moved.mT if space == 1 else moved).reshape(inside.shape)
    return _rolled(inside, generator)


def _moved(inside: Tensor, generator: torch.Generator) -> Tensor:
    """A plane ``[H, W]`` whose connected parts lie at random places, apart from each other where there is room."""
    from scipy.ndimage import find_objects, label

    parts, count = label(inside.numpy(), structure=np.ones((3, 3)))
    if count > _MOST_PARTS:
        return _rolled(inside[None, None], generator)[0, 0]
    windows = [parts[place] == number + 1 for number, place in enumerate(find_objects(parts))]
    taken, moved = inside.numpy().copy(), np.zeros(inside.shape, dtype=bool)
    for window in sorted(windows, key=lambda part: -int(part.sum())):
        place = _place(taken, window, generator)
        if place is None:
            continue
        top, left = place
        where = slice(top, top + window.shape[0]), slice(left, left + window.shape[1])
        moved[where] |= window
        taken[where] |= window
    # What moved no room, such as a frame, which lies everywhere, is made of single elements.
    _fill(moved, int(inside.sum()) - int(moved.sum()), taken, generator)
    return torch.from_numpy(moved)


def _place(taken: NDArray[np.bool_], window: NDArray[np.bool_], generator: torch.Generator) -> tuple[int, int] | None:
    """A random place for a part, among those where it covers the fewest taken elements; ``None`` if it covers many."""
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
    """The whole set rolled along its axes; of a few random shifts the one that overlaps the set least."""
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

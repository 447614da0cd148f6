"""Finds what was laid over some pictures at one place, such as a tag, a ruler or a line of text, and what it decides.

Letters: ``N`` pictures, ``C`` channels; pictures are looked at on a grid of at most 24 x 24 cells.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from lime_callback.findings.epoch_facts import OVERLAY, OverlayChanges
from lime_callback.findings.hidden.hidden_sets_plan import place_name
from lime_callback.sampling.value_swaps import Swaps

if TYPE_CHECKING:
    from collections.abc import Callable

    from lime_callback.findings.hidden.set_changes import SetChanges


_CELLS = 24  # along a side
_SMALLEST = 6
_ROUGH = 3.0  # times as far from its neighbours as the picture's median pixel
_OFTEN, _NOT_IN_ALL = 0.15, 0.7  # of the pictures
_ELSEWHERE = 3.5  # times as often as at the median of the other places
_FEWEST_CELLS, _LARGEST = 5, 0.15  # and part of the picture
_FEWEST = 8  # pictures that have it, and as many that have it not
_HAVING, _LACKING = 32, 12  # pictures that are asked about


class Overlay(NamedTuple):
    """Something that some pictures have at one place.

    Attributes:
        place: where, bool ``[1, 1, H, W]``.
        name: of that place, such as ``"top left"``.
        pictures: which have it, bool ``[N]``.
    """

    place: Tensor
    name: str
    pictures: Tensor


def changes_by(overlay: Overlay, hide: Callable[[Swaps], SetChanges]) -> OverlayChanges:
    """Exchange an overlay among the pictures that have it, which takes :func:`forwards_for` it.

    Args:
        overlay: what to exchange.
        hide: says what it changes that samples take others' values.
    """
    having, lacking = (
        hide(_exchanged(places, rows)).by_output({})
        for places, rows in zip((_places(overlay), {OVERLAY: overlay.place}), _rows(overlay), strict=True)
    )
    return OverlayChanges(overlay.name, float(overlay.pictures.double().mean()), having, lacking)


def forwards_for(overlay: Overlay | None) -> int:
    """On how many inputs the model runs to tell what an overlay changes."""
    if overlay is None:
        return 0
    having, lacking = _rows(overlay)
    return (1 + len(_places(overlay))) * len(having) + 2 * len(lacking)


def find_overlay(planes: Tensor) -> Overlay | None:
    """Find a place that is rough in many pictures and smooth in the others, unlike all places but its neighbours.

    What a picture shows has its edges anywhere; what software writes into it has them at the same place each time. The
    middle is left out: there many pictures have what they are of.

    Args:
        planes: the pictures, ``[N, C, H, W]``.

    Returns:
        The place where most pictures are rough; ``None`` if there is no such place.
    """
    height, width = planes.shape[2:]
    if len(planes) < 2 * _FEWEST or min(height, width) < _SMALLEST:
        return None
    rough = roughness(planes.float())
    rough = rough > _ROUGH * rough.flatten(1).median(1).values[:, None, None]  # [N, h, w]
    share = rough.double().mean(0)
    outer = torch.ones_like(share, dtype=torch.bool)
    high, wide = share.shape
    outer[high // 3 : high - high // 3, wide // 3 : wide - wide // 3] = False
    most = float(share[outer].max())
    if most < max(_OFTEN, _ELSEWHERE * float(share.median())):
        return None
    cells = _connected(share >= most / 2, int((share * outer).argmax()))
    if int(cells.sum()) < _FEWEST_CELLS or float(cells.double().mean()) > _LARGEST or bool((cells & ~outer).any()):
        return None
    pictures = rough[:, cells].double().mean(1) >= 0.5
    count = int(pictures.sum())
    if min(count, len(pictures) - count) < _FEWEST or count > _NOT_IN_ALL * len(pictures):
        return None
    place = F.interpolate(cells[None, None].float(), (height, width), mode="nearest").bool()
    return Overlay(place, place_name(cells), pictures)


def roughness(planes: Tensor) -> Tensor:
    """How far pixels are from their neighbours, as a root mean square over channels, on the grid, ``[N, h, w]``.

    Args:
        planes: the pictures, ``[N, C, H, W]``.
    """
    height, width = planes.shape[2:]
    total, count = planes.new_zeros(len(planes), height, width), planes.new_zeros(height, width)
    for axis in (2, 3):
        apart = planes.diff(dim=axis).square().mean(1).sqrt()
        size = apart.shape[axis - 1]
        for start in (0, 1):
            total.narrow(axis - 1, start, size).add_(apart)
            count.narrow(axis - 2, start, size).add_(1)
    return F.adaptive_avg_pool2d(total / count, (min(height, _CELLS), min(width, _CELLS)))


def _connected(cells: Tensor, first: int) -> Tensor:
    """The cells that are connected with one of them, also by their corners."""
    from skimage.measure import label

    numbers = torch.as_tensor(label(cells.numpy(), connectivity=2))  # type: ignore[no-untyped-call]
    return numbers == numbers.flatten()[first]


def _rows(overlay: Overlay) -> tuple[Tensor, Tensor]:
    """Pictures that have the overlay, and others, spread evenly over all."""
    found = overlay.pictures.nonzero().flatten(), (~overlay.pictures).nonzero().flatten()
    having, lacking = (
        rows[torch.linspace(0, len(rows) - 1, min(len(rows), most)).long()]
        for rows, most in zip(found, (_HAVING, _LACKING), strict=True)
    )
    return having, lacking


def _places(overlay: Overlay) -> dict[str, Tensor]:
    """The overlay's place, and its mirror images that are other places."""
    mirrored = {
        "beside": overlay.place.flip(3),
        "below or above": overlay.place.flip(2),
        "opposite": overlay.place.flip(2, 3),
    }
    return {OVERLAY: overlay.place} | {
        name: place for name, place in mirrored.items() if not bool((place & overlay.place).any())
    }


def _exchanged(places: dict[str, Tensor], rows: Tensor) -> Swaps:
    return Swaps(tuple(places), tuple(places.values()), ((),) * len(places), rows, rows.roll(1))

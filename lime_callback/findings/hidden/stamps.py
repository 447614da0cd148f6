"""Finds what was laid over some pictures at one place, such as a tag, a ruler or a line of text, and what it decides.

Letters: ``N`` pictures, ``C`` channels; pictures are looked at on a grid of at most 24 x 24 cells.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from lime_callback.findings.epoch_facts import STAMP, StampChanges
from lime_callback.findings.hidden.picture_places import place_name
from lime_callback.sampling.value_swaps import Swaps

if TYPE_CHECKING:
    from collections.abc import Callable

    from lime_callback.findings.hidden.set_changes import SetChanges


_CELLS = 24  # along a side
_SMALLEST = 6
_ROUGH = 3.0  # times as far from its neighbours as the picture's median pixel
_OFTEN, _NOT_IN_ALL = 0.12, 0.65  # of the pictures
_ELSEWHERE = 4.0  # times as often as at the median of the other places
_FEWEST_CELLS, _FILLED, _LARGEST = 5, 0.3, 0.25  # cells; of the box around them; of the picture
_FEWEST = 8  # pictures that have it, and as many that have it not
_ASKED = 32  # pictures, at most
_AS_MANY, _FAR_FEWER = 0.35, 0.1  # rough cells, of what pictures have that are rough in the very same ones


class Stamp(NamedTuple):
    """Something that some pictures have at one place.

    Attributes:
        place: where, bool ``[1, 1, H, W]``.
        name: of that place, such as ``"top left"``.
        pictures: which have it, bool ``[N]``.
        lacking: which surely have it not, bool ``[N]``.
    """

    place: Tensor
    name: str
    pictures: Tensor
    lacking: Tensor


def changes_by(stamp: Stamp, hide: Callable[[Swaps], SetChanges]) -> StampChanges:
    """Lay a stamp over pictures that have none, which takes :func:`forwards_for` it.

    Args:
        stamp: what to lay over them.
        hide: says what it changes that samples take others' values.
    """
    samples = _even(stamp.lacking.nonzero().flatten())
    having = stamp.pictures.nonzero().flatten()
    donors = having[torch.arange(len(samples)) % len(having)]
    places = _places(stamp)
    swaps = Swaps(tuple(places), tuple(places.values()), ((),) * len(places), samples, donors)
    return StampChanges(stamp.name, stamp.pictures, hide(swaps).by_output({}))


def forwards_for(stamp: Stamp | None) -> int:
    """On how many inputs the model runs to tell what a stamp changes."""
    if stamp is None:
        return 0
    return (1 + len(_places(stamp))) * len(_even(stamp.lacking.nonzero().flatten()))


def find_stamp(planes: Tensor) -> Stamp | None:
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
    rough = roughness(planes)
    rough = rough > _ROUGH * rough.flatten(1).median(1).values[:, None, None]  # [N, h, w]
    share = rough.double().mean(0)
    outer = torch.ones_like(share, dtype=torch.bool)
    high, wide = share.shape
    outer[high // 3 : high - high // 3, wide // 3 : wide - wide // 3] = False
    most = float(share[outer].max())
    usual = float(share.median())
    if most < max(_OFTEN, _ELSEWHERE * usual):
        return None
    cells = _together(share >= (most + usual) / 2, int((share * outer).argmax()))
    box = _box(cells)
    few = int(cells.sum()) < max(_FEWEST_CELLS, _FILLED * int(box.sum()))
    if few or float(box.double().mean()) > _LARGEST or bool((box & ~outer).any()):
        return None
    alike = rough[:, cells].double().mean(1) >= 0.5
    count = int(alike.sum())
    if min(count, len(alike) - count) < _FEWEST or count > _NOT_IN_ALL * len(alike):
        return None
    pictures, lacking = _having(rough, box, alike)
    place = F.interpolate(box[None, None].float(), (height, width), mode="nearest").bool()
    return Stamp(place, place_name(box), pictures, lacking)


def _having(rough: Tensor, box: Tensor, alike: Tensor) -> tuple[Tensor, Tensor]:
    """Which pictures have what lies in a box, also where it is a cell further or has other letters, and which have not.

    Args:
        rough: which cells are, bool ``[N, h, w]``.
        box: bool ``[h, w]``.
        alike: which pictures are rough in the very same cells, bool ``[N]``.
    """
    near = F.max_pool2d(box[None, None].float(), 3, 1, 1)[0, 0].bool()
    many = rough[:, near].double().sum(1)
    usual = float(many[alike].median())
    # What pictures show is as rough at the mirror images of the place.
    mirrored = [near.flip(axes) for axes in ((0,), (1,), (0, 1))]
    shown = [rough[:, other].double().sum(1) for other in mirrored if not bool((other & near).any())]
    often, mostly = (
        torch.cat(shown).quantile(torch.tensor([0.95, 0.5], dtype=torch.float64)).tolist() if shown else (0, 0)
    )
    having = alike | (many > max(_AS_MANY * usual, often))
    lacking = ~having & (many <= max(_FAR_FEWER * usual, mostly))
    return having, lacking if int(lacking.sum()) >= _FEWEST else ~having


def roughness(planes: Tensor) -> Tensor:
    """How far pixels are from their neighbours, as a root mean square over channels, on the grid, ``[N, h, w]``.

    Args:
        planes: the pictures, ``[N, C, H, W]``.
    """
    cells = min(planes.shape[2], _CELLS), min(planes.shape[3], _CELLS)
    # One at a time, since all may fill the memory.
    return torch.cat([F.adaptive_avg_pool2d(_roughness_of(picture.float())[None], cells) for picture in planes])


def _roughness_of(picture: Tensor) -> Tensor:
    """The mean distance of each pixel of ``[C, H, W]`` from those beside it, ``[H, W]``."""
    total, count = torch.zeros_like(picture[0]), torch.zeros_like(picture[0])
    for axis in (0, 1):
        apart = picture.diff(dim=axis + 1).square().mean(0).sqrt()
        for start in (0, 1):
            total.narrow(axis, start, apart.shape[axis]).add_(apart)
            count.narrow(axis, start, apart.shape[axis]).add_(1)
    return total / count


def _together(cells: Tensor, first: int) -> Tensor:
    """The cells that are connected with one of them, also by their corners or over one other cell."""
    from skimage.measure import label

    near = F.max_pool2d(cells[None, None].float(), 3, 1, 1)[0, 0].bool()
    numbers = torch.as_tensor(label(near.numpy(), connectivity=2))  # type: ignore[no-untyped-call]
    return cells & (numbers == numbers.flatten()[first])


def _box(cells: Tensor) -> Tensor:
    """The smallest rectangle around cells: letters and the marks of a ruler have gaps."""
    box = torch.zeros_like(cells)
    rows, columns = cells.nonzero(as_tuple=True)
    box[int(rows.min()) : int(rows.max()) + 1, int(columns.min()) : int(columns.max()) + 1] = True
    return box


def _even(rows: Tensor) -> Tensor:
    """As many of these rows as are asked about, spread evenly."""
    return rows[torch.linspace(0, len(rows) - 1, min(len(rows), _ASKED)).long()]


def _places(stamp: Stamp) -> dict[str, Tensor]:
    """The stamp's place, and its mirror images that are other places."""
    mirrored = {
        "beside": stamp.place.flip(3),
        "below or above": stamp.place.flip(2),
        "opposite": stamp.place.flip(2, 3),
    }
    return {STAMP: stamp.place} | {
        name: place for name, place in mirrored.items() if not bool((place & stamp.place).any())
    }

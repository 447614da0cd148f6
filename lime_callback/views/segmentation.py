"""Segmentation of one picture into superpixels.

Pictures are numpy arrays ``[H, W, 3]`` between 0 and 1, ``valid`` is bool ``[H, W]``, labels are integers ``[H, W]``
with -1 where a pixel is not valid. No method touches global random state, and each returns the same for the same
picture.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from lime_callback.checks.numbers import check_count
from lime_callback.views.large_pictures import reduced, reduction, refined

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Picture = NDArray[np.float64]
    Labels = NDArray[np.int64]
    Valid = NDArray[np.bool_]
    Options = Mapping[str, Any] | None

N_SEGMENTS = 50
_ENOUGH = 0.8  # of the segments that are asked for
_SMALL = 0.2  # of the mean size is the least that a segment of SLIC has where too few are found otherwise
_LARGEST_KERNEL = 5  # pixels; the time of quickshift grows with its square
_OURS = ("image", "mask", "channel_axis", "n_segments", "start_label", "return_tree")  # no options: the view's affair


def grid(height: int, width: int, n_segments: int) -> Tensor:
    """Near-square patches whose sides differ by at most one pixel, int64 ``[H, W]``; at most ``n_segments`` of them."""
    ideal = math.sqrt(n_segments * height / width)
    splits = []
    for guess in (round(ideal), math.floor(ideal), math.ceil(ideal)):
        rows = max(1, min(guess, height, n_segments))
        splits.append((rows, min(width, n_segments // rows)))
    rows, columns = max(splits, key=lambda split: split[0] * split[1])
    row = torch.arange(height) * rows // height
    column = torch.arange(width) * columns // width
    return row[:, None] * columns + column


def segment(
    method: str, picture: Picture, valid: Valid, n_segments: int | None = None, options: Options = None
) -> Labels:
    """Segments of a picture by one of ``METHODS``.

    Where the method finds a single segment, as on an even picture or a line of pixels, the picture is cut into a grid.
    A picture of more than 512 x 512 pixels is segmented as a smaller one, unless there are options, see
    :mod:`lime_callback.views.large_pictures`.

    Args:
        method: its name.
        picture: ``[H, W, 3]``.
        valid: ``[H, W]``.
        n_segments: how many at most. ``None``: 50, or as many as the options of quickshift and felzenszwalb make.
        options: of scikit-image's function, see :func:`check_options`; ``None``: those that suit ``n_segments``.

    Raises:
        ValueError: if scikit-image refuses the options.
    """
    height, width, _ = picture.shape
    count = int(valid.sum())
    few = n_segments or N_SEGMENTS
    # Options are in pixels of the picture as it is.
    side = reduction(height, width, few) if options is None else 1
    if side > 1:
        small, inside = reduced(picture, valid, side)
        return _compact(refined(segment(method, small, inside, n_segments), picture, valid, side))
    most = count if n_segments is None and options is not None and method != "slic" else few
    labels: Labels = np.full((height, width), -1, dtype=np.int64)
    if count and min(height, width) > 1:
        try:
            segments = METHODS[method](picture, valid, min(most, count), options)
        except (TypeError, ValueError) as error:
            if options is None:
                raise
            raise ValueError(
                f"`options` should be what scikit-image's {method} takes. Found `options = {options}`: {error}"
            ) from error
        labels = _merge_smallest(_compact(np.where(valid, segments, -1)), picture, most)
    if labels.max() < 1:
        labels = np.where(valid, grid(height, width, few).numpy(), -1)
    return labels


def segment_exactly(
    method: str, image: Tensor, valid: Tensor | None, n_segments: int | None = None, options: Options = None
) -> Labels:
    """What scikit-image's function makes of an image as it is; of the arguments that are left out, by its defaults.

    Args:
        method: one of ``METHODS``.
        image: ``[C, H, W]``, with all its channels; half precision becomes float32, which scikit-image needs.
        valid: bool ``[H, W]``, which ``"slic"`` takes, too; ``None``: all.
        n_segments: see :func:`check_exact`.
        options: see :func:`check_options`.

    Raises:
        ValueError: if scikit-image refuses the image or the options.
    """
    from skimage import segmentation

    given: dict[str, Any] = {"channel_axis": -1, **(options or {})}
    if n_segments is not None:
        given["n_segments"] = n_segments
    if method == "slic" and valid is not None:
        given["mask"] = valid.numpy()
    x = image.detach().cpu()
    pixels = (x if x.dtype in (torch.float32, torch.float64) else x.float()).movedim(0, -1).contiguous().numpy()
    if len(image) == 1 and method != "quickshift":
        pixels, given["channel_axis"] = pixels[..., 0], None  # a grey picture is none of one channel for scikit-image
    try:
        labels: Labels = getattr(segmentation, method)(pixels, **given).astype(np.int64)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"`exact` takes what scikit-image's {method} takes. Found images of {len(image)} channels and `options = "
            f"{options}`: {error}. Leave `exact` out, or pass the options that it names."
        ) from error
    return _compact(np.where(True if valid is None else valid.numpy(), labels, -1))


def check_exact(method: str, n_segments: int | None, has_mask: bool) -> None:
    """Raise a ``ValueError`` if no function of scikit-image's takes these arguments."""
    if has_mask or method not in METHODS:
        found = "a mask" if has_mask else f"`method = {method!r}`"
        raise ValueError(
            f"`exact` is for a method of scikit-image's, {', '.join(map(repr, METHODS))}. Found {found} beside it; "
            f"leave `exact` out."
        )
    if n_segments is not None and method != "slic":
        raise ValueError(
            f"`n_segments` is no argument of scikit-image's {method}. Found `n_segments = {n_segments}` beside "
            f"`exact = True`; leave one of the two out, or say by `options` how coarse the segments are."
        )


def check_options(method: str, options: Any) -> Options:
    """Options that scikit-image's function of a method knows; their values are its affair.

    Raises:
        ValueError: if the method takes none, one is unknown or the view's own, or a seed is below 0.
        TypeError: if they are no mapping, or a seed is no whole number.
    """
    if options is None:
        return None
    if not isinstance(options, Mapping):
        raise TypeError(
            "`options` should be a mapping from names of scikit-image's arguments to their values, such as "
            f"{{'kernel_size': 4}}. Found `options = {options!r}`."
        )
    if method not in METHODS:
        raise ValueError(f"`options` are those of scikit-image's methods. Found some beside `method = {method!r}`.")
    from skimage import segmentation

    known = [name for name in inspect.signature(getattr(segmentation, method)).parameters if name not in _OURS]
    wrong = [name for name in options if name not in known]
    if wrong:
        raise ValueError(f"`options` of {method} should be some of {', '.join(known)}. Found {wrong}.")
    if "rng" in options:  # a picture is cut alike in every process
        return {**options, "rng": check_count("options['rng']", options["rng"], 0)}
    return dict(options)


def _slic(picture: Picture, valid: Valid, n_segments: int, options: Options) -> Labels:
    """SLIC in Lab colours, by the least compactness that finds at least 0.8 of the number of segments.

    SLIC joins segments that are smaller than half their mean size: those of noise, and, of a picture with few edges,
    half of all. Where at least half is left, smaller ones are kept instead, of which the caller merges the smallest.
    """
    from skimage.segmentation import slic

    mask = None if valid.all() else valid
    most, labels = 0, np.full(valid.shape, -1, dtype=np.int64)

    def found(**given: Any) -> int:
        """How many segments SLIC finds by these options; ``labels`` are those of the largest number."""
        nonlocal most, labels
        segments = slic(picture, n_segments, mask=mask, start_label=1, channel_axis=-1, **given)
        count = len(np.unique(segments[valid]))
        if count > most:
            most, labels = count, segments.astype(np.int64) - 1
        return count

    if options is not None:
        found(**options)
        return labels
    for compactness in (10.0, 30.0, 100.0, 300.0):
        count = found(compactness=compactness)
        if n_segments / 2 <= count < _ENOUGH * n_segments:
            found(compactness=compactness, min_size_factor=_SMALL)
        if most >= _ENOUGH * n_segments:
            break
    return labels


def _quickshift(picture: Picture, valid: Valid, n_segments: int, options: Options) -> Labels:
    from skimage import segmentation

    quickshift: Callable[..., Labels] = segmentation.quickshift  # it carries no types
    side = math.sqrt(valid.sum() / n_segments)
    kernel = min(max(side / 4, 1.0), _LARGEST_KERNEL)
    suited = {"ratio": 0.5, "kernel_size": kernel, "max_dist": max(side, 1.0), "sigma": 0.5}
    return quickshift(picture, channel_axis=-1, **{"rng": 0} | dict(suited if options is None else options))


def _felzenszwalb(picture: Picture, valid: Valid, n_segments: int, options: Options) -> Labels:
    from skimage.segmentation import felzenszwalb

    smallest = max(1, int(valid.sum() / n_segments / 4))
    suited = {"scale": 0.1, "sigma": 0.5, "min_size": smallest}
    labels: Labels = felzenszwalb(picture, channel_axis=-1, **(suited if options is None else options))
    return labels


METHODS: dict[str, Callable[[Picture, Valid, int, Options], Labels]] = {
    "slic": _slic,
    "quickshift": _quickshift,
    "felzenszwalb": _felzenszwalb,
}


def _compact(labels: Labels) -> Labels:
    """The same segments, numbered from 0 without gaps; below 0 stays -1."""
    from skimage import segmentation

    relabel: Callable[..., tuple[Labels, Any, Any]] = segmentation.relabel_sequential  # it carries no types
    return relabel(labels + 1)[0].astype(np.int64) - 1


def _merge_smallest(labels: Labels, picture: Picture, n_segments: int) -> Labels:
    """Merge the smallest segment into the neighbour of nearest mean colour, until ``n_segments`` are left.

    A segment without neighbours, which happens where invalid pixels surround it, joins the one of nearest colour
    anywhere.
    """
    count = int(labels.max()) + 1
    if count <= n_segments:
        return labels
    inside = labels >= 0
    sizes = np.bincount(labels[inside], minlength=count).astype(np.float64)
    sums = np.stack([np.bincount(labels[inside], picture[inside, k], minlength=count) for k in range(3)], axis=1)
    neighbours = _neighbours(labels, count)
    into = np.arange(count)
    for _ in range(count - n_segments):
        smallest = int(np.argmin(sizes))
        candidates = sorted(neighbours[smallest]) or [k for k in range(count) if into[k] == k and k != smallest]
        means = sums[candidates] / sizes[candidates, None]
        distance = ((means - sums[smallest] / sizes[smallest]) ** 2).sum(1)
        target = candidates[int(np.argmin(distance))]
        into[into == smallest] = target
        sums[target] += sums[smallest]
        sizes[target] += sizes[smallest]
        sizes[smallest] = np.inf  # never the smallest again
        for other in neighbours[smallest]:
            neighbours[other].discard(smallest)
            if other != target:
                neighbours[other].add(target)
                neighbours[target].add(other)
        neighbours[smallest] = set()
    return _compact(np.where(inside, into[labels], -1))


def _neighbours(labels: Labels, count: int) -> list[set[int]]:
    """The segments that share an edge with each segment.

    By hand, since scikit-image's region adjacency graph finds the same in three to thirty times as long.
    """
    result: list[set[int]] = [set() for _ in range(count)]
    sides = ((labels[:, :-1], labels[:, 1:]), (labels[:-1], labels[1:]))
    for first, second in sides:
        differ = (first != second) & (first >= 0) & (second >= 0)
        for a, b in np.unique(np.stack([first[differ], second[differ]], axis=1), axis=0).tolist():
            result[a].add(b)
            result[b].add(a)
    return result

"""Computes a linear stem's outputs for sums of features, in the cheapest way that the features allow.

:func:`image_maker` chooses the way once, from the mask. The work for each input then reads nothing back from a device.
The image of a feature is the stem's output, without its bias, for that feature's part of ``x - baseline``.

Letters: ``d`` features, ``m`` rows, ``o`` elements of the stem's output for an input.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor, nn

from lime_callback.forwards.torch_internals import convolve

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from lime_callback.forwards.stem_layer import Stem

    Answers = Callable[[Tensor, Tensor], Tensor]


class ImageMaker(NamedTuple):
    """A way to make the images of an input's features, and its costs.

    Attributes:
        make: takes an input, its baseline, its labels, and how many images to make at a time. Returns a function that
            takes the stem's output with every feature hidden, ``[1, o]``, and rows of a design, ``[m, d]``, and returns
            the stem's outputs for these rows, ``[m, o]``.
        passes: how many times the stem runs over a whole input.
        sums: how many additions each element of a row's output takes.
        kept: how many images stay in memory.
    """

    make: Callable[[Tensor, Tensor, Tensor, int], Answers]
    passes: int
    sums: int
    kept: int


def image_maker(stem: Stem, labels: Tensor, d: int) -> ImageMaker:
    """Return the cheapest way for these features.

    Args:
        stem: the model's stem.
        labels: each element's feature, ``[B or 1, *dims]``, with size 1 along axes whose elements share it.
        d: the number of features.
    """
    channels = _channels(stem, labels, d)
    if channels is not None:
        return ImageMaker(partial(_by_channel, stem, channels), passes=1, sums=d, kept=d)
    if _is_of_patches(stem, labels):
        return ImageMaker(partial(_by_patch, stem), passes=1, sums=1, kept=1)
    return ImageMaker(partial(_one_by_one, stem, d), passes=d, sums=d, kept=d)


def _channels(stem: Stem, labels: Tensor, d: int) -> list[Tensor] | None:
    """Return each feature's channels, if the features are the same sets of channels of a convolution for all inputs."""
    layer = stem.layer
    by_channel = len(labels) == 1 and labels.numel() == labels.shape[1] == stem.shape[0]
    if isinstance(layer, nn.Linear) or layer.groups != 1 or not by_channel or labels.ndim != len(stem.shape) + 1:
        return None
    known = labels.flatten().cpu()
    return [(known == k).nonzero().flatten().to(labels.device) for k in range(d)]


def _by_channel(
    stem: Stem, channels: Sequence[Tensor], x: Tensor, baseline: Tensor, _labels: Tensor, _chunk: int
) -> Answers:
    """Convolve each feature's channels with their part of the weights: all features together cost as much as one input.

    See :attr:`ImageMaker.make`.
    """
    difference = x - baseline
    with torch.autocast(difference.device.type, enabled=False):
        weight = stem.weight(difference.dtype)
        images = [
            convolve(stem.layer, difference[of_feature].unsqueeze(0), weight[:, of_feature]).flatten(1)
            for of_feature in channels
        ]
    return partial(_summed, torch.cat(images))


def _is_of_patches(stem: Stem, labels: Tensor) -> bool:
    """Return whether features are sets of whole patches that the stem's kernel covers one at a time."""
    layer = stem.layer
    if not isinstance(layer, nn.Conv2d) or labels.ndim != 4 or labels.shape[1] != 1:
        return False
    (height, width), size = layer.kernel_size, labels.shape[2:]
    apart = layer.stride == layer.kernel_size and layer.dilation == (1, 1) and layer.padding in ((0, 0), "valid")
    if not apart or size != stem.shape[1:] or size[0] % height or size[1] % width:
        return False
    patches = _patches(layer, labels)
    return bool((patches == patches[:, :, :1, :, :1]).all())


def _by_patch(stem: Stem, x: Tensor, _baseline: Tensor, labels: Tensor, _chunk: int) -> Answers:
    """Run the stem once: each feature's patches are a part of its output. See :attr:`ImageMaker.make`."""
    of_patch = _patches(stem.layer, labels)[:, :, 0, :, 0].flatten()
    image = stem.images(x.unsqueeze(0))
    return partial(_chosen, (image + stem.bias(image)).view(stem.layer.out_channels, -1), of_patch)


def _chosen(image: Tensor, of_patch: Tensor, ground: Tensor, design: Tensor) -> Tensor:
    """Take each patch of a row from the input's output if its feature is on, else from the ground.

    Args:
        image: the stem's output for the input, ``[channels, patches]``.
        of_patch: each patch's feature, ``[patches]``; -1 is never hidden.
        ground: the stem's output with every feature hidden, ``[1, o]``.
        design: rows, bool ``[m, d]``.

    Returns:
        The stem's outputs, ``[m, o]``.
    """
    always = design.new_ones(len(design), 1)
    keep = torch.cat([always, design], 1).index_select(1, of_patch + 1).unsqueeze(1)
    return torch.where(keep, image, ground.view(image.shape)).flatten(1)


def _summed(images: Tensor, ground: Tensor, design: Tensor) -> Tensor:
    """Return ``ground + design @ images``, the stem's outputs ``[m, o]``, from the features' images ``[d, o]``."""
    return torch.addmm(ground, design.to(images.dtype), images)


def _patches(layer: nn.Conv2d, labels: Tensor) -> Tensor:
    """Return labels ``[B, 1, H, W]`` or ``[1, H, W]`` by patch, ``[B, rows, height, columns, width]``."""
    height, width = layer.kernel_size
    rows, columns = labels.shape[-2] // height, labels.shape[-1] // width
    return labels.reshape(-1, rows, height, columns, width)


def _one_by_one(stem: Stem, d: int, x: Tensor, baseline: Tensor, labels: Tensor, chunk: int) -> Answers:
    """Run the stem once for each feature, with everything else set to zero. See :attr:`ImageMaker.make`."""
    number = torch.arange(d, device=labels.device).view(-1, *(1,) * labels.ndim)
    difference, none = x - baseline, torch.zeros((), dtype=x.dtype, device=x.device)
    parts = torch.split(number, min(d, chunk))
    images = [stem.images(torch.where(labels == numbers, difference, none)) for numbers in parts]
    return partial(_summed, torch.cat(images))

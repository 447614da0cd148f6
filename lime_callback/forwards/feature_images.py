"""What a linear stem makes of sums of features, in the cheapest way that the features allow.

Which way is found out once, from the mask; what is done for each input reads nothing back from a device.
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
    """How the images of an input's features are made, and what they cost.

    Attributes:
        make: takes one input, its baseline, its labels, and a number of images to make at a time, and returns a
            function of the stem's answer ``[1, o]`` to everything hidden and of a design's rows ``[m, d]``: the answers
            ``[m, o]`` to these rows.
        passes: of the stem over a whole input.
        sums: that an element of a row's image takes.
        kept: images that stay in memory.
    """

    make: Callable[[Tensor, Tensor, Tensor, int], Answers]
    passes: int
    sums: int
    kept: int


def image_maker(stem: Stem, labels: Tensor, d: int) -> ImageMaker:
    """The cheapest way for these features.

    Args:
        stem: of the model.
        labels: of all inputs, ``[B or 1, *dims]``, with size 1 where they broadcast.
        d: number of features.
    """
    channels = _channels(stem, labels, d)
    if channels is not None:
        return ImageMaker(partial(_by_channel, stem, channels), passes=1, sums=d, kept=d)
    if _is_of_patches(stem, labels):
        return ImageMaker(partial(_by_patch, stem), passes=1, sums=1, kept=1)
    return ImageMaker(partial(_one_by_one, stem, d), passes=d, sums=d, kept=d)


def _channels(stem: Stem, labels: Tensor, d: int) -> list[Tensor] | None:
    """The channels of each feature, where features are sets of channels of a convolution, the same for all inputs."""
    layer = stem.layer
    by_channel = len(labels) == 1 and labels.numel() == labels.shape[1] == stem.shape[0]
    if isinstance(layer, nn.Linear) or layer.groups != 1 or not by_channel or labels.ndim != len(stem.shape) + 1:
        return None
    known = labels.flatten().cpu()
    return [(known == k).nonzero().flatten().to(labels.device) for k in range(d)]


def _by_channel(
    stem: Stem, channels: Sequence[Tensor], x: Tensor, baseline: Tensor, _labels: Tensor, _chunk: int
) -> Answers:
    """Each feature takes its channels' part of the weights, so all together cost what one input does."""
    difference = x - baseline
    with torch.autocast(difference.device.type, enabled=False):
        weight = stem.layer.weight.to(difference.dtype)
        images = [convolve(stem.layer, difference[own].unsqueeze(0), weight[:, own]).flatten(1) for own in channels]
    return partial(_summed, torch.cat(images))


def _is_of_patches(stem: Stem, labels: Tensor) -> bool:
    """Whether features are sets of whole patches, each of which the stem sees by itself."""
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
    """One image, of which each feature takes its patches."""
    of_patch = _patches(stem.layer, labels)[:, :, 0, :, 0].flatten()
    image = stem.images(x.unsqueeze(0))
    return partial(_chosen, (image + stem.bias(image)).view(stem.layer.out_channels, -1), of_patch)


def _chosen(image: Tensor, of_patch: Tensor, ground: Tensor, design: Tensor) -> Tensor:
    """Answers ``[m, o]`` to rows, from that to the input ``[channels, patches]``; -1 is a patch that is always kept."""
    always = design.new_ones(len(design), 1)
    keep = torch.cat([always, design], 1).index_select(1, of_patch + 1).unsqueeze(1)
    return torch.where(keep, image, ground.view(image.shape)).flatten(1)


def _summed(images: Tensor, ground: Tensor, design: Tensor) -> Tensor:
    """Answers ``[m, o]`` to rows, from the images of the features ``[d, o]``."""
    return torch.addmm(ground, design.to(images.dtype), images)


def _patches(layer: nn.Conv2d, labels: Tensor) -> Tensor:
    """Labels ``[B, 1, H, W]`` or ``[1, H, W]`` as ``[B, rows, height, columns, width]``."""
    height, width = layer.kernel_size
    rows, columns = labels.shape[-2] // height, labels.shape[-1] // width
    return labels.reshape(-1, rows, height, columns, width)


def _one_by_one(stem: Stem, d: int, x: Tensor, baseline: Tensor, labels: Tensor, chunk: int) -> Answers:
    """Everything but one feature is set to zero, for each of them."""
    number = torch.arange(d, device=labels.device).view(-1, *(1,) * labels.ndim)
    difference, none = x - baseline, torch.zeros((), dtype=x.dtype, device=x.device)
    parts = torch.split(number, min(d, chunk))
    images = [stem.images(torch.where(labels == one, difference, none)) for one in parts]
    return partial(_summed, torch.cat(images))

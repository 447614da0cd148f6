"""Images that mark an explanation's strongest features: ``lime``'s ``get_image_and_mask``, for all inputs at once.

Letters: ``B`` inputs, ``T`` targets, ``d`` features, ``C``, ``H``, ``W`` channels and pixels. A mask broadcasts: it may
have size 1 in any of the last three axes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from lime_callback.checks.arguments import check_flag
from lime_callback.checks.numbers import check_count, check_number

if TYPE_CHECKING:
    from collections.abc import Sequence

_RED, _GREEN = 0, 1


def strongest_signs(
    coefficients: Tensor,
    present: Tensor,
    *,
    num_features: int = 5,
    positive_only: bool = True,
    negative_only: bool = False,
    min_weight: float = 0.0,
) -> Tensor:
    """Signs of the features of largest absolute coefficient, 0 for all others.

    Args:
        coefficients: ``[B, T, d]``.
        present: which features an input has, bool ``[B or 1, d]``.
        num_features: largest number of features, of those that the other arguments leave.
        positive_only: take only features that raise the output.
        negative_only: take only features that lower it. If neither is true, both kinds are taken.
        min_weight: absolute coefficient that a feature has to exceed, or to reach if both kinds are taken.

    Returns:
        int64 ``[B, T, d]``.

    Raises:
        ValueError: if both kinds are excluded, or a number is out of range.
        TypeError: if an argument is of another kind.
    """
    count = check_count("num_features", num_features)
    check_number("min_weight", min_weight, least=0)
    if check_flag("positive_only", positive_only) & check_flag("negative_only", negative_only):
        raise ValueError(
            "`positive_only` and `negative_only` should not both be true, which leaves no feature. Pass "
            "`positive_only=False, negative_only=True` for those that lower the output."
        )
    size = coefficients.abs()
    if positive_only or negative_only:
        wanted = (size > min_weight) & (coefficients > 0 if positive_only else coefficients < 0)
    else:
        wanted = (size >= min_weight) & (size > 0)
    wanted = wanted & present.unsqueeze(1)
    order = torch.where(wanted, size, -1.0).argsort(dim=-1, descending=True, stable=True)[..., :count]
    among = torch.zeros_like(wanted).scatter_(-1, order, True)
    return torch.where(wanted & among, coefficients.sign(), 0.0).long()


def marked_images(
    images: Tensor,
    mask: Tensor,
    *,
    positive_only: bool = True,
    negative_only: bool = False,
    hide_rest: bool = False,
    hide_color: float | Sequence[float] | Tensor = 0.0,
) -> Tensor:
    """Hide what the mask leaves out of the images, and paint what it marks green and red.

    Images of three channels are painted if both kinds of features are marked: the green channel where the output is
    raised, and the red channel where it is lowered, become the image's largest value.

    Args:
        images: ``[B, C, H, W]``.
        mask: 1, -1 and 0, ``[B, T, C, H, W]`` or of a shape that broadcasts to it.
        positive_only: see :func:`strongest_signs`.
        negative_only: see :func:`strongest_signs`.
        hide_rest: whether to hide all that is 0 in the mask.
        hide_color: the colour of hidden parts, in the images' units: a number, or one for each channel.

    Returns:
        ``[B, T, C, H, W]``.

    Raises:
        ValueError: if the colour has another number of channels, or is not finite.
        TypeError: if an argument is of another kind.
    """
    channels = images.shape[1]
    marked = images.unsqueeze(1).expand(-1, mask.shape[1], -1, -1, -1)
    if check_flag("hide_rest", hide_rest):
        marked = torch.where(mask != 0, marked, _colour(hide_color, images))
    if not (positive_only or negative_only) and channels == 3 and mask.shape[2] == 1:
        brightest = images.flatten(1).amax(1).view(-1, 1, 1, 1, 1)
        channel = torch.arange(channels, device=images.device).view(1, 1, -1, 1, 1)
        painted = ((mask < 0) & (channel == _RED)) | ((mask > 0) & (channel == _GREEN))
        marked = torch.where(painted, brightest, marked)
    return marked.clone(memory_format=torch.contiguous_format)


def _colour(value: float | Sequence[float] | Tensor, images: Tensor) -> Tensor:
    """A colour as a tensor ``[C or 1, 1, 1]`` of the images' dtype and device."""
    channels = images.shape[1]
    wanted = f"`hide_color` should be a finite number, or one for each of the {channels} channels."
    try:
        colour = torch.as_tensor(value, dtype=torch.float64)
    except (TypeError, ValueError, RuntimeError):
        raise TypeError(f"{wanted} Found `hide_color = {value!r}`.") from None
    if colour.ndim > 1 or colour.numel() not in (1, channels) or not bool(colour.isfinite().all()):
        raise ValueError(f"{wanted} Found `hide_color = {value!r}`.")
    return colour.to(images).view(-1, 1, 1)

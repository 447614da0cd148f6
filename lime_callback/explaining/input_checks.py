"""Checks of inputs, features and backgrounds, and the fingerprint that identifies inputs."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from lime_callback.sampling.precision import wide_dtype
from lime_callback.views.features import Features
from lime_callback.views.layout import Layout
from lime_callback.views.user_masks import read_bare_mask


def check_inputs(inputs: Tensor) -> None:
    """Raise if ``inputs`` are not finite floating-point numbers ``[B, *dims]`` with B of at least 1.

    Raises:
        TypeError: if they are no tensor, or of an integer type.
        ValueError: if they are empty or hold NaN or infinite values.
    """
    if not isinstance(inputs, Tensor):
        raise TypeError(f"`inputs` should be a tensor [B, *dims]. Found a {type(inputs).__name__}.")
    if not inputs.is_floating_point():
        raise TypeError(f"`inputs` should be floating point. Found dtype {inputs.dtype}; convert them with `.float()`.")
    if inputs.ndim < 2 or inputs.numel() == 0:
        raise ValueError(f"`inputs` should have shape [B, *dims] and not be empty. Found shape {tuple(inputs.shape)}.")
    finite = torch.stack([each.isfinite().all() for each in inputs])  # one at a time, for the memory
    if not bool(finite.all()):
        raise ValueError(
            f"`inputs` should be finite. Found NaN or infinite values in input "
            f"{finite.logical_not().nonzero().flatten().tolist()}. "
            "Replace them before they reach the model, for example by `torch.nan_to_num`."
        )


def fingerprint(inputs: Tensor) -> Tensor:
    """Mean, spread and slope of each input's values, ``[B, 3]``, which differ also for a shuffled copy."""
    dtype = wide_dtype(inputs.device)
    ramp = torch.linspace(-1, 1, inputs[0].numel(), dtype=dtype, device=inputs.device)

    def numbers(values: Tensor) -> Tensor:
        return torch.stack([values.mean(), values.std(correction=0), torch.dot(values, ramp) / len(ramp)])

    # One at a time: all inputs in full width would take more memory than a batch.
    return torch.stack([numbers(each.flatten().to(dtype)) for each in inputs])


def checked_features(features: Features | Tensor | np.ndarray[Any, Any], inputs: Tensor) -> Features:
    """The user's features as :class:`Features` that fit the inputs, on their device.

    Raises:
        TypeError: if they are neither features nor a tensor or an array.
        ValueError: if the mask's shape does not fit, or fits in two ways.
    """
    if isinstance(features, (Tensor, np.ndarray)):
        layout = Layout.of_rank(inputs.ndim - 1)
        layout.check(tuple(inputs.shape))
        features = Features.from_mask(read_bare_mask(features, inputs.shape, layout), layout=layout)
    elif not isinstance(features, Features):
        raise TypeError(
            f"`features` should be `Features` of a view, or an integer mask, a tensor or an array. Found a "
            f"{type(features).__name__}; make one of it with `torch.as_tensor`."
        )
    features.check(tuple(inputs.shape))
    return features.to(inputs.device)


def check_background(background: Any, inputs: Tensor) -> None:
    """Raise if there is a background that does not fit the inputs.

    Raises:
        ValueError: if its shape does not fit the inputs ``[B, *dims]``, or its values are not finite.
        TypeError: if it is no floating-point tensor.
    """
    if background is None:
        return
    if not isinstance(background, Tensor) or not background.is_floating_point():
        found = f"dtype {background.dtype}" if isinstance(background, Tensor) else f"a {type(background).__name__}"
        raise TypeError(f"`background` should be a floating-point tensor of inputs, [N, *dims]. Found {found}.")
    if background.shape[1:] != inputs.shape[1:] or not len(background):
        raise ValueError(
            f"`background` should hold inputs of the same shape as those that are explained, [N, "
            f"{', '.join(map(str, inputs.shape[1:]))}]. Found shape {tuple(background.shape)}."
        )
    if not bool(background.isfinite().all()):
        raise ValueError("`background` should be finite. Found NaN or infinite values; leave these inputs out.")

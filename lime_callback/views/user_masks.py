"""Masks that come from the user: as an array, under a key of the batch, or from a function of the inputs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from lime_callback.views.layout import Layout

if TYPE_CHECKING:
    from collections.abc import Mapping


def check_user_mask(argument: str, value: Any) -> None:
    """Check what can be known of a mask without inputs.

    Raises:
        TypeError: if it is neither an array, nor a key, nor a function.
        ValueError: if it is an array of anything but integers and booleans.
    """
    if isinstance(value, (Tensor, np.ndarray)):
        _integers(argument, value)
    elif not (isinstance(value, str) or callable(value)) or isinstance(value, type):
        raise TypeError(
            f"`{argument}` should be an integer tensor or array, the key of a batch entry, or a function of the "
            f"inputs. Found {value!r}."
        )


def find_user_mask(
    argument: str, value: Any, inputs: Tensor, layout: Layout, batch: Mapping[str, Any] | None
) -> tuple[Tensor, bool]:
    """The mask as int64 ``[B or 1, H, W]`` on the CPU, and whether it is shared by all inputs.

    Its axes are those of one input, in the layout's order, without the channels and without axes of size one; a leading
    axis of size B or 1 may come first. The axes of a whole input, with one channel, are taken too.

    Raises:
        ValueError: if the shape does not fit, the values are no integers, or the batch has no such entry.
        TypeError: if the function or the batch entry gives no array.
    """
    if isinstance(value, str):
        if batch is None or value not in batch:
            found = f"the entries {sorted(map(str, batch))}" if batch else "a batch without named entries"
            raise ValueError(f"`{argument} = {value!r}` should be the key of a batch entry. Found {found}.")
        value = batch[value]
    elif callable(value) and not isinstance(value, Tensor):
        value = value(inputs.detach().clone())
    mask = _integers(argument, value)
    size, axes = inputs.shape[0], [axis for axis in layout.axes if axis in "HW"]
    dims = tuple(length for length, axis in zip(inputs.shape[1:], layout.axes, strict=True) if axis in "HW")
    shared = tuple(mask.shape) == dims
    if shared:
        mask = mask.unsqueeze(0)
    if tuple(mask.shape) in ((size, *dims), (1, *dims)):
        planes = Layout("".join(axes)).canonical(mask)[:, 0] if axes else mask.view(-1, 1, 1)
        return planes, shared
    whole = [1 if axis == "C" else length for length, axis in zip(inputs.shape[1:], layout.axes, strict=True)]
    if list(mask.shape) in ([size, *whole], [1, *whole]):
        return layout.canonical(mask)[:, 0], shared
    names = "".join(f", {axis}" for axis in axes)
    raise ValueError(
        f"`{argument}` should have shape [{names[2:]}] = {dims} for all inputs, or [B{names}] = {(size, *dims)} for "
        f"each. Found shape {tuple(mask.shape)}."
    )


def _integers(argument: str, value: Any) -> Tensor:
    """A new tensor of int64 on the CPU."""
    if not isinstance(value, (Tensor, np.ndarray)):
        raise TypeError(f"`{argument}` should be a tensor or an array. Found a {type(value).__name__}.")
    numeric = (
        value.dtype.kind in "biu"
        if isinstance(value, np.ndarray)
        else not (value.is_floating_point() or value.is_complex())
    )
    if not numeric:
        raise ValueError(
            f"`{argument}` should hold integers. Found dtype {value.dtype}; round it and convert it to int64."
        )
    if isinstance(value, Tensor):
        return value.detach().to("cpu", torch.int64, copy=True)
    return torch.from_numpy(value.astype(np.int64))

"""Turns inputs back into physical units, such as reflectance, for pictures and spectra that people read."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import Tensor

if TYPE_CHECKING:
    from lime_callback.views.layout import Layout

ToPhysical = Callable[[Tensor], Tensor] | tuple[Tensor, Tensor]
"""A function of inputs ``[P, *dims]``, or a scale and an offset, each with one value or one for each channel."""


def check_to_physical(given: Any) -> ToPhysical | None:
    """Return the argument ``to_physical`` as it is used.

    Args:
        given: ``None``; a function; or a scale and an offset: numbers, or a number for each channel.

    Raises:
        TypeError: if it is something else.
        ValueError: if scale or offset are not finite numbers in one row.
    """
    if given is None or callable(given):
        return cast("ToPhysical | None", given)
    if isinstance(given, (str, bytes)) or not isinstance(given, Sequence) or len(given) != 2:
        raise TypeError(
            "`to_physical` should be a function of inputs [P, *dims], or `(scale, offset)` with "
            f"physical = scale * input + offset. Found {given!r}."
        )
    scale, offset = (torch.as_tensor(part, dtype=torch.float32).flatten() for part in given)
    if not bool(scale.isfinite().all() and offset.isfinite().all()) or 0 in (len(scale), len(offset)):
        raise ValueError(f"`to_physical` should be finite numbers, `(scale, offset)`. Found {given!r}.")
    return scale, offset


def physical(inputs: Tensor, layout: Layout, to_physical: ToPhysical | None) -> Tensor:
    """Return inputs in physical units, ``[P, C, H, W]``.

    Args:
        inputs: the samples, ``[P, *dims]``, on the CPU.
        layout: names their axes.
        to_physical: the checked argument; ``None`` changes nothing.

    Raises:
        ValueError: if a function returns another shape, or scale or offset fit no number of channels.
    """
    if to_physical is None:
        return layout.canonical(inputs)
    if callable(to_physical):
        turned = to_physical(inputs.clone())
        if not isinstance(turned, Tensor) or turned.shape != inputs.shape:
            raise ValueError(
                f"`to_physical` should return a tensor of the inputs' shape {tuple(inputs.shape)}. Found "
                f"{tuple(turned.shape) if isinstance(turned, Tensor) else type(turned).__name__}."
            )
        return layout.canonical(turned.detach())
    x = layout.canonical(inputs).float()
    for name, part in zip(("scale", "offset"), to_physical, strict=True):
        if len(part) not in (1, x.shape[1]):
            raise ValueError(
                f"`to_physical` should have one {name}, or one for each of the {x.shape[1]} channels. Found "
                f"{len(part)}."
            )
    scale, offset = (part.view(1, -1, 1, 1) for part in to_physical)
    return scale * x + offset

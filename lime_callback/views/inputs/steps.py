"""Inputs with an axis of times or depths: the steps become channels of one image, and steps again."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from lime_callback.views.inputs.joined import join, split

if TYPE_CHECKING:
    from torch import Tensor

    from lime_callback.views.inputs.joined import InputPart
    from lime_callback.views.layout import Layout

STEPS = {"T": "time", "D": "depth"}


def step_axis(axes: str) -> int:
    """Which axis of a batch has the steps: 1 is the first one after the batch."""
    return 1 + next(i for i, axis in enumerate(axes) if axis in STEPS)


def joined_steps(x: Tensor, axes: str, layout: Layout) -> tuple[Tensor, tuple[InputPart, ...]]:
    """Join the steps of inputs along the channels.

    Args:
        x: the inputs, ``[B, *dims]``.
        axes: of one input, with one letter ``T`` (times) or ``D`` (depths).
        layout: the same without it.

    Returns:
        The image ``[B, *dims]`` in this layout, with all channels of the first step before those of the second, and
        where each step lies in it.

    Raises:
        ValueError: if the inputs do not have these axes.
    """
    at = step_axis(axes)
    sample = tuple(x.shape[1:])
    if len(sample) != len(axes) or any(size != 1 for size, axis in zip(sample, axes, strict=True) if axis == "1"):
        raise ValueError(
            f"`layout = {axes!r}` describes samples with {len(axes)} axes (1 stands for size one). Found samples of "
            f"shape {sample}. Pass a layout with a letter for each axis: C, H, W, T for times, D for depths."
        )
    name = STEPS[axes[at - 1]]
    return join({f"{name} {i}": step for i, step in enumerate(x.unbind(at))}, layout)


def parted_steps(image: Tensor, parts: tuple[InputPart, ...], at: int, layout: Layout) -> Tensor:
    """The inputs ``[B, *dims]`` of :func:`joined_steps`, with the steps on axis ``at`` again."""
    return torch.stack(list(split(image, parts, layout).values()), dim=at)

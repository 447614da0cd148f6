"""A model's linear first layer: computes its outputs, and replaces its forward by given outputs."""

from __future__ import annotations

import math
from contextlib import contextmanager
from copy import copy
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from lime_callback.forwards.replaced_forward import replaced_forward
from lime_callback.forwards.torch_internals import convolve

if TYPE_CHECKING:
    from collections.abc import Iterator

# What a layer received may differ from a normalised input by this share of the largest value.
_NORMALISED = 1e-5


class Stem:
    """A linear layer that receives the model's input unchanged, or reshaped with its elements in the same order.

    A convolution may also receive it normalised, ``scale x + shift`` for each channel, as by a mean and a deviation
    that the model keeps. The stem is then the layer together with this normalisation, which is linear, too.

    Letters: ``m`` inputs, ``C`` channels, ``o`` elements of the layer's output for an input.

    Args:
        layer: the layer.
        shape: the shape of the layer's input, without the batch axis.
        output: the layer's output for a few inputs, ``[m, ...]``; only its shape and dtype are kept.

    Attributes:
        normalised: the scale and the shift of each channel, ``[2, C]``; ``None`` if the input is not normalised.
    """

    def __init__(self, layer: Any, shape: tuple[int, ...], output: Tensor) -> None:
        self.layer, self.shape = layer, shape
        self.normalised: Tensor | None = None
        self.output_shape, self.dtype = tuple(output.shape[1:]), output.dtype

    def normalised_by(self, values: Tensor) -> Stem:
        """Return the stem together with a scale and a shift of each channel, ``[2, C]``, before its layer."""
        made = copy(self)
        made.normalised = values
        return made

    @property
    def size(self) -> int:
        """The number of elements of the layer's output for an input, o."""
        return math.prod(self.output_shape)

    @property
    def products(self) -> int:
        """The number of multiplications that the layer does for an input."""
        return self.size * int(self.layer.weight[0].numel())

    def images(self, parts: Tensor) -> Tensor:
        """Return the layer's outputs without its bias for ``parts`` [m, ...], ``[m, o]`` in their dtype."""
        layer, x = self.layer, parts.reshape(len(parts), *self.shape)
        with torch.autocast(x.device.type, enabled=False):
            weight = self.weight(x.dtype)
            if isinstance(layer, nn.Linear):
                return nn.functional.linear(x, weight).flatten(1)
            return convolve(layer, x, weight).flatten(1)

    def weight(self, dtype: torch.dtype) -> Tensor:
        """Return the layer's weight for inputs as the model gets them."""
        weight: Tensor = self.layer.weight.to(dtype)
        if self.normalised is None:
            return weight
        return weight * self.normalised[0].to(dtype).view(1, -1, *(1,) * (weight.ndim - 2))

    def bias(self, images: Tensor) -> Tensor:
        """Return the layer's bias as it is added to images ``[m, o]``: ``[o]``, or a single 0 if it has none.

        The shift of a normalised input is a part of it. Behind padding, it is not the same everywhere.
        """
        own = self._own_bias(images)
        if self.normalised is None:
            return own
        shift = self.normalised[1].to(images.dtype).view(1, -1, *(1,) * (len(self.shape) - 1))
        with torch.autocast(images.device.type, enabled=False):
            everywhere = shift.expand(1, *self.shape).contiguous()
            return convolve(self.layer, everywhere, self.layer.weight.to(images.dtype)).flatten() + own

    def _own_bias(self, images: Tensor) -> Tensor:
        if self.layer.bias is None:
            return images.new_zeros(())
        bias: Tensor = self.layer.bias.to(images.dtype)
        if not isinstance(self.layer, nn.Linear):
            bias = bias.view(-1, *(1,) * (len(self.output_shape) - 1))
        return bias.expand(self.output_shape).flatten()

    @contextmanager
    def answering(self, images: Tensor) -> Iterator[None]:
        """Make the layer return ``images`` [m, o], whatever its input, until the end of the context."""
        answer = images.view(len(images), *self.output_shape).to(self.dtype)
        with replaced_forward(self.layer, lambda *_: answer):
            yield


def may_be_normalised(layer: Any, x: Tensor) -> bool:
    """Return whether a layer is a convolution over channels of several pixels, for inputs ``x`` [m, C, *pixels]."""
    return not isinstance(layer, nn.Linear) and layer.groups == 1 and x[0].numel() > x.shape[1] > 0


def normalisation(x: Tensor, part: Tensor) -> Tensor | None:
    """Return scale and shift, float ``[2, C]``, if ``part`` is ``scale x + shift`` in each channel; else ``None``.

    Args:
        x: inputs of the model, ``[m, C, *pixels]``, which share scale and shift.
        part: what a layer received for them, of the same shape.
    """
    wide = torch.float32 if x.device.type == "mps" else torch.float64
    given, received = (values.movedim(1, 0).flatten(1).to(wide) for values in (x, part))
    low, high = given.argmin(1, keepdim=True), given.argmax(1, keepdim=True)
    width = given.gather(1, high) - given.gather(1, low)
    scale = (received.gather(1, high) - received.gather(1, low)) / width
    shift = received.gather(1, low) - scale * given.gather(1, low)
    error = (scale * given + shift - received).abs().amax()
    near = (error <= _NORMALISED * received.abs().amax()) & (width > 0).all()
    return torch.cat([scale, shift], 1).T if bool(near) else None

"""A model's first layer where it is linear: what it makes of inputs, and how its answer is put in its place."""

from __future__ import annotations

import math
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from lime_callback.forwards.torch_internals import convolve

if TYPE_CHECKING:
    from collections.abc import Iterator


class Stem:
    """A linear layer that receives the input as it is, or as a view of the same elements in the same order.

    Args:
        layer: the layer.
        shape: of its input, for one input of the model.
        output: what it returned for some inputs ``[m, ...]``.
    """

    def __init__(self, layer: Any, shape: tuple[int, ...], output: Tensor) -> None:
        self.layer, self.shape = layer, shape
        self.output_shape, self.dtype = tuple(output.shape[1:]), output.dtype

    @property
    def size(self) -> int:
        """O."""
        return math.prod(self.output_shape)

    @property
    def products(self) -> int:
        """Products of two numbers that the layer takes for one input."""
        return self.size * int(self.layer.weight[0].numel())

    def images(self, parts: Tensor) -> Tensor:
        """What the layer makes of inputs without its bias, ``[m, o]`` in the inputs' dtype."""
        layer, x = self.layer, parts.reshape(len(parts), *self.shape)
        with torch.autocast(x.device.type, enabled=False):
            weight = layer.weight.to(x.dtype)
            if isinstance(layer, nn.Linear):
                return nn.functional.linear(x, weight).flatten(1)
            return convolve(layer, x, weight).flatten(1)

    def bias(self, images: Tensor) -> Tensor:
        """What the layer adds to images ``[m, o]``, ``[o]``."""
        if self.layer.bias is None:
            return images.new_zeros(())
        bias: Tensor = self.layer.bias.to(images.dtype)
        if not isinstance(self.layer, nn.Linear):
            bias = bias.view(-1, *(1,) * (len(self.output_shape) - 1))
        return bias.expand(self.output_shape).flatten()

    @contextmanager
    def answering(self, images: Tensor) -> Iterator[None]:
        """Let the layer return ``images`` [m, o], whatever it is asked."""
        answer = images.view(len(images), *self.output_shape).to(self.dtype)
        replaced = vars(self.layer).get("forward")
        self.layer.forward = lambda *_: answer
        try:
            yield
        finally:
            if replaced is None:
                del self.layer.forward
            else:
                self.layer.forward = replaced

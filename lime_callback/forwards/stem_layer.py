"""A model's linear first layer: computes its outputs, and replaces its forward by given outputs."""

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
    """A linear layer that receives the model's input unchanged, or reshaped with its elements in the same order.

    Letters: ``m`` inputs, ``o`` elements of the layer's output for an input.

    Args:
        layer: the layer.
        shape: the shape of the layer's input, without the batch axis.
        output: the layer's output for a few inputs, ``[m, ...]``; only its shape and dtype are kept.
    """

    def __init__(self, layer: Any, shape: tuple[int, ...], output: Tensor) -> None:
        self.layer, self.shape = layer, shape
        self.output_shape, self.dtype = tuple(output.shape[1:]), output.dtype

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
            weight = layer.weight.to(x.dtype)
            if isinstance(layer, nn.Linear):
                return nn.functional.linear(x, weight).flatten(1)
            return convolve(layer, x, weight).flatten(1)

    def bias(self, images: Tensor) -> Tensor:
        """Return the layer's bias as it is added to images ``[m, o]``: ``[o]``, or a single 0 if it has none."""
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
        replaced = vars(self.layer).get("forward")
        self.layer.forward = lambda *_: answer
        try:
            yield
        finally:
            if replaced is None:
                del self.layer.forward
            else:
                self.layer.forward = replaced

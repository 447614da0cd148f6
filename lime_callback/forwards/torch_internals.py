"""What is private in torch and used all the same, in one place, as torch 2.13 has it.

Each function says what stands in the way of a public name.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from torch import nn

if TYPE_CHECKING:
    from torch import Tensor

MODULE_ATTRIBUTES = frozenset(vars(nn.Module()))
"""What torch keeps in every module: constant during a forward, but for the buffers and the mode."""
BUFFERS = "_buffers"
"""The module's attribute with its own buffers by name. Set as a whole, since ``register_buffer`` copies none."""


def is_compiled(module: nn.Module) -> bool:
    """Whether ``module.compile()`` or ``torch.compile(module)`` was called; torch has no public question for it."""
    return bool(getattr(module, "_compiled_call_impl", None)) or hasattr(module, "_orig_mod")


def convolve(layer: Any, x: Tensor, weight: Tensor) -> Tensor:
    """A convolution's padding, stride, dilation and groups with another weight and no bias.

    The public function takes them one by one, and knows no padding but by zeros.
    """
    image: Tensor = layer._conv_forward(x, weight, None)
    return image

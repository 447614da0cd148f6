"""The private parts of torch that this package uses, as torch 2.13 has them.

Each function says why no public part of torch does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from torch import nn

if TYPE_CHECKING:
    from torch import Tensor

MODULE_ATTRIBUTES = frozenset(vars(nn.Module()))
"""The attributes that torch keeps in every module. In a forward only the buffers and the mode may change."""
BUFFERS = "_buffers"
"""The attribute with a module's buffers by name. It is set as a whole: ``register_buffer`` would not copy a buffer."""


def is_compiled(module: nn.Module) -> bool:
    """Return whether ``module.compile()`` or ``torch.compile(module)`` was called; torch has no public test for it."""
    return bool(getattr(module, "_compiled_call_impl", None)) or hasattr(module, "_orig_mod")


def convolve(layer: Any, x: Tensor, weight: Tensor) -> Tensor:
    """Convolve ``x`` with another weight and no bias, by the padding, stride, dilation and groups of ``layer``.

    The public functions for convolutions pad with zeros alone.
    """
    image: Tensor = layer._conv_forward(x, weight, None)
    return image

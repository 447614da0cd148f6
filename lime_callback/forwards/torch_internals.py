"""The private parts of torch that this package uses, as torch 2.13 has them.

Each function says why no public part of torch does.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from collections.abc import Sequence

_LARGE = 1 << 20  # bytes
MODULE_ATTRIBUTES = frozenset(vars(nn.Module()))
"""The attributes that torch keeps in every module. In a forward only the buffers and the mode may change."""
BUFFERS = "_buffers"
"""The attribute with a module's buffers by name. It is set as a whole: ``register_buffer`` would not copy a buffer."""


def lazy_clone(tensor: Tensor) -> Tensor:
    """Clone a tensor; a large one is copied when one of the two is first written to, so that it costs no memory until.

    Torch has no public function for that. Memory of numpy's, subclasses of tensors and small ones are copied at once.
    """
    if type(tensor) is Tensor and tensor.layout is torch.strided and tensor.nbytes >= _LARGE:
        with suppress(AttributeError, RuntimeError):
            return torch._lazy_clone(tensor)
    return tensor.clone()


def parameters_of(module: nn.Module) -> dict[str, nn.Parameter | None]:
    """Return a module's own parameters by name; the public function takes ten times as long."""
    parameters: dict[str, nn.Parameter | None] = vars(module)["_parameters"]
    return parameters


def versions_of(tensors: Sequence[Tensor]) -> list[int]:
    """Return how often each tensor was written to, 0 for those made in inference mode, which do not count it."""
    try:
        return [tensor._version for tensor in tensors]
    except RuntimeError:
        return [0 if tensor.is_inference() else tensor._version for tensor in tensors]


def is_compiled(module: nn.Module) -> bool:
    """Return whether ``module.compile()`` or ``torch.compile(module)`` was called; torch has no public test for it."""
    return bool(getattr(module, "_compiled_call_impl", None)) or hasattr(module, "_orig_mod")


def convolve(layer: Any, x: Tensor, weight: Tensor) -> Tensor:
    """Convolve ``x`` with another weight and no bias, by the padding, stride, dilation and groups of ``layer``.

    The public functions for convolutions pad with zeros alone.
    """
    image: Tensor = layer._conv_forward(x, weight, None)
    return image

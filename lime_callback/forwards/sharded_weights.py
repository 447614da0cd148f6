"""Models whose weights are sharded over processes (FSDP2): a forward gathers them, layer by layer, from all of them.

A process that fails within a forward leaves the others waiting for its part of the layers that it did not come to. So
it gives them that part before the failure is passed on; then all can agree on what to do.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch.distributed as dist
from torch import nn

if TYPE_CHECKING:
    from collections.abc import Iterator


def is_sharded(module: nn.Module) -> bool:
    """Whether forwards of a module talk to other processes."""
    if not (dist.is_available() and dist.is_initialized()):
        return False
    from torch.distributed.tensor import DTensor

    return any(isinstance(parameter, DTensor) for parameter in module.parameters())


class Layers:
    """The layers of a sharded model in the order in which a forward gathers them.

    Args:
        module: the model; if it is not sharded, nothing is done.
    """

    def __init__(self, module: nn.Module) -> None:
        self._order: list[Any] = []
        if is_sharded(module):
            from torch.distributed.fsdp import FSDPModule

            # As they are defined, until a forward has shown their order.
            self._order = [one for one in module.modules() if isinstance(one, FSDPModule)]

    @contextmanager
    def forward(self) -> Iterator[None]:
        """A forward; if it fails, the layers that it did not come to are gathered all the same."""
        if not self._order:
            yield
            return
        seen: list[Any] = []
        handles = [one.register_forward_pre_hook(lambda layer, _: seen.append(layer)) for one in self._order]
        try:
            yield
        except Exception:
            for layer in self._order[len(seen) :]:
                layer.unshard()
                layer.reshard()
            raise
        else:
            self._order = seen or self._order
        finally:
            for handle in handles:
                handle.remove()

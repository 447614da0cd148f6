"""Models whose weights are sharded over processes (FSDP2): a forward gathers them, layer by layer, from all of them.

A process that fails before or within a forward leaves the others waiting for its part of the layers that it did not
come to. So it gives them that part before the failure is passed on; then all can agree on what to do.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch.distributed as dist

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import nn


class ShardedLayers:
    """The layers of a sharded model in the order in which a forward gathers them.

    Args:
        layers: FSDP modules, as they are defined, until a forward has shown their order.
    """

    def __init__(self, layers: list[Any]) -> None:
        self._order = layers

    @classmethod
    def of(cls, module: nn.Module) -> ShardedLayers | None:
        """The layers of a model; ``None`` if its forwards talk to no other process."""
        if not (dist.is_available() and dist.is_initialized()):
            return None
        from torch.distributed.fsdp import FSDPModule
        from torch.distributed.tensor import DTensor

        if not any(isinstance(parameter, DTensor) for parameter in module.parameters()):
            return None
        return cls([layer for layer in module.modules() if isinstance(layer, FSDPModule)])

    @contextmanager
    def forward(self) -> Iterator[None]:
        """At most one forward; upon a failure, the layers that it did not come to are gathered all the same."""
        seen: list[Any] = []
        handles = [layer.register_forward_pre_hook(lambda layer, _: seen.append(layer)) for layer in self._order]
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

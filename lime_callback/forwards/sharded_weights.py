"""Keeps processes from waiting forever when a forward of sharded weights (FSDP2) fails in one of them.

Such a forward gathers the weights layer by layer from all processes. A process that fails leaves the others waiting
for its part of the layers that it has not reached. So it first takes part in gathering these layers and then passes the
failure on, and all processes can agree on what to do.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch.distributed as dist

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import nn


class ShardedLayers:
    """A sharded model's layers, in the order in which a forward gathers them.

    Args:
        layers: the FSDP modules in the order of their definition, which counts until a forward has shown its own.
    """

    def __init__(self, layers: list[Any]) -> None:
        self._order = layers

    @classmethod
    def of(cls, module: nn.Module) -> ShardedLayers | None:
        """Return a model's layers; ``None`` if its weights are not sharded, so that forwards talk to no process."""
        if not (dist.is_available() and dist.is_initialized()):
            return None
        from torch.distributed.fsdp import FSDPModule
        from torch.distributed.tensor import DTensor

        if not any(isinstance(parameter, DTensor) for parameter in module.parameters()):
            return None
        return cls([layer for layer in module.modules() if isinstance(layer, FSDPModule)])

    @contextmanager
    def forward(self) -> Iterator[None]:
        """Run at most one forward within this context; if it fails, gather the layers that it has not reached."""
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

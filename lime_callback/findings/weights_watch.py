"""Which weights and buffers have changed between two explained epochs, by a few sums of each.

A sum in float64 tells a change from none; that two changes cancel in both sums is no matter of chance.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch

from lime_callback.findings.epoch_facts import WeightFacts

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from torch import Tensor, nn


@dataclass
class WeightsWatch:
    """Remembers the sums of the last look."""

    _trained: Tensor | None = None
    _frozen: dict[str, Tensor] = field(default_factory=dict)

    def state(self) -> dict[str, Any]:
        """What a resumed run needs."""
        return {"trained": self._trained, "frozen": dict(self._frozen)}

    def restore(self, state: Mapping[str, Any]) -> None:
        """The inverse of :meth:`state`."""
        self._trained, self._frozen = state["trained"], dict(state["frozen"])

    def look(self, module: nn.Module) -> WeightFacts:
        """Compare the model's weights with those of the look before."""
        trained = [weight for weight in module.parameters() if weight.requires_grad and weight.numel()]
        now = torch.stack([_sums(weight) for weight in trained]).cpu() if trained else torch.zeros(0, 2)
        frozen = {name: _sums(value).cpu() for name, value in frozen_tensors(module)}
        before, self._trained = self._trained, now
        known, self._frozen = self._frozen, frozen
        moved = tuple(name for name, value in frozen.items() if name in known and not torch.equal(value, known[name]))
        same = before is not None and before.shape == now.shape and bool((before == now).all())
        return WeightFacts(None if before is None else not same, moved, len(trained))


def frozen_tensors(module: nn.Module) -> Iterator[tuple[str, Tensor]]:
    """Yield weights that are not trained, and the buffers of modules all of whose weights are not, with their names.

    What keeps a count of batches is left out, and so are the buffers of modules without weights, such as a metric's.
    """
    for name, part in module.named_modules():
        own = list(part.named_parameters(recurse=False))
        prefix = f"{name}." if name else ""
        yield from ((prefix + key, weight) for key, weight in own if not weight.requires_grad and weight.numel())
        if own and not any(weight.requires_grad for _, weight in own):
            for key, value in part.named_buffers(recurse=False):
                if value.is_floating_point() and value.numel():
                    yield prefix + key, value


def _sums(value: Tensor) -> Tensor:
    own = value.detach().flatten()
    own = own.double() if own.device.type != "mps" else own.float()
    return torch.stack([own.sum(), own.square().sum()]).double()

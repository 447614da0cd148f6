"""The model under training, as the explainer wants it: perturbed inputs in, scores out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lime_callback.batches import Key, output_tensor, replaced, rows_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    import torch
    from torch import Tensor, nn

    from lime_callback.probes import Probes


@dataclass(frozen=True, eq=False)
class Model:
    """Runs a module on perturbed inputs.

    Args:
        module: the LightningModule.
        context: of one forward, such as autocast: the one that a validation step has.
        probes: whose batch the other entries are taken from.
        forward: of the user, takes the module and a batch; ``None``: the module is called with the inputs.
        output_key: see :func:`~lime_callback.batches.output_tensor`.
    """

    module: nn.Module
    context: Callable[[], AbstractContextManager[Any]]
    probes: Probes
    forward: Callable[[Any, Any], Any] | None = None
    output_key: Key | None = None

    def __call__(self, x: Tensor, rows: Tensor) -> Any:
        """The model's output for inputs ``[m, *dims]`` that were made of the probes ``rows`` [m]."""
        with self.context():
            if self.forward is None:
                output = self.module(x)
            else:
                batch = rows_of(self.probes.batch, rows, len(self.probes))
                output = self.forward(self.module, replaced(batch, self.probes.key, x))
        return output_tensor(output, self.output_key)

    def on(self, device: torch.device) -> Model:
        """The same model with the probes on a device."""
        return Model(self.module, self.context, self.probes.to(device), self.forward, self.output_key)

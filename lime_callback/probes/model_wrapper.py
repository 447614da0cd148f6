"""Wraps the model under training, so that the explainer can run it on perturbed inputs."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from lime_callback.checks.descriptions import describe
from lime_callback.forwards.out_of_memory import is_out_of_memory
from lime_callback.outputs.output_entries import output_tensor
from lime_callback.probes.batch_entries import advised, key_text
from lime_callback.probes.model_calls import WRONG_CALL, advice, call_of, function_advice
from lime_callback.probes.other_entries import alike_inputs
from lime_callback.probes.several_inputs import ComposedInputs, Steps

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from torch import Tensor, nn

    from lime_callback.checks.entry_paths import Key
    from lime_callback.probes.probe_samples import Probes


_WITHOUT = "LimeCallback calls the model with the images alone."
_NATURAL = "LimeCallback calls the model with the entries of the batch that its `forward` names."
_WITH = "LimeCallback calls `forward` with the module and a batch in which the images are perturbed."


@dataclass
class ForwardCount:
    """Counts the inputs on which a model was run.

    Attributes:
        inputs: the number of inputs so far, in this process.
    """

    inputs: int = 0


@dataclass(frozen=True, eq=False)
class ModelWrapper:
    """Runs a module on perturbed inputs.

    Args:
        module: the LightningModule.
        context: returns the context of a validation step's forward, such as autocast.
        probes: the probes; their batch gives the other entries for ``forward``.
        forward: the user's function, which takes the module and a batch; ``None`` calls the module with the inputs, or
            with the entries that its ``forward`` names, see :func:`~lime_callback.probes.model_calls.call_of`.
        output_key: see :func:`~lime_callback.outputs.output_entries.output_tensor`.
        background: other inputs of the same data, ``[N, *dims]``, on the CPU, from which baselines take values for
            hidden elements; ``None`` if there are none.
        count: counts the rows of all calls; wrappers may share it.
    """

    module: nn.Module
    context: Callable[[], AbstractContextManager[Any]]
    probes: Probes
    forward: Callable[[Any, Any], Any] | None = None
    output_key: Key | None = None
    background: Tensor | None = None
    count: ForwardCount = field(default_factory=ForwardCount)

    def __call__(self, x: Tensor, rows: Tensor) -> Any:
        """Return the model's output for inputs ``[m, *dims]`` made from the probes of numbers ``rows`` [m].

        Raises:
            ValueError: if the output holds no prediction, see
                :func:`~lime_callback.outputs.output_entries.output_tensor`.
            Exception: whatever the model raises, with a note of how it was called.
        """
        self.count.inputs += len(x)
        x = self.probes.as_given(x)
        call = self.forward or call_of(self.module, self.probes.batch, self.probes.key)
        given = self.probes.arguments_with(x) if call is None else (self.module, self.probes.batch_with(x, rows))
        with self.context():
            try:
                output = self.module(*given) if call is None else call(*given)
            except Exception as error:
                found = " and ".join(map(describe, given if call is None else given[1:]))
                error.add_note(f"{self._told(error, call, x, rows)} Found a call with {found}.")
                raise
        return output_tensor(output, self.output_key, len(x))

    def _told(self, error: Exception, call: Any, x: Tensor, rows: Tensor) -> str:
        """Return how the model was called, and how it can be called where that was wrong."""
        if self.forward is not None:
            return _WITH
        way = ""
        if isinstance(error, WRONG_CALL) and not is_out_of_memory(error):
            way = " " + self._way(x, rows, called='the required "forward"' not in str(error))
        return f"{_WITHOUT if call is None else _NATURAL}{way}"

    def elsewhere(self) -> str:
        """Say which other entries of the batch may be the images; nothing where none can be."""
        key, batch = self.probes.key, self.probes.batch
        alike = [] if callable(key) else alike_inputs(batch, key, self.probes.label_key)
        if not alike:
            return ""
        taken = key_text(key)
        way = advised("input_key", alike)
        return f"The images were taken from batch entry {taken}; others may be what the model reads. {way}"

    def _way(self, x: Tensor, rows: Tensor, *, called: bool) -> str:
        """Return what to pass where the model has failed on inputs ``[m, *dims]``."""
        key = self.probes.key
        if callable(key) and (not isinstance(key, ComposedInputs) or (isinstance(key, Steps) and callable(key.key))):
            return function_advice(self.module, self.probes.arguments_with(x)[0], self.output_key)
        return advice(self.module, self.probes.batch_with(x, rows), key, len(x), self.output_key, called=called)

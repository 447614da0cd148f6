"""Forwards: runs the model on perturbed inputs, in batches, shared by the processes, without a trace in the run.

Begin with :mod:`~lime_callback.forwards.batched_forwards`. It takes its rows from
:mod:`~lime_callback.forwards.perturbed_inputs`; or, if the model's first layer is linear, takes that layer's outputs
from :mod:`~lime_callback.forwards.folded_stem`. Afterwards :mod:`~lime_callback.forwards.no_trace_guard` restores the
model and the run's random state.
"""

from typing import TYPE_CHECKING

from lime_callback.checks.lazy_names import lazily

if TYPE_CHECKING:
    from lime_callback.forwards.no_trace_guard import is_explaining

__all__ = ["is_explaining"]

__getattr__, __dir__ = lazily(
    __name__,
    {"no_trace_guard": ["is_explaining"]},
)

"""Forwards: the model on perturbed inputs, in batches, shared out over processes, without a trace in the run.

Begin with :mod:`~lime_callback.forwards.batched_forwards`. Its rows are perturbed inputs
(:mod:`~lime_callback.forwards.perturbed_inputs`), or what a linear first layer makes of them
(:mod:`~lime_callback.forwards.folded_stem`); :mod:`~lime_callback.forwards.no_trace_guard` puts everything
back.
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

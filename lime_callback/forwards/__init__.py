"""Forwards: runs the model on perturbed inputs, in batches, shared by the processes, without a trace in the run.

Begin with :mod:`~lime_callback.forwards.batched_forwards`. It takes its rows from
:mod:`~lime_callback.forwards.perturbed_inputs`; or, if the model's first layer is linear, takes that layer's outputs
from :mod:`~lime_callback.forwards.folded_stem`; or, for ``baseline="absent"``, runs on fewer tokens, see
:mod:`~lime_callback.forwards.tokens`. Afterwards :mod:`~lime_callback.forwards.no_trace_guard` restores the
model and the run's random state.
"""

from typing import TYPE_CHECKING

from lime_callback.checks.lazy_names import lazily

if TYPE_CHECKING:
    from lime_callback.forwards.no_trace_guard import is_explaining
    from lime_callback.forwards.tokens.patch_grid import model_patches
    from lime_callback.forwards.tokens.token_blocks import AbsentError

__all__ = ["AbsentError", "is_explaining", "model_patches"]

__getattr__, __dir__ = lazily(
    __name__,
    {
        "no_trace_guard": ["is_explaining"],
        "tokens.patch_grid": ["model_patches"],
        "tokens.token_blocks": ["AbsentError"],
    },
)

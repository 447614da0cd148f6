"""Tokens: hides patches of a transformer's input by leaving their tokens out, or channels by giving it fewer.

Begin with :mod:`~lime_callback.forwards.tokens.token_blocks`, which finds the block where tokens come in, and
:mod:`~lime_callback.forwards.tokens.channel_calls`, which finds where channels come in with their wavelengths. Then
:mod:`~lime_callback.forwards.tokens.token_cells` finds which elements of an input make which token,
:mod:`~lime_callback.forwards.tokens.token_model` proves that tokens can be left out, and
:mod:`~lime_callback.forwards.tokens.absent_rows` runs the model on the tokens that each perturbation leaves.
"""

from typing import TYPE_CHECKING

from lime_callback.checks.lazy_names import lazily

if TYPE_CHECKING:
    from lime_callback.forwards.tokens.patch_grid import model_patches
    from lime_callback.forwards.tokens.token_blocks import AbsentError

__all__ = ["AbsentError", "model_patches"]

__getattr__, __dir__ = lazily(
    __name__,
    {"token_blocks": ["AbsentError"], "patch_grid": ["model_patches"]},
)

"""Guards forwards, so that explaining leaves no trace in the model or in the run.

The guard restores, also after an exception: the random state of torch, numpy and Python, and of the generators that
modules own; every submodule's mode, parameters, buffers and plain attributes, among them the states of torchmetrics;
what lies in containers, dataclasses and objects of the model's own packages, see
:mod:`lime_callback.forwards.value_copies`. Within it, ``log`` and ``log_dict`` of Lightning modules do nothing. It
cannot undo what the model or a forward hook writes outside of the module tree, to files, iterators or objects of other
packages; such code can ask :func:`is_explaining`.
"""

from __future__ import annotations

import random
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np
import torch

from lime_callback.forwards.module_state import modules_kept

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import nn

_depth = 0


def is_explaining() -> bool:
    """Return whether the present forward is made for an explanation, rather than for the run.

    A model asks this before it changes anything outside of itself, which the guard cannot undo:
    ``if not is_explaining(): ...``.
    """
    return _depth > 0


@contextmanager
def guarded(module: nn.Module) -> Iterator[None]:
    """Run forwards of ``module`` in evaluation mode, without gradients or compilation, and leave no trace."""
    global _depth
    # Compiled models run eagerly: they would compile again for each new batch size.
    with (
        _random_state_kept(),
        # Tensors made in inference mode cannot be used in training later, so it is off; copies are made without it.
        torch.inference_mode(False),
        torch.no_grad(),
        modules_kept(module),
        torch.compiler.set_stance("force_eager"),
    ):
        _depth += 1
        try:
            yield
        finally:
            _depth -= 1


@contextmanager
def _random_state_kept() -> Iterator[None]:
    python, numpy, cpu = random.getstate(), np.random.get_state(), torch.get_rng_state()  # noqa: NPY002
    # An unused device has drawn nothing, and asking for its state would start it.
    cuda = torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else []  # type: ignore[no-untyped-call]
    try:
        yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy)  # noqa: NPY002
        torch.set_rng_state(cpu)
        if cuda:
            torch.cuda.set_rng_state_all(cuda)

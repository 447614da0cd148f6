"""A guarded forward: what happens inside leaves no trace in the model or in the run.

Put back, also after an exception: the random state of torch, numpy and Python; every submodule's mode, buffers and
plain attributes, among them the states of torchmetrics. ``log`` and ``log_dict`` of Lightning modules say nothing. What
stays: whatever a forward hook or the model writes outside of the module tree; :func:`is_explaining` lets it know.
"""

from __future__ import annotations

import random
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from lime_callback.forwards.torch_internals import BUFFERS, MODULE_ATTRIBUTES

if TYPE_CHECKING:
    from collections.abc import Iterator

_depth = 0


def is_explaining() -> bool:
    """Whether a forward is made for an explanation, rather than for the run.

    For models that do something outside of themselves, which no one else can undo: ``if not is_explaining(): ...``.
    """
    return _depth > 0


@contextmanager
def guarded(module: nn.Module) -> Iterator[None]:
    """Run forwards of ``module`` in evaluation mode, without gradients or compilation, and leave no trace."""
    global _depth
    # New batch sizes would make compiled models compile again.
    with (
        _random_state_kept(),
        _modules_kept(module),
        # What is made under inference mode could not be used in training any more.
        torch.inference_mode(False),
        torch.no_grad(),
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
    # Nothing is drawn on a device that nobody has used, and asking for its state would start it.
    cuda = torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else []  # type: ignore[no-untyped-call]
    try:
        yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy)  # noqa: NPY002
        torch.set_rng_state(cpu)
        if cuda:
            torch.cuda.set_rng_state_all(cuda)


@contextmanager
def _modules_kept(module: nn.Module) -> Iterator[None]:
    modules = list(module.modules())
    saved = [dict(vars(one)) for one in modules]
    # What two modules share stays shared while they work on copies.
    copies: dict[int, Any] = {}
    try:
        for one, attributes in zip(modules, saved, strict=True):
            own = vars(one)
            own[BUFFERS] = {name: _copy(buffer, copies) for name, buffer in attributes[BUFFERS].items()}
            own |= {name: _copy(value, copies) for name, value in attributes.items() if name not in MODULE_ATTRIBUTES}
            own["training"] = False
            if hasattr(one, "log_dict"):
                own |= {"log": _say_nothing, "log_dict": _say_nothing}
        yield
    finally:
        for one, attributes in zip(modules, saved, strict=True):
            own = vars(one)
            for name in own.keys() - attributes.keys():
                del own[name]
            own |= attributes


def _copy(value: Any, copies: dict[int, Any]) -> Any:
    """Tensors are cloned and plain containers copied, each once; everything else is taken as it is."""
    if id(value) in copies:
        return copies[id(value)]
    new: Any = value
    if isinstance(value, Tensor) and not isinstance(value, nn.Parameter):
        new = value.detach().clone()
    elif type(value) is list:
        new = [_copy(part, copies) for part in value]
    elif type(value) is dict:
        new = {name: _copy(part, copies) for name, part in value.items()}
    elif type(value) is set:
        new = set(value)
    copies[id(value)] = new
    return new


def _say_nothing(*_: Any, **__: Any) -> None:
    """Stands in for ``LightningModule.log``."""

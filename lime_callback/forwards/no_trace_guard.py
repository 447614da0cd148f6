"""Guards forwards, so that explaining leaves no trace in the model or in the run.

The guard restores, also after an exception: the random state of torch, numpy and Python; every submodule's mode,
buffers and plain attributes, among them the states of torchmetrics. Within it, ``log`` and ``log_dict`` of Lightning
modules do nothing. It cannot undo what the model or a forward hook writes outside of the module tree; such code can ask
:func:`is_explaining`.
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
        _modules_kept(module),
        # Tensors made in inference mode cannot be used in training later, so it is off.
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


@contextmanager
def _modules_kept(module: nn.Module) -> Iterator[None]:
    everything = list(module.modules())
    scripts = [submodule for submodule in everything if isinstance(submodule, torch.jit.ScriptModule)]
    others = [submodule for submodule in everything if not isinstance(submodule, torch.jit.ScriptModule)]
    with _scripts_kept(scripts), _attributes_kept(others):
        yield


@contextmanager
def _scripts_kept(modules: list[torch.jit.ScriptModule]) -> Iterator[None]:
    """Keep scripted and traced modules, which do not follow what Python sets, by their own functions."""
    modes = [submodule.training for submodule in modules]
    buffers = [buffer for submodule in modules for buffer in submodule.buffers(recurse=False)]
    saved = [buffer.detach().clone() for buffer in buffers]
    try:
        for submodule in modules:
            submodule.train(False)
        yield
    finally:
        for submodule, mode in zip(modules, modes, strict=True):  # a module comes before its parts
            submodule.train(mode)
        for buffer, before in zip(buffers, saved, strict=True):
            buffer.copy_(before)


@contextmanager
def _attributes_kept(modules: list[nn.Module]) -> Iterator[None]:
    saved = [dict(vars(submodule)) for submodule in modules]
    # Two modules that share a tensor also share its copy.
    copies: dict[int, Any] = {}
    try:
        for submodule, attributes in zip(modules, saved, strict=True):
            module_attributes = vars(submodule)
            module_attributes[BUFFERS] = {name: _copy(buffer, copies) for name, buffer in attributes[BUFFERS].items()}
            module_attributes |= {
                name: _copy(value, copies) for name, value in attributes.items() if name not in MODULE_ATTRIBUTES
            }
            module_attributes["training"] = False
            if hasattr(submodule, "log_dict"):
                module_attributes |= {"log": _say_nothing, "log_dict": _say_nothing}
        yield
    finally:
        for submodule, attributes in zip(modules, saved, strict=True):
            module_attributes = vars(submodule)
            for name in module_attributes.keys() - attributes.keys():
                del module_attributes[name]
            module_attributes |= attributes


def _copy(value: Any, copies: dict[int, Any]) -> Any:
    """Clone a tensor or copy a plain container, each only once; return anything else unchanged."""
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
    """Replace ``LightningModule.log`` and ``log_dict``."""

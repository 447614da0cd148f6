"""Undoes what forwards write to parameters, which are not copied: they are most of a model's memory.

Within the guard, those functions of a parameter that write to it, or that return its memory for others to write to
(``.data``, ``detach``), keep a copy first. Writes by other ways show in torch's count of a tensor's versions: the first
one of a parameter can be told alone, and from then on the parameter is copied.
"""

from __future__ import annotations

import logging
from contextlib import contextmanager
from functools import wraps
from typing import TYPE_CHECKING, Any, NamedTuple
from weakref import WeakKeyDictionary

from torch import Tensor, nn

from lime_callback.forwards.torch_internals import parameters_of, versions_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

_MANAGED = ("_is_flat_param", "_fsdp_flattened", "ds_id")
"""Attributes of parameters whose memory FSDP or DeepSpeed exchanges in each forward."""
_DATA: Any = Tensor.data


class _Kept(NamedTuple):
    parameter: nn.Parameter
    memory: Tensor
    values: Tensor


_open: list[dict[int, _Kept]] = []  # what is kept, by each guard that is open
_written: WeakKeyDictionary[nn.Module, set[str]] = WeakKeyDictionary()  # the names of parameters that have to be copied


@contextmanager
def parameters_kept(modules: Sequence[nn.Module]) -> Iterator[None]:
    """Put back what is written to the parameters of modules, without their submodules', within this context."""
    parameters = [
        parameter
        for module in modules
        for parameter in parameters_of(module).values()
        if type(parameter) is nn.Parameter
    ]
    versions, learn = versions_of(parameters), [parameter.requires_grad for parameter in parameters]
    kept: dict[int, _Kept] = {}
    _open.append(kept)
    try:
        with _watched_functions():
            for module in modules if _written else ():
                for name in _written.get(module, ()):
                    if (parameter := parameters_of(module).get(name)) is not None:
                        _keep(parameter)
            yield
    finally:
        _open.pop()
        missed = {
            id(parameter)
            for parameter, before, now in zip(parameters, versions, versions_of(parameters), strict=True)
            if now != before and id(parameter) not in kept
        }
        for parameter, memory, values in kept.values():
            if parameter.data_ptr() != memory.data_ptr() or parameter.shape != memory.shape:
                _DATA.__set__(parameter, memory)
            memory.copy_(values)
        for parameter, learns in zip(parameters, learn, strict=True):
            if parameter.requires_grad != learns:
                parameter.requires_grad_(learns)
        if missed:
            _tell(modules, missed)


@contextmanager
def _watched_functions() -> Iterator[None]:
    if len(_open) > 1:  # the outer guard's
        yield
        return
    for name, function in _WATCHED.items():
        setattr(nn.Parameter, name, function)
    try:
        yield
    finally:
        for name in _WATCHED:
            delattr(nn.Parameter, name)


def _tell(modules: Sequence[nn.Module], missed: set[int]) -> None:
    for module in modules:
        for name, parameter in parameters_of(module).items():
            if id(parameter) in missed:
                _written.setdefault(module, set()).add(name)
                logging.getLogger(__name__).warning(
                    f"LimeCallback: while it was explained, the model wrote to the parameter {name!r} of its "
                    f"{type(module).__name__}. This once, that could not be undone, and the training goes on with "
                    "what was written; from now on it is undone. Write only `if not lime_callback.is_explaining()`."
                )


def _keep(parameter: nn.Parameter) -> None:
    if type(parameter) is not nn.Parameter or any(hasattr(parameter, name) for name in _MANAGED):
        return
    for kept in _open:
        if id(parameter) not in kept:
            memory = _DATA.__get__(parameter)
            kept[id(parameter)] = _Kept(parameter, memory, memory.clone())


def _watched(function: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(function)
    def keeping(parameter: nn.Parameter, *args: Any, **kwargs: Any) -> Any:
        _keep(parameter)
        return function(parameter, *args, **kwargs)

    return keeping


def _writes(name: str) -> bool:
    """Return whether a function of tensors writes to them by its name: ``add_``, ``__iadd__``, ``__setitem__``."""
    in_place = name.startswith("__i") and hasattr(Tensor, f"__{name[3:]}")
    return in_place or name == "__setitem__" or (name.endswith("_") and not name.startswith("_"))


_WATCHED: dict[str, Any] = {
    name: _watched(getattr(Tensor, name)) for name in dir(Tensor) if _writes(name) or name == "detach"
} | {"data": property(_watched(_DATA.__get__), _watched(_DATA.__set__))}

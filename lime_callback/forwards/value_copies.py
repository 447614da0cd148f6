"""Copies of the values that modules hold, for forwards to write to, so that the originals can be put back.

Tensors, arrays and Python's containers are copied, each once: what was shared stays shared, and a list may hold itself.
What has an identity that others rely on is kept in place, and its state is put back: random generators; namespaces,
dataclasses and objects of the packages that the model comes from; containers of classes of the user's own; modules in
containers, which torch does not see. All else is left as it is: objects of other packages may belong to threads.
"""

from __future__ import annotations

import random
import sys
from collections import Counter, OrderedDict, defaultdict, deque
from dataclasses import is_dataclass
from enum import Enum
from functools import partial
from types import BuiltinFunctionType, FunctionType, MethodType, ModuleType, SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.quasirandom import SobolEngine

from lime_callback.forwards.torch_internals import lazy_clone

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterable, Mapping

_COPIED = frozenset({list, dict, set, deque, OrderedDict, defaultdict, Counter})
_BASES: tuple[type, ...] = (list, deque, dict, set)
_UNCHANGEABLE = (
    type(None), bool, int, float, complex, str, bytes, range, slice, frozenset, Enum, np.generic, np.dtype, type,
    FunctionType, BuiltinFunctionType, MethodType, ModuleType, torch.dtype, torch.device, nn.Parameter,
    random.SystemRandom,
)  # fmt: skip
"""Parameters are not copied either, see :mod:`lime_callback.forwards.parameter_writes`."""
_FOREIGN = frozenset({"torch", "lightning", "pytorch_lightning", "lightning_fabric"}) | sys.stdlib_module_names
_HARMLESS = frozenset({"builtins", "abc", "typing", "collections", "enum", "__main__"})


class ValueCopies:
    """Copies of values, and what has to be put back in place.

    Args:
        packages: the packages whose objects are kept, as those of the model's own code.
        found: called with each module that a value holds.
    """

    def __init__(self, packages: Iterable[str], found: Callable[[nn.Module], None]) -> None:
        self._packages = frozenset(packages) - (_FOREIGN - _HARMLESS)
        self._found = found
        self._makers = _Makers(self._maker)
        self._copies: dict[int, Any] = {}
        self._kept: list[Any] = []  # an identity is free again when its object is gone
        self._unfilled: list[Callable[[], None]] = []
        self._undo: list[Callable[[], object]] = []

    def of(self, values: Mapping[str, Any], but: Container[str] = ()) -> dict[str, Any]:
        """Return the copies of values by name, without those that are kept in place or cannot change.

        Args:
            values: the values.
            but: names to leave out.
        """
        new = {}
        for name, value in values.items():
            if name not in but and self._makers[type(value)] is not None:
                copy = self._of(value)
                if copy is not value:
                    new[name] = copy
        while self._unfilled:  # not recursive, so that values may lie deep in each other
            self._unfilled.pop()()
        return new

    def put_back(self) -> None:
        """Give everything that was kept in place the state that it had."""
        while self._undo:
            self._undo.pop()()

    def _of(self, value: Any) -> Any:
        make = self._makers[type(value)]
        if make is None or (type(value) is tuple and self._holds_unchangeable(value)):
            return value
        if id(value) in self._copies:
            return self._copies[id(value)]
        self._kept.append(value)
        new = self._copies[id(value)] = make(value)
        return new

    def _maker(self, kind: type) -> Callable[[Any], Any] | None:
        """Return what copies or keeps the objects of a class; ``None`` if they stay as they are."""
        if issubclass(kind, _UNCHANGEABLE):
            return None
        if issubclass(kind, Tensor):
            return lazy_clone
        if kind in _COPIED:
            return self._container
        for base, make in ((np.memmap, None), (np.ndarray, _array), (tuple, self._tuple), (nn.Module, self._module)):
            if issubclass(kind, base):
                return make
        if issubclass(kind, tuple(_STATES)):
            return self._generator
        return self._plain if self._is_plain(kind) else None

    def _container(self, value: Any) -> Any:
        new = value.copy()
        if not self._holds_unchangeable(new.values() if isinstance(new, dict) else new):
            self._unfilled.append(partial(self._fill, new))
        return new

    def _tuple(self, value: Any) -> Any:
        parts = [self._of(part) for part in value]
        is_same = all(new is old for new, old in zip(parts, value, strict=True))
        return value if is_same else tuple.__new__(type(value), parts)

    def _module(self, value: nn.Module) -> nn.Module:
        self._found(value)
        return value

    def _generator(self, value: Any) -> Any:
        read, write = next(of for kind, of in _STATES.items() if isinstance(value, kind))
        self._undo.append(partial(write, value, read(value)))
        return value

    def _plain(self, value: Any) -> Any:
        self._unfilled.append(partial(self._keep_contents, value))
        self._unfilled.append(partial(self._keep_attributes, value))
        return value

    def _fill(self, new: Any) -> None:
        """Replace the parts of a container by their copies."""
        if isinstance(new, dict):
            for key, part in [*new.items()]:
                new[key] = self._of(part)
        else:
            parts = [self._of(part) for part in new]
            new.clear()
            (new.update if isinstance(new, set) else new.extend)(parts)

    def _keep_attributes(self, value: Any) -> None:
        attributes = getattr(value, "__dict__", None)
        if isinstance(attributes, dict):
            before = dict(attributes)
            self._undo.append(partial(_refill, dict, attributes, before))
            attributes |= {name: self._of(part) for name, part in before.items()}
        for name in _slots(type(value)):
            if hasattr(value, name):
                part = getattr(value, name)
                self._undo.append(partial(object.__setattr__, value, name, part))
                object.__setattr__(value, name, self._of(part))

    def _keep_contents(self, value: Any) -> None:
        """Keep the contents of a container whose class is the user's own; its functions may do more than store."""
        base = next((base for base in _BASES if isinstance(value, base)), None)
        if base is not None:
            before: Any = base(value) if base is not dict else dict(dict.items(value))
            self._undo.append(partial(_refill, base, value, before))
            new = before.copy()
            self._fill(new)
            _refill(base, value, new)

    def _holds_unchangeable(self, parts: Iterable[Any]) -> bool:
        makers = self._makers
        return all(makers[kind] is None for kind in set(map(type, parts)))

    def _is_plain(self, kind: type) -> bool:
        """Return whether objects of a class are a model's own data, rather than another package's."""
        if issubclass(kind, (SimpleNamespace, SobolEngine)):
            return True
        packages = {base.__module__.partition(".")[0] for base in kind.__mro__} - _HARMLESS
        own = kind.__module__.partition(".")[0]
        return not packages & _FOREIGN and own != "builtins" and (is_dataclass(kind) or own in self._packages)


class _Makers(dict[type, Any]):
    """What copies the objects of each class, looked up once."""

    def __init__(self, maker: Callable[[type], Any]) -> None:
        self._maker = maker

    def __missing__(self, kind: type) -> Any:
        self[kind] = self._maker(kind)
        return self[kind]


def _array(value: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    return value.copy() if value.flags.writeable else value


def _set_state(value: np.random.BitGenerator, state: Any) -> None:
    value.state = state


_STATES: dict[type, tuple[Callable[[Any], Any], Callable[[Any, Any], object]]] = {
    torch.Generator: (torch.Generator.get_state, torch.Generator.set_state),
    np.random.RandomState: (np.random.RandomState.get_state, np.random.RandomState.set_state),
    np.random.Generator: (lambda one: one.bit_generator.state, lambda one, state: _set_state(one.bit_generator, state)),
    np.random.BitGenerator: (lambda one: one.state, _set_state),
    random.Random: (random.Random.getstate, random.Random.setstate),
}
"""How random generators' states are read and written, by their classes."""


def _refill(base: Any, value: Any, before: Any) -> None:
    """Give a container the contents ``before``, by the functions of its base class."""
    base.clear(value)
    if base in (list, deque):
        base.extend(value, before)
    else:
        base.update(value, before)


def _slots(kind: type) -> list[str]:
    slots = [vars(base).get("__slots__", ()) for base in kind.__mro__]
    names = [name for of in slots for name in ([of] if isinstance(of, str) else of)]
    return [name for name in names if name not in ("__dict__", "__weakref__")]

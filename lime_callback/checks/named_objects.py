"""Finds what a command line names in Python: ``package.module:name`` or ``path/to/file.py:name``."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

_LISTED = 12  # names that an error lists


def named_object(argument: str, spec: str, kinds: tuple[type, ...]) -> Any:
    """Return the object that a text names; a class or a function is called for it, without arguments.

    Args:
        argument: name of the argument, for the errors.
        spec: ``package.module:name`` or ``path/to/file.py:name``; the name may lead on, as in ``file.py:Models.small``.
        kinds: classes, of one of which the object has to be.

    Raises:
        ValueError: if there is no such module or name, if it needs arguments, or if the object is of another kind.
        FileNotFoundError: if there is no such file.
        Exception: what the module raises while it is imported, or the function while it is called.
    """
    where, colon, name = spec.rpartition(":")
    if not colon or not where or not name:
        raise ValueError(
            f"`{argument}` should be `package.module:name` or `path/to/file.py:name`. Found {spec!r}, which has no "
            f"{'name behind a colon' if not colon or not name else 'module before its colon'}."
        )
    module = _module_of_file(argument, Path(where)) if where.endswith(".py") else _module(argument, where)
    value: Any = module
    for part in name.split("."):
        if not hasattr(value, part):
            there = [one for one in vars(value) if not one.startswith("_")] if hasattr(value, "__dict__") else []
            listed = ", ".join(there[:_LISTED]) + ", …" * (len(there) > _LISTED)
            raise ValueError(f"`{argument}` should name something in {where}. Found no {part!r}; there are {listed}.")
        value = getattr(value, part)
    return _made(argument, spec, value, kinds)


def with_objects(argument: str, value: Any) -> Any:
    """Return plain values with an object for each ``{"class_path": ..., "init_args": {...}}``, as LightningCLI does.

    Args:
        argument: name of the argument, for the errors.
        value: plain values, as a YAML file holds them.

    Raises:
        ValueError: if there is no such class, or an entry is missing or unknown.
        TypeError: if the class does not take these arguments.
    """
    if isinstance(value, Mapping):
        if "class_path" not in value:
            return {name: with_objects(argument, part) for name, part in value.items()}
        path, surplus = str(value["class_path"]), sorted(value.keys() - {"class_path", "init_args"})
        module, dot, name = path.rpartition(".")
        if surplus or not dot:
            raise ValueError(
                f"`{argument}` should have `class_path: package.module.Class` and `init_args`. Found "
                f"{f'also {surplus}' if surplus else f'`class_path: {path}`'}."
            )
        made = _module(argument, module)
        if not hasattr(made, name):
            raise ValueError(f"`{argument}` should name a class. Found no {name!r} in {module}.")
        return getattr(made, name)(**with_objects(argument, value.get("init_args") or {}))
    return [with_objects(argument, part) for part in value] if isinstance(value, list) else value


def _module(argument: str, name: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        # A module that exists and imports something that does not is another trouble.
        if error.name is None or not (name == error.name or name.startswith(f"{error.name}.")):
            raise
        raise ValueError(
            f"`{argument}` should name a module that can be imported. Found {name!r}, of which there is no "
            f"{error.name!r}; the path of a file ends with `.py`."
        ) from error


def _module_of_file(argument: str, path: Path) -> ModuleType:
    """Run a file as a module; its folder is where it finds others, as when it is run as a script."""
    path = path.absolute()
    if not path.is_file():
        raise FileNotFoundError(f"`{argument}` should name a file. Found no {str(path)!r}.")
    for loaded, module in list(sys.modules.items()):
        file = getattr(module, "__dict__", {}).get("__file__")  # not asked for in other ways, which could import more
        if loaded != "__main__" and isinstance(file, str) and Path(file).absolute() == path:
            return module
    if str(path.parent) not in sys.path:
        sys.path.insert(0, str(path.parent))
    name = path.stem if path.stem not in sys.modules else f"{path.stem}_of_{argument.strip('-').lower()}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ValueError(f"`{argument}` should name a file of Python code. Found {str(path)!r}.")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def _made(argument: str, spec: str, value: Any, kinds: tuple[type, ...]) -> Any:
    """Return the object itself, or what the class or the function makes."""
    wanted = " or ".join(f"a {kind.__name__}" for kind in kinds)
    if isinstance(value, kinds):
        return value
    if not callable(value):
        raise ValueError(
            f"`{argument}` should be {wanted}, or a class or function that returns one. Found {spec!r}, which is a "
            f"{type(value).__name__}."
        )
    if missing := _lacks(value):
        raise ValueError(
            f"`{argument}` should be {wanted}, or a class or function that returns one without arguments. Found "
            f"{spec!r}, which needs more: {missing}; write a function that calls it."
        )
    made = value()
    if not isinstance(made, kinds):
        raise ValueError(
            f"`{argument}` should be {wanted}, or a class or function that returns one. Found that {spec!r} returns a "
            f"{type(made).__name__}."
        )
    return made


def _lacks(function: Callable[[], Any]) -> str:
    """Say which arguments a call without any lacks; nothing where that is not known, as of some built-in classes."""
    try:
        inspect.signature(function).bind()
    except ValueError:
        return ""
    except TypeError as error:
        return str(error)
    return ""

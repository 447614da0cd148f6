"""What a run asks of its model, in texts: its explanations compare with those of a run that asked the same."""

from __future__ import annotations

import re
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, fields, is_dataclass
from functools import partial
from types import FunctionType, MethodType
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

if TYPE_CHECKING:
    from dataclasses import Field

    from lime_callback.following.callback_config import CallbackConfig

_DEEPEST = 6  # parts within parts
_PLAIN = (bool, int, float, complex, str, bytes)
_LONGEST = 80  # characters of a value; a longer one ends in its checksum
_STRATEGIES = ("n_perturbations", "design", "baseline", "kernel", "surrogate", "output")
_ARGUMENTS = (
    "target", "seed", "layout", "background", "input_key", "label_key", "output_key", "forward",
)  # fmt: skip
_ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")


def question_of(config: CallbackConfig) -> dict[str, str]:
    """Return each argument that decides what is explained, and how, with a text for its value.

    Two texts are the same where the values are. Arguments that change no explanation are left out, such as how often
    it is made or where it is shown. Watches are left out, too: where they cut features, the features tell.
    """
    asked: dict[str, Any] = {name: getattr(config.settings, name) for name in _STRATEGIES}
    if config.auto_output:
        asked["output"] = "auto"
    asked |= {name: getattr(config, name) for name in _ARGUMENTS}
    asked |= {"wavelengths": config.sensor.given, "probes": config.choice}
    asked |= {view_argument(view.name): view for view in config.views}
    return {name: _shortened(_text(value)) for name, value in asked.items()}


def view_argument(name: str) -> str:
    """Return what a question calls a view."""
    return f"view '{name}'"


def differences(before: Mapping[str, str], now: Mapping[str, str]) -> dict[str, str]:
    """Return which arguments of two questions differ, and from what to what; a view of one alone is no difference."""
    return {name: f"from {before[name]} to {value}" for name, value in now.items() if before.get(name, value) != value}


def _text(value: Any, within: tuple[int, ...] = ()) -> str:
    """Return a text that is the same in every process, and another for another value.

    Args:
        value: the value.
        within: what it is a part of, by ``id``: what holds itself is named once.
    """
    if id(value) in within or len(within) > _DEEPEST:
        return "…"
    _inner = partial(_text, within=(*within, id(value)))
    if isinstance(value, (torch.Tensor, np.ndarray)):
        array = np.ascontiguousarray(value.detach().cpu().numpy() if isinstance(value, torch.Tensor) else value)
        return f"{type(value).__name__}{list(array.shape)} ({zlib.crc32(array.tobytes()):08x})"
    if isinstance(value, FunctionType):
        held = [_settled(cell.cell_contents) for cell in value.__closure__ or () if _is_filled(cell)]
        held += [_settled(default) for default in (value.__defaults__ or (), value.__kwdefaults__ or {})]
        what = f"{_code(value.__code__)} {held}"
        return f"{value.__module__}.{value.__qualname__} ({zlib.crc32(what.encode(errors='replace')):08x})"
    if is_dataclass(value) and not isinstance(value, type):
        set_here = {part.name: _inner(getattr(value, part.name)) for part in fields(value) if _is_set(value, part)}
        return f"{type(value).__name__}({', '.join(f'{name}={text}' for name, text in set_here.items())})"
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{name!r}: {_inner(part)}" for name, part in value.items()) + "}"
    if isinstance(value, Sequence) and not isinstance(value, (str, bytes)):
        return f"[{', '.join(map(_inner, value))}]"
    if isinstance(value, partial):
        return f"partial({_inner(value.func)}, {_inner(value.args)}, {_inner(value.keywords)})"
    if isinstance(value, MethodType):
        return f"{_inner(value.__self__)}.{_inner(value.__func__)}"
    text = " ".join(repr(value).split())
    own = hasattr(value, "__dict__") and not isinstance(value, (type, torch.nn.Module))  # whose weights are trained
    if own and _ADDRESS.search(text):  # it says where it is, and not what
        return f"{type(value).__qualname__}({_settled(vars(value))})"
    return _ADDRESS.sub("", text)


def _settled(value: Any) -> Any:
    """Return what a function or an object holds and does not change by itself, such as numbers; nothing of the rest."""
    if isinstance(value, dict):
        return {name: _settled(part) for name, part in value.items()}
    if isinstance(value, tuple):
        return tuple(map(_settled, value))
    return _text(value) if isinstance(value, (*_PLAIN, torch.Tensor, np.ndarray)) else None


def _is_filled(cell: Any) -> bool:
    try:
        cell.cell_contents  # noqa: B018
    except ValueError:  # of a name that has no value yet
        return False
    return True


def _is_set(value: Any, part: Field[Any]) -> bool:
    """Return whether a field has another value than it has by itself, so that texts name what the user chose."""
    return part.default is MISSING or _text(getattr(value, part.name)) != _text(part.default)


def _code(code: Any) -> str:
    """Return what a function does, without where it stands."""
    parts = [_code(part) if hasattr(part, "co_code") else repr(part) for part in code.co_consts]
    return f"{code.co_code.hex()} {code.co_names} {parts}"


def _shortened(text: str) -> str:
    if len(text) <= _LONGEST:
        return text
    return f"{text[: _LONGEST - 12]}… ({zlib.crc32(text.encode('utf-8', 'surrogatepass')):08x})"

"""What a run asks of its model, in texts: its explanations compare with those of a run that asked the same."""

from __future__ import annotations

import re
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, fields, is_dataclass
from types import FunctionType
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

if TYPE_CHECKING:
    from dataclasses import Field

    from lime_callback.following.callback_config import CallbackConfig

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


def _text(value: Any) -> str:
    """Return a text that is the same in every process, and another for another value."""
    if isinstance(value, (torch.Tensor, np.ndarray)):
        array = np.ascontiguousarray(value.detach().cpu().numpy() if isinstance(value, torch.Tensor) else value)
        return f"{type(value).__name__}{list(array.shape)} ({zlib.crc32(array.tobytes()):08x})"
    if isinstance(value, FunctionType):
        return f"{value.__module__}.{value.__qualname__} ({zlib.crc32(_code(value.__code__).encode()):08x})"
    if is_dataclass(value) and not isinstance(value, type):
        set_here = {part.name: _text(getattr(value, part.name)) for part in fields(value) if _is_set(value, part)}
        return f"{type(value).__name__}({', '.join(f'{name}={text}' for name, text in set_here.items())})"
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{name!r}: {_text(part)}" for name, part in value.items()) + "}"
    if isinstance(value, Sequence) and not isinstance(value, (str, bytes)):
        return f"[{', '.join(map(_text, value))}]"
    return _ADDRESS.sub("", " ".join(repr(value).split()))


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

"""Plain values: of configuration packages' lists and dictionaries, such as OmegaConf's, and for JSON."""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping, Sequence
from typing import Any

_OMEGACONF = "omegaconf"


def plain(value: Any) -> Any:
    """Return a value with plain lists and dictionaries in place of others, also within.

    Hydra hands over ``ListConfig`` and ``DictConfig``, and turns objects of dataclasses within lists into
    configurations, which become such objects again. Everything else stays what it is.
    """
    kind = type(value)
    if kind.__module__.partition(".")[0] == _OMEGACONF:
        return plain(sys.modules[_OMEGACONF].OmegaConf.to_object(value))
    if kind in (list, tuple):
        return kind(plain(part) for part in value)
    if kind is dict:
        return {name: plain(part) for name, part in value.items()}
    if isinstance(value, Mapping):
        return {name: plain(part) for name, part in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, (str, bytes, tuple, range)):
        return [plain(part) for part in value]
    return value


def finite(value: Any) -> Any:
    """Replace NaN and infinities, which JSON does not have, with ``None``, also within."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: finite(part) for key, part in value.items()}
    return [finite(part) for part in value] if isinstance(value, (list, tuple)) else value

"""Turns arguments of configuration packages, such as OmegaConf's lists and dictionaries, into plain values."""

from __future__ import annotations

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

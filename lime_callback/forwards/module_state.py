"""Keeps what modules hold: modes, buffers and plain attributes, for the time of some forwards."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

from torch.jit import ScriptModule

from lime_callback.forwards.parameter_writes import parameters_kept
from lime_callback.forwards.torch_internals import BUFFERS, MODULE_ATTRIBUTES
from lime_callback.forwards.value_copies import ValueCopies

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import nn


@contextmanager
def modules_kept(module: nn.Module) -> Iterator[None]:
    """Let forwards of a module write to copies of what it holds, in evaluation mode, and put back what it held.

    Modules that lie in plain lists and the like are kept, too. Their mode stays, as it does in validation.
    """
    parts = list(module.modules())
    everything, known = [*parts], set(parts)

    def found(new: nn.Module) -> None:
        for part in new.modules():
            if part not in known:
                known.add(part)
                everything.append(part)

    # Two modules that share a tensor also share its copy.
    copies = ValueCopies({type(part).__module__.partition(".")[0] for part in parts}, found)
    saved: list[tuple[dict[str, Any], dict[str, Any]]] = []
    with ExitStack() as stack:
        stack.callback(_put_back, saved)
        stack.callback(copies.put_back)
        for part in everything:  # which grows meanwhile
            if not isinstance(part, ScriptModule):
                saved.append(_exchange(part, copies))
        for part in parts:
            if not isinstance(part, ScriptModule):
                vars(part)["training"] = False
        scripts = [part for part in everything if isinstance(part, ScriptModule)]
        stack.enter_context(_scripts_kept(scripts, set(parts)))
        stack.enter_context(parameters_kept([part for part in everything if not isinstance(part, ScriptModule)]))
        yield


def _exchange(module: nn.Module, copies: ValueCopies) -> tuple[dict[str, Any], dict[str, Any]]:
    """Give a module copies of its buffers and attributes; return where its attributes are, and what they were."""
    attributes = vars(module)
    before = dict(attributes)
    if buffers := before[BUFFERS]:
        attributes[BUFFERS] = buffers | copies.of(buffers)
    attributes |= copies.of(before, but=MODULE_ATTRIBUTES)
    if hasattr(type(module), "log_dict"):
        attributes |= {"log": _say_nothing, "log_dict": _say_nothing}
    return attributes, before


def _put_back(saved: list[tuple[dict[str, Any], dict[str, Any]]]) -> None:
    for attributes, before in saved:
        attributes |= before
        if len(attributes) > len(before):
            for name in attributes.keys() - before.keys():
                del attributes[name]


@contextmanager
def _scripts_kept(scripts: list[ScriptModule], evaluated: set[nn.Module]) -> Iterator[None]:
    """Keep scripted and traced modules, which do not follow what Python sets, by their own functions."""
    modes = [(script, script.training) for script in scripts if script in evaluated]
    buffers = [buffer for script in scripts for buffer in script.buffers(recurse=False)]
    saved = [buffer.clone() for buffer in buffers]
    try:
        for script, _ in modes:
            script.train(False)
        yield
    finally:
        for script, mode in modes:  # a module comes before its parts
            script.train(mode)
        for buffer, before in zip(buffers, saved, strict=True):
            buffer.copy_(before)


def _say_nothing(*_: Any, **__: Any) -> None:
    """Replace ``LightningModule.log`` and ``log_dict``."""

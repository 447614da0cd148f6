"""How a module takes a batch: the input alone, entries by their names, or the whole batch; and calls of it that work.

What a module takes is read from the signature of its ``forward``. Only where a call has failed are others tried.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from itertools import combinations
from typing import TYPE_CHECKING, Any

import torch

from lime_callback.checks.entry_paths import entry, has_entry
from lime_callback.outputs.output_entries import output_tensor
from lime_callback.probes.batch_entries import (
    advised,
    batch_entry,
    entry_code,
    inputs_at,
    key_of,
    key_text,
    place_of,
    resolved,
)
from lime_callback.probes.batch_structure import is_list_of_tensors, place_text
from lime_callback.probes.other_entries import entries_of_rank, other_inputs
from lime_callback.probes.several_inputs import SeveralInputs, Steps

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import Tensor, nn

    from lime_callback.checks.entry_paths import Key as OutputKey
    from lime_callback.probes.batch_entries import Key

    Call = Callable[[Any, Any], Any]

_MOST_JOINED = 6  # entries of which several are tried together
_POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
# What a call with the wrong arguments raises, at once or when the model uses them.
WRONG_CALL = (TypeError, NotImplementedError, AttributeError, IndexError, KeyError, ValueError, RuntimeError)


def call_of(module: nn.Module, batch: Any, key: Key | None) -> Call | None:
    """Return how a module is called with a batch; ``None`` for the input alone.

    Args:
        module: the model.
        batch: a batch of the data.
        key: of the batch's input.
    """
    try:
        parameters = list(inspect.signature(module.forward).parameters.values())
    except (TypeError, ValueError):  # of a compiled function
        return None
    needed = [p for p in parameters if p.default is p.empty and p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
    if len(needed) == 1 and needed[0].name == "batch" and needed[0].kind in _POSITIONAL:
        return lambda module, batch: module(batch)
    positions = sum(p.kind in _POSITIONAL or p.kind == p.VAR_POSITIONAL for p in parameters)
    if not isinstance(batch, Mapping) or not isinstance(key, str) or (positions and len(needed) < 2):
        return None
    names = [p.name for p in needed]
    if not positions and any(p.kind == p.VAR_KEYWORD for p in parameters):
        names = [name for name in batch if isinstance(name, str)]
    if key not in names or not all(name in batch for name in names):
        return None
    return lambda module, batch: module(**{name: batch[name] for name in names})


def advice(
    module: nn.Module, batch: Any, key: Key | None, rows: int, output_key: OutputKey | None, *, called: bool = True
) -> str:
    """Return a sentence with a ``forward=`` that works for a batch; one that says what it has to do if none is found.

    Args:
        module: the model, whose call with the input alone has failed.
        batch: the batch that it was called with, complete.
        key: of the batch's input.
        rows: the number of inputs, m.
        output_key: the user's key of the prediction.
        called: whether the module has a ``forward``; without one, no other entry would do.
    """
    stacked = isinstance(key, Steps)  # whose images the model gets as one tensor in any case
    key = key.keys.input_of(batch) if isinstance(key, Steps) else key
    alone = not (torch.distributed.is_available() and torch.distributed.is_initialized())
    others = [] if callable(key) else other_inputs(batch, key)
    if stacked:
        others = [code for code in others if code != f"lambda batch: torch.stack(list({_access(batch, key)}))"]
    elsewhere = (
        f"The images were taken from batch entry {key_text(key)}. {advised('input_key', others)}" if others else ""
    )
    for text in _ways(module, batch, key) if alone else ():
        found = _tried(text, module, batch, rows, output_key)
        if found is not None:
            return (
                f"Pass `forward=lambda module, batch: {text}`, which works for this batch and returns "
                f"{tuple(found.shape)}, if that is the prediction. {elsewhere}"
            ).rstrip()
    fitting = [code for code in others if alone and _takes(code, module, batch, rows, output_key)]
    if called and fitting:
        return f"The images were taken from batch entry {key_text(key)}. {advised('input_key', fitting)}"
    if alone and not callable(key) and (text := _joined(module, batch, key, rows, output_key)):
        return text
    if elsewhere and called:
        return elsewhere
    part = next((f".{name}" for name, part in module.named_children() if _is_called(part)), "") if not called else ""
    return (
        "Pass `forward=`, a function of the module and a batch, for a model that needs more, for example "
        f"`forward=lambda module, batch: module{part}({', '.join(_codes(batch, key))}, ...)`."
    )


def _is_called(part: nn.Module) -> bool:
    return (
        not isinstance(part, (torch.nn.ModuleList, torch.nn.ModuleDict)) and next(part.parameters(), None) is not None
    )


def function_advice(module: nn.Module, inputs: Tensor, output_key: OutputKey | None) -> str:
    """Return a sentence on the user's function that made the inputs ``[m, *dims]``, on which the model has failed."""
    if _tried("module(batch.float())", module, inputs, len(inputs), output_key) is not None:
        return "Let the function `input_key` return floats, by `.float()`, which the model takes."
    return "Let the function `input_key` return what the model takes."


def _takes(code: str, module: nn.Module, batch: Any, rows: int, output_key: OutputKey | None) -> bool:
    """Return whether a module takes the input alone that the code of an ``input_key`` leads to."""
    try:
        key = resolved(batch, eval(code, {"torch": torch}))  # which is made of the batch's keys
        value = None if key is None else inputs_at(batch, key)
    except Exception:
        return False
    return _tried("module(value)", module, batch, rows, output_key, value=value) is not None


def _joined(module: nn.Module, batch: Any, key: Key | None, rows: int, output_key: OutputKey | None) -> str:
    """Return a sentence with several entries that a module takes together; empty if none is found."""
    places = entries_of_rank(batch, key)[:_MOST_JOINED]
    parts = [f"module.{name}" for name, _ in module.named_children() if name.isidentifier()]
    for count in range(len(places), 1, -1):
        for several in combinations(places, count):
            if place_of(key) not in several:
                continue
            keys = f"`input_key=[{', '.join(map(place_text, several))}]`"
            codes = [entry_code(batch, key_of(place)) for place in several]
            for text in (text for called in ("module", *parts) for text in _together(codes, called)):
                found = _tried(text, module, batch, rows, output_key)
                if found is not None:
                    alone = text == next(_together(codes))
                    forward = "" if alone else f" and `forward=lambda module, batch: {text}`"
                    return (
                        f"Pass {keys}{forward}, since `{text}` works for this batch and returns {tuple(found.shape)}, "
                        "if that is the prediction."
                    )
    return ""


def _together(codes: list[str], called: str = "module") -> Iterator[str]:
    """Yield calls with several inputs: one after the other, and joined along the channels, wherever these are."""
    listed = ", ".join(codes)
    yield f"{called}({listed})"
    yield from (f"{called}(torch.cat([{listed}], {axis}))" for axis in (1, -1))


def _tried(
    text: str, module: nn.Module, batch: Any, rows: int, output_key: OutputKey | None, **names: Any
) -> Tensor | None:
    """Return the prediction of a call; ``None`` if it fails."""
    try:
        # The text is made here, of the names of the module's parts and the batch's keys.
        output = eval(text, {"module": module, "batch": batch, "torch": torch, **names})
        prediction = output_tensor(output, output_key, rows)
        return prediction if prediction.ndim and len(prediction) == rows else None
    except Exception:
        return None


def _ways(module: nn.Module, batch: Any, key: Key | None) -> Iterator[str]:
    image, codes = _access(batch, key), _codes(batch, key)
    if isinstance(key, SeveralInputs):
        yield from list(_together(codes))[1:]  # the first is what has failed
    if not callable(key) and is_list_of_tensors(batch_entry(batch, key)):
        yield f"module({image})"
        image = f"torch.stack(list({image}))"
        yield f"module({image})"
    if not callable(key) and inputs_at(batch, key).dtype != torch.float32:
        yield f"module({image}.float())"
    if isinstance(batch, Mapping):
        yield "module(**batch)"
    yield "module(batch)"
    if isinstance(batch, (list, tuple)):
        yield from (f"module({', '.join(f'batch[{i}]' for i in range(n))})" for n in range(len(batch), 1, -1))
    yield "module.predict_step(batch, 0)"
    for name, _ in module.named_children():
        if name.isidentifier():
            yield from _together(codes, f"module.{name}") if len(codes) > 1 else [f"module.{name}({image})"]
            if isinstance(batch, Mapping):
                yield f"module.{name}(**batch)"


def _codes(batch: Any, key: Key | None) -> list[str]:
    """Return the expressions for the batch's inputs, where these are entries."""
    if not isinstance(key, SeveralInputs):
        return [_access(batch, key)]
    own = [resolved(batch, one) for one in key.keys]
    return ["..." if one is None or callable(one) else entry_code(batch, one) for one in own]


def _access(batch: Any, key: Key | None) -> str:
    """Return the expression for the batch's input."""
    if not isinstance(key, (str, int, tuple)):  # a function, or several inputs
        return "batch" if key is None else "..."
    text, part = "batch", batch
    whole = isinstance(key, int) or (isinstance(batch, Mapping) and key in batch)
    for step in [key] if whole else key if isinstance(key, tuple) else str(key).split("."):
        named = isinstance(step, str) and step.isidentifier() and not isinstance(part, Mapping) and hasattr(part, step)
        text += f".{step}" if named else f"[{step!r}]"
        part = entry(part, step) if has_entry(part, step) else None
    return text

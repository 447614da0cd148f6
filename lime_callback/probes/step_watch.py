"""Watches what a validation step gives to the model: another input than the batch's would be explained wrongly.

Forward pre-hooks see the first batch, keep a copy of two samples, and are removed after it. Nothing else is touched.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from lime_callback.checks.dense_tensors import is_dense
from lime_callback.checks.descriptions import describe
from lime_callback.forwards.no_trace_guard import guarded, is_explaining
from lime_callback.probes.batch_entries import advised, entry_code
from lime_callback.probes.batch_structure import leaves, numbers, place_text, plain
from lime_callback.probes.model_calls import call_of
from lime_callback.probes.several_inputs import Steps

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from lime_callback.probes.batch_keys import BatchKeys

_SAMPLES = 2
_NOISE = 1e-2  # of what parts compute in batches of other sizes, in half precision


class StepWatch:
    """Compares what the model gets in a validation step with what it gets from the callback.

    Args:
        keys: where in a batch the inputs are.

    Attributes:
        as_float: whether the step gives integers of the batch to the model as the same floating-point numbers.
    """

    def __init__(self, keys: BatchKeys) -> None:
        self.keys = keys
        self.as_float = False
        self._done = False
        self._handles: list[Any] = []
        self._batch: Any = None
        self._inputs: Tensor | None = None
        self._size = 0
        self._named, self._call = "batch", "module({})"
        self._others: dict[str, Tensor] = {}  # the same samples in other entries of the batch, by the entries' places
        self._module: nn.Module | None = None
        self._root: Tensor | None = None
        self._parts: dict[nn.Module, Tensor] = {}

    def begin(self, module: nn.Module, batch: Any) -> None:
        """A step with a batch begins; only the first one is watched, of a model that is not compiled."""
        if self._done or self._handles or _is_compiled(module):
            return
        with suppress(Exception):  # what is wrong with the batch is said when probes are captured
            keys = self.keys.input.keys if isinstance(self.keys.input, Steps) else self.keys
            inputs = keys.inputs(batch)
            if not isinstance(inputs, Tensor) or not len(inputs):
                return
            if call_of(module, batch, keys.pinned(batch).input) is not None:
                return  # the callback gives it more of the batch than the inputs
            self._batch, self._size = batch, len(inputs)
            self._named = entry_code(batch, keys.pinned(batch).input)
            self._others = {
                place_text(place): other[:_SAMPLES].detach().clone()
                for place, value in leaves(batch)
                if place and (other := numbers(value)) is not None and other.shape == inputs.shape
            }
            self._inputs = inputs[:_SAMPLES].detach().clone()
            # Hooks close the fast path of torch's own layers, whose outputs round to others.
            layers = [part for part in module.modules() if isinstance(part, nn.TransformerEncoderLayer)]
            unseen = {inner for layer in layers for inner in layer.modules()}
            self._handles = [
                part.register_forward_pre_hook(self._note, with_kwargs=True)
                for part in module.modules()
                if not isinstance(part, torch.jit.ScriptModule) and part not in unseen
            ]
            self._module = module

    def end(self) -> None:
        """The step has ended: the hooks go."""
        for handle in self._handles:
            handle.remove()
        if self._handles:
            self._done, self._handles, self._batch, self._module = True, [], None, None
            self.as_float = self._gives_floats()

    def difference(self, module: nn.Module, context: Callable[[], AbstractContextManager[Any]]) -> str:
        """Say once what differs, and what to pass; nothing if that is the same or cannot be told."""
        inputs, root, parts, others = self._inputs, self._root, self._parts, self._others
        self._inputs, self._root, self._parts, self._others = None, None, {}, {}
        if not self._done or inputs is None:
            return ""
        given = inputs.float() if self.as_float else inputs
        if root is not None:
            given = given[: len(root)]  # a step may give it the batch in pieces
            if _same(root, given):
                return ""
            meant = [text for text, other in others.items() if _same(root, other[: len(root)])]
            return _another_entry(meant) if meant else self._text(given, root)
        own = self._inputs_of_parts(module, context, given, parts)
        common = next((part for part in parts if part in own), None)
        if common is None or _alike(parts[common], own[common][: len(parts[common])]):
            return ""
        if not _same(own[common], given):  # the module itself makes something else of the batch before this part
            name = next(name for name, part in module.named_modules() if part is common)
            self._call = f"module.{name}({{}})"
        given = given[: len(parts[common])]
        return self._text(given, parts[common], f" of its {type(common).__name__}", own[common])

    def _note(self, part: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        with suppress(Exception):  # what cannot be looked at is not compared: this runs within the user's own step
            self._look(part, args, kwargs)

    def _look(self, part: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        if is_explaining() or (len(args) == 2 and args[0] is self._batch):  # a strategy calls the step itself so
            return
        if self._inputs is None:
            return
        call, x = _first_tensor(args, kwargs, self._inputs.shape[1:])
        if x is None or not x.ndim or not len(x):
            return
        a_piece = len(x) < self._size and x.ndim == self._inputs.ndim
        if len(x) < self._size and not a_piece:
            return
        most = min(_SAMPLES, len(x)) if a_piece else len(x) // self._size * min(_SAMPLES, self._size)
        rows = plain(x.detach())[:most].clone()
        if part is not self._module:
            self._parts.setdefault(part, rows)
        elif self._root is None:
            self._root, self._call = rows, call

    def _inputs_of_parts(
        self,
        module: nn.Module,
        context: Callable[[], AbstractContextManager[Any]],
        given: Tensor,
        parts: dict[nn.Module, Tensor],
    ) -> dict[nn.Module, Tensor]:
        """What the model's parts get where the callback calls it."""
        own: dict[nn.Module, Tensor] = {}

        def note(part: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
            x = _first_tensor(args, kwargs, given.shape[1:])[1]
            if x is not None:
                own.setdefault(part, plain(x.detach()).clone())

        handles = [part.register_forward_pre_hook(note, with_kwargs=True) for part in parts]
        try:
            with suppress(Exception), guarded(module), context():  # what fails is said in the rehearsal
                module(given.clone())
        finally:
            for handle in handles:
                handle.remove()
        return own

    def _gives_floats(self) -> bool:
        first = self._root if self._root is not None else next(iter(self._parts.values()), None)
        if self._inputs is None or first is None or self._inputs.is_floating_point():
            return False
        return first.is_floating_point() and _same(first, self._inputs.to(first.dtype))

    def _text(self, given: Tensor, seen: Tensor, where: str = "", own: Tensor | None = None) -> str:
        made = self._call.format(_made(self._named, given, seen))
        return (
            f"`validation_step` gives the model{where} another input than the batch has: {_numbers(seen)} instead of "
            f"{_numbers(given if own is None else own)}. LimeCallback calls the model with the batch's, and so "
            "explains something else than what is validated. Pass `forward=`, which does what the step does: "
            f"`forward=lambda module, batch: {made}`."
        )


def _another_entry(places: list[str]) -> str:
    return (
        f"`validation_step` gives the model another entry of the batch than the one that LimeCallback explains. "
        f"{advised('input_key', places)}"
    )


def _first_tensor(args: tuple[Any, ...], kwargs: dict[str, Any], shape: torch.Size) -> tuple[str, Tensor | None]:
    """Return a call's first tensor, after the code of the call with ``{}`` in its place.

    Of the tensors in a mapping it is the only one whose rows have this shape.
    """
    for name, value in (*(("", value) for value in args), *kwargs.items()):
        before = f"module({name}=" if name else "module("
        if is_dense(value):
            return before + "{})", value
        if isinstance(value, Mapping):
            inside = [(place, numbers(part)) for place, part in leaves(value)]
            able = [place for place, part in inside if part is not None and part.shape[1:] == shape]
            if len(able) == 1 and len(able[0]) == 1 and isinstance(value[able[0][0]], Tensor):
                return before + "{{" + repr(able[0][0]) + ": {}}})", value[able[0][0]]
    return "module({})", None


def _same(seen: Tensor, given: Tensor) -> bool:
    if seen.shape != given.shape or seen.is_floating_point() != given.is_floating_point():
        return False
    a, b = seen.double().cpu(), given.double().cpu()
    if not seen.is_floating_point():
        return torch.equal(a, b)
    # As far apart as a change of dtype brings them, and no further: images may vary little around a large mean.
    eps = max(torch.finfo(x.dtype).eps for x in (seen, given))
    return torch.allclose(a, b, rtol=2 * eps, atol=1e-12, equal_nan=True)


def _alike(seen: Tensor, own: Tensor) -> bool:
    """Whether two inputs of a part are the same but for what the size of a batch does to their last digits."""
    if seen.shape != own.shape:
        return False
    a, b = seen.double().cpu(), own.double().cpu()
    spread = float(b[b.isfinite()].std(correction=0)) if bool(b.isfinite().any()) else 0.0
    return torch.allclose(a, b, rtol=_NOISE, atol=_NOISE * spread, equal_nan=True)


def _numbers(x: Tensor) -> str:
    wide = x.double().nan_to_num()
    values = f"values from {float(wide.min()):.3g} to {float(wide.max()):.3g}" if x.numel() else "no values"
    return f"{describe(x[0]).removeprefix('a tensor of ')} with {values}"


def _made(batch: str, given: Tensor, seen: Tensor) -> str:
    """What makes the seen tensor of the given one, where that is a scale and an offset."""
    if given.shape == seen.shape and bool((given.isfinite() & seen.isfinite()).all()):
        x, y = given.double().flatten(), seen.double().flatten()
        spread = float(x.std()) if len(x) > 1 else 0.0
        if spread > 0:
            a = float(((x - x.mean()) * (y - y.mean())).mean() / x.var(correction=0))
            b = float(y.mean() - a * x.mean())
            # Relative to how far values lie apart: a few that were masked are as far off as the others are near.
            apart = float((y - y.median()).abs().median())
            if torch.allclose(a * x + b, y, rtol=0, atol=1e-3 * apart + 1e-6 * float(y.abs().max())):
                return f"{batch} * {a:.6g} + {b:.6g}".replace("+ -", "- ")
    return f"preprocess({batch})"


def _is_compiled(module: nn.Module) -> bool:
    return getattr(module, "_compiler_ctx", None) is not None or any(
        type(part).__name__ == "OptimizedModule" or getattr(part, "_compiled_call_impl", None) is not None
        for part in module.modules()
    )

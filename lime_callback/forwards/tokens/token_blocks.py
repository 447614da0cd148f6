"""Finds the block of a transformer where tokens come in, reads the tokens there, and gives the block others.

A transformer's blocks stand in a row, a ``ModuleList`` or a ``Sequential`` of modules of one class. The block that is
looked for is the first one of such a row that receives a tensor ``[m, N, width]``, or ``[N, m, width]`` where tokens
come first.

Letters: ``m`` rows, ``N`` tokens of a row, ``L`` tokens that are left of them.
"""

from __future__ import annotations

import math
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import torch
from torch import Tensor, nn

from lime_callback.checks.dense_tensors import is_dense
from lime_callback.forwards.replaced_forward import replaced_forward
from lime_callback.forwards.torch_internals import is_compiled

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    Forward = Callable[[Tensor, Tensor], Any]

ROWS = 2  # of a forward that is watched: more than one, so that an axis of size 1 is none of rows


class AbsentError(ValueError):
    """Tokens cannot be left out of a model, or not by these features.

    Args:
        reason: a clause that says why.
        advice: what to do instead.
        asked: which argument asked for what.
    """

    def __init__(
        self,
        reason: str,
        advice: str = "Take another `baseline`, such as 'mean' or 'blur'",
        asked: str = "`baseline = 'absent'` leaves the tokens of hidden patches out of a vision transformer",
    ) -> None:
        super().__init__(f"{asked}. Here it cannot, since {reason}. {advice}.")
        self.reason = reason


class Stopped(BaseException):
    """Ends a forward where the tokens are; no ``except Exception`` of a model takes it for a failure.

    Args:
        tokens: what the block received, ``[m, N, width]`` or ``[N, m, width]``.
    """

    def __init__(self, tokens: Tensor) -> None:
        super().__init__()
        self.tokens = tokens


class Ended(NamedTuple):
    """A module that has ended before the block begins, with the shape of its output for one row, and the dtype."""

    module: Any
    shape: tuple[int, ...]
    dtype: torch.dtype


@dataclass(frozen=True, eq=False)
class TokenBlock:
    """The block of a model where tokens come in.

    Attributes:
        block: the module.
        place: where its arguments hold the tokens: a position or a name.
        batch_axis: 0 for tokens ``[m, N, width]``, 1 for ``[N, m, width]``.
        before: modules that have ended before the block begins. Where tokens are given, they need not run.
    """

    block: Any
    place: int | str
    batch_axis: int
    before: tuple[Ended, ...] = ()

    unit: ClassVar[str] = "token"
    part: ClassVar[str] = "patch"
    parts: ClassVar[str] = "patches"
    way: ClassVar[str] = "Cut along the patches with `Superpixels(method='tokens')`"

    def tokens(self, forward: Forward, x: Tensor, rows: Tensor) -> Tensor:
        """Return the tokens of inputs, ``[m, N, width]``; the model runs no further than to the block.

        Args:
            forward: runs the model on inputs and the number of what each was made of.
            x: ``[m, *dims]``.
            rows: int64 ``[m]``.
        """

        def stop(*args: Any, **kwargs: Any) -> Any:
            raise Stopped(args[self.place] if isinstance(self.place, int) else kwargs[self.place])

        with replaced_forward(self.block, stop):
            try:
                forward(x, rows)
            except Stopped as stopped:
                return stopped.tokens if self.batch_axis == 0 else stopped.tokens.transpose(0, 1)
        raise AbsentError("the model does not always reach its blocks")

    def run(self, forward: Forward, tokens: Tensor, blank: Tensor, rows: Tensor) -> Any:
        """Return what ``forward`` returns where the block receives these tokens.

        Args:
            forward: see :meth:`tokens`.
            tokens: ``[m, L, width]``.
            blank: inputs ``[m, *dims]`` without a number in them: what uses them past the block shows itself.
            rows: see :meth:`tokens`.
        """
        given, entered = tokens if self.batch_axis == 0 else tokens.transpose(0, 1), False
        original = self.block.forward

        def enter(*args: Any, **kwargs: Any) -> Any:
            nonlocal entered
            entered = True
            if isinstance(self.place, int):
                args = (*args[: self.place], given, *args[self.place + 1 :])
            else:
                kwargs[self.place] = given
            return original(*args, **kwargs)

        def skipped(ended: Ended) -> Callable[..., Any]:
            own, shape = ended.module.forward, (len(tokens), *ended.shape)

            def forward_of_module(*args: Any, **kwargs: Any) -> Any:
                return own(*args, **kwargs) if entered else tokens.new_full(shape, math.nan, dtype=ended.dtype)

            return forward_of_module

        with ExitStack() as stack:
            stack.enter_context(replaced_forward(self.block, enter))
            for ended in self.before:
                stack.enter_context(replaced_forward(ended.module, skipped(ended)))
            return forward(blank, rows)


def find_blocks(module: nn.Module, forward: Forward, x: Tensor) -> list[TokenBlock]:
    """Find the blocks where tokens may come in, in the order in which they run.

    Args:
        module: the model.
        forward: see :meth:`TokenBlock.tokens`.
        x: the first input, ``[1, *dims]``.

    Raises:
        AbsentError: if there is none, or the model is compiled.
    """
    parts = list(module.modules())
    if any(map(is_compiled, parts)):
        raise AbsentError("the model is compiled")
    x = x.expand(ROWS, *x.shape[1:])
    rows = torch.zeros(ROWS, dtype=torch.long, device=x.device)
    calls: list[_Call] = []
    outputs: list[tuple[nn.Module, Ended | None]] = []  # of the modules that have ended, in their order

    def note(part: nn.Module, _: Any, output: Any) -> None:
        outputs.append((part, Ended(part, tuple(output.shape[1:]), output.dtype) if _is_of_rows(output) else None))

    def watched(block: Any) -> Callable[..., Any]:
        original = block.forward

        def forward_of_block(*args: Any, **kwargs: Any) -> Any:
            arguments: dict[int | str, Any] = dict(enumerate(args))
            arguments.update(kwargs.items())
            calls.append(_Call(block, arguments, len(outputs)))
            return original(*args, **kwargs)

        return forward_of_block

    with ExitStack() as stack:
        for block in dict.fromkeys(next(part.children()) for part in parts if _is_row_of_blocks(part)):
            stack.enter_context(replaced_forward(block, watched(block)))
        for part in parts:
            if not isinstance(part, torch.jit.ScriptModule):
                stack.callback(part.register_forward_hook(note).remove)
        forward(x.clone(), rows)
    counts = Counter(call.block for call in calls)
    blocks = []
    for call in calls:
        place = call.place
        if place is not None and counts[call.block] == 1 and not call.has_more_for_tokens(place):
            before = _outermost(outputs[: call.ended])
            blocks.append(TokenBlock(call.block, place, call.batch_axis(place), before))
    if blocks:
        return blocks
    if any(call.place is not None for call in calls):
        raise AbsentError(
            "its blocks run several times, or receive more for each token, such as a mask or relative positions"
        )
    raise AbsentError("no row of blocks in the model receives tokens [m, tokens, width], as those of a ViT do")


@dataclass(frozen=True, eq=False)
class _Call:
    """A call of a block with ``ROWS`` rows; arguments by their position or name; how many modules have ended before."""

    block: Any
    arguments: dict[int | str, Any]
    ended: int

    @property
    def place(self) -> int | str | None:
        """Where the first tensor is, if it may hold tokens."""
        for place, value in self.arguments.items():
            if isinstance(value, Tensor):
                fits = is_dense(value) and value.ndim == 3 and value.is_floating_point() and ROWS in value.shape[:2]
                return place if fits else None
        return None

    def batch_axis(self, place: int | str) -> int:
        """The axis of rows in the tokens."""
        return 0 if len(self.arguments[place]) == ROWS else 1

    def has_more_for_tokens(self, place: int | str) -> bool:
        """Whether another tensor has as many entries along an axis as there are tokens."""
        count = self.arguments[place].shape[1 - self.batch_axis(place)]
        others = [value for name, value in self.arguments.items() if name != place]
        return any(count in value.shape for value in _tensors(others))


def _is_row_of_blocks(part: nn.Module) -> bool:
    """Return whether a module is a list of modules of one class that have weights."""
    if not isinstance(part, (nn.ModuleList, nn.Sequential)) or not len(part):
        return False
    first, *others = part.children()
    alike = all(type(other) is type(first) for other in others)
    return alike and not isinstance(first, torch.jit.ScriptModule) and any(True for _ in first.parameters())


def _tensors(values: Iterable[Any]) -> Iterator[Tensor]:
    for value in values:
        if is_dense(value):
            yield value
        elif isinstance(value, (tuple, list)):
            yield from _tensors(value)


def _outermost(outputs: Sequence[tuple[nn.Module, Ended | None]]) -> tuple[Ended, ...]:
    """Return the modules that ran once, with an output of rows, and that are in no other such module."""
    counts = Counter(part for part, _ in outputs)
    ended = {part: output for part, output in outputs if output is not None and counts[part] == 1}
    within = {inner for part in ended for inner in part.modules() if inner is not part}
    return tuple(output for part, output in ended.items() if part not in within)


def _is_of_rows(output: Any) -> bool:
    return is_dense(output) and output.is_floating_point() and output.ndim > 0 and len(output) == ROWS

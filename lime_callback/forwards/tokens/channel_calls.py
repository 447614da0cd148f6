"""Finds where a model takes an image with a number for each channel, such as wavelengths, and gives it fewer of both.

Models for any sensor, such as DOFA and Panopticon, make their tokens of the channels that they are given. The call that
is looked for is one of a module, the outermost first, that receives the image ``[m, C, H, W]`` and beside it what has
an entry for each channel: a list of ``C`` numbers or a tensor ``[C]``, which all rows share, or a tensor ``[m, C]``; in
arguments of their own or in one dictionary. Here a channel is what a token is in
:mod:`~lime_callback.forwards.tokens.token_blocks`: its values, with its number as the last of them.

Letters: ``m`` rows, ``C`` channels of an image, ``L`` channels that are left of them.
"""

from __future__ import annotations

from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import torch
from torch import Tensor, nn

from lime_callback.checks.dense_tensors import is_dense
from lime_callback.forwards.replaced_forward import replaced_forward
from lime_callback.forwards.tokens.token_blocks import ROWS, AbsentError, Stopped
from lime_callback.forwards.torch_internals import is_compiled

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    Forward = Callable[[Tensor, Tensor], Any]
    Place = tuple[int | str, ...]  # of an argument, and of an entry in it


@dataclass(frozen=True, eq=False)
class ChannelCall:
    """The call of a model's module that takes an image with something for each channel.

    Attributes:
        module: the module.
        image: where its arguments hold the image.
        shape: of the image behind the channels.
        dtype: of the image.
        shared: where its arguments hold an entry for each channel that holds for all rows: a list, or a tensor of this
            axis of channels.
        own: where they hold entries of each row, tensors ``[m, C, ...]``.
    """

    module: Any
    image: Place
    shape: tuple[int, ...]
    dtype: torch.dtype
    shared: Mapping[Place, int]
    own: tuple[Place, ...]

    unit: ClassVar[str] = "channel"
    part: ClassVar[str] = "channel"
    parts: ClassVar[str] = "channels"
    way: ClassVar[str] = "Cut along the channels with `Superbands()`"

    def tokens(self, forward: Forward, x: Tensor, rows: Tensor) -> Tensor:
        """Return the channels of inputs, ``[m, C, values + 1]``; the model runs no further than to the call.

        Args:
            forward: runs the model on inputs and the number of what each was made of.
            x: ``[m, *dims]``.
            rows: int64 ``[m]``.
        """

        def stop(*args: Any, **kwargs: Any) -> Any:
            raise Stopped(_arguments(args, kwargs)[self.image])

        with replaced_forward(self.module, stop):
            try:
                forward(x, rows)
            except Stopped as stopped:
                pixels = stopped.tokens.flatten(2)
                # Half precision counts to 256 alone.
                pixels = pixels.to(torch.promote_types(pixels.dtype, torch.float32))
                numbers = torch.arange(pixels.shape[1], device=pixels.device).to(pixels)
                return torch.cat([pixels, numbers[None, :, None].expand(len(pixels), -1, 1)], 2)
        raise AbsentError("the model does not always reach the call that takes its channels")

    def run(self, forward: Forward, tokens: Tensor, blank: Tensor, rows: Tensor) -> Any:
        """Return what ``forward`` returns where the call receives these channels, and what belongs to them.

        Rows with the same channels go together; all of them, where nothing is shared by the rows of a call.

        Args:
            forward: see :meth:`tokens`.
            tokens: ``[m, L, values + 1]``.
            blank: inputs ``[m, *dims]`` without a number in them: what uses them past the call shows itself.
            rows: see :meth:`tokens`.
        """
        numbers = tokens[..., -1].long()
        pixels = tokens[..., :-1].reshape(*numbers.shape, *self.shape).to(self.dtype)
        if not self.shared:
            return self._run(forward, pixels, numbers, blank, rows)
        sets, which = torch.unique(numbers, dim=0, return_inverse=True)
        together = [(which == number).nonzero().flatten() for number in range(len(sets))]
        outputs = [self._run(forward, pixels[i], numbers[i], blank[i], rows[i]) for i in together]
        return torch.cat(outputs)[torch.cat(together).argsort()]

    def _run(self, forward: Forward, pixels: Tensor, numbers: Tensor, blank: Tensor, rows: Tensor) -> Any:
        original = self.module.forward

        def enter(*args: Any, **kwargs: Any) -> Any:
            given = _arguments(args, kwargs)
            cut: dict[Place, Any] = {self.image: pixels}
            for place, axis in self.shared.items():
                value, first = given[place], numbers[0]
                if isinstance(value, Tensor):
                    cut[place] = value.index_select(axis, first.to(value.device))
                else:
                    cut[place] = type(value)([value[number] for number in first.tolist()])
            for place in self.own:
                value = given[place]
                cut[place] = value[torch.arange(len(value), device=value.device)[:, None], numbers.to(value.device)]
            return original(
                *(_with(i, value, cut) for i, value in enumerate(args)),
                **{name: _with(name, value, cut) for name, value in kwargs.items()},
            )

        with replaced_forward(self.module, enter):
            return forward(blank, rows)


def find_channel_calls(module: nn.Module | None, forward: Forward, x: Tensor, channels: int) -> list[ChannelCall]:
    """Find the calls that take an image with something for each channel, the outermost first.

    Args:
        module: the model; ``None`` if it is unknown.
        forward: see :meth:`ChannelCall.tokens`.
        x: an input, ``[1, *dims]``.
        channels: how many it has.
    """
    parts = [] if module is None else list(module.modules())
    if channels < 2 or any(map(is_compiled, parts)):
        return []
    calls: list[tuple[nn.Module, dict[Place, Any]]] = []

    def watched(part: Any) -> Callable[..., Any]:
        original = part.forward

        def forward_of_part(*args: Any, **kwargs: Any) -> Any:
            calls.append((part, _arguments(args, kwargs)))
            return original(*args, **kwargs)

        return forward_of_part

    with ExitStack() as stack:
        for part in parts:
            if not isinstance(part, torch.jit.ScriptModule):
                stack.enter_context(replaced_forward(part, watched(part)))
        forward(x.expand(ROWS, *x.shape[1:]).clone(), torch.zeros(ROWS, dtype=torch.long, device=x.device))
    counts = Counter(part for part, _ in calls)
    found = (_call(part, given, channels) for part, given in calls if counts[part] == 1)
    return [call for call in found if call is not None]


def _call(module: nn.Module, given: Mapping[Place, Any], channels: int) -> ChannelCall | None:
    """Return the call if its arguments are an image and what has an entry for each channel."""
    image: Place | None = None
    shared: dict[Place, int] = {}
    own: list[Place] = []
    each = [True] * channels
    for place, value in given.items():
        if is_dense(value):
            if value.shape[:2] == (ROWS, channels):
                if image is None and value.ndim == 4 and value.is_floating_point():
                    image = place
                else:
                    own.append(place)
            elif value.shape in ((channels,), (1, channels)):
                shared[place] = value.ndim - 1
        elif isinstance(value, (list, tuple)) and [isinstance(entry, (int, float)) for entry in value] == each:
            shared[place] = 0
    if image is None or not (shared or own):
        return None
    return ChannelCall(module, image, tuple(given[image].shape[2:]), given[image].dtype, shared, tuple(own))


def _arguments(args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[Place, Any]:
    """Return a call's arguments by their places, with the entries of those that are dictionaries."""
    places: dict[Place, Any] = {}
    named: dict[int | str, Any] = dict(enumerate(args))
    named.update(kwargs.items())
    for place, value in named.items():
        places[(place,)] = value
        if isinstance(value, dict):
            places |= {(place, key): entry for key, entry in value.items() if isinstance(key, str)}
    return places


def _with(place: int | str, value: Any, cut: Mapping[Place, Any]) -> Any:
    """Return an argument with what was cut of it."""
    if (place,) in cut:
        return cut[(place,)]
    entries = {key: cut[(place, key)] for key in (value if isinstance(value, dict) else ()) if (place, key) in cut}
    return {**value, **entries} if entries else value

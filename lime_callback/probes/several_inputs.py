"""Inputs that are explained as one image: several entries of a batch, or the times or depths of one.

They are read out of batches, joined along the channels, and put back as the model takes them.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from lime_callback.probes.batch_entries import batch_entry, inputs_at, key_text, place_of, with_entry
from lime_callback.probes.batch_keys import BatchKeys
from lime_callback.views.inputs.joined import join, split
from lime_callback.views.inputs.steps import joined_steps, parted_steps, step_axis

if TYPE_CHECKING:
    from torch import Tensor

    from lime_callback.views.inputs.joined import InputPart
    from lime_callback.views.layout import Layout


class ComposedInputs(ABC):
    """Makes one image ``[B, *dims]`` of a batch, by which it can be called as any function of the batch."""

    @abstractmethod
    def __call__(self, batch: Any) -> Tensor:
        """The image, ``[B, *dims]``.

        Raises:
            ValueError: if an input is missing, or is no tensor of numbers, or they do not belong together.
        """

    @abstractmethod
    def parts(self, batch: Any) -> tuple[InputPart, ...]:
        """Where each input, time or depth lies in the image."""

    @abstractmethod
    def arguments(self, image: Tensor, parts: tuple[InputPart, ...]) -> tuple[Tensor, ...]:
        """What the model takes, made of the image."""

    @abstractmethod
    def put(self, batch: Any, image: Tensor, parts: tuple[InputPart, ...]) -> Any:
        """A copy of the batch in which the inputs are those of the image."""

    @abstractmethod
    def last_place(self, batch: Any) -> Any:
        """Where the last of the inputs is; labels stand beside it, or after it."""


def _tensor_at(batch: Any, keys: BatchKeys) -> Tensor:
    key = keys.input_of(batch)
    x: Tensor = inputs_at(batch, key)
    if isinstance(x, list):
        where = "its inputs" if key is None else key_text(key)
        raise ValueError(
            f"`input_key` should lead to inputs that share a shape here. Found a list at {where}; let the dataset crop "
            "or resize the images."
        )
    return x


def _place(key: Any) -> Any:
    """Where a key leads, which is nowhere for a function that makes the input."""
    return place_of(None) if callable(key) else place_of(key)


@dataclass(frozen=True)
class SeveralInputs(ComposedInputs):
    """Several entries of a batch that are inputs of one model.

    Args:
        keys: of the entries, in the order in which the model takes them.
        layout: see :func:`~lime_callback.views.inputs.joined.join`.
    """

    keys: tuple[Any, ...]
    layout: Layout

    @property
    def __name__(self) -> str:
        """The keys, as the user may write them."""
        return f"[{', '.join(map(key_text, self.keys))}]"

    def __call__(self, batch: Any) -> Tensor:
        """See :class:`ComposedInputs`."""
        return join(self._inputs(batch), self.layout)[0]

    def parts(self, batch: Any) -> tuple[InputPart, ...]:
        """See :class:`ComposedInputs`."""
        return join(self._inputs(batch), self.layout)[1]

    def arguments(self, image: Tensor, parts: tuple[InputPart, ...]) -> tuple[Tensor, ...]:
        """See :class:`ComposedInputs`."""
        return tuple(split(image, parts, self.layout).values())

    def put(self, batch: Any, image: Tensor, parts: tuple[InputPart, ...]) -> Any:
        """See :class:`ComposedInputs`."""
        for key, x in zip(self.keys, self.arguments(image, parts), strict=True):
            batch = with_entry(batch, BatchKeys(input=key).input_of(batch), x)
        return batch

    def last_place(self, batch: Any) -> Any:
        """See :class:`ComposedInputs`."""
        return _place(BatchKeys(input=self.keys[-1]).input_of(batch))

    def _inputs(self, batch: Any) -> dict[str, Tensor]:
        return {
            str(key) if isinstance(key, (str, int)) else key_text(key): _tensor_at(batch, BatchKeys(key))
            for key in self.keys
        }


@dataclass(frozen=True)
class Steps(ComposedInputs):
    """An input with an axis of times or depths, whose steps become channels: all channels of the first step come first.

    Args:
        key: of the batch's entry; ``None`` looks for it.
        axes: of one sample, with one letter ``T`` or ``D``, such as ``"CTHW"``.
        layout: the same without it.
    """

    key: Any
    axes: str
    layout: Layout

    @property
    def keys(self) -> BatchKeys:
        """Where in a batch the input is, with its steps."""
        return BatchKeys(self.key, layout=self.layout, steps=self.axes)

    @property
    def place(self) -> Any:
        """Where the input is, of a pinned key; ``None`` if a function makes it."""
        return None if callable(self.key) else place_of(self.key)

    def pinned(self, batch: Any) -> Steps:
        """The same for a structure as the batch's, in which the input stays where it is in this one."""
        return replace(self, key=self.keys.input_of(batch))

    @property
    def __name__(self) -> str:
        """The key, as the user may write it."""
        return "the inputs" if self.key is None else key_text(self.key)

    def __call__(self, batch: Any) -> Tensor:
        """See :class:`ComposedInputs`."""
        return joined_steps(_tensor_at(batch, self.keys), self.axes, self.layout)[0]

    def parts(self, batch: Any) -> tuple[InputPart, ...]:
        """See :class:`ComposedInputs`."""
        return joined_steps(_tensor_at(batch, self.keys), self.axes, self.layout)[1]

    def arguments(self, image: Tensor, parts: tuple[InputPart, ...]) -> tuple[Tensor, ...]:
        """See :class:`ComposedInputs`."""
        return (parted_steps(image, parts, step_axis(self.axes), self.layout),)

    def put(self, batch: Any, image: Tensor, parts: tuple[InputPart, ...]) -> Any:
        """See :class:`ComposedInputs`."""
        key, (x,) = self.keys.input_of(batch), self.arguments(image, parts)
        listed = not callable(key) and isinstance(batch_entry(batch, key), (list, tuple))
        return with_entry(batch, key, list(x) if listed else x)

    def last_place(self, batch: Any) -> Any:
        """See :class:`ComposedInputs`."""
        return _place(self.keys.input_of(batch))

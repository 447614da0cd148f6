"""Samples that were captured from batches, before those of all processes are joined."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from lime_callback.probes.batch_entries import inputs_at
from lime_callback.probes.batch_keys import BatchKeys
from lime_callback.probes.batch_structure import Place, leaves

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

Shape = tuple[int, ...]
_LOOKS = BatchKeys()


@dataclass(frozen=True, eq=False)
class CapturedSamples:
    """The samples that a process has captured.

    Attributes:
        batches: batches of a few samples each.
        sizes: the number of samples in each of the batches.
        places: for each sample, in the order of the batches, its place among the samples of all processes.
        shapes: for each of the batches the shape that all of its samples have.
        inputs: for each of the batches what the user's function makes of the whole batch, at these samples, ``[m,
            *dims]``; ``None`` where the inputs are an entry. Of a list it alone knows whether that is of samples.
    """

    batches: list[Any] = field(default_factory=list)
    sizes: list[int] = field(default_factory=list)
    places: list[int] = field(default_factory=list)
    shapes: list[Shape] = field(default_factory=list)
    inputs: list[Tensor | None] = field(default_factory=list)

    def add(self, batch: Any, shape: Shape, places: Sequence[int], inputs: Tensor | None = None) -> None:
        """Add samples of one batch."""
        self.batches.append(batch)
        self.sizes.append(len(places))
        self.places.extend(places)
        self.shapes.append(shape)
        self.inputs.append(inputs)

    def pieces(self) -> Iterator[tuple[Any, list[int], Shape, Tensor | None]]:
        """Yield the batches, each with its samples' places and shape, and what a function made of it."""
        at = 0
        for batch, size, shape, inputs in zip(self.batches, self.sizes, self.shapes, self.inputs, strict=True):
            yield batch, self.places[at : at + size], shape, inputs
            at += size


def captured_batch(batch: Any, keys: BatchKeys = _LOOKS) -> CapturedSamples:
    """All samples of a batch, which share a shape.

    Raises:
        ValueError: if the batch holds no inputs, or they differ in shape.
    """
    keys = keys.pinned(batch)
    inputs = inputs_at(batch, keys.input)
    shapes = shapes_of(inputs)
    if len(set(shapes)) > 1:
        raise ValueError(
            f"A batch's inputs should share a shape. Found {sorted(set(shapes))}; let the dataset crop or resize them."
        )
    captured = CapturedSamples()
    captured.add(batch, shapes[0], range(len(shapes)), made_inputs(keys, inputs, range(len(shapes))))
    return captured


def shapes_of(inputs: Any) -> list[Shape]:
    """Return each sample's shape, of inputs ``[B, *dims]`` or a list of a tensor a sample."""
    return [tuple(inputs.shape[1:])] * len(inputs) if isinstance(inputs, Tensor) else [tuple(x.shape) for x in inputs]


def made_inputs(keys: BatchKeys, inputs: Any, rows: Sequence[int]) -> Tensor | None:
    """Return a copy of these rows of a batch's inputs, if a function makes them; else ``None``.

    Args:
        keys: where the inputs are, pinned for the batch.
        inputs: of the batch, ``[B, *dims]`` or a list of a tensor a sample.
        rows: the samples' numbers in the batch, which share a shape.
    """
    if not callable(keys.input) or keys.place is not None or getattr(keys.input, "last_place", None):
        return None
    return torch.stack([inputs[row].detach() for row in rows])


def list_place(
    keys: BatchKeys, batch: Any, build: Callable[[Place | None], Any], inputs: Tensor | None
) -> Place | None:
    """Where the inputs are; if a function makes them, it tells whether the batch is a list of samples.

    A list of as many samples as these have rows looks like a list of entries.

    Args:
        keys: where the inputs are, pinned.
        batch: a batch, whose lists may hold entries or samples.
        build: makes a batch, cut or joined, for either reading.
        inputs: what the function should make of it; ``None`` if the inputs are an entry.

    Returns:
        The place for :func:`~lime_callback.probes.batch_rows.batch_rows`: an empty one for a list of samples, and that
        of an entry where the lists on the way to it hold entries.
    """
    if inputs is not None:
        for place in (None, Place(), *(place for place, _ in leaves(batch) if place)):
            with suppress(Exception):
                made = inputs_at(build(place), keys.input)
                if isinstance(made, Tensor) and made.shape == inputs.shape and bool((made.cpu() == inputs.cpu()).all()):
                    return place
    return keys.place

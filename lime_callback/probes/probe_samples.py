"""Probes: the validation samples that are explained, and how they are captured from the batches."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from lime_callback.checks.descriptions import describe
from lime_callback.probes.batch_entries import (
    Key,
    batch_entry,
    entry_code,
    inputs_at,
    key_text,
    labels_at,
    place_of,
    with_entry,
)
from lime_callback.probes.batch_keys import BatchKeys
from lime_callback.probes.batch_rows import batch_rows, joined_batches
from lime_callback.probes.captured_samples import CapturedSamples, Shape, list_place
from lime_callback.probes.several_inputs import ComposedInputs

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from lime_callback.views.inputs.joined import InputPart

_LOOKS = BatchKeys()
_EXACT = 2  # bytes of integers that float32 holds exactly


@dataclass(frozen=True)
class ProbeFacts:
    """What was found in the batches.

    Attributes:
        count: how many samples are explained, P.
        input_key: where the inputs are, as the user may write it; empty if the batch is the input itself.
        shape: of one sample.
        dtype: of the batch's inputs, such as ``"uint16"``.
        label_key: where the labels are, as the user may write it; ``None`` if there are none.
        classes: how many of the samples have each integer label; ``None`` if they have no such labels.
        passed_over: how many samples were wanted and left out, by their shapes, which are not that of the others.
    """

    count: int
    input_key: str
    shape: Shape
    dtype: str
    label_key: str | None
    classes: tuple[tuple[int, int], ...] | None
    passed_over: tuple[tuple[Shape, int], ...] = ()


@dataclass(frozen=True, eq=False)
class Probes:
    """The captured samples, P of them, on the CPU unless they were moved.

    Attributes:
        inputs: the samples' inputs, floating point ``[P, *dims]``.
        labels: the samples' labels, int64 ``[P]``, if each has a single integer; otherwise ``None``.
        batch: all entries of the batches, the inputs among them, with P rows each.
        key: where the inputs are in ``batch``, see :class:`~lime_callback.probes.batch_keys.BatchKeys`.
        numbers: the samples' numbers in the validation set, P; ``None`` if the samples were taken evenly.
        label_key: where the labels are in ``batch``; ``None`` if there are none.
        integer: the dtype that the batch's inputs have, if they are integers; ``None`` if they are floating point.
        passed_over: how many samples were wanted and left out, by their shapes, which are not that of the inputs.
        not_finite: the places, among the samples that were wanted, of those left out for NaN or infinite values.
    """

    inputs: Tensor
    labels: Tensor | None
    batch: Any
    key: Key | None
    numbers: tuple[int, ...] | None = None
    label_key: Key | None = None
    integer: torch.dtype | None = None
    passed_over: Mapping[tuple[int, ...], int] = field(default_factory=dict)
    not_finite: tuple[int, ...] = ()

    def __len__(self) -> int:
        """The number of samples, P."""
        return len(self.inputs)

    @property
    def label_entry(self) -> Any:
        """The batch's labels as a tensor, or as they are if they are no numbers; ``None`` if there are none."""
        return labels_at(self.batch, self.label_key)

    @property
    def facts(self) -> ProbeFacts:
        """What was found in the batches, for a line that lets the user see a wrong guess."""
        classes = None if self.labels is None else tuple(sorted(Counter(self.labels.tolist()).items()))
        dtype = self.integer or self.inputs.dtype
        return ProbeFacts(
            len(self), key_text(self.key), tuple(self.inputs.shape[1:]), str(dtype).removeprefix("torch."),
            None if self.label_key is None else key_text(self.label_key), classes, tuple(self.passed_over.items()),
        )  # fmt: skip

    def truth(self) -> Tensor | None:
        """Return the batch's labels, unchanged, on the CPU: one for each sample, or a row for each, ``[P, K]``.

        Returns ``None`` if there are no labels, or they have another shape.
        """
        labels = self.label_entry
        # Labels of pixels do not belong to single outputs, and are too large to be kept twice.
        one_each = isinstance(labels, Tensor) and labels.numel() == len(self)
        fits = one_each or (isinstance(labels, Tensor) and labels.ndim == 2 and len(labels) == len(self))
        return labels.cpu() if fits and labels is not None else None

    def finite(self) -> Probes | None:
        """Return the same without samples that hold NaN or infinite values; ``None`` if no other is left."""
        fine = torch.stack([each.isfinite().all() for each in self.inputs])  # one at a time, for the memory
        if bool(fine.all()):
            return self
        rows = fine.nonzero().flatten()
        if not len(rows):
            return None
        place = BatchKeys(self.key).place
        return replace(
            self,
            inputs=self.inputs[rows],
            labels=None if self.labels is None else self.labels[rows],
            batch=batch_rows(self.batch, rows, len(self), place=place),
            numbers=None if self.numbers is None else tuple(self.numbers[i] for i in rows.tolist()),
            not_finite=tuple((~fine).nonzero().flatten().tolist()),
        )

    def without_nan(self) -> Probes:
        """Return the same with zeros for values that are not finite."""
        return replace(self, inputs=self.inputs.nan_to_num(0.0, 0.0, 0.0))

    def to(self, device: torch.device) -> Probes:
        """Return the same probes on another device."""
        everything = torch.arange(len(self), device=device)
        labels = None if self.labels is None else self.labels.to(device)
        place = BatchKeys(self.key).place
        batch = batch_rows(self.batch, everything, len(self), device, place)
        return replace(self, inputs=self.inputs.to(device), labels=labels, batch=batch)

    def batch_with(self, x: Tensor, rows: Tensor) -> Any:
        """Return the batch of the probes of numbers ``rows`` [m], with ``x`` [m, *dims] in the place of their inputs.

        Raises:
            ValueError: if the inputs are no entry of the batch.
        """
        if isinstance(self.key, ComposedInputs):
            return self.key.put(batch_rows(self.batch, rows, len(self)), x, self.parts)
        if callable(self.key):
            return with_entry(self.batch, self.key, x)
        place = place_of(self.key)
        batch = batch_rows(self.batch, rows, len(self), place=place)
        return with_entry(batch, self.key, self.inputs_with(x))

    @cached_property
    def parts(self) -> tuple[InputPart, ...]:
        """Where each of several inputs lies in ``inputs``, which join them; empty if there is one."""
        return self.key.parts(self.batch) if isinstance(self.key, ComposedInputs) else ()

    def arguments_with(self, x: Tensor) -> tuple[Any, ...]:
        """Return ``x`` [m, *dims] as the module takes it: its only argument, or one for each of several."""
        if isinstance(self.key, ComposedInputs):
            return self.key.arguments(x, self.parts)
        return (self.inputs_with(x),)

    def inputs_with(self, x: Tensor) -> Any:
        """Return ``x`` [m, *dims] as the batch holds its inputs: a tensor, or a list with one for each sample."""
        listed = not callable(self.key) and isinstance(batch_entry(self.batch, self.key), (list, tuple))
        return list(x) if listed else x

    def as_given(self, x: Tensor) -> Tensor:
        """Return inputs ``x`` [m, *dims] in the dtype of the batch's: of integers the nearest."""
        if self.integer is None:
            return x
        if self.integer.itemsize > _EXACT:
            return x.round().to(self.integer)
        bounds = torch.iinfo(self.integer)
        return x.round().clamp(bounds.min, bounds.max).to(self.integer)


def probes_of(
    captured: Sequence[CapturedSamples],
    keys: BatchKeys = _LOOKS,
    count: int | None = None,
    numbers: tuple[int, ...] | None = None,
    shape: Shape | None = None,
) -> Probes:
    """Join the samples of all processes, in the order of their places.

    Probes share their forwards, so they share a shape: the one that most of the samples have.

    Args:
        captured: the samples that each process has captured.
        keys: where the inputs and labels are.
        count: how many samples to keep, the first ones; ``None`` keeps all.
        numbers: the samples' numbers in the validation set, if they were chosen.
        shape: of the samples to keep; ``None``: that of most.

    Raises:
        ValueError: if there is no sample, or the inputs are missing or no numbers.
    """
    sizes = Counter[Shape]()
    for part in captured:
        for own, size in zip(part.shapes, part.sizes, strict=True):
            sizes[own] += size
    if not sizes:
        raise ValueError(
            "`probes` are taken from validation batches. Found no batch with any sample in this validation."
        )
    shape = sizes.most_common(1)[0][0] if shape is None else shape
    pieces = [piece for part in captured for piece in part.pieces() if piece[2] == shape]
    if not pieces:
        raise ValueError(f"`probes` should have the shape {shape}. Found samples of {', '.join(map(str, sizes))}.")
    batches, each, _, made = zip(*pieces, strict=True)
    by_function = None if made[0] is None else torch.cat(made)
    keys = keys.pinned(batches[0]) if by_function is None else keys
    join = partial(joined_batches, batches, [len(own) for own in each])
    place = list_place(keys, batches[0], join, by_function)
    places = torch.tensor([place for own in each for place in own])
    batch = join(place)
    order = places.argsort(stable=True)[:count]
    batch = batch_rows(batch, order, len(places), place=place)
    inputs = inputs_at(batch, keys.input) if by_function is None else by_function[order]
    integer = None if inputs.is_floating_point() else inputs.dtype
    if integer is torch.bool or inputs.is_complex():
        raise ValueError(
            f"`input_key` should name images of real numbers. Found {describe(inputs)}. Convert them by `.float()` in "
            f"the dataset, or name another entry of the batch, {describe(batch)}."
        )
    if integer is not None:
        inputs = inputs.to(torch.float32 if integer.itemsize <= _EXACT else torch.float64)
    at = keys.label_of(batch)
    labels = labels_at(batch, at)
    whole = isinstance(labels, Tensor) and not labels.is_floating_point() and labels.numel() == len(inputs)
    return Probes(
        inputs,
        labels.reshape(-1).long() if whole else None,
        batch,
        keys.input,
        None if numbers is None else tuple(numbers[i] for i in places.sort(stable=True).values[:count].tolist()),
        at,
        integer,
        {other: size for other, size in sizes.items() if other != shape},
    )


def passed_over_text(probes: Probes, wanted: int) -> str:
    """Say that samples of other shapes were passed over, and how many of those ``wanted`` remain; or nothing."""
    if not probes.passed_over:
        return ""
    count, others = sum(probes.passed_over.values()), ", ".join(map(str, list(probes.passed_over)[:3]))
    return (
        f"explains {len(probes)} of {wanted} samples, of shape {tuple(probes.inputs.shape[1:])}, which most have. "
        f"Passed over {count} of other shapes, such as {others}, since samples that share a forward share a shape; "
        "let the dataset crop or resize them, or choose others by `probes=[...]`."
    )


def not_finite_text(probes: Probes, rest: Probes | None) -> str:
    """Say which samples are left out for NaN or infinite values; the others are ``rest``."""
    places = range(len(probes)) if rest is None else rest.not_finite
    which = [i if probes.numbers is None else probes.numbers[i] for i in places]
    return (
        f"explains {len(probes) - len(places)} of {len(probes)} samples. Left out for NaN or infinite values: "
        f"{', '.join(map(str, which))}, counted from 0. Replace them in the dataset, or pass `input_key=lambda "
        f"batch: torch.nan_to_num({entry_code(probes.batch, probes.key)})`."
    )

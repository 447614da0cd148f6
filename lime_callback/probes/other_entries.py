"""Where else in a batch images may be, as code that a user passes: other entries, lists to stack, samples in a list."""

from __future__ import annotations

from typing import Any

import numpy as np
from torch import Tensor

from lime_callback.probes.batch_entries import Key, entry_code, key_of, place_of, resolved
from lime_callback.probes.batch_structure import (
    Place,
    at_place,
    entries,
    is_list_of_tensors,
    leaves,
    numbers,
    place_text,
)

_SAMPLES = ("id", "ids", "idx", "index", "indices", "number")  # what says which sample it is, and not of which class


def other_inputs(batch: Any, key: Key | None) -> list[str]:
    """Return the code of ``input_key`` for other entries than ``key`` that may be inputs, those of most axes first."""
    own = None if callable(key) else place_of(key)
    # Lists of images, in a batch's entry or in its stead.
    lists = {entry_code(batch, one): at_place(batch, place_of(one)) for one in ([] if own is None else [key, None])}
    alike = [code for code, value in lists.items() if is_stackable(value)]
    whole = [f"lambda batch: torch.stack(list({code}))" for code in alike]
    inside = own if own and is_stackable(at_place(batch, own)) else ()  # images of a list are no inputs each
    found = [(place, shape) for place, value in leaves(batch) if place and len(shape := rows_shape(value)) > 1]
    found = [one for one in found if one[0] != own and not (inside and one[0][: len(inside)] == inside)]
    codes = [place_text(place) for place, _ in sorted(found, key=lambda one: -len(one[1]))]
    rows = [] if inside and len(entries(batch)) == 1 else sample_rows(batch)[:1]  # a list of images alone is no sample
    tensors = [(place, value) for row in rows for place, value in leaves(row) if getattr(value, "ndim", 0) > 1]
    stacked = [stacked_code(batch[0], place, value) for place, value in sorted(tensors, key=lambda one: -one[1].ndim)]
    return whole + stacked + codes


def alike_inputs(batch: Any, key: Key | None, labels: Key | None = None) -> list[str]:
    """Return the code of ``input_key`` for other entries that may be images: those of the inputs' shape first.

    Args:
        batch: the batch.
        key: where the inputs are.
        labels: where the labels are, which no model reads; ``None`` if there are none.
    """
    own = place_of(key)
    taken = (own,) if labels is None or callable(labels) else (own, place_of(labels))
    shape = rows_shape(at_place(batch, own))
    found = [
        (place, other)
        for place, value in leaves(batch)
        if place and place not in taken and (other := rows_shape(value))
    ]
    able = [one for one in found if len(one[1]) > 1]
    able.sort(key=lambda one: (one[1] != shape, len(one[1]) != len(shape), -len(one[1])))
    return [place_text(place) for place, _ in able]


def _is_floating(values: Tensor | None) -> bool:
    return values is not None and values.is_floating_point()


def _are_codes(values: Tensor | None) -> bool:
    """Whether these are rows of whole numbers above 1, which no set of labels of one sample is."""
    if values is None or values.is_floating_point() or values.ndim != 2 or values.shape[1] < 2:
        return False
    return bool((values > 1).any())


def entries_of_rank(batch: Any, key: Key | None) -> list[Place]:
    """Return where tensors are of as many axes and rows as the inputs', in the batch's order, the inputs among them."""
    shape = rows_shape(at_place(batch, place_of(key)))
    found = [(place, rows_shape(value)) for place, value in leaves(batch) if place and isinstance(value, Tensor)]
    return [place for place, other in found if len(other) == len(shape) > 1 and other[0] == shape[0]]


def label_codes(batch: Any, key: Key | None) -> list[str]:
    """Return the code of ``label_key`` for entries that may be labels: a whole number a sample comes first.

    Rows of larger whole numbers are none: they are a caption's tokens or the like.

    Args:
        batch: the batch.
        key: where the inputs are, which are no labels, nor are entries of their shape; of a function nothing is known.
    """
    keys = getattr(key, "keys", ())  # of several inputs, or the place of one with times
    keys = keys if isinstance(keys, tuple) else [getattr(key, "place", None)]
    own = [place_of(resolved(batch, one)) for one in keys if one is not None] if callable(key) else [place_of(key)]
    inputs = {rows_shape(at_place(batch, place)) for place in own}
    found = [(place, value, rows_shape(value)) for place, value in leaves(batch) if place]
    rows = {shape[0] for shape in inputs if shape} or {shape[0] for _, _, shape in found if shape}
    able = [
        (place, numbers(value), shape)
        for place, value, shape in found
        if shape and shape[0] in rows and shape not in inputs and not any(place[: len(one)] == one for one in own)
    ]
    able = [(place, values, shape) for place, values, shape in able if not _are_codes(values)]
    able.sort(key=lambda one: (str(one[0][-1]).lower() in _SAMPLES, len(one[2]), _is_floating(one[1])))
    return [place_text(place) for place, _, _ in able]


def is_stackable(value: Any) -> bool:
    """Whether a list holds tensors of one shape and dtype."""
    return is_list_of_tensors(value) and len({(one.shape, one.dtype) for one in value}) == 1


def sample_rows(batch: Any) -> list[Any]:
    """The parts of a list of structures that are alike, such as samples; nothing of any other batch."""
    rows = list(batch) if isinstance(batch, (list, tuple)) else []
    kinds = {
        (type(one), *((step, type(part), getattr(part, "ndim", 0)) for step, part in entries(one))) for one in rows
    }
    inside = entries(rows[0]) if len(kinds) == 1 else []
    # A row of tensors of one shape is a list of images itself, as of several views, unless it is a tensor alone.
    return rows if len(inside) == 1 or (inside and numbers(rows[0]) is None) else []


def stacked_code(row: Any, place: Place, value: Any) -> str:
    """The code of a function that stacks an entry of samples, of which this row is the first."""
    code = entry_code(row, key_of(place)).replace("batch", "sample", 1)
    code = code if isinstance(value, Tensor) else f"torch.as_tensor({code})"
    return f"lambda batch: torch.stack([{code} for sample in batch])"


def rows_shape(value: Any) -> tuple[int, ...]:
    """The shape of an entry with rows of numbers, ``[B, ...]``; of a list of a tensor a sample with its first one's.

    It is empty for anything else.
    """
    if is_list_of_tensors(value):
        return (len(value), *value[0].shape) if len({one.ndim for one in value}) == 1 else ()
    known = isinstance(value, (Tensor, np.ndarray)) and numbers(value) is not None
    return tuple(value.shape) if known else ()

"""Finds the inputs and the labels in a validation batch: by the user's keys, by usual names, or by their shape."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

import numpy as np
from torch import Tensor

from lime_callback.checks.descriptions import describe
from lime_callback.checks.help_pages import see
from lime_callback.probes.batch_entries import (
    Key,
    advice,
    advised,
    has_names,
    inputs_at,
    key_of,
    place_of,
    resolved,
    usual_name,
)
from lime_callback.probes.batch_structure import (
    Place,
    at_place,
    entries,
    is_list_of_tensors,
    leaves,
    numbers,
    place_text,
)
from lime_callback.probes.other_entries import (
    is_stackable,
    label_codes,
    other_inputs,
    rows_shape,
    sample_rows,
    stacked_code,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lime_callback.views.layout import Layout

_INPUTS = (
    "image",
    "images",
    "pixel_values",
    "x",
    "input",
    "inputs",
    "data",
    "img",
    "hsi",
    "cube",
    "spectrum",
    "spectra",
    "features",
)
_LABELS = ("label", "labels", "y", "target", "targets", "class", "classes", "gt", "gt_label", "mask", "masks")


@dataclass(frozen=True)
class BatchKeys:
    """Where in a batch the inputs and the labels are.

    Args:
        input: the user's key; ``None`` looks for the inputs.
        label: the user's key; ``None`` looks for the labels.
        layout: the axes of one input, by which it is found among entries of no usual name; ``None`` if it is unknown.
        channels: how many channels an input has; ``None`` if it is unknown.
        steps: the layout's letters with an axis of times or depths, such as ``"CTHW"``; empty if there is none.
    """

    input: Key | None = None
    label: Key | None = None
    layout: Layout | None = None
    channels: int | None = None
    steps: str = ""

    def pinned(self, batch: Any) -> BatchKeys:
        """The same for a structure as the batch's, in which the inputs stay where they are in this one."""
        key = self.input_of(batch)
        steps = getattr(key, "pinned", None)  # of an input with times or depths
        return replace(self, input=steps(batch) if steps else key)

    @property
    def place(self) -> Place | None:
        """Where the inputs are, of pinned keys; ``None`` if a function makes them."""
        return getattr(self.input, "place", None) if callable(self.input) else place_of(self.input)

    def input_of(self, batch: Any) -> Key | None:
        """Return where the inputs are; ``None`` if the batch is the input itself, or a list of an image a sample.

        An entry of a usual name, or a sequence's first tensor, is taken if it fits the layout; else the one that does.

        Raises:
            ValueError: if there is no such entry, or several may be meant.
        """
        if self.input is None and (isinstance(batch, (Tensor, np.ndarray)) or self._is_images(batch)):
            return None
        samples = self._of_samples(batch) if self.input is None else ""
        key = None if samples else self._found_input(batch) if self.input is None else resolved(batch, self.input)
        if key is not None:
            return key
        able = self._able(batch)
        found = "" if self.input is None else f"`input_key = {self.input!r}` and "
        several = ", of which several may be meant" if self.input is None and len(able) > 1 else ""
        raise ValueError(
            f"`input_key` should name the batch's entry with the images, a tensor [B, ...]. Found {found}a batch of "
            f"{describe(batch)}{several}. {samples or self._advice(batch, able)}{self._together(batch, able)} "
            f"{see('batch')}"
        )

    def _together(self, batch: Any, able: Sequence[Place]) -> str:
        """Say how several inputs of one model are named, where a batch has such entries; else nothing."""
        if self.input is not None or len(able) < 2 or not has_names(batch):
            return ""
        ranks = {len(rows_shape(at_place(batch, place))) for place in able}
        names = ", ".join(map(place_text, able))
        return f" Where the model takes several, pass `input_key=[{names}]`." if len(ranks) == 1 else ""

    def _advice(self, batch: Any, able: Sequence[Place]) -> str:
        """Name entries that may be meant, by turns with what stacks those of samples, if it may be a list of these."""
        rows = sample_rows(batch)
        if not rows or not able:
            return advice("input_key", able, batch)
        found = [
            (place, value) for place, value in leaves(rows[0]) if place and isinstance(value, Tensor) and value.ndim
        ]
        stacks = [stacked_code(rows[0], place, value) for place, value in sorted(found, key=lambda one: -one[1].ndim)]
        pairs = zip_longest(map(place_text, able), stacks)
        return advised("input_key", [code for pair in pairs for code in pair if code is not None])

    @property
    def _axes(self) -> str:
        return self.steps or ("" if self.layout is None else self.layout.axes)

    def _able(self, batch: Any) -> list[Place]:
        """Where the inputs may be: entries that fit, or else all with rows of numbers, those of the most axes first."""
        found = [(place, shape) for place, value in leaves(batch) if place and (shape := rows_shape(value))]
        fitting = [place for place, shape in found if self._fits_shape(shape[1:])]
        # A list of images may be what is meant by one in it, which looks like a batch where it has an axis more.
        around = [place for place, _ in found if any(one[:-1] == place for one in fitting)]
        several = [place for one in fitting for place in (*(place for place in around if place == one[:-1]), one)]
        return list(dict.fromkeys(several)) or [place for place, _ in sorted(found, key=lambda one: -len(one[1]))]

    def _is_images(self, batch: Any) -> bool:
        """Whether a batch is itself a list of an image a sample, rather than of entries."""
        alike = is_list_of_tensors(batch) and len({one.dtype for one in batch}) == 1
        return alike and bool(self._axes) and self._fits(batch)

    def _of_samples(self, batch: Any) -> str:
        """Say how to stack the inputs of a batch that is a list of samples of one structure; nothing of any other."""
        rows = sample_rows(batch)
        # Samples of tensors that all may be images look like several entries with an image a sample each. One such
        # sample with an image alone is the same either way.
        parts = list(batch) if isinstance(batch, (list, tuple)) else []
        listed = bool(parts) and len({len(one) if is_stackable(one) and self._fits(one) else 0 for one in parts}) == 1
        listed = listed and is_stackable(parts[0]) and self._fits(parts[0])
        if listed and len(parts[0]) == len(parts) == 1:
            return ""
        if listed:
            codes = [stacked_code(parts[0], Place((i,)), one) for i, one in enumerate(parts[0])]
            return advised("input_key", [codes[0], place_text(Place((0,))), *codes[1:]])
        if not rows:
            return ""
        whole = [(place, value) for place, value in leaves(rows[0]) if isinstance(value, (Tensor, np.ndarray))]
        found = [(place, value, shape) for place, value in whole if (shape := rows_shape(value))]
        fitting = [one for one in found if self._fits_shape(one[2])]
        batched = any(self._fits_shape(shape[1:]) for _, _, shape in found)
        # Such a list may also hold a batch of each of several loaders, whose entries have as many rows as each other.
        alone = len(found) == 1 and any(not rows_shape(value) for _, value in whole)
        same_rows = len({shape[0] for _, _, shape in found}) == 1
        of_loaders = same_rows or not fitting if batched else same_rows and not fitting and len(found) > 1
        if of_loaders and not alone:
            return ""
        able = sorted(found, key=lambda one: (not self._fits_shape(one[2]), -len(one[2])))
        ways = [stacked_code(rows[0], place, value) for place, value, _ in able]
        return advised("input_key", ways) if ways else ""

    def label_of(self, batch: Any) -> Key | None:
        """Return where the labels are; ``None`` if there are none.

        Raises:
            ValueError: if the user's key does not lead to an entry of the batch.
        """
        if self.label is None:
            return self._found_label(batch)
        key = resolved(batch, self.label)
        if key is not None:
            return key
        able = [place_text(place) for place, value in leaves(batch) if place and numbers(value) is not None]
        with suppress(ValueError):  # of a batch whose inputs are not found either
            able = label_codes(batch, self.input_of(batch))
        way = advised("label_key", able) if able else advice("label_key", [], batch)
        raise ValueError(
            f"`label_key` should name an entry of the batch, a tensor. Found `label_key = {self.label!r}` and a batch "
            f"of {describe(batch)}. {way} {see('labels')}"
        )

    def inputs(self, batch: Any) -> Any:
        """Return a batch's inputs: ``[B, *dims]``, or a list of a tensor a sample.

        Returns ``None`` if there are none at the user's key or the pinned one, as of a loader that ended before others.

        Raises:
            ValueError: if there is no such entry, or it is neither.
        """
        if self.input is not None and not callable(self.input):
            with suppress(KeyError):
                if at_place(batch, place_of(self.input)) is None:
                    return None
        return inputs_at(batch, self.input_of(batch))

    def _found_input(self, batch: Any) -> Key | None:
        usual = usual_name(batch, _INPUTS) if has_names(batch) else _first_image(batch)
        if usual is not None and len(rows_shape(at_place(batch, place_of(usual)))) == 1 and other_inputs(batch, usual):
            usual = None  # a number a sample, such as a label, is no image where something else may be one
        if not self._axes or (usual is not None and self._fits(at_place(batch, place_of(usual)))):
            return usual
        able = [(place, value) for place, value in leaves(batch) if place and self._fits(value)]
        tensors = [place for place, value in able if not is_list_of_tensors(value)]
        fitting = tensors or [place for place, _ in able]  # a few entries of a sample each may look like images
        if not fitting:
            return usual
        named = [place for place in fitting if str(place[-1]).lower() in _INPUTS]
        if len(fitting) > 1 and len(named) == 1 and has_names(batch):
            return key_of(named[0])
        # In a list, such as one of several views of the same samples, the first stands for all.
        around = {place[:-1] for place in fitting}
        in_a_list = not has_names(batch) or (len(around) == 1 and not has_names(at_place(batch, Place(*around))))
        return key_of(fitting[0]) if len(fitting) == 1 or in_a_list else None

    def _fits(self, value: Any) -> bool:
        """Whether an entry may be inputs of this layout: a tensor, or a list of a tensor a sample."""
        if is_list_of_tensors(value):
            return all(self._fits_shape(tuple(one.shape)) for one in value)
        shape = rows_shape(value)
        return bool(shape) and self._fits_shape(shape[1:])

    def _fits_shape(self, shape: tuple[int, ...]) -> bool:
        """Whether a sample of this shape may be an input; where no layout is known, one with any axis."""
        axes = self._axes
        if not axes:
            return bool(shape)
        if len(shape) != len(axes) or any(size != 1 for size, axis in zip(shape, axes, strict=True) if axis == "1"):
            return False
        return self.channels is None or "C" not in axes or shape[axes.index("C")] == self.channels

    def _inputs_shape(self, batch: Any) -> tuple[int, ...] | None:
        with suppress(ValueError):
            return tuple(getattr(inputs_at(batch, self.input_of(batch)), "shape", ())) or None
        return None

    def _found_label(self, batch: Any) -> Key | None:
        key = self.input_of(batch)
        last = getattr(key, "last_place", None)  # of several inputs
        place = last(batch) if last else Place() if callable(key) else place_of(key)
        # From the outermost level on, since the inputs may lie in a tuple of their own.
        for depth in range(max(1, len(place))):
            around = Place(place[:depth])
            step = _label_beside(at_place(batch, around), place[depth] if place else None, self._inputs_shape(batch))
            if step is not None:
                return key_of(Place((*around, step)))
        return None


def _first_image(batch: Any) -> int | None:
    """Return the place in a sequence of the first entry with more than a number a sample, or of the first at all."""
    ranks = [(i, len(shape)) for i, part in entries(batch) if (shape := rows_shape(part))]
    return next((i for i, rank in ranks if rank > 1), ranks[0][0] if ranks else None)


def _label_beside(batch: Any, step: Any, inputs: tuple[int, ...] | None) -> Any:
    """Return the step to the labels of a structure in which ``step`` leads to the inputs; ``None`` if it has none.

    Entries of the inputs' shape, such as a second image, are labels only where nothing else can be.
    """
    if has_names(batch):
        return usual_name(batch, _LABELS, texts=True)
    values = [(i, numbers(part)) for i, part in entries(batch) if i != step]
    shapes = {i: tuple(value.shape) for i, value in values if value is not None}
    able = [i for i, shape in shapes.items() if shape != inputs] or list(shapes)
    after = [i for i in able if step is not None and i > step]
    return after[0] if after else able[-1] if able and step is not None else None

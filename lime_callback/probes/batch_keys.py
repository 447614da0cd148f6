"""Finds the inputs and the labels in a validation batch: by the user's keys, by usual names, or by their shape."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from torch import Tensor

from lime_callback.checks.descriptions import describe
from lime_callback.probes.batch_entries import (
    Key,
    advice,
    entry_code,
    has_names,
    inputs_at,
    key_of,
    place_of,
    resolved,
    usual_name,
)
from lime_callback.probes.batch_structure import Place, at_place, entries, is_list_of_tensors, leaves, numbers

if TYPE_CHECKING:
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
_LABELS = ("label", "labels", "y", "target", "targets", "class", "classes", "gt", "gt_label")


@dataclass(frozen=True)
class BatchKeys:
    """Where in a batch the inputs and the labels are.

    Args:
        input: the user's key; ``None`` looks for the inputs.
        label: the user's key; ``None`` looks for the labels.
        layout: the axes of one input, by which it is found among entries of no usual name; ``None`` if it is unknown.
        channels: how many channels an input has; ``None`` if it is unknown.
    """

    input: Key | None = None
    label: Key | None = None
    layout: Layout | None = None
    channels: int | None = None

    def pinned(self, batch: Any) -> BatchKeys:
        """The same for a structure as the batch's, in which the inputs stay where they are in this one."""
        return replace(self, input=self.input_of(batch))

    @property
    def place(self) -> Place | None:
        """Where the inputs are, of pinned keys; ``None`` if a function makes them."""
        return None if callable(self.input) else place_of(self.input)

    def input_of(self, batch: Any) -> Key | None:
        """Return where the inputs are; ``None`` if the batch is the input itself.

        An entry of a usual name, or a sequence's first tensor, is taken if it fits the layout; else the one that does.

        Raises:
            ValueError: if there is no such entry, or several may be meant.
        """
        if self.input is None and isinstance(batch, (Tensor, np.ndarray)):
            return None
        key = self._found_input(batch) if self.input is None else resolved(batch, self.input)
        if key is not None:
            return key
        able = [place for place, value in leaves(batch) if place and self._fits(value)]
        able = able or [place for place, value in leaves(batch) if place and numbers(value) is not None]
        found = "" if self.input is None else f"`input_key = {self.input!r}` and "
        several = ", of which several may be meant" if self.input is None and len(able) > 1 else ""
        samples = self._of_samples(batch) if self.input is None else ""
        raise ValueError(
            f"`input_key` should name the batch's entry with the images, a tensor [B, ...]. Found {found}a batch of "
            f"{describe(batch)}{several}. {samples or advice('input_key', able, batch)}"
        )

    def _of_samples(self, batch: Any) -> str:
        """Say how to stack the inputs of a batch that is a list of samples of one structure; nothing of any other."""
        kinds = {(type(one), tuple(step for step, _ in entries(one))) for one in _rows(batch)}
        if len(kinds) != 1 or len(batch) < 2:
            return ""
        first = batch[0]
        one = BatchKeys(layout=self.layout, channels=self.channels)
        fitting = [step for step, value in entries(first) if isinstance(value, Tensor) and one._fits(value[None])]
        if len(fitting) != 1:
            return ""
        code = entry_code(first, fitting[0]).replace("batch", "sample", 1)
        return f"Pass for example `input_key=lambda batch: torch.stack([{code} for sample in batch])`."

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
        able = [place for place, value in leaves(batch) if place and numbers(value) is not None]
        raise ValueError(
            f"`label_key` should name an entry of the batch, a tensor. Found `label_key = {self.label!r}` and a batch "
            f"of {describe(batch)}. {advice('label_key', able, batch)}"
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
        if self.layout is None or (usual is not None and self._fits(at_place(batch, place_of(usual)))):
            return usual
        fitting = [place for place, value in leaves(batch) if place and self._fits(value)]
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
        listed = is_list_of_tensors(value)
        shapes = [tuple(one.shape) for one in value] if listed else [tuple(getattr(value, "shape", ()))[1:]]
        if not listed and (not isinstance(value, (Tensor, np.ndarray)) or numbers(value) is None):
            return False
        axes = "" if self.layout is None else self.layout.axes
        for shape in shapes:
            if len(shape) != len(axes) or any(size != 1 for size, axis in zip(shape, axes, strict=True) if axis == "1"):
                return False
            if self.channels is not None and "C" in axes and shape[axes.index("C")] != self.channels:
                return False
        return True

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
    """Return the place in a sequence of the first tensor with more than a number a sample, or of the first at all."""
    tensors = [(i, part) for i, part in entries(batch) if isinstance(part, (Tensor, np.ndarray))]
    return next((i for i, part in tensors if part.ndim > 1), tensors[0][0] if tensors else None)


def _rows(batch: Any) -> list[Any]:
    """The samples of a batch that is a list of them, each with entries; nothing of any other batch."""
    rows = list(batch) if isinstance(batch, (list, tuple)) else []
    return rows if all(entries(one) and numbers(one) is None for one in rows) else []


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

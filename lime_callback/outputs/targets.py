"""Puts a forward's output on a scale, and selects the outputs that are explained.

A forward's output becomes ``[m, K]``, in float32 or wider. Targets are indices of outputs, from 0 to K - 1, ``[B, T]``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from lime_callback.checks.numbers import check_count, whole_number
from lime_callback.outputs.segmentation_reducers import Reducer

Target = int | Sequence[int] | Tensor | Literal["predicted", "all"] | Callable[[Tensor], Tensor] | None
Output = Literal["raw", "centered", "softmax", "sigmoid", "log_softmax"]
LEAST_PROBABILITY = 1e-12
"""Smaller probabilities count as this one, so that logarithms are finite and no single row outweighs all others."""
# Each row's probabilities sum to 1 with at most this error. Rows of logits do not all do so by chance.
_SUMS = {torch.float64: 1e-4, torch.float32: 1e-4}
_SUMS_OF_HALF = 1e-2


def log_probabilities(y: Tensor) -> Tensor:
    """Return the log-probabilities ``[m, K]`` of outputs ``[m, K]``, which are logits or already probabilities.

    All rows together decide which they are, without waiting for the device.
    """
    wide = _wide(y)
    stated = (wide >= 0).all() & ((wide.sum(-1) - 1).abs() < _SUMS.get(y.dtype, _SUMS_OF_HALF)).all()
    least = math.log(LEAST_PROBABILITY)
    return torch.where(stated, wide.clamp(min=LEAST_PROBABILITY).log(), wide.log_softmax(-1).clamp(min=least))


def _wide(y: Tensor) -> Tensor:
    return y if y.dtype in (torch.float32, torch.float64) else y.float()


_REDUCED = (
    " Where that is a value for each pixel, pass `output=ClassRegion()` or `output=PixelCount()` of "
    "`lime_callback.outputs`; of anything else, an `output=` function that makes [m, K] of it."
)


def _mean_of_finite(y: Tensor) -> Tensor:
    """Each row's mean ``[m, 1]``; without logits of minus infinity, by which models rule classes out."""
    finite = y.isfinite()
    of_finite = y.where(finite, 0.0).sum(-1, keepdim=True) / finite.sum(-1, keepdim=True)
    return torch.where((y == -math.inf).any(-1, keepdim=True), of_finite, y.mean(-1, keepdim=True))


_SCALES: dict[str, Callable[[Tensor], Tensor]] = {
    "raw": lambda y: _wide(y),
    # A number added to all logits changes no probability; centering makes it change nothing here either.
    "centered": lambda y: _wide(y) - _mean_of_finite(_wide(y)),
    "softmax": lambda y: _wide(y).softmax(-1),
    "sigmoid": lambda y: _wide(y).sigmoid(),
    "log_softmax": log_probabilities,
}


def check_output(output: Any, *more: str) -> None:
    """Raise if ``output`` is none of these: a known scale, one of ``more`` names, a function.

    Raises:
        ValueError: if ``output`` is an unknown name.
        TypeError: if ``output`` is neither a name nor a function.
    """
    known = (*more, *_SCALES)
    if (callable(output) and not isinstance(output, type)) or (isinstance(output, str) and output in known):
        return
    found_text = (
        f"the class {output.__name__}; make an object of it" if isinstance(output, type) else f"`output = {output!r}`"
    )
    names = ", ".join(map(repr, known))
    message = f"`output` should be one of {names}, a Reducer, or a function of the model's output. Found {found_text}."
    raise ValueError(message) if isinstance(output, str) else TypeError(message)


def scaled_outputs(
    raw: Any, rows: int, output: Output | Callable[[Tensor], Tensor] | Reducer, pinned: Tensor | None = None
) -> Tensor:
    """Return a forward's output on a scale, ``[m, K]``.

    Args:
        raw: the forward's output for m inputs: ``[m]`` or ``[m, K]``, or anything that a callable ``output`` turns into
            such a tensor.
        rows: the number of inputs, m.
        output: the scale, a function of the output, or a reducer.
        pinned: for each row what the reducer pinned; ``None`` pins from ``raw``, for unperturbed inputs.

    Raises:
        TypeError: if the result is not a tensor.
        ValueError: if its shape is neither ``[m]`` nor ``[m, K]``, it is empty or complex, or ``output`` is
            ``"softmax"``, ``"log_softmax"`` or ``"centered"`` and K is 1.
    """
    if isinstance(output, Reducer):
        y = output(raw, output.pin(raw) if pinned is None else pinned)
    else:
        y = output(raw) if callable(output) else raw
    last = "forward" if y is raw else "output"
    if not isinstance(y, Tensor):
        raise TypeError(
            f"`{last}` should return a tensor [m] or [m, K]. Found a {type(y).__name__}. Pick the tensor inside "
            f"`{last}`."
        )
    if y.ndim not in (1, 2) or len(y) != rows or y.numel() == 0:
        raise ValueError(
            f"`{last}` should return [m] or [m, K] for a batch of m = {rows} inputs. Found shape {tuple(y.shape)}."
            f"{_REDUCED if y.ndim > 2 and len(y) == rows else ''}"
        )
    if y.is_complex():
        raise ValueError(f"`{last}` should return real numbers. Found dtype {y.dtype}; take its `.abs()` or `.real`.")
    y = y.reshape(rows, -1)
    if output == "log_softmax" and y.shape[1] == 1:
        raise ValueError("`output = 'log_softmax'` of a single output is always 0. Use 'raw' or 'sigmoid'.")
    if output == "softmax" and y.shape[1] == 1:
        raise ValueError("`output = 'softmax'` of a single output is always 1. Use 'raw' or 'sigmoid'.")
    if output == "centered" and y.shape[1] == 1:
        raise ValueError("`output = 'centered'` of a single output is always 0. Use 'raw' or 'sigmoid'.")
    return _wide(y) if callable(output) else _SCALES[output](y)


@dataclass(frozen=True)
class TopLabels:
    """Each input's k largest outputs, largest first, as the ``target`` of ``explain`` and of the callback.

    Args:
        k: the number of outputs, at least 1.

    Raises:
        ValueError: if ``k`` is below 1.
        TypeError: if ``k`` is not a whole number.
    """

    k: int = 5

    def __post_init__(self) -> None:
        object.__setattr__(self, "k", check_count("k", self.k))

    def __call__(self, outputs: Tensor) -> Tensor:
        """Return the indices ``[B, k]`` of the largest of outputs ``[B, K]``; of equal outputs the first comes first.

        Raises:
            ValueError: if ``outputs`` is not ``[B, K]``, or K is below ``k``.
        """
        if outputs.ndim != 2 or outputs.shape[1] < self.k:
            raise ValueError(
                f"`k` should be at most the number of outputs K of [B, K]. Found `k = {self.k}` and outputs of shape "
                f"{tuple(outputs.shape)}."
            )
        return outputs.argsort(dim=1, descending=True, stable=True)[:, : self.k]


def select_targets(target: Target, outputs: Tensor) -> Tensor:
    """Return the indices of the explained outputs, int64 ``[B, T]``, on the outputs' device.

    Args:
        target: an index or a list [T] of different indices for all inputs; a tensor or an array [B] or [B, T] of
            indices for each input; ``"predicted"`` for each input's largest output; a function of the outputs that
            returns such a tensor; or ``None`` or ``"all"`` for every output.
        outputs: the outputs for the unperturbed inputs, ``[B, K]``.

    Raises:
        ValueError: if an index is below 0 or not below K, stands twice in a list, or the target's shape does not fit.
        TypeError: if ``target`` holds something other than integers, or the function does not return a tensor.
    """
    batch, size = outputs.shape
    if callable(target):
        target = target(outputs.clone())
        if not isinstance(target, Tensor):
            raise TypeError(
                f"`target` should return a tensor [B] or [B, T] of indices. Found a {type(target).__name__}."
            )
    if isinstance(target, np.ndarray) and target.ndim:
        target = torch.as_tensor(target)
    if isinstance(target, str) and target == "predicted":
        target = outputs.argmax(1)
    values: list[Any] = []
    if target is None or (isinstance(target, str) and target == "all"):
        chosen = torch.arange(size)
    elif isinstance(target, Tensor):
        chosen = target.detach()
    else:
        values = [whole_number(index) for index in (target if isinstance(target, Iterable) else [target])]
        if not values or None in values:
            raise TypeError(
                f"`target` should be an integer, a list of integers, a tensor, 'predicted', 'all', a function of the "
                f"outputs or None. Found `target = {target!r}`."
            )
        if len(set(values)) < len(values):
            raise ValueError(
                f"`target` should be a list of different outputs, which are all explained of every input. Found "
                f"`target = {target!r}`. For one output of each input pass a tensor, `target=torch.tensor({values})`."
            )
        # Clamped, since an index may exceed int64; the check below reports the index itself.
        chosen = torch.tensor([max(-1, min(value, size)) for value in values])
    if chosen.is_floating_point() or chosen.is_complex() or chosen.dtype == torch.bool:
        raise TypeError(f"`target` should hold integers, the indices of outputs. Found dtype {chosen.dtype}.")
    if isinstance(target, Tensor):
        chosen = chosen.reshape(1, 1) if chosen.ndim == 0 else chosen.unsqueeze(1) if chosen.ndim == 1 else chosen
        if chosen.ndim != 2 or len(chosen) not in (1, batch) or chosen.numel() == 0:
            raise ValueError(
                f"`target` should have shape [B] or [B, T] with B = {batch} inputs; give a list for targets shared by "
                f"all. Found "
                f"shape {tuple(target.shape)}."
            )
    # Numbers that the user gave as a list are checked there: reading a tensor back would wait for the device.
    indices = chosen.flatten().tolist() if isinstance(target, Tensor) else values
    wrong = sorted({t for t in indices if not 0 <= t < size})
    if wrong:
        single = " A single output is that of class 1, also for inputs of class 0: leave `target` out." * (wrong == [1])
        raise ValueError(
            f"`target` should be an index from 0 to {size - 1}: the model has {size} output{'s' * (size != 1)}. Found "
            f"{wrong}.{single * (size == 1)}"
        )
    return chosen.to(device=outputs.device, dtype=torch.int64).expand(batch, -1)


def pinned_targets(target: Any, outputs: Tensor, labels: Tensor | None) -> Tensor:
    """Return the indices of the explained outputs for probes, int64 ``[P, T]``.

    Args:
        target: ``"predicted"``, ``"label"``, ``"all"``, an index, a list of indices, or a function of the outputs.
        outputs: the model's outputs for the probes, ``[P, K]``.
        labels: the probes' integer labels, ``[P]``, or ``None`` if they have none.

    Raises:
        ValueError: if ``target`` is ``"label"`` and ``labels`` is ``None``, or an index is not below K.
        TypeError: as :func:`select_targets` raises it.
    """
    if target == "predicted":
        return outputs.argmax(1, keepdim=True)
    if target == "label":
        if labels is None:
            raise ValueError(
                "`target = 'label'` needs one integer label for each sample. Found none in the validation batch; pass "
                "`label_key=`, or `target='predicted'`."
            )
        single = outputs.shape[1] == 1 and bool(((labels == 0) | (labels == 1)).all())
        target = (
            torch.zeros_like(labels) if single else labels
        )  # with a single logit, a label is not an index of an output
    return select_targets(None if isinstance(target, str) else target, outputs)


def target_name(index: int, class_names: Sequence[str] | None, kind: str | None = None) -> str:
    """Return the output's name, or its number if it has no name; a single logit, ``"binary"``, has the name of class 1.

    Args:
        index: the output's number.
        class_names: the outputs' names, or ``None``; of a single logit also those of both classes.
        kind: what the outputs are, see :data:`~lime_callback.outputs.output_kinds.Kind`.
    """
    return class_name(1 if kind == "binary" else index, class_names, kind)


def target_words(index: int, class_names: Sequence[str] | None, kind: str | None = None) -> str:
    """Return the output's name within a sentence: ``"rye"``, and without names ``"class 3"`` or ``"output 3"``."""
    name = target_name(index, class_names, kind)
    if class_names is not None and not name.isdecimal():
        return name
    return f"{'class' if kind in ('classes', 'binary', 'several', 'pixels') else 'output'} {name}"


def class_name(index: int, class_names: Sequence[str] | None, kind: str | None) -> str:
    """Return a class's name, or its number if it has no name; a single logit has two classes, and one or two names."""
    if kind == "binary" and class_names is not None and len(class_names) == 1 and index in (0, 1):
        return class_names[0] if index else f"not {class_names[0]}"
    return class_names[index] if class_names is not None and 0 <= index < len(class_names) else str(index)

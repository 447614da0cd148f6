"""Tells from the labels what a model's outputs stand for, and chooses scale and targets if the user did not.

Letters: ``P`` probes, ``K`` outputs, ``T`` targets. Outputs are ``[P, K]``, see :mod:`lime_callback.outputs.targets`.
Labels are the batch's entry for the probes, usually ``[P]``, ``[P, 1]`` or ``[P, K]``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import Tensor

from lime_callback.checks.descriptions import describe
from lime_callback.outputs.contrast import Contrast
from lime_callback.outputs.probabilities_and_losses import are_probabilities
from lime_callback.outputs.segmentation_reducers import OfPixels
from lime_callback.outputs.targets import pinned_targets, target_name, target_words

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lime_callback.views.layout import Layout

Kind = Literal["classes", "binary", "several", "values", "pixels", "outputs"]
"""What outputs stand for.

- ``"classes"``: K classes, of which an integer label names the true one.
- ``"binary"``: the single output is the logit or the probability of class 1.
- ``"several"``: K classes, of which any number may be true; labels are 0 or 1 for each class.
- ``"values"``: numbers, as the labels are.
- ``"pixels"``: a number for each of K classes of pixels, a mean over its region or a count; none is of the whole input.
- ``"outputs"``: the labels do not tell.
"""


def kind_of(outputs: Tensor, labels: Tensor | None, output: Any, names: int = 0, *, regions: bool = False) -> Kind:
    """Return what the outputs stand for.

    Args:
        outputs: the outputs for the probes, ``[P, K]``.
        labels: the probes' labels, or ``None``.
        output: the user's argument. With a function, a single output is not taken for ``"binary"``; with a
            :class:`~lime_callback.outputs.Contrast`, outputs are differences and not classes.
        names: how many names the user gave; where no label tells, two names of a single output are those of classes.
        regions: whether outputs with pixels were reduced to each class's region because of their shape.
    """
    if regions or isinstance(output, OfPixels):
        return "pixels"
    probes, size = outputs.shape
    if labels is None or not labels.numel() or isinstance(output, Contrast):
        return "binary" if size == 1 and names == 2 and not callable(output) else "outputs"
    whole = not labels.is_floating_point() and not labels.is_complex()
    one_each = labels.numel() == probes
    if one_each and size > 1:
        return "classes" if whole and bool(labels_that_fit(labels, size).any()) else "outputs"
    marks = bool(((labels == 0) | (labels == 1)).all())
    if one_each:
        known = marks or (whole and bool((labels <= 1).all()))  # a label below 0 means that a sample has none
        return "values" if not known else "outputs" if callable(output) else "binary"
    if labels.ndim == 2 and labels.shape == outputs.shape:
        return "several" if marks else "values"
    return "outputs"


def labels_that_fit(labels: Tensor, size: int) -> Tensor:
    """Return which labels are from 0 to ``size - 1``, bool ``[P]``; -100 and the like are not."""
    flat = labels.reshape(-1)
    return (flat >= 0) & (flat < size)


Scale = Literal["centered", "log_softmax", "raw", "ClassRegion()"]
REGIONS: Scale = "ClassRegion()"


def scale_of(kind: Kind, outputs: Tensor, layout: Layout, *, regions: bool = False) -> Scale:
    """Return the scale that ``output="auto"`` stands for.

    Classes of inputs without pixels get ``"log_softmax"``, other classes ``"centered"``, and probabilities and all
    other outputs ``"raw"``. Inputs without pixels differ because of classes that follow each other along an element's
    value: the logit of a class in the middle hardly depends on that element, while its probability does. Outputs with
    pixels were reduced to each class's region.

    Args:
        kind: what the outputs stand for.
        outputs: the model's unscaled outputs, ``[P, K]``.
        layout: names the inputs' axes.
        regions: whether the model's outputs have pixels.
    """
    if regions:
        return REGIONS
    if kind == "classes" and not layout.has_pixels:
        return "log_softmax"
    return "centered" if kind == "classes" and not are_probabilities(outputs) else "raw"


def check_pixel_labels(labels: Any) -> None:
    """Raise a ``ValueError`` if the labels of pixels are numbers that are no classes."""
    if isinstance(labels, Tensor) and labels.ndim > 2 and labels.is_floating_point():
        known = labels[labels.isfinite()]
        if not bool((known == known.round()).all()):
            raise ValueError(
                "`output` should say what is explained of a number for each pixel. Found outputs with pixels, and "
                f"labels that are no classes, {describe(labels)}. Pass for example `output=lambda y: "
                "y.flatten(1).mean(1)`, the mean of an input's pixels."
            )


def targets_of(target: Any, kind: Kind, outputs: Tensor, labels: Tensor | None) -> Tensor:
    """Return the indices of the explained outputs, int64 ``[P, T]``, on the outputs' device.

    Args:
        target: the user's argument. ``"auto"`` takes the label of a probe with classes, or the largest output if the
            label is not a class. For values, whose units may differ, ``"auto"`` and ``"predicted"`` take output 0.
        kind: what the outputs stand for.
        outputs: the outputs for the probes, ``[P, K]``.
        labels: the probes' labels, or ``None``.

    Raises:
        ValueError: if ``target`` is ``"label"`` and no integer labels fit, or an index is not below K.
        TypeError: if ``target`` is a function that returns no tensor, or holds something other than integers.
    """
    if target in ("auto", "predicted") and isinstance(target, str):
        largest = outputs.argmax(1, keepdim=True)
        if kind == "values":
            return torch.zeros_like(largest)
        if target == "auto" and kind == "classes" and labels is not None:
            flat = labels.reshape(-1, 1).to(outputs.device)
            return torch.where((flat >= 0) & (flat < outputs.shape[1]), flat.long(), largest)
        return largest
    whole = labels is not None and not labels.is_floating_point() and labels.numel() == len(outputs)
    return pinned_targets(target, outputs, labels.reshape(-1).long() if whole and labels is not None else None)


_AS = {"centered": ", as its logit less the mean of all logits", "log_softmax": ", as its log-probability"}


def explained_outputs_text(
    target: Any, kind: Kind, scale: str | None, size: int, labels: Tensor | None, class_names: Sequence[str] | None,
    by_mask: str = "output=ClassRegion(region='mask')",
) -> str:  # fmt: skip
    """Return a sentence that tells the user which outputs are explained.

    Args:
        target: the user's argument.
        kind: what the outputs stand for.
        scale: the scale that ``output="auto"`` became; ``None`` if the user chose a scale.
        size: the number of outputs, K.
        labels: the probes' labels, or ``None``.
        class_names: the outputs' names, or ``None``.
        by_mask: the argument that takes a class's region from the batch's mask.
    """
    if scale == REGIONS:
        named = isinstance(target, str) and target in ("auto", "predicted")
        return (
            f"explains the mean probability over the pixels that are predicted as a class, `output={REGIONS}`, for "
            f"{classes_text(target, class_names)}{'; `target=` chooses others' * named}. The pixels stay those of the "
            f"first explained epoch that predicts any, when little may be right yet: `{by_mask}` takes those of the "
            "batch's mask. `output=PixelCount()` explains how many they are."
        )
    outputs = _which(target, kind, size, labels, class_names)
    return f"explains {outputs}{_AS.get(scale or '', '')}."


def classes_text(target: Any, class_names: Sequence[str] | None, kind: Kind = "pixels") -> str:
    """Return which classes of pixels, or which outputs, ``target`` chooses, within a sentence."""
    if isinstance(target, str):
        known = {"all": "every class", "label": "the label's class"}
        return known.get(target, "the class where it is largest at the first explained epoch")
    indices = [target] if isinstance(target, int) else target
    if not isinstance(indices, (list, tuple)):
        return "the outputs that `target` chooses"
    words = [target_words(index, class_names, kind) for index in indices]
    return " and ".join(filter(None, (", ".join(words[:-1]), words[-1])))


def _which(target: Any, kind: Kind, size: int, labels: Tensor | None, class_names: Sequence[str] | None) -> str:
    if not isinstance(target, str):
        return classes_text(target, class_names, kind)
    if size == 1:
        named = target_name(0, class_names, kind)
        return "its one output" + (f", of class {named if class_names is None else repr(named)}" * (kind == "binary"))
    if target == "all":
        return "every output"
    if target == "label":
        return "the label's class"
    if kind == "values":
        name = f" ({target_name(0, class_names)!r})" if class_names is not None else ""
        return f"output 0{name} of {size}; pass `target='all'` or an index for others"
    predicted = "the class predicted at the first explained epoch"
    if kind == "outputs":
        predicted = "the output that is largest at the first explained epoch"
    if target == "auto" and kind == "classes" and labels is not None:
        without = labels.numel() - int(labels_that_fit(labels, size).sum())
        if without:
            return f"the label's class, and {predicted} for {without} of {labels.numel()} probes without such a label"
        return "the label's class"
    return predicted

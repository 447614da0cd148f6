"""What a model's outputs are, as its labels tell, and what is explained of them where the user did not say.

Letters: ``P`` probes, ``K`` outputs. Outputs are scores ``[P, K]``, see :mod:`lime_callback.outputs.targets`; labels
    are the
batch's entry for the probes, ``[P]``, ``[P, 1]`` or ``[P, K]`` where they fit.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import torch

from lime_callback.outputs.contrast import Contrast
from lime_callback.outputs.probabilities_and_losses import are_probabilities
from lime_callback.outputs.targets import pinned_targets, target_name

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from lime_callback.views.layout import Layout

Kind = Literal["classes", "binary", "several", "values", "outputs"]
"""``"classes"``: one of K is true, by an integer label. ``"binary"``: the single output is the logit of class 1, or its
probability.
``"several"``: of K classes any number is true, by labels of 0 and 1. ``"values"``: numbers, by numbers as labels.
``"outputs"``: the labels do not tell."""


def kind_of(outputs: Tensor, labels: Tensor | None, output: Any) -> Kind:
    """What the outputs are.

    Args:
        outputs: ``[P, K]``.
        labels: of the same probes, or ``None``.
        output: the scale of the outputs, as the user's argument: what a function makes of a single output is unknown,
            and differences of outputs are no classes.
    """
    probes, size = outputs.shape
    if labels is None or not labels.numel() or isinstance(output, Contrast):
        return "outputs"
    whole = not labels.is_floating_point() and not labels.is_complex()
    one_each = labels.numel() == probes
    if one_each and size > 1:
        return "classes" if whole and bool(labels_that_fit(labels, size).any()) else "outputs"
    marks = bool(((labels == 0) | (labels == 1)).all())
    if one_each:
        known = marks or (whole and bool((labels <= 1).all()))  # below 0 are samples without a label
        return "values" if not known else "outputs" if callable(output) else "binary"
    if labels.ndim == 2 and labels.shape == outputs.shape:
        return "several" if marks else "values"
    return "outputs"


def labels_that_fit(labels: Tensor, size: int) -> Tensor:
    """Which labels are one of ``size`` classes, bool ``[P]``; -100 and the like are none."""
    flat = labels.reshape(-1)
    return (flat >= 0) & (flat < size)


Scale = Literal["centered", "log_softmax", "raw"]


def scale_of(kind: Kind, outputs: Tensor, layout: Layout) -> Scale:
    """The scale of ``output="auto"``: only logits of classes are centered, and no probabilities.

    Classes of vectors are explained by their log-probability. Where classes lie in order along an element, the logit of
    one between others hardly depends on it: what rises and falls are the others' logits.

    Args:
        kind: of the outputs.
        outputs: as the model returned them, ``[P, K]``.
        layout: of the inputs.
    """
    if kind == "classes" and not layout.has_pixels:
        return "log_softmax"
    return "centered" if kind == "classes" and not are_probabilities(outputs) else "raw"


def targets_of(target: Any, kind: Kind, outputs: Tensor, labels: Tensor | None) -> Tensor:
    """The outputs that are explained, int64 ``[P, T]``, on the outputs' device.

    Args:
        target: as the user's argument. ``"auto"`` takes the labels of classes, and the largest output where a label is
            no class. Of values, whose units may differ, ``"auto"`` and ``"predicted"`` take output 0.
        kind: of the outputs.
        outputs: ``[P, K]``.
        labels: of the probes, or ``None``.

    Raises:
        ValueError: if labels are asked for and there are none that fit, or a target is not below K.
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
    target: Any, kind: Kind, scale: str | None, size: int, labels: Tensor | None, class_names: Sequence[str] | None
) -> str:
    """One sentence: whose reasons are explained.

    Args:
        target: as the user's argument.
        kind: of the outputs.
        scale: that ``output="auto"`` became; ``None`` where the user chose one.
        size: K.
        labels: of the probes, or ``None``.
        class_names: of the outputs, or ``None``.
    """
    what = _which(target, kind, size, labels, class_names)
    return f"explains {what}{_AS.get(scale or '', '')}."


def _which(target: Any, kind: Kind, size: int, labels: Tensor | None, class_names: Sequence[str] | None) -> str:
    if not isinstance(target, str):
        return "the outputs that `target` chooses"
    if size == 1:
        return "its one output" + (", of class 1" if kind == "binary" else "")
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

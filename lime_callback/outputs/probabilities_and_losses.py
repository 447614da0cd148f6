"""Computes probabilities, true classes and losses of samples from a model's outputs and labels.

Letters: ``m`` samples, ``K`` classes. Outputs are ``[m]`` or ``[m, K]``; a segmentation's are ``[m, K, *pixels]``. A
single output is the logit of the second of two classes, or its probability if all outputs lie between 0 and 1. Unless
said otherwise, results are float64 on the CPU.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from torch import Tensor

from lime_callback.checks.descriptions import describe

if TYPE_CHECKING:
    from collections.abc import Callable

_CLOSE = 1e-2  # the sum of probabilities differs from 1 by less, even in half precision


def probabilities(outputs: Tensor) -> Tensor:
    """Return the probability of each class, ``[m, K]``; outputs that are probabilities already stay unchanged.

    Raises:
        ValueError: if ``outputs`` is not a tensor ``[m]`` or ``[m, K]``.
    """
    if not isinstance(outputs, Tensor) or outputs.ndim not in (1, 2):
        raise ValueError(
            f"`probes` by class need outputs [m] or [m, K], one for each class. Found {describe(outputs)}. Choose them "
            f"by 'highest_loss', or by their numbers."
        )
    wide = outputs.detach().cpu().double().reshape(len(outputs), -1)
    if wide.shape[1] == 1:
        return torch.cat([1 - wide, wide] if are_single_probabilities(wide) else [(-wide).sigmoid(), wide.sigmoid()], 1)
    return wide if are_probabilities(wide) else wide.softmax(1)


def are_probabilities(outputs: Tensor) -> bool:
    """Return whether outputs ``[m, K]`` are at least 0 and sum to 1 for each sample."""
    wide = outputs.detach().cpu().double()
    return bool((wide >= 0).all()) and bool(((wide.sum(1) - 1).abs() < _CLOSE).all())


def are_single_probabilities(outputs: Tensor) -> bool:
    """Return whether all single outputs ``[m, 1]`` lie between 0 and 1, as those of a sigmoid do.

    The logits of a trained model do not all lie there, unless they are very few.
    """
    wide = outputs.detach().cpu()
    return bool(((wide >= 0) & (wide <= 1)).all())


def true_classes(labels: Any, classes: int | None = None) -> Tensor:
    """Return each sample's class, int64 ``[m]`` on the CPU.

    Args:
        labels: the samples' labels, ``[m]`` or ``[m, 1]``, whole numbers of any dtype.
        classes: the number of classes, K; ``None`` if it is unknown.

    Raises:
        ValueError: if ``labels`` does not hold a whole number for each sample, or a label is below 0 or not below K.
    """
    whole = isinstance(labels, Tensor) and labels.ndim > 0 and labels.numel() == len(labels)
    classes_of_samples = labels.detach().cpu().reshape(-1) if whole else torch.empty(0)
    if not whole or (
        classes_of_samples.is_floating_point() and not bool((classes_of_samples == classes_of_samples.round()).all())
    ):
        raise ValueError(
            f"`probes` that are chosen by their labels need one whole number for each sample. Found "
            f"{'no label' if labels is None else describe(labels)} in the batch; pass `label_key=`, or choose them in "
            f"another way."
        )
    wrong = classes_of_samples[
        (classes_of_samples < 0) | (classes_of_samples >= (2**62 if classes is None else classes))
    ]
    if len(wrong):
        upto = "on" if classes is None else f"to {classes - 1}, one for each output"
        raise ValueError(
            f"`probes` that are chosen by their labels need labels from 0 {upto}. Found the label {wrong[0].item():g}."
        )
    return classes_of_samples.long()


def are_masks(labels: Any) -> bool:
    """Return whether labels are whole numbers for pixels, ``[m, *pixels]``."""
    if not isinstance(labels, Tensor) or labels.ndim < 3:
        return False
    return not labels.is_floating_point() or bool((labels == labels.round()).all())


def class_shares(labels: Any, classes: int) -> Tensor:
    """Return the share of each sample's pixels that have each class, ``[m, classes]``; of one label a sample 1 or 0.

    Raises:
        ValueError: if ``labels`` is neither masks nor a whole number for each sample.
    """
    of_samples = labels.detach().cpu().flatten(1).long() if are_masks(labels) else true_classes(labels).unsqueeze(1)
    known = (of_samples >= 0) & (of_samples < classes)
    counts = torch.zeros(len(of_samples), classes + 1, dtype=torch.float64)
    counts.scatter_add_(1, of_samples.where(known, classes), torch.ones_like(of_samples, dtype=torch.float64))
    return counts[:, :classes] / of_samples.shape[1]


def check_class_labels(labels: Any, samples: int) -> None:
    """Raise a ``ValueError`` if the batch has labels, but no integer for each sample; say what they are."""
    if labels is None or (isinstance(labels, Tensor) and not labels.is_floating_point() and labels.numel() == samples):
        return
    way_out = "pass `target='predicted'`, or an index"
    if not isinstance(labels, Tensor):
        texts = isinstance(labels, (list, tuple)) and labels and isinstance(labels[0], str)
        found = f"texts, such as {labels[0]!r}" if texts else describe(labels)
        way_out = f"let the dataset number its classes, or {way_out}"
    elif labels.ndim == 2 and len(labels) == samples:
        found = f"{labels.shape[1]} values for each, {str(labels.dtype).removeprefix('torch.')}"
        way_out = f"pass `target='all'`, or {way_out}"
    elif labels.numel() == samples:
        found = f"floating-point numbers, {str(labels.dtype).removeprefix('torch.')}"
        way_out = f"let the dataset convert classes by `.long()`, or {way_out}"
    else:
        found = f"labels of shape {tuple(labels.shape)}"
    raise ValueError(
        f"`target = 'label'` needs one integer label for each sample. Found {found}; {way_out}, or another `label_key`."
    )


def losses(outputs: Tensor, labels: Any, user_loss: Callable[[Tensor, Tensor], Any] | None = None) -> Tensor:
    """Return each sample's loss, ``[m]``.

    Labels that are whole numbers give the cross-entropy, averaged over the pixels if each pixel has a label. Labels
    with a floating-point number for each output give the mean squared error.

    Args:
        outputs: the model's outputs for the samples.
        labels: the samples' labels.
        user_loss: the user's loss: takes outputs and labels, and returns ``[m]``; ``None`` chooses by the labels.

    Raises:
        ValueError: if ``labels`` or ``outputs`` is not a tensor, the labels do not fit the outputs, or the user's loss
            does not return one number for each sample.
    """
    if not isinstance(labels, Tensor) or not isinstance(outputs, Tensor):
        raise ValueError(
            f"`probes` of the highest loss need a tensor of outputs, and one of labels. Found {describe(outputs)}, and "
            f"{'no label in the batch' if labels is None else describe(labels)}; pass `label_key=`, or choose them in "
            f"another way."
        )
    if user_loss is not None:
        returned = user_loss(outputs, labels)
        if not isinstance(returned, Tensor) or returned.ndim == 0 or returned.numel() != len(outputs):
            raise ValueError(
                f"`loss` should return one number for each of the {len(outputs)} samples. Found {describe(returned)}; "
                f"pass for example `reduction='none'`."
            )
        return returned.detach().flatten().cpu().double()
    y = outputs.detach() if outputs.dtype in (torch.float32, torch.float64) else outputs.detach().float()
    if labels.is_floating_point() and labels.numel() == y.numel():
        squared_errors = F.mse_loss(y, labels.reshape(y.shape).to(y), reduction="none")
        return squared_errors.reshape(len(y), -1).mean(1).cpu().double()
    if y.ndim > 2 and labels.shape == (len(y), *y.shape[2:]):
        labels = labels.long()
        known = (labels >= 0) & (labels < y.shape[1])  # other labels mark pixels without a class
        each = torch.where(known, F.cross_entropy(y, labels.where(known, 0), reduction="none"), 0.0).flatten(1)
        mean: Tensor = each.sum(1) / known.flatten(1).sum(1).clamp(min=1)
        return mean.cpu().double()
    if y.ndim > 2:
        raise ValueError(
            f"`probes` of the highest loss need labels that fit the outputs, or a function "
            f"`HighestLoss(loss=...)`. Found {describe(outputs)}, and {describe(labels)}."
        )
    p = probabilities(y)
    surprise: Tensor = F.nll_loss(p.log(), true_classes(labels, p.shape[1]), reduction="none")
    return surprise

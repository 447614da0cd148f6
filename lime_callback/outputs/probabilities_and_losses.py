"""What a model's output says of a sample beside its label: probabilities, errors, losses.

Letters: ``m`` samples, ``K`` classes. Outputs are ``[m]`` or ``[m, K]``, of a segmentation ``[m, K, *pixels]``; a
single output is the logit of the second of two classes, or its probability where all lie between 0 and 1. Results are
float64 on the CPU, ``[m]`` or ``[m, K]``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from torch import Tensor

from lime_callback.checks.descriptions import describe

if TYPE_CHECKING:
    from collections.abc import Callable

_CLOSE = 1e-2  # how near to 1 the sum of probabilities is, also in half precision


def probabilities(outputs: Tensor) -> Tensor:
    """The probability of each class, ``[m, K]``; outputs that are probabilities already are taken as they are.

    Raises:
        ValueError: if the outputs are not one number for each class.
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
    """Whether outputs ``[m, K]`` are at least 0 and sum to 1 for each sample."""
    wide = outputs.detach().cpu().double()
    return bool((wide >= 0).all()) and bool(((wide.sum(1) - 1).abs() < _CLOSE).all())


def are_single_probabilities(outputs: Tensor) -> bool:
    """Whether single outputs ``[m, 1]`` lie between 0 and 1, as those of a sigmoid do.

    Logits of a model that has learnt something do not all lie there, unless they are very few.
    """
    wide = outputs.detach().cpu()
    return bool(((wide >= 0) & (wide <= 1)).all())


def true_classes(labels: Any, classes: int | None = None) -> Tensor:
    """The class of each sample, int64 ``[m]`` on the CPU.

    Args:
        labels: of the samples, ``[m]`` or ``[m, 1]``, whole numbers of any type.
        classes: K; ``None``: unknown.

    Raises:
        ValueError: if there is none, or it is no class.
    """
    whole = isinstance(labels, Tensor) and labels.ndim > 0 and labels.numel() == len(labels)
    found = labels.detach().cpu().reshape(-1) if whole else torch.empty(0)
    if not whole or (found.is_floating_point() and not bool((found == found.round()).all())):
        raise ValueError(
            f"`probes` that are chosen by their labels need one whole number for each sample. Found "
            f"{'no label' if labels is None else describe(labels)} in the batch; pass `label_key=`, or choose them in "
            f"another way."
        )
    wrong = found[(found < 0) | (found >= (2**62 if classes is None else classes))]
    if len(wrong):
        upto = "on" if classes is None else f"to {classes - 1}, one for each output"
        raise ValueError(
            f"`probes` that are chosen by their labels need labels from 0 {upto}. Found the label {wrong[0].item():g}."
        )
    return found.long()


def losses(outputs: Tensor, labels: Any, own: Callable[[Tensor, Tensor], Any] | None = None) -> Tensor:
    """The loss of each sample, ``[m]``.

    Cross-entropy where labels are whole numbers, over the pixels where there is one for each; mean squared error where
    there is a number for each output.

    Args:
        outputs: of the model.
        labels: of the samples.
        own: of the user: takes both, and returns ``[m]``.

    Raises:
        ValueError: if there are no labels, they do not fit the outputs, or an own loss is not ``[m]``.
    """
    if not isinstance(labels, Tensor) or not isinstance(outputs, Tensor):
        raise ValueError(
            f"`probes` of the highest loss need a tensor of outputs, and one of labels. Found {describe(outputs)}, and "
            f"{'no label in the batch' if labels is None else describe(labels)}; pass `label_key=`, or choose them in "
            f"another way."
        )
    if own is not None:
        found = own(outputs, labels)
        if not isinstance(found, Tensor) or found.ndim == 0 or found.numel() != len(outputs):
            raise ValueError(
                f"`loss` should return one number for each of the {len(outputs)} samples. Found {describe(found)}; "
                f"pass for example `reduction='none'`."
            )
        return found.detach().flatten().cpu().double()
    y = outputs.detach() if outputs.dtype in (torch.float32, torch.float64) else outputs.detach().float()
    if labels.is_floating_point() and labels.numel() == y.numel():
        apart = F.mse_loss(y, labels.reshape(y.shape).to(y), reduction="none")
        return apart.reshape(len(y), -1).mean(1).cpu().double()
    if y.ndim > 2 and labels.shape == (len(y), *y.shape[2:]):
        labels = labels.long()
        known = (labels >= 0) & (labels < y.shape[1])  # others are usual for pixels without a class
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

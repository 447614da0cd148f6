"""Answer changes: how far hiding a set changes predictions, accuracy and loss, for classes and for values.

Letters: ``m`` samples, ``K`` outputs; leading axes ``...`` are hidden sets.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from lime_callback.outputs.probabilities_and_losses import are_probabilities, are_single_probabilities

UNLABELLED = -100
"""What torch's losses leave out; of whole numbers all below 0 stand for no label."""
_LEAST = 0.05  # of a probability: what moves it less is no matter
_MUCH = 10.0  # deviations; by how many more nobody has to read


def deviations_text(value: float) -> str:
    """Say how many standard deviations a change is; many are called many."""
    return f"{value:.2f}" if value <= _MUCH else f"more than {_MUCH:.0f}"


@dataclass(frozen=True, eq=False)
class AnswerChanges:
    """Compares outputs with each other and with labels.

    Attributes:
        kind: ``"classes"`` (the largest output is the prediction), ``"sides"`` (the prediction is whether the single
            output lies above the middle), or ``"values"``.
        labels: int64 ``[m]`` for classes and sides, -1 where unknown; float ``[m, K]`` for values; or ``None``.
        output: the outputs' scale, see :func:`~lime_callback.explain`.
        spread: the change of each output that counts as 1, ``[K]``; ``None``: the outputs' standard deviation over the
            samples.
        known: which outputs a sample has, bool ``[m, K]``: of a segmentation the classes with a region; ``None``: all.
    """

    kind: Literal["classes", "sides", "values"]
    labels: Tensor | None
    output: Any = "raw"
    spread: Tensor | None = None
    known: Tensor | None = None

    @classmethod
    def of_regions(cls, whole: Tensor, everything: Tensor, known: Tensor) -> AnswerChanges:
        """Compare means over regions, which are no classes of the input.

        A class's mean over its own region is nearly the same in all samples where the model knows the class, so that
        its deviation there is no measure. With all elements hidden it is another: both count together.

        Args:
            whole: outputs for the samples as they are, ``[m, K]``.
            everything: the same with all elements hidden, ``[m, K]``.
            known: which classes have a region, bool ``[m, K]``.
        """
        both, of = torch.cat([whole, everything]), torch.cat([known, known])
        count = of.sum(0).clamp(min=2)
        mean = torch.where(of, both, 0.0).sum(0) / count
        spread = (torch.where(of, both - mean, 0.0).square().sum(0) / (count - 1)).sqrt()
        if bool((both >= 0).all()) and bool((both <= 1).all()):
            spread = spread.clamp(min=_LEAST)
        return cls("values", None, spread=spread, known=known)

    @classmethod
    def of(cls, outputs: Tensor, labels: Tensor | None, output: Any = "raw") -> AnswerChanges:
        """Choose the kind by the outputs ``[m, K]`` and the labels.

        Integer labels below K make classes, labels of 0 and 1 beside a single output make sides, and other labels make
        values. Labels below 0, of decimal numbers -100 alone, are unknown. Without labels, several outputs are classes.
        Raw outputs that are probabilities are read as probabilities.
        """
        size = outputs.shape[1]
        if output == "raw" and size > 1 and are_probabilities(outputs):
            output = "softmax"
        if labels is None:
            return cls("classes" if size > 1 else "sides" if output == "sigmoid" else "values", None, output)
        labels = labels.detach().cpu()
        without = labels == UNLABELLED if labels.is_floating_point() else labels < 0
        if bool(without.all()):
            return cls.of(outputs, None, output)
        marks = labels.numel() == outputs.numel() == len(outputs) and bool(
            ((labels == 0) | (labels == 1) | without).all()
        )
        if labels.is_floating_point() and not marks:
            fits = labels.numel() == outputs.numel()
            return cls("values", labels.reshape(outputs.shape).double() if fits else None, output)
        whole = labels.long()
        if whole.numel() == len(outputs):
            whole = whole.reshape(-1).clamp(min=-1)
            if 0 <= int(whole.max()) < max(size, 2):
                if size > 1:
                    return cls("classes", whole, output)
                return cls(
                    "sides", whole, "sigmoid" if output == "raw" and are_single_probabilities(outputs) else output
                )
        return cls("classes" if output in ("softmax", "log_softmax") else "values", None, output)

    def changed(self, whole: Tensor, hidden: Tensor) -> Tensor:
        """How far the predictions changed, ``[..., m]``.

        For classes and sides 1 if the prediction changed, else 0. For values the mean absolute change, divided by the
        outputs' standard deviation over the samples, over the outputs that a sample has.

        Args:
            whole: outputs for the samples as they are, ``[m, K]``.
            hidden: outputs with a set hidden, ``[..., m, K]``.
        """
        if self.kind != "values":
            return (self._decided(whole) != self._decided(hidden)).double()
        spread = whole.std(0) if self.spread is None else self.spread
        varies = spread > 1e-6 * whole.abs().amax(0)
        by_spread = (hidden - whole).abs() / torch.where(varies, spread, 1.0)
        counts = varies if self.known is None else varies & self.known
        return torch.where(counts, by_spread, 0.0).sum(-1) / counts.sum(-1).clamp(min=1)

    def of_one(self, i: int, rows: Tensor) -> AnswerChanges:
        """The same for output ``i`` by itself, in some of the samples, all of which have it."""
        spread = None if self.spread is None else self.spread[i : i + 1]
        known = None if self.known is None else self.known[rows, i : i + 1]
        return replace(self, labels=None, spread=spread, known=known)

    def right(self, outputs: Tensor) -> Tensor | None:
        """1 if the prediction equals the label, else 0, NaN without a label, ``[..., m]``; ``None`` without labels."""
        if self.kind == "values" or self.labels is None:
            return None
        return self._where_known((self._decided(outputs) == self.labels).double())

    def loss(self, outputs: Tensor) -> Tensor | None:
        """Cross-entropy, or the squared error over the labels' variance, ``[..., m]``; NaN and ``None`` as above."""
        if self.labels is None:
            return None
        if self.kind == "values":
            variance = self.labels.var(0).clamp(min=torch.finfo(torch.float64).tiny)
            return ((outputs - self.labels).square() / variance).mean(-1)
        if self.kind == "sides":
            p = outputs[..., 0] if self.output == "sigmoid" else outputs[..., 0].sigmoid()
            true = self.labels.clamp(min=0).double().expand(p.shape)
            return self._where_known(F.binary_cross_entropy(p.clamp(0, 1), true, reduction="none"))
        if self.output == "sigmoid":  # each class is there or not, so that there is no one prediction
            return None
        logs = outputs.clamp(min=1e-12).log() if self.output == "softmax" else outputs.log_softmax(-1)
        true = self.labels.clamp(min=0).expand(logs.shape[:-1]).unsqueeze(-1)
        return self._where_known(-logs.gather(-1, true).squeeze(-1))

    def _where_known(self, values: Tensor) -> Tensor:
        """Values ``[..., m]``, NaN for samples without a label."""
        return values if self.labels is None else values.where(self.labels >= 0, torch.nan)

    def _decided(self, outputs: Tensor) -> Tensor:
        if self.kind == "sides":
            return (outputs[..., 0] > (0.5 if self.output == "sigmoid" else 0.0)).long()
        return outputs.argmax(-1)

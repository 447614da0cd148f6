"""What the model says of the probes now, and what is true: beside what is explained, which stays the same over a run.

Letters: ``P`` probes, ``K`` outputs.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from lime_callback.outputs.class_regions import percent, region_text
from lime_callback.outputs.output_kinds import Kind, labels_that_fit
from lime_callback.outputs.probabilities_and_losses import are_probabilities, are_single_probabilities
from lime_callback.outputs.targets import class_name, target_name, target_words

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from lime_callback.outputs.class_regions import ClassRegions

_DIFFERENT = "≠"


@dataclass(frozen=True, eq=False)
class ProbePredictions:
    """The model's predictions for the probes at an explained epoch.

    Attributes:
        kind: what the outputs are, see :data:`~lime_callback.outputs.output_kinds.Kind`.
        outputs: on the scale that is explained, float ``[P, K]``.
        classes: the class that is predicted, int64 ``[P]``: the largest output, or of a single logit 0 or 1; ``None``
            where outputs are values.
        probabilities: of that class, ``[P]``; NaN where the scale does not tell.
        truth: the class of the label, int64 ``[P]``, -1 where there is none; of values the labels, float ``[P, K]``;
            ``None`` where the labels do not tell.
        regions: of a segmentation's classes; ``None`` where means over regions are not what is explained.
    """

    kind: Kind
    outputs: Tensor
    classes: Tensor | None
    probabilities: Tensor
    truth: Tensor | None
    regions: ClassRegions | None = None

    def cells(self, probe: int, target: int, class_names: Sequence[str] | None) -> tuple[str, float, str]:
        """What is predicted, its probability (NaN where unknown), and the truth, for a table: ``""`` where unknown.

        Args:
            probe: its number.
            target: the output that is explained.
            class_names: of the outputs, or ``None``.
        """
        if self.classes is None:
            truth = None if self.truth is None else float(self.truth[probe, target])
            known = truth is not None and not math.isnan(truth)
            return f"{float(self.outputs[probe, target]):.6g}", math.nan, f"{truth:.6g}" if known else ""
        true = -1 if self.truth is None else int(self.truth[probe])
        return (
            self._name(int(self.classes[probe]), class_names),
            float(self.probabilities[probe]),
            "" if true < 0 else self._name(true, class_names),
        )

    def text(self, probe: int, target: int, class_names: Sequence[str] | None) -> str:
        """What a picture says behind the name of the explained output: whether it is true and predicted.

        ``"which is true and predicted, 93 %"`` needs no other name. ``≠`` marks another class.
        """
        name, probability, truth = self.cells(probe, target, class_names)
        chance = "" if math.isnan(probability) else f" {percent(probability)}"
        if self.regions is not None:
            return region_text(*self.regions.cells(probe, target), target_words(target, class_names, self.kind))
        if self.classes is None:
            return f"predicted {_value(name)}" + (f", true {_value(truth)}" if truth else "")
        if self.kind == "binary":
            other = "" if truth == name else f"{_DIFFERENT} "
            return f"predicted {name}{chance}" + (f", {other}true {truth}" if truth else "")
        explained = target_name(target, class_names, self.kind)
        if truth and name == truth:
            same = f"which is true and predicted{f',{chance}' if chance else ''}"
            return same if name == explained else f"{_DIFFERENT} true and predicted {name}{chance}"
        predicted = f"which is predicted{chance}" if name == explained else f"{_DIFFERENT} predicted {name}{chance}"
        if not truth:
            return predicted
        return f"which is true, {predicted}" if truth == explained else f"{predicted}, {_DIFFERENT} true {truth}"

    def _name(self, index: int, class_names: Sequence[str] | None) -> str:
        return class_name(index, class_names, self.kind)


def predicted(
    outputs: Tensor, labels: Tensor | None, kind: Kind, output: Any, regions: ClassRegions | None = None
) -> ProbePredictions:
    """What outputs say.

    Args:
        outputs: of the model for the probes, on the CPU, ``[P, K]``.
        labels: of the probes, on the CPU, or ``None``.
        kind: of the outputs.
        output: their scale: a name, or a function, of which only probabilities are known by their sum.
        regions: over which the outputs are means, if they are.
    """
    probes, size = outputs.shape
    nothing = torch.full((probes,), math.nan, dtype=outputs.dtype)
    if kind == "pixels":  # the class that most pixels have is no class of the whole input
        return ProbePredictions(kind, outputs, None, nothing, None, regions)
    if kind == "values":
        return ProbePredictions(kind, outputs, None, nothing, None if labels is None else labels.reshape(outputs.shape))
    if kind == "binary":
        known = output == "sigmoid" or are_single_probabilities(outputs)
        chance = (outputs if known else outputs.sigmoid())[:, 0]
        classes = (chance > 0.5).long()
        return ProbePredictions(
            kind, outputs, classes, torch.where(classes == 1, chance, 1 - chance), _truth(labels, 2)
        )
    if size == 1:
        return ProbePredictions("values", outputs, None, nothing, None)
    classes = outputs.argmax(1)
    chances = _chances(outputs, kind, output)
    chance = nothing if chances is None else chances.gather(1, classes.unsqueeze(1))[:, 0]
    return ProbePredictions(kind, outputs, classes, chance, _truth(labels, size) if kind == "classes" else None)


def _chances(outputs: Tensor, kind: Kind, output: Any) -> Tensor | None:
    """Probabilities ``[P, K]``; ``None`` where the scale does not tell."""
    if output in ("softmax", "sigmoid") and isinstance(output, str):
        return outputs
    if output == "log_softmax":
        return outputs.exp()
    if kind == "several":
        return None if callable(output) else outputs.sigmoid()
    if are_probabilities(outputs):
        return outputs
    return outputs.softmax(1) if kind == "classes" and not callable(output) else None


def _truth(labels: Tensor | None, size: int) -> Tensor | None:
    if labels is None:
        return None
    return torch.where(labels_that_fit(labels, size), labels.reshape(-1).long(), -1)


def _value(text: str) -> str:
    return f"{float(text):.3g}".replace("-", "\N{MINUS SIGN}")

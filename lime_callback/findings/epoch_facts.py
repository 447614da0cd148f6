"""What an explained epoch knows, as the detectors take it: plain numbers and tensors on the CPU.

Letters: ``m`` background samples, ``K`` outputs, ``P`` probes, ``C`` channels.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from lime_callback.explaining.random_set_p_values import p_value_of_count, p_value_of_ranks
from lime_callback.outputs.targets import class_name, target_words
from lime_callback.publishing.finding import Figure
from lime_callback.surrogates.confidence_intervals import critical_value

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from lime_callback.explaining.explanation import Explanation
    from lime_callback.explaining.reliance_result import Reliance

STAMP = "stamp"
_LEAST = 1e-12


@dataclass(frozen=True, eq=False)
class HiddenSets:
    """What hiding sets in the background changes: each sample's set takes another sample's values.

    Attributes:
        shares: for each set its share of all elements, from 0 to 1.
        changed: for each set how far each answer changed, ``[m]``: for classes 1 where another one is predicted, for
            values the change in standard deviations of the outputs.
        moved: likewise for the outputs themselves, also for classes.
        right: for each set whether each prediction is right with it hidden, ``[m]``; empty without labels of classes.
        references: for sets that change enough to be compared, the names of random sets of as many elements.
        everything: what hiding all elements changes, ``[m]``.
        everything_moved: likewise for the outputs themselves.
        was_right: whether each prediction is right with nothing hidden, ``[m]``; ``None`` without labels of classes.
        classes: whether the answers are classes.
        of_pixels: whether they are means over a segmentation's regions.
    """

    shares: Mapping[str, float]
    changed: Mapping[str, Tensor]
    moved: Mapping[str, Tensor]
    right: Mapping[str, Tensor]
    references: Mapping[str, tuple[str, ...]]
    everything: Tensor
    everything_moved: Tensor
    was_right: Tensor | None
    classes: bool
    of_pixels: bool = False

    def __contains__(self, name: str) -> bool:
        """Whether a set was hidden."""
        return name in self.changed

    @property
    def whole(self) -> float:
        """What hiding everything changes, on average."""
        return float(self.everything.mean())

    def part(self, name: str) -> float:
        """What hiding a set changes, on average, as a part of what hiding everything changes."""
        return float(self.changed[name].mean()) / max(self.whole, _LEAST)

    def moved_part(self, name: str) -> float:
        """How far hiding a set moves the outputs, as a part of how far hiding everything moves them."""
        return float(self.moved[name].mean()) / max(float(self.everything_moved.mean()), _LEAST)

    def mean(self, name: str) -> Figure:
        """What hiding a set changes, on average, with its interval over samples."""
        return mean_figure(self.changed[name])

    def expected(self, name: str) -> float:
        """What hiding random sets as large changes, on average."""
        return float(torch.stack([self.changed[other] for other in self.references[name]]).mean())

    def most_expected(self, name: str, *, but_one: bool = False) -> float:
        """The most that hiding any of the random sets changes, on average; or any but one of them."""
        means = sorted(float(self.changed[other].mean()) for other in self.references[name])
        return means[-2] if but_one and len(means) > 1 else means[-1]

    def p_value(self, name: str, others: Sequence[str] | None = None) -> float:
        """The probability of as much change, were the set like its random sets, or like these others."""
        beside = torch.stack([self.changed[other] for other in (others or self.references[name])])
        return (p_value_of_count if self.classes else p_value_of_ranks)(self.changed[name], beside)

    def p_value_of_moves(self, name: str, others: Sequence[str]) -> float:
        """The probability that the outputs move as much more, were the set like these others.

        Of few samples few classes change, and how far outputs move says more.
        """
        return p_value_of_ranks(self.moved[name], torch.stack([self.moved[other] for other in others]))


@dataclass(frozen=True, eq=False)
class StampChanges:
    """What it changes to lay over pictures what others have at one place, such as a tag.

    Attributes:
        name: of the place, such as ``"top left"``.
        pictures: which of the background have it, bool ``[N]``.
        lacking: what the others' place of it, and its mirror images, change in pictures that have it not: of each of
            several values, of classes all outputs together.
    """

    name: str
    pictures: Tensor
    lacking: tuple[HiddenSets, ...]


@dataclass(frozen=True, eq=False)
class ViewFacts:
    """What is known of a view's explanations.

    Attributes:
        explanation: the last one.
        counts: which of them pass the gate, bool ``[P, T]``.
        effect_sizes: each feature's mean absolute effect over the probes that count, ``[T, d]``; ``None`` if the
            probes have features of their own.
        metrics: by their names behind ``<callback>/<view>/``, those that were measured.
        moves: share of the attribution that moved between explained epochs, all so far; NaN where unknown.
        channels: for each feature the numbers of its channels, where the view is cut by channels alone; else ``None``.
        reliance: what other samples' values in its superbands and watches change; ``None`` where it was not measured.
        sizes: the effect sizes ``[T, d]`` at the last explained epochs; empty if the probes have features of their own.
        swaps: shares of what other samples' values in each band change, ``[d]``, at the last explained epochs at which
            that was measured.
    """

    explanation: Explanation
    counts: Tensor
    effect_sizes: Tensor | None
    metrics: Mapping[str, float]
    moves: Sequence[float]
    channels: Sequence[Sequence[int]] | None
    reliance: Reliance | None = None
    sizes: Sequence[Tensor] = ()
    swaps: Sequence[Tensor] = ()


@dataclass(frozen=True, eq=False)
class WeightFacts:
    """What became of the model's weights since the explained epoch before.

    Attributes:
        trained: whether any weight that is trained changed; ``None`` where that is unknown, as at the first look.
        moved_while_frozen: names of weights and buffers that changed, though training should leave them alone.
        trainable: how many tensors of weights are trained.
    """

    trained: bool | None = None
    moved_while_frozen: tuple[str, ...] = ()
    trainable: int = 0


@dataclass(frozen=True, eq=False)
class InputFacts:
    """What is known of the inputs themselves.

    Attributes:
        first_layer: root mean square of what the first layer with weights gets; ``None`` where that is unknown.
        own: root mean square of the inputs.
        validation: mean and standard deviation of each channel over the background, ``[2, C]``.
        training: the same over training batches; ``None`` where there are none yet.
        padding: pixels of the background's samples that only fill them up, bool ``[N, 1, H, W]``; ``None`` where there
            are none, or the same in all.
        spectra: mean spectra of the background's samples, ``[N, C]``.
    """

    own: float
    validation: Tensor
    spectra: Tensor
    first_layer: float | None = None
    training: Tensor | None = None
    padding: Tensor | None = None


@dataclass(frozen=True, eq=False)
class EpochFacts:
    """What an explained epoch knows.

    Attributes:
        look: which explained epoch it is, counted from 1.
        epoch: its number, counted from 0 as Lightning counts.
        views: by their names.
        hidden: what hiding sets in the background changes; ``None`` without a background.
        by_output: the same for each of several values; of classes ``hidden`` alone; empty without a background.
        outputs: of all of the background's samples, ``[N, K]``; ``None`` without one.
        before: the same at the explained epoch before; ``None`` at the first.
        labels: classes of these samples, int64 ``[N]``; ``None`` where they have none.
        losses: mean loss over the background at each explained epoch so far; empty without labels.
        reference_loss: that of the weights that the run is compared with; ``None`` where they are unknown.
        recalls: for each explained epoch so far how many of each class's samples were right, by class.
        spreads: for values, each output's standard deviation at each explained epoch so far; else empty.
        label_spreads: for values, the standard deviation of each output's labels; else empty.
        wavelengths: one for each channel, in nm, or ``None``.
        weights: what became of the weights.
        inputs: what is known of the inputs.
        parts: names of several inputs; empty where there is one.
        subjects: what sets stand for, in words, by their names in ``hidden``.
        independent: how many looks in a row hide sets in samples of their own, so that their evidence adds up.
        moves: how far outputs moved at each explained epoch but the first, in standard deviations over the background.
        stamped: what a stamp of some pictures changes; ``None`` where none has any.
        class_names: of the outputs, or ``None``.
    """

    look: int
    epoch: int
    views: Mapping[str, ViewFacts] = field(default_factory=dict)
    hidden: HiddenSets | None = None
    by_output: tuple[HiddenSets, ...] = ()
    outputs: Tensor | None = None
    before: Tensor | None = None
    labels: Tensor | None = None
    losses: Sequence[float] = ()
    recalls: Sequence[Mapping[int, tuple[int, int]]] = ()
    spreads: Sequence[Sequence[float]] = ()
    wavelengths: Sequence[float] | None = None
    weights: WeightFacts = field(default_factory=WeightFacts)
    inputs: InputFacts | None = None
    parts: Sequence[str] = ()
    subjects: Mapping[str, str] = field(default_factory=dict)
    independent: int = 1
    reference_loss: float | None = None
    label_spreads: Sequence[float] = ()
    moves: Sequence[float] = ()
    stamped: StampChanges | None = None
    class_names: Sequence[str] | None = None

    def class_words(self, label: int) -> str:
        """A label's name within a sentence, ``"rye"``, or ``"class 3"``."""
        single = self.outputs is not None and self.outputs.shape[1] == 1
        name = class_name(label, self.class_names, "binary" if single else None)
        return name if self.class_names is not None and name != str(label) else f"class {label}"

    def output_words(self, output: int) -> str:
        """An output's name within a sentence, ``"rye"``, ``"class 3"`` of a segmentation, or ``"output 3"``."""
        pixels = self.hidden is not None and self.hidden.of_pixels
        return target_words(output, self.class_names, "pixels" if pixels else None)


def mean_figure(values: Tensor) -> Figure:
    """The mean of values ``[m]`` with its 95 % interval over samples; if all agree, one more could still have not.

    Where all are 0 or 1 the mean is a share, and its interval ends where shares do.
    """
    count = len(values)
    mean = float(values.mean())
    if count < 2:
        return Figure(mean)
    error = float((values.var() / count + 1 / count**2).sqrt()) * float(critical_value(count - 1))
    if bool(((values == 0) | (values == 1)).all()):
        return Figure(mean, max(mean - error, 0.0), min(mean + error, 1.0))
    return Figure(mean, mean - error, mean + error)

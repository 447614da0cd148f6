"""Choices: decide which validation samples become probes, by their numbers, labels or the model's outputs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

import torch

from lime_callback.checks.arguments import check_flag, check_function
from lime_callback.checks.numbers import check_count, check_number, whole_number
from lime_callback.outputs.probabilities_and_losses import losses, probabilities, true_classes
from lime_callback.probes.label_choices import OnePerClass
from lime_callback.probes.ranked_samples import NEVER, Choice, Seen
from lime_callback.sampling.seeds import seed_for


@dataclass(frozen=True)
class Evenly(Choice):
    """Samples spread evenly over the validation set; the default.

    Args:
        count: the number of probes, at least 1.

    Raises:
        ValueError: if ``count`` is below 1.
        TypeError: if ``count`` is not a whole number.
    """

    count: int = 8

    def __post_init__(self) -> None:
        object.__setattr__(self, "count", check_count("probes", self.count))

    def rank(self, seen: Seen) -> list[float]:
        """See :class:`Choice`; all ranks are equal, since :class:`EvenCollector` plans which samples to take."""
        return [0.0] * len(seen.numbers)


@dataclass(frozen=True)
class Numbered(Choice):
    """Samples by their numbers.

    Args:
        numbers: the samples' numbers, from 0, in the order in which they are shown.

    Attributes:
        count: the number of probes.

    Raises:
        ValueError: if ``numbers`` is empty, or holds a number below 0 or twice.
        TypeError: if ``numbers`` is not a sequence of whole numbers.
    """

    numbers: Sequence[int]
    count: int = field(init=False, default=0)
    which: ClassVar[str] = " of the given numbers"

    def __post_init__(self) -> None:
        numbers_given = self.numbers.tolist() if hasattr(self.numbers, "tolist") else self.numbers
        ordered = isinstance(numbers_given, Sequence) and not isinstance(numbers_given, str)
        whole = [whole_number(number) for number in numbers_given] if ordered else [None]
        numbers = tuple(number for number in whole if number is not None)
        if len(numbers) < len(whole):
            raise TypeError(f"`probes` by number should be a sequence of whole numbers. Found {self.numbers!r}.")
        if not numbers or min(numbers) < 0 or len(set(numbers)) < len(numbers):
            raise ValueError(
                f"`probes` by number should hold different numbers of samples, from 0 on, and at least one. Found "
                f"{list(numbers)}."
            )
        object.__setattr__(self, "numbers", numbers)
        object.__setattr__(self, "count", len(numbers))

    def rank(self, seen: Seen) -> list[float]:
        """See :class:`Choice`."""
        places = {number: float(place) for place, number in enumerate(self.numbers)}
        return [places.get(number, NEVER) for number in seen.numbers]

    def check_within(self, size: int | None) -> None:
        """Raise a ``ValueError`` if a number is not below ``size``; do nothing if that is ``None``, unknown."""
        beyond = [number for number in self.numbers if size is not None and number >= size]
        if beyond:
            raise ValueError(
                f"`probes` by number should be samples of the validation set, from 0 to {(size or 0) - 1}. Found "
                f"{beyond}."
            )


@dataclass(frozen=True)
class ModelChoice(Choice):
    """Samples chosen by the model's outputs; each candidate costs another forward.

    Args:
        count: the number of probes, at least 1.
        candidates: the number of samples among which to choose, spread evenly over the validation set; ``None``
            chooses among all.
        anew: whether to choose again at each explained epoch. There is no drift then, since the probes differ.

    Raises:
        ValueError: if ``count`` or ``candidates`` is below 1, or there are fewer candidates than probes.
        TypeError: if ``count`` or ``candidates`` is not a whole number, or ``anew`` is not a bool.
    """

    count: int = 8
    candidates: int | None = 1024
    anew: bool = False
    needs_outputs: ClassVar[bool] = True

    def __post_init__(self) -> None:
        object.__setattr__(self, "count", check_count("count", self.count))
        check_flag("anew", self.anew)
        if self.candidates is None:
            return
        object.__setattr__(self, "candidates", check_count("candidates", self.candidates))
        if self.candidates < self.count:
            raise ValueError(
                f"`candidates` should be no fewer than the probes that are chosen of them. Found `candidates = "
                f"{self.candidates}` and `count = {self.count}`."
            )


@dataclass(frozen=True)
class Misclassified(ModelChoice):
    """Samples that the model assigns to a wrong class: a random choice among these, not the worst.

    Args:
        count: see :class:`ModelChoice`.
        candidates: see :class:`ModelChoice`.
        anew: see :class:`ModelChoice`.

    Raises:
        ValueError: as :class:`ModelChoice`.
        TypeError: as :class:`ModelChoice`.
    """

    which: ClassVar[str] = " that are misclassified"

    def rank(self, seen: Seen) -> list[float]:
        """See :class:`Choice`."""
        p = probabilities(seen.outputs)
        wrong = (p.argmax(1) != true_classes(seen.labels, p.shape[1])).tolist()
        # The rank is random, but a sample has the same rank in any batch and process.
        return [
            float(seed_for("misclassified", n)) if bad else NEVER for n, bad in zip(seen.numbers, wrong, strict=True)
        ]


@dataclass(frozen=True)
class Unsure(ModelChoice):
    """Samples that the model hardly tells from another class: those of the smallest margin between two classes.

    The true class has to be one of the two.

    Args:
        count: see :class:`ModelChoice`.
        candidates: see :class:`ModelChoice`.
        anew: see :class:`ModelChoice`.
        margin: the difference between the two largest probabilities has to be below this, which is above 0.

    Raises:
        ValueError: as :class:`ModelChoice`, and if ``margin`` is not above 0.
        TypeError: as :class:`ModelChoice`, and if ``margin`` is not a number.
    """

    margin: float = 0.5
    which: ClassVar[str] = " that the model is unsure of"

    def __post_init__(self) -> None:
        super().__post_init__()
        check_number("margin", self.margin, above=0)

    def rank(self, seen: Seen) -> list[float]:
        """See :class:`Choice`."""
        p = probabilities(seen.outputs)
        two = p.topk(2, dim=1)
        margin = two.values[:, 0] - two.values[:, 1]
        among = (two.indices == true_classes(seen.labels, p.shape[1]).unsqueeze(1)).any(1)
        return margin.where(among & (margin < self.margin), NEVER).tolist()


@dataclass(frozen=True)
class HighestLoss(ModelChoice):
    """Samples of the highest loss, see :func:`~lime_callback.outputs.probabilities_and_losses.losses`.

    Args:
        count: see :class:`ModelChoice`.
        candidates: see :class:`ModelChoice`.
        anew: see :class:`ModelChoice`.
        loss: takes the model's outputs and the labels of a batch, and returns a number for each sample; ``None`` takes
            cross-entropy for classes, also of pixels, and mean squared error for floating-point labels.

    Raises:
        ValueError: as :class:`ModelChoice`.
        TypeError: as :class:`ModelChoice`, and if ``loss`` is not a function.
    """

    loss: Callable[[Any, Any], Any] | None = None
    which: ClassVar[str] = " of the highest loss"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.loss is not None:
            check_function("loss", self.loss, "outputs and labels")

    def rank(self, seen: Seen) -> list[float]:
        """See :class:`Choice`; a sample whose loss is not finite is not wanted, since it cannot be explained."""
        loss = losses(seen.outputs, seen.labels, self.loss)
        return torch.where(loss.isfinite(), -loss, NEVER).tolist()


ChoiceName = Literal["evenly", "one_per_class", "misclassified", "unsure", "highest_loss"]
CHOICES: dict[str, Callable[[], Choice]] = {
    "evenly": Evenly,
    "one_per_class": OnePerClass,
    "misclassified": Misclassified,
    "unsure": Unsure,
    "highest_loss": HighestLoss,
}


def resolve_choice(value: Any) -> Choice:
    """Turn the user's argument ``probes`` into a choice.

    Args:
        value: a choice, a choice's name, a number of samples, or the samples' numbers.

    Raises:
        ValueError: if ``value`` is an unknown name, or a number or a sequence that the choice refuses.
        TypeError: if ``value`` is of another type, or a sequence of something other than whole numbers.
    """
    if isinstance(value, Choice):
        return value
    if isinstance(value, str) and value in CHOICES:
        return CHOICES[value]()
    if whole_number(value) is not None:
        return Evenly(value)
    if (isinstance(value, Sequence) and not isinstance(value, (str, bytes))) or getattr(value, "ndim", 0) == 1:
        return Numbered(value)
    names = ", ".join(map(repr, CHOICES))
    kind = ValueError if isinstance(value, str) else TypeError
    raise kind(
        f"`probes` should be a whole number of at least 1, a list of samples' numbers, one of {names}, or an object of "
        f"`lime_callback.probes`. Found `probes = {value!r}`."
    )

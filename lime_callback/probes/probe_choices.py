"""Choices: which validation samples become probes, by number, by label, or by what the model makes of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

import torch

from lime_callback.checks.arguments import check_flag, check_function
from lime_callback.checks.numbers import check_count, check_number, whole_number
from lime_callback.outputs.probabilities_and_losses import losses, probabilities, true_classes
from lime_callback.probes.ranked_samples import NEVER, Choice, Seen
from lime_callback.sampling.seeds import seed_for


@dataclass(frozen=True)
class Evenly(Choice):
    """Samples that are spread evenly over the validation set; the default.

    Args:
        count: how many.
    """

    count: int = 8

    def __post_init__(self) -> None:
        object.__setattr__(self, "count", check_count("probes", self.count))

    def rank(self, seen: Seen) -> list[float]:
        """See :class:`Choice`; all alike, for batches are planned for."""
        return [0.0] * len(seen.numbers)


@dataclass(frozen=True)
class Numbered(Choice):
    """Samples by their numbers.

    Args:
        numbers: from 0, in the order in which they are shown.

    Attributes:
        count: how many.

    Raises:
        ValueError: if there is none, one is below 0, or one stands twice.
        TypeError: if they are no sequence of whole numbers.
    """

    numbers: Sequence[int]
    count: int = field(init=False, default=0)
    which: ClassVar[str] = " of the given numbers"

    def __post_init__(self) -> None:
        given = self.numbers.tolist() if hasattr(self.numbers, "tolist") else self.numbers
        ordered = isinstance(given, Sequence) and not isinstance(given, str)
        whole = [whole_number(number) for number in given] if ordered else [None]
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
        """Raise a ``ValueError`` if a sample is not among ``size``; ``None``: unknown."""
        beyond = [number for number in self.numbers if size is not None and number >= size]
        if beyond:
            raise ValueError(
                f"`probes` by number should be samples of the validation set, from 0 to {(size or 0) - 1}. Found "
                f"{beyond}."
            )


@dataclass(frozen=True)
class OnePerClass(Choice):
    """The first sample of each class, by the labels.

    Args:
        count: how many classes at most, the first ones by their index.
    """

    count: int = 16
    which: ClassVar[str] = ", one of each class,"
    one_of_a_rank: ClassVar[bool] = True

    def __post_init__(self) -> None:
        object.__setattr__(self, "count", check_count("count", self.count))

    def rank(self, seen: Seen) -> list[float]:
        """See :class:`Choice`."""
        return true_classes(seen.labels).double().tolist()


@dataclass(frozen=True)
class ModelChoice(Choice):
    """Samples by what the model makes of them; each candidate takes a forward more.

    Args:
        count: how many.
        candidates: how many samples are looked at, spread evenly over the validation set; ``None``: all.
        anew: whether to choose again at each explanation, rather than once. Then there is no drift to be told.

    Raises:
        ValueError: if a number is below 1, or there are fewer candidates than probes.
        TypeError: if ``anew`` is neither true nor false.
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
    """Samples that the model takes for another class: an even sample of these, not the worst.

    Args:
        count: see :class:`ModelChoice`.
        candidates: see :class:`ModelChoice`.
        anew: see :class:`ModelChoice`.
    """

    which: ClassVar[str] = " that are misclassified"

    def rank(self, seen: Seen) -> list[float]:
        """See :class:`Choice`."""
        p = probabilities(seen.outputs)
        wrong = (p.argmax(1) != true_classes(seen.labels, p.shape[1])).tolist()
        # A number as good as random, but the same for a sample whatever batch or process it comes in.
        return [
            float(seed_for("misclassified", n)) if bad else NEVER for n, bad in zip(seen.numbers, wrong, strict=True)
        ]


@dataclass(frozen=True)
class Unsure(ModelChoice):
    """Samples between two classes of which one is the true one; those of the smallest margin.

    Args:
        count: see :class:`ModelChoice`.
        candidates: see :class:`ModelChoice`.
        anew: see :class:`ModelChoice`.
        margin: between the two largest probabilities, below which a sample counts, above 0.

    Raises:
        ValueError: as :class:`ModelChoice`, and if the margin is not above 0.
        TypeError: as :class:`ModelChoice`, and if the margin is no number.
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
    """Samples of the highest loss: cross-entropy for classes, also of pixels, mean squared error for numbers.

    Args:
        count: see :class:`ModelChoice`.
        candidates: see :class:`ModelChoice`.
        anew: see :class:`ModelChoice`.
        loss: takes the model's outputs and the labels of a batch, and returns one number a sample; ``None``: by the
            kind of labels.

    Raises:
        ValueError: as :class:`ModelChoice`.
        TypeError: as :class:`ModelChoice`, and if the loss is no function.
    """

    loss: Callable[[Any, Any], Any] | None = None
    which: ClassVar[str] = " of the highest loss"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.loss is not None:
            check_function("loss", self.loss, "outputs and labels")

    def rank(self, seen: Seen) -> list[float]:
        """See :class:`Choice`; a loss that is NaN or infinite cannot be explained, and is not wanted."""
        found = losses(seen.outputs, seen.labels, self.loss)
        return torch.where(found.isfinite(), -found, NEVER).tolist()


ChoiceName = Literal["evenly", "one_per_class", "misclassified", "unsure", "highest_loss"]
CHOICES: dict[str, Callable[[], Choice]] = {
    "evenly": Evenly,
    "one_per_class": OnePerClass,
    "misclassified": Misclassified,
    "unsure": Unsure,
    "highest_loss": HighestLoss,
}


def resolve_choice(value: Any) -> Choice:
    """A choice of its name, of a number of samples, or of their numbers.

    Raises:
        ValueError: if it is an unknown name, or a number or a sequence that cannot be.
        TypeError: if it is of another kind, or a sequence of anything but whole numbers.
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

"""Baselines that need a background ``[N, *dims]``: inputs of the same data, which say what is usual in an element.

An input's own values say little of that: where they are alike everywhere, as in a homogeneous patch, its mean hides
nothing.
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal, NoReturn

from lime_callback.checks.arguments import check_one_of
from lime_callback.checks.numbers import check_count
from lime_callback.sampling.hidden_values import Baseline, DrawnSamples, draw_samples
from lime_callback.sampling.precision import wide_dtype

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from lime_callback.views.features import Features


class OfBackground(Baseline):
    """A baseline that has values only where there is a background.

    Attributes:
        name: what users call it.
    """

    name: ClassVar[str]

    @abstractmethod
    def of(self, background: Tensor, features: Features) -> Baseline:
        """The baseline for a background ``[N, *dims]`` and these features."""

    def bound(self, features: Features, background: Tensor | None) -> Baseline:
        """See :meth:`Baseline.bound <lime_callback.sampling.Baseline.bound>`."""
        return self._lacking() if background is None else self.of(background, features)

    def __call__(self, inputs: Tensor, features: Features) -> Tensor:
        """Not without a background.

        Raises:
            ValueError: always.
        """
        self._lacking()

    def _lacking(self) -> NoReturn:
        raise ValueError(
            f"`baseline = {self.name!r}` takes its values from other inputs. Found no background; pass `background=`, "
            "inputs [N, *dims] to `explain` or a number of validation samples to `LimeCallback`, or take "
            "`baseline='mean'`."
        )


@dataclass(frozen=True)
class Data(OfBackground):
    """The mean of the background.

    Args:
        by: ``"channel"``: one value for each channel, over the samples and their pixels; of inputs without pixels
            (spectra, vectors) one for each element. ``"position"``: one for each channel and pixel, for inputs that are
            aligned, such as faces or digits.

    Raises:
        ValueError: if ``by`` is another word.
    """

    name: ClassVar[str] = "data"
    by: Literal["channel", "position"] = "channel"

    def __post_init__(self) -> None:
        check_one_of("by", self.by, ("channel", "position"))

    def of(self, background: Tensor, features: Features) -> Baseline:
        """See :class:`OfBackground`."""
        x = features.layout.canonical(background)
        mean = x.mean((0,) if self.by == "position" else (0, 2, 3), keepdim=True, dtype=wide_dtype(x.device))
        return _Mean(features.layout.restore(mean))


@dataclass(frozen=True, eq=False)
class _Mean(Baseline):
    values: Tensor

    def __call__(self, inputs: Tensor, features: Features) -> Tensor:
        return self.values.to(inputs)


@dataclass(frozen=True)
class Background(OfBackground):
    """Values of other samples: those of one sample for each row and its complement.

    So hidden elements are such as the model knows, and fit each other. What is explained is the mean over the samples.
    Where there are rows to spare, fewer different ones are asked, each with several samples, and answers are averaged,
    see :mod:`lime_callback.surrogates.averaged_rows`. The rows' errors hold what is left of the samples' differences.

    Args:
        samples: so many are taken, spread evenly over the background, or all but one of a smaller one. An input is
            never hidden by itself. A class that has none among them is not hidden by what it is told apart from.

    Raises:
        ValueError: if ``samples`` is below 1.
        TypeError: if it is no whole number.

    References:
        Lundberg and Lee, "A Unified Approach to Interpreting Model Predictions", NeurIPS 2017, for the expectation over
        a background.
    """

    name: ClassVar[str] = "background"
    samples: int = 16

    def __post_init__(self) -> None:
        object.__setattr__(self, "samples", check_count("samples", self.samples))

    def of(self, background: Tensor, features: Features) -> Baseline:
        """See :class:`OfBackground`."""
        size, wanted = len(background), min(self.samples + 1, len(background))  # one more: each input leaves out one
        spread = [(2 * i + 1) * size // (2 * wanted) for i in range(wanted)]
        return _Samples(background[spread])


@dataclass(frozen=True, eq=False)
class _Samples(Baseline):
    varies: ClassVar[bool] = True
    values: Tensor

    @property
    def grounds(self) -> int:
        return max(1, len(self.values) - 1)

    def hide(
        self, inputs: Tensor, features: Features, n: int, seeds: Sequence[int], period: int | None = None
    ) -> Tensor | DrawnSamples:
        return draw_samples(inputs, self.values.to(inputs), n, seeds, period)

    def __call__(self, inputs: Tensor, features: Features) -> Tensor:
        return self.values.to(inputs).mean(0, keepdim=True)

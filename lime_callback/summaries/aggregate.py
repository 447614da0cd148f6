"""Aggregates: average the explanations of many inputs, in memory that does not grow with their number.

Letters: ``T`` targets, ``d`` features, ``C`` channels. Features are identified by their names, so a name has to mean
the same in every input, as it does for superbands, a grid, and a mask that all inputs share.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from lime_callback.checks.arguments import check_gate
from lime_callback.checks.numbers import check_count
from lime_callback.explaining.effects import effects
from lime_callback.explaining.explanation import Explanation
from lime_callback.summaries.running_statistics import RunningStatistics
from lime_callback.surrogates.confidence_intervals import LEVEL, critical_value, skewed_interval

if TYPE_CHECKING:
    from lime_callback.views.features import Features

_SHOWN = 3  # targets
_NOTHING = "An aggregate should have at least one explanation. Found none; `add` one first."
_NO_COMMON_NAMES = (
    "An aggregate's features should mean the same in every input, since they are told apart by their names. Found "
    "superpixels that inputs were cut into, each its own way. Use `Superpixels('grid')`, a `mask` for all of them, "
    "`Superpixels(mask=..., classes=True)` for masks whose numbers mean the same in every input, as in "
    "land-cover maps, `Validity` or `Superbands`; or, where pixels mean the same in all inputs, average "
    "`explanation.heatmap()`."
)


class Aggregate:
    """Mean and spread of each feature's coefficient over explanations, which are added one after another.

    A feature is averaged over the inputs that have it. If each input has its own superpixels, a name does not
    mean the same in two inputs, and an aggregate only takes explanations whose masks are equal.

    Args:
        gate: the lowest score of an explanation that counts; ``None`` counts all.

    Attributes:
        names: the d features' names, in the order in which they came.
        inputs: number of inputs explained so far, with those below the gate.

    Raises:
        ValueError: if ``gate`` is not a bound of R².
    """

    def __init__(self, gate: float | None = None) -> None:
        self.gate = check_gate(gate)
        self.names: tuple[str, ...] = ()
        self.inputs = 0
        self._moments: RunningStatistics | None = None
        self._sizes: RunningStatistics | None = None  # absolute effects
        self._scores: RunningStatistics | None = None
        self._targets = torch.empty(0, dtype=torch.int64)
        self._channels: tuple[str | None, ...] | None = None
        self._cut = ""  # the mask that the names belong to, if each input's features are numbered by themselves

    def __repr__(self) -> str:
        if self._moments is None:
            return "<Aggregate of nothing yet>"
        leading = "; ".join(
            f"target {int(target)}: " + ", ".join(f"{name} {mean:+.3g}" for name, mean in row)
            for target, row in zip(self.targets[:_SHOWN].tolist(), self.top(3)[:_SHOWN], strict=True)
        )
        more = "; …" if len(self.targets) > _SHOWN else ""
        return f"<Aggregate of {self.inputs} inputs and {len(self.names)} features; strongest of {leading}{more}>"

    def add(self, explanation: Explanation) -> Aggregate:
        """Add an explanation of one input or several; the aggregate keeps no part of it.

        Raises:
            TypeError: if ``explanation`` is not an :class:`~lime_callback.Explanation`.
            ValueError: if it has another number of targets than those before it, or :meth:`check` refuses its features.
        """
        if not isinstance(explanation, Explanation):
            raise TypeError(f"`explanation` should be an Explanation. Found a {type(explanation).__name__}.")
        score, values = explanation.score.cpu().unsqueeze(-1), explanation.coefficients
        counted = explanation.features.present.cpu().unsqueeze(1).expand(values.shape)
        if self.gate is not None:
            counted = counted & (score >= self.gate)
        part = Aggregate(self.gate)
        part.names, part.inputs = explanation.features.names, len(values)
        part._moments = RunningStatistics.of(values, explanation.standard_error, counted)
        sizes = effects(values, explanation.standard_error).abs()
        part._sizes = RunningStatistics.of(sizes, torch.zeros_like(sizes), counted)
        part._scores = RunningStatistics.of(score, torch.zeros_like(score), torch.ones_like(score, dtype=torch.bool))
        targets = explanation.targets.cpu()
        part._targets = torch.where((targets == targets[0]).all(0), targets[0], -1)
        part._channels = _channels(explanation)
        part._cut = _cut(explanation.features)
        return self.merge(part)

    def check(self, features: Features) -> None:
        """Raise if the features' names do not mean the same in all inputs.

        Raises:
            ValueError: if each input's features were numbered by themselves, and these inputs, or those before them,
                have different masks.
        """
        self._check_cut(_cut(features), features.names)

    def merge(self, other: Aggregate) -> Aggregate:
        """Add another aggregate, for example that of another process or another part of the data.

        Raises:
            TypeError: if ``other`` is not an aggregate.
            ValueError: if the number of targets differs, or equal names of features mean different things.
        """
        if not isinstance(other, Aggregate):
            raise TypeError(f"`other` should be an Aggregate. Found a {type(other).__name__}.")
        if other._moments is None or other._sizes is None or other._scores is None:
            return self
        if self._moments is None or self._sizes is None or self._scores is None:
            self.names, self._channels, self._targets = other.names, other._channels, other._targets
            self._moments, self._sizes, self._scores = other._moments, other._sizes, other._scores
        else:
            if len(other._targets) != len(self._targets):
                raise ValueError(
                    f"An aggregate's explanations should have the same number of targets. Found {len(self._targets)} "
                    f"and then {len(other._targets)}."
                )
            self._check_cut(other._cut, other.names)
            names = tuple(dict.fromkeys(self.names + other.names))
            columns, theirs = ([names.index(name) for name in part] for part in (self.names, other.names))
            self.names = names
            self._moments, self._sizes = (
                before.placed(columns, len(names)).joined(more.placed(theirs, len(names)))
                for before, more in ((self._moments, other._moments), (self._sizes, other._sizes))
            )
            self._scores = self._scores.joined(other._scores)
            self._targets = torch.where(self._targets == other._targets, self._targets, -1)
            self._channels = self._channels if self._channels == other._channels else None
        self._cut = self._cut or other._cut
        self.inputs += other.inputs
        return self

    @property
    def targets(self) -> Tensor:
        """Index of each target's output, int64 ``[T]``; -1 if it is not the same for all inputs."""
        return self._targets

    @property
    def count(self) -> Tensor:
        """Number of inputs that count, int64 ``[T, d]``."""
        return self._known.count.long()

    @property
    def mean(self) -> Tensor:
        """Mean coefficient over the inputs, float64 ``[T, d]``; NaN if none counts."""
        return self._where_some(self._known.mean)

    @property
    def magnitude(self) -> Tensor:
        """Mean absolute coefficient, ``[T, d]``; signs that differ between inputs do not cancel."""
        return self._where_some(self._known.magnitude)

    @property
    def importance(self) -> Tensor:
        """Mean absolute effect, ``[T, d]``: the feature's mean share of an input's attribution."""
        if self._sizes is None:
            raise ValueError(_NOTHING)
        return self._where_some(self._sizes.mean)

    @property
    def importance_error(self) -> Tensor:
        """Standard error of the importance over all such inputs, ``[T, d]``; NaN for fewer than two inputs."""
        if self._sizes is None:
            raise ValueError(_NOTHING)
        return self._sizes.spread / self._sizes.count.sqrt()

    def importance_interval(self, level: float = LEVEL) -> tuple[Tensor, Tensor]:
        """Lower and upper end of the interval of the importance over all such inputs, each ``[T, d]``, from 0 to 1.

        It holds less often for a feature that matters to few inputs alone. NaN for fewer than two inputs. See
        :func:`~lime_callback.surrogates.confidence_intervals.skewed_interval`.

        Args:
            level: probability that the interval holds the importance; between 0 and 1.

        Raises:
            ValueError: if the level does not lie between 0 and 1.
        """
        if self._sizes is None:
            raise ValueError(_NOTHING)
        sizes = self._sizes
        low, high = skewed_interval(sizes.mean, sizes.spread, sizes.skewness, sizes.count, level)
        # If all values are equal, some of all inputs may still differ. The interval grows by the largest share of them
        # that would, with probability (1 - level) / 2, not occur in a sample of this size.
        unseen = torch.where(sizes.spread == 0, 1 - ((1 - level) / 2) ** (1 / sizes.count.clamp(min=1)), 0.0)
        low, high = low - unseen * sizes.mean, high + unseen * (1 - sizes.mean)
        return low.clamp(0, 1), high.clamp(0, 1)

    def half_width(self, level: float = LEVEL) -> Tensor:
        """Half the interval of the mean over all such inputs, by Student's t, ``[T, d]``; NaN for fewer than two.

        Args:
            level: probability that the interval holds the mean; between 0 and 1.

        Raises:
            ValueError: if the level does not lie between 0 and 1.
        """
        return self.standard_error * critical_value(self._known.count - 1, level)

    @property
    def spread(self) -> Tensor:
        """Standard deviation of the coefficient over the inputs, ``[T, d]``; NaN if fewer than two count."""
        return self._known.spread

    @property
    def standard_error(self) -> Tensor:
        """Standard error of the mean over all such inputs, ``[T, d]``: ``spread / √count``."""
        return self._known.spread / self._known.count.sqrt()

    @property
    def surrogate_error(self) -> Tensor:
        """Standard error of the mean over just these inputs, ``[T, d]``, from the perturbations' noise alone."""
        return self._where_some(self._known.variance.sqrt() / self._known.count)

    @property
    def score(self) -> Tensor:
        """Mean R² over all inputs, with those below the gate, ``[T]``."""
        if self._scores is None:
            raise ValueError(_NOTHING)
        return self._scores.mean.squeeze(-1)

    @property
    def channels(self) -> Tensor | None:
        """Each channel's feature, int64 ``[C]``, -1: never hidden; ``None`` if inputs or pixels differ."""
        if self._channels is None:
            return None
        return torch.tensor([-1 if name is None else self.names.index(name) for name in self._channels])

    def on_channels(self, values: Tensor) -> Tensor:
        """Give each channel its feature's value of ``[T, d]``: ``[T, C]``, 0 for channels that are never hidden.

        Raises:
            ValueError: if the features are not groups of channels, the same for all inputs.
        """
        labels = self.channels
        if labels is None:
            raise ValueError(
                "Values on channels need features that are the same groups of channels in every input, as those of "
                "Superbands. Found others."
            )
        return torch.where(labels < 0, 0.0, values[:, labels.clamp(min=0)])

    def top(self, k: int = 5) -> list[list[tuple[str, float]]]:
        """For each target the k features of largest importance, as (name, mean coefficient).

        The importance also ranks features that raise one input's output and lower another's.

        Raises:
            ValueError: if ``k`` is below 1, or nothing was explained.
            TypeError: if ``k`` is not a whole number.
        """
        k = check_count("k", k)
        mean = self.mean
        order = self.importance.nan_to_num(-1.0).argsort(dim=-1, descending=True, stable=True)[:, :k].tolist()
        return [
            [(self.names[i], float(mean[t, i])) for i in row if not mean[t, i].isnan()] for t, row in enumerate(order)
        ]

    def _check_cut(self, cut: str, names: tuple[str, ...]) -> None:
        if cut != self._cut and not set(names).isdisjoint(self.names):
            raise ValueError(_NO_COMMON_NAMES)

    @property
    def _known(self) -> RunningStatistics:
        if self._moments is None:
            raise ValueError(_NOTHING)
        return self._moments

    def _where_some(self, values: Tensor) -> Tensor:
        return torch.where(self._known.count > 0, values, torch.nan)


def _channels(explanation: Explanation) -> tuple[str | None, ...] | None:
    """The name of each channel's feature, if the features are groups of channels and the same for all inputs."""
    mask, names = explanation.features.canonical, explanation.features.names
    channels = explanation.features.layout.canonical(torch.empty(1, *explanation.shape, device="meta")).shape[1]
    if mask.shape[0] != 1 or mask.shape[2:] != (1, 1) or mask.shape[1] != channels:
        return None
    return tuple(None if label < 0 else names[label] for label in mask.flatten().tolist())


def _cut(features: Features) -> str:
    """A digest of the mask that the names belong to; empty if they mean the same in every input."""
    if not features.per_input:
        return ""
    rows = features.mask.cpu().flatten(1).contiguous().numpy()
    digests = {hashlib.sha256(f"{features.mask.shape[1:]}".encode() + row.tobytes()).hexdigest() for row in rows}
    if len(digests) > 1:
        raise ValueError(_NO_COMMON_NAMES)
    return digests.pop()

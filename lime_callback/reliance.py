"""Reliance: what happens to a model's answers when a set of channels or pixels is hidden.

A set is hidden by the values that other samples have there. Beside it, random sets of as many channels or pixels are
hidden in the same samples by the same others: what they change is what is to be expected of any such set.

Letters: ``S`` sets, ``m`` samples, ``K`` outputs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from lime_callback.arguments import check_count, check_function
from lime_callback.inputs import check_inputs
from lime_callback.intervals import LEVEL, reach
from lime_callback.layout import Layout
from lime_callback.settings import Settings
from lime_callback.swaps import pinned_swaps
from lime_callback.watch import check_watch, elements

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from lime_callback.targets import Output

RELEVANT = 0.1  # of the predictions, or of the outputs' spread: a smaller difference is not worth an alarm


@dataclass(frozen=True, eq=False)
class Reliance:
    """What hiding each of S sets changes, beside random sets. Tensors are float64 ``[S]``, on the CPU.

    Attributes:
        names: of the sets.
        changed: share of predictions that become another class; for values that are no classes, their mean absolute
            change as a share of their standard deviation.
        changed_error: its standard error over the samples.
        expected: the same of random sets of as many elements, made of the same ranges or patches.
        excess_error: standard error of ``changed - expected`` over the samples.
        spread: standard deviation of ``changed`` between the random sets.
        chance: probability of so much change or more, if in each sample the set were one of its random sets.
        accuracy_drop: by how much the accuracy falls; ``None`` without labels that fit.
        expected_accuracy_drop: likewise, of random sets.
        loss_increase: by how much the cross-entropy rises, or the squared error as a share of the labels' variance;
            ``None`` without labels that fit.
        expected_loss_increase: likewise, of random sets.
        share: of all elements that are in the set, from 0 to 1.
        references: how many random sets there were, int64.
        samples: how many there were, m.
        classes: whether ``changed`` counts predictions.
    """

    names: tuple[str, ...]
    changed: Tensor
    changed_error: Tensor
    expected: Tensor
    excess_error: Tensor
    spread: Tensor
    chance: Tensor
    accuracy_drop: Tensor | None
    expected_accuracy_drop: Tensor | None
    loss_increase: Tensor | None
    expected_loss_increase: Tensor | None
    share: Tensor
    references: Tensor
    samples: int
    classes: bool

    @property
    def excess(self) -> Tensor:
        """What is changed beyond what is expected."""
        return self.changed - self.expected

    def half_width(self, level: float = LEVEL) -> Tensor:
        """Half of the interval of ``changed`` over all samples of which these are some."""
        return self.changed_error * float(reach(self.samples - 1, level))

    def relies(self, bound: float | None = None, alpha: float = 0.05) -> Tensor:
        """Whether the model rests on each set, bool ``[S]``: more is changed than expected, and not by chance.

        Without a bound, the difference has to be relevant (0.1), too large for a chance within the samples, and the set
        has to stand out from its random sets: some range of channels always is the most important one.

        Args:
            bound: the difference that has to be exceeded, beyond its error; ``None``: as above.
            alpha: probability to say so without a cause.
        """
        level = 1 - 2 * alpha  # of an interval of which one side counts
        among = self.references.double()
        # The mean of the random sets is uncertain; without a bound, one more of them may lie so much further.
        error = self.spread * (1 / among + (bound is None)).sqrt()
        over_sets = torch.where(error > 0, error * reach(among - 1, level), 0.0)
        if bound is None:
            return (self.excess > RELEVANT) & (self.chance <= alpha) & (self.excess > over_sets)
        over_samples = self.excess_error * reach(self.samples - 1, level)
        return (self.excess - over_samples > bound) & (self.excess - over_sets > bound)

    def only(self, names: Iterable[str]) -> Reliance:
        """The same of some sets, as far as they are there."""
        kept = set(names)
        rows = [i for i, name in enumerate(self.names) if name in kept]
        tensors = {
            f.name: getattr(self, f.name)[rows] for f in fields(self) if isinstance(getattr(self, f.name), Tensor)
        }
        return replace(self, names=tuple(self.names[i] for i in rows), **tensors)

    def renamed(self, names: Iterable[str]) -> Reliance:
        """The same under other names, in the same order."""
        return replace(self, names=tuple(names))

    def text(self, name: str) -> str:
        """What hiding a set changes, in words.

        Raises:
            ValueError: if there is no such set.
        """
        if name not in self.names:
            raise ValueError(f"`name` should be one of {list(self.names)}. Found `name = {name!r}`.")
        i = self.names.index(name)
        there, usual = float(self.changed[i]), float(self.expected[i])
        if self.classes:
            return (
                f"hiding it changes {there:.0%} of the predictions, where {usual:.0%} are expected of random sets as "
                "large"
            )
        return (
            f"hiding it changes the outputs by {there:.2f} standard deviations, where {usual:.2f} are expected of "
            "random sets as large"
        )


def reliance(
    forward: Callable[[Tensor], Any],
    inputs: Tensor,
    sets: Mapping[str, Any],
    labels: Tensor | None = None,
    *,
    wavelengths: Sequence[float] | None = None,
    layout: str | Layout | None = None,
    output: Output | Callable[[Tensor], Tensor] = "raw",
    references: int = 19,
    batch_size: int = 64,
    seed: int = 0,
) -> Reliance:
    """Measure what hiding sets of channels or pixels changes in a model's answers.

    The model is called as it is, without gradients: put it into evaluation mode yourself. It is asked
    ``(1 + S (1 + references)) N`` times. Global random state is not touched.

    Args:
        forward: takes ``[m, *dims]``, returns ``[m]`` or ``[m, K]`` (or what a callable ``output`` makes that of).
        inputs: samples ``[N, *dims]``, at least four; some dozens that resemble what the model meets.
        sets: for each name a bool mask that broadcasts to ``[N, *dims]``, or what a :class:`~lime_callback.Watch`
            takes: ``{"water": [(1350.0, 1430.0), (1800.0, 1950.0)]}``.
        labels: integers ``[N]`` of a classifier, or numbers ``[N]`` or ``[N, K]`` of a regression.
        wavelengths: of the channels, in nm.
        layout: the axes of one sample; ``None``: the usual ones of its rank.
        output: the outputs' scale, see :func:`~lime_callback.explain`.
        references: random sets for each set, at least 3.
        batch_size: inputs a forward.
        seed: of the other samples and of the random sets.

    Raises:
        ValueError: if an argument does not fit the inputs, or the outputs are not finite.
        TypeError: if an argument is of another kind.
    """
    from lime_callback.hiding import measure

    check_function("forward", forward, "inputs [m, *dims] and returns [m] or [m, K]")
    check_inputs(inputs)
    check_count("references", references, 3)
    check_count("batch_size", batch_size, 1)
    if len(inputs) < 4:
        raise ValueError(
            f"`inputs` should be at least four samples, which take each other's values. Found {len(inputs)}."
        )
    if labels is not None and len(labels) != len(inputs):
        raise ValueError(f"`labels` should be one for each of the {len(inputs)} inputs. Found {len(labels)}.")
    axes = Layout.of_rank(inputs.ndim - 1) if layout is None else Layout.of(layout)
    axes.check(tuple(inputs.shape))
    masks = _masks(sets, inputs, axes, wavelengths)
    order = None if wavelengths is None else sorted(range(len(wavelengths)), key=lambda i: wavelengths[i])
    budget = len(inputs) * (1 + len(masks) * (1 + references))
    swaps = pinned_swaps(masks, {}, len(inputs), budget, seed, order, references)
    assert swaps is not None, "there are sets, and samples enough"
    settings = Settings(output=output)
    return measure(lambda x, _: forward(x), inputs, axes, swaps, labels, settings, batch_size)


def _masks(
    sets: Mapping[str, Any], inputs: Tensor, layout: Layout, wavelengths: Sequence[float] | None
) -> dict[str, Tensor]:
    """Each set as a bool mask ``[1 or N, C, H, W]``, on the CPU.

    Raises:
        TypeError: if ``sets`` is no dictionary.
        ValueError: if there is no set, or one fits the inputs in no way.
    """
    if not isinstance(sets, Mapping) or not sets:
        raise (ValueError if isinstance(sets, Mapping) else TypeError)(
            "`sets` should be a dictionary of names and sets, such as {'water': (1350.0, 1430.0)}. Found "
            f"{'an empty one' if isinstance(sets, Mapping) else f'a {type(sets).__name__}'}."
        )
    found = {}
    for name, what in sets.items():
        if isinstance(what, Tensor) and what.dtype == torch.bool and what.ndim >= inputs.ndim - 1:
            mask = what if what.ndim == inputs.ndim else what.unsqueeze(0)
            fits = all(own in (1, size) for own, size in zip(mask.shape, inputs.shape, strict=True))
            if not fits or not bool(mask.any()):
                raise ValueError(
                    f"`sets[{name!r}]` should be a mask with at least one true element that broadcasts to the inputs' "
                    f"shape {tuple(inputs.shape)}. Found shape {tuple(what.shape)} with {int(what.sum())} of them."
                )
            found[name] = layout.canonical(mask).cpu()
        else:
            found[name] = elements(next(iter(check_watch({name: what}).values())), inputs, layout, wavelengths, None)
    return found

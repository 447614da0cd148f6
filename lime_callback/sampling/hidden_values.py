"""What hidden elements become: one set of values for all rows of an input, or one of several for each row.

Letters: ``B`` inputs ``[B, *dims]``, ``n`` rows of a design, ``S`` samples of the background, ``K`` of them an input.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, ClassVar

import torch
from torch import Tensor

from lime_callback.sampling.seeds import seed_for

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lime_callback.sampling.locality_kernels import Kernel
    from lime_callback.views.features import Features


@dataclass(frozen=True, eq=False)
class DrawnSamples:
    """Samples that stand in for what is hidden, one for each row.

    Attributes:
        samples: ``[S, *dims]``.
        own: which K of them each input takes, int64 ``[B, K]``, on the samples' device.
        choice: which of its K each row takes, int64 ``[B, n]``, on the CPU.
    """

    samples: Tensor
    own: Tensor
    choice: Tensor

    @property
    def count(self) -> int:
        """K."""
        return self.own.shape[1]

    @cached_property
    def choice_there(self) -> Tensor:
        """The choice on the samples' device."""
        return self.choice.to(self.samples.device)

    def of(self, b: int) -> Tensor:
        """The samples of an input, ``[K, *dims]``."""
        return self.samples.index_select(0, self.own[b])

    def everywhere(self, k: int) -> Tensor:
        """Each input's sample of number k, ``[B, *dims]``."""
        return self.samples.index_select(0, self.own[:, k])


class Baseline(ABC):
    """Makes the values that stand for "not there".

    Attributes:
        varies: whether they differ between rows. Then equal rows of a design do not tell the same.
    """

    varies: ClassVar[bool] = False

    @property
    def grounds(self) -> int:
        """How many sets of values each input has; 1 where they do not differ between rows."""
        return 1

    @abstractmethod
    def __call__(self, inputs: Tensor, features: Features) -> Tensor:
        """Values for hidden elements, in a shape that broadcasts to ``inputs`` [B, *dims]."""

    def bound(self, features: Features, background: Tensor | None) -> Baseline:
        """The baseline for these features and this background ``[N, *dims]``; most need neither.

        Raises:
            ValueError: if there is no background, and one is needed.
        """
        return self

    def hide(
        self, inputs: Tensor, features: Features, n: int, seeds: Sequence[int], period: int | None = None
    ) -> Tensor | DrawnSamples:
        """The values for each of n rows of every input; by default the same for all rows.

        Args:
            inputs: ``[B, *dims]``.
            features: of the inputs.
            n: rows of a design; two that follow each other, 2i and 2i + 1, may be complements.
            seeds: one number an input.
            period: after so many rows the design begins again, with other values; ``None``: it never does.
        """
        return self(inputs, features)


def draw_samples(
    inputs: Tensor, samples: Tensor, n: int, seeds: Sequence[int], period: int | None = None
) -> DrawnSamples:
    """One sample for each two rows that follow each other, so that a row and its complement share it.

    Of S samples each input takes all but one: itself, if it is among them, since it would hide nothing. Each of the
    others is taken equally often, in any first part of the rows, too. Rows that are asked again have another sample
    each time, until they have had all.

    Args:
        inputs: ``[B, *dims]``.
        samples: ``[S, *dims]``.
        n: rows.
        seeds: one number an input, which the choice depends on.
        period: after so many rows, an even number, the design begins again; ``None``: it never does.
    """
    size = len(samples)
    same = torch.stack([(inputs == one).flatten(1).all(1) for one in samples], dim=1)
    own = same.long().argsort(dim=1, stable=True)[:, : max(1, size - 1)]
    period = n if period is None else period
    pairs, kept, times = -(-period // 2), own.shape[1], -(-n // period)
    rows = []
    for seed in seeds:
        generator = torch.Generator().manual_seed(seed_for(seed, "background"))
        turns = torch.stack([torch.randperm(kept, generator=generator) for _ in range(-(-pairs // kept))])
        asked = [turns.roll(-time, 1).flatten()[:pairs].repeat_interleave(2)[:period] for time in range(times)]
        rows.append(torch.cat(asked)[:n])
    return DrawnSamples(samples, own, torch.stack(rows))


def hidden_in_rows(hidden: Tensor | DrawnSamples, rows: slice) -> Tensor | DrawnSamples:
    """What hidden elements become in some rows of a design."""
    return hidden if isinstance(hidden, Tensor) else replace(hidden, choice=hidden.choice[:, rows])


def row_weights(
    kernel: Kernel, inputs: Tensor, hidden: Tensor | DrawnSamples, features: Features, design: Tensor
) -> Tensor:
    """What each row weighs, ``[B or 1, n]``; where rows have different samples, each by its own.

    Args:
        kernel: not bound yet.
        inputs: ``[B, *dims]``.
        hidden: of that shape, or one of several for each row.
        features: of the inputs.
        design: bool ``[B or 1, n, d]``.
    """
    present = features.present.expand(len(design), -1)
    if isinstance(hidden, Tensor):
        return kernel.bound(inputs, hidden, features)(design, present)
    by_sample = []
    for k in range(hidden.count):
        bound = kernel.bound(inputs, hidden.everywhere(k), features)
        if bound is kernel:  # it does not look at the inputs
            return kernel(design, present)
        by_sample.append(bound(design, present).expand(len(inputs), -1))
    return torch.stack(by_sample).gather(0, hidden.choice_there.unsqueeze(0))[0]

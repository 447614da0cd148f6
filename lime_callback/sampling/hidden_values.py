"""The values that hidden elements take: the same for all rows of an input, or those of one of K samples for each row.

Letters: ``B`` inputs ``[B, *dims]``, ``n`` rows of a design, ``S`` samples of the background, of which each input uses
``K``. With ``x`` an input, ``h`` its hidden values and ``M`` the kept elements, a row's perturbed input is
``M x + (1 - M) h``.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, ClassVar

import torch
from torch import Tensor

from lime_callback.checks import extension_points
from lime_callback.sampling.seeds import seed_for

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lime_callback.sampling.locality_kernels import Kernel
    from lime_callback.views.features import Features


@dataclass(frozen=True, eq=False)
class DrawnSamples:
    """Background samples whose values hidden elements take: row r of input b takes ``samples[own[b, choice[b, r]]]``.

    Attributes:
        samples: ``[S, *dims]``.
        own: the K samples of each input, int64 ``[B, K]``, on the samples' device.
        choice: which of its K samples each row takes, int64 ``[B, n]``, on the CPU.
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
        """The samples of input ``b``, ``[K, *dims]``."""
        return self.samples.index_select(0, self.own[b])

    def everywhere(self, k: int) -> Tensor:
        """Sample ``k`` of each input, ``[B, *dims]``."""
        return self.samples.index_select(0, self.own[:, k])


class Baseline(ABC):
    """Makes the values of hidden elements.

    Attributes:
        varies: whether hidden values differ between rows. If so, equal rows of a design give different inputs.
    """

    varies: ClassVar[bool] = False

    @property
    def grounds(self) -> int:
        """K, the number of samples that an input's hidden elements are taken from; 1 if rows do not differ."""
        return 1

    @abstractmethod
    def __call__(self, inputs: Tensor, features: Features) -> Tensor:
        """Hidden values, in a shape that broadcasts to ``inputs`` [B, *dims]."""

    def bound(self, features: Features, background: Tensor | None) -> Baseline:
        """The baseline for these features and this background ``[N, *dims]``; most need neither.

        Raises:
            ValueError: if there is no background, and one is needed.
        """
        return self

    def hide(
        self, inputs: Tensor, features: Features, n: int, seeds: Sequence[int], period: int | None = None
    ) -> Tensor | DrawnSamples:
        """Hidden values for n rows of every input; by default the same for all rows.

        Args:
            inputs: ``[B, *dims]``.
            features: the inputs' features.
            n: number of rows; rows 2i and 2i + 1 may be complements.
            seeds: one number for each input.
            period: number of rows after which the design repeats, with other values; ``None``: it never does.
        """
        return self(inputs, features)


def draw_samples(
    inputs: Tensor, samples: Tensor, n: int, seeds: Sequence[int], period: int | None = None
) -> DrawnSamples:
    """Choose a sample for each pair of rows 2i and 2i + 1, so that a row and its complement share it.

    Each input uses ``K = S - 1`` samples: it leaves out itself if it is among them, since it would hide nothing, else
    the last one. Every K consecutive pairs take each sample once. If the design repeats, a row has another sample each
    time, until it has had all K.

    Args:
        inputs: ``[B, *dims]``.
        samples: ``[S, *dims]``.
        n: number of rows.
        seeds: one number for each input, on which its choice depends.
        period: number of rows, even, after which the design repeats; ``None``: it never does.
    """
    size = len(samples)
    same = torch.stack([(inputs == sample).flatten(1).all(1) for sample in samples], dim=1)
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
    """The hidden values of some rows of a design."""
    return hidden if isinstance(hidden, Tensor) else replace(hidden, choice=hidden.choice[:, rows])


def row_weights(
    kernel: Kernel, inputs: Tensor, hidden: Tensor | DrawnSamples, features: Features, design: Tensor
) -> Tensor:
    """Each row's weight by the kernel, ``[B or 1, n]``; a row whose hidden values are a sample's is weighed with these.

    Args:
        kernel: before it is bound to inputs.
        inputs: ``[B, *dims]``.
        hidden: hidden values of the inputs' shape, or samples.
        features: the inputs' features.
        design: bool ``[B or 1, n, d]``.
    """
    present = features.present.expand(len(design), -1)
    if isinstance(hidden, Tensor):
        weights = kernel.bound(inputs, hidden, features)(design, present)
        return extension_points.kernel_weights(kernel, weights, design, len(inputs))
    by_sample = []
    for k in range(hidden.count):
        bound = kernel.bound(inputs, hidden.everywhere(k), features)
        if bound is kernel:  # it does not look at the inputs
            return extension_points.kernel_weights(kernel, kernel(design, present), design, len(inputs))
        weights = extension_points.kernel_weights(kernel, bound(design, present), design, len(inputs))
        by_sample.append(weights.expand(len(inputs), -1))
    return torch.stack(by_sample).gather(0, hidden.choice_there.unsqueeze(0))[0]

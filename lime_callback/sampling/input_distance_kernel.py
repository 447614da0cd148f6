"""A kernel on the inputs themselves: the distance between a perturbed and the unperturbed input, over all elements.

No perturbed input is made. Let ``x`` be the input, ``b`` the baseline, ``x'`` the perturbed input of row ``z``, and
``xx_k``, ``xb_k``, ``bb_k`` the sums of x², xb and b² over the elements of feature k; k = 0 are those that are never
hidden, with ``z_0 = 1``. Then

    <x, x'> = sum_k z_k xx_k + (1 - z_k) xb_k,    <x', x'> = sum_k z_k xx_k + (1 - z_k) bb_k.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from lime_callback.sampling.locality_kernels import ExponentialKernel
from lime_callback.sampling.precision import wide_dtype

if TYPE_CHECKING:
    from torch import Tensor

    from lime_callback.sampling.locality_kernels import Kernel
    from lime_callback.views.features import Features

# Sums are made of whole numbers up to this one.
_FINEST = 2.0**52


@dataclass(frozen=True)
class InputCosine(ExponentialKernel):
    """Exponential kernel on the cosine distance between the inputs, ``exp(-distance² / (2 width²))``.

    All elements of an input are one vector. The distance to an input that is zero throughout is 1.

    Args:
        width: kernel width, without unit, above 0.

    Raises:
        ValueError: if ``width`` is not above 0, or infinite.
        TypeError: if it is no number.

    References:
        The default of ``captum.attr.Lime``.
    """

    width: float = 1.0

    def bound(self, inputs: Tensor, baseline: Tensor, features: Features) -> Kernel:
        """See :meth:`~lime_callback.sampling.Kernel.bound`."""
        return _Bound(self.width, *feature_sums(inputs, baseline, features))

    def __call__(self, design: Tensor, present: Tensor) -> Tensor:
        """Not without inputs.

        Raises:
            TypeError: always.
        """
        raise TypeError(
            "`InputCosine` measures the inputs, not the on/off rows. Call what its `bound(inputs, baseline, features)` "
            "returns."
        )


@dataclass(frozen=True, eq=False)
class _Bound(ExponentialKernel):
    xx: Tensor  # each [B, d + 1], first what is never hidden
    xb: Tensor
    bb: Tensor

    def __call__(self, design: Tensor, present: Tensor) -> Tensor:
        xx, xb, bb = (each.unsqueeze(-1) for each in (self.xx, self.xb, self.bb))
        on = torch.cat([torch.ones_like(design[..., :1]), design], dim=-1).to(xx.dtype)
        product, own = on @ xx + (1 - on) @ xb, on @ xx + (1 - on) @ bb
        lengths = (own * xx.sum(1, keepdim=True)).sqrt()
        cosine = torch.where(lengths > 0, product / lengths, 0.0)
        return self._weights((1 - cosine).square().squeeze(-1))


def feature_sums(inputs: Tensor, baseline: Tensor, features: Features) -> tuple[Tensor, Tensor, Tensor]:
    """Sums of x², xb and b² over the elements of each feature.

    Args:
        inputs: ``[B, *dims]``.
        baseline: hidden values of the same shape.
        features: the inputs' features.

    Returns:
        xx, xb and bb, each ``[B, d + 1]``; column 0 sums over the elements that are never hidden.
    """
    dtype = wide_dtype(inputs.device)
    sums = []
    for b, (values, hidden) in enumerate(zip(inputs, baseline, strict=True)):  # one at a time, for the memory
        x, base = values.to(dtype), hidden.to(dtype)
        labels = features.mask[b if len(features.mask) > 1 else 0]
        sums.append(torch.stack([_sums(part, labels, len(features)) for part in (x * x, x * base, base * base)]))
    xx, xb, bb = torch.stack(sums, dim=1)
    return xx, xb, bb


def _sums(values: Tensor, labels: Tensor, d: int) -> Tensor:
    alike = [axis for axis, size in enumerate(labels.shape) if size == 1]
    values = (values.sum(alike, keepdim=True) if alike else values).flatten()
    # Whole numbers add up to the same in any order, in which a GPU has none: so weights are the same at every epoch.
    total = values.abs().sum()
    unit = torch.where(total > 0, total, 1.0) / _FINEST
    counts = torch.zeros(d + 1, dtype=torch.int64, device=values.device)
    counts.scatter_add_(0, labels.flatten().long() + 1, (values / unit).round().long())
    return counts * unit

"""Watch: how much of the attribution lies in a set of channels or pixels, and when that is too much or too little.

Letters: ``B`` inputs, ``T`` targets, ``d`` features.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from lime_callback.surrogates import coefficient_influences
from lime_callback.views.given import check_given, find_given
from lime_callback.views.groups import parse_group

if TYPE_CHECKING:
    from lime_callback.explanation import Explanation
    from lime_callback.features import Features

_ONE_SIDED = 1.645  # standard errors, for a probability of 0.05 to raise an alarm without a cause


@dataclass(frozen=True, eq=False)
class Watch:
    """A set of channels or of pixels whose share of the attribution is followed.

    Args:
        bands: channels, in every spelling that a group of :class:`~lime_callback.Superbands` has: a range in nm
            ``(1350.0, 1430.0)``, single wavelengths ``[462.08, 465.27]``, channel numbers, names, or a list of these.
        pixels: or pixels, as a mask that is true there: an array ``[H, W]`` or ``[B, H, W]``, the key of a batch entry,
            or a function of the inputs.
        above: raise an alarm when the share is above this, beyond its error; from 0 to 1.
        below: raise an alarm when it is below this.
        stop: stop the training at an alarm.

    Raises:
        ValueError: if neither or both of bands and pixels are given, a bound is not between 0 and 1, or ``stop`` has no
            bound to wait for.
        TypeError: if bands or pixels are of no such kind.
    """

    bands: Any = None
    pixels: Any = None
    above: float | None = None
    below: float | None = None
    stop: bool = False

    def __post_init__(self) -> None:
        if (self.bands is None) == (self.pixels is None):
            raise ValueError(
                "`watch` takes either `bands` or `pixels`. Found " + ("neither." if self.bands is None else "both.")
            )
        if self.bands is not None:
            parse_group(self.bands)
        else:
            check_given("pixels", self.pixels)
        for name in ("above", "below"):
            bound = getattr(self, name)
            if bound is not None and not 0 <= bound <= 1:
                raise ValueError(f"`{name}` should be a share from 0 to 1. Found `{name} = {bound}`.")
        if self.stop and self.above is None and self.below is None:
            raise ValueError("`stop` needs a bound to wait for. Found neither `above` nor `below`.")

    def alarm(self, share: float, error: float) -> str | None:
        """What is wrong with a share, beyond its error; ``None`` if nothing is."""
        if self.above is not None and share - _ONE_SIDED * error > self.above:
            return f"has {share:.3f} ± {error:.3f} of the attribution, above {self.above:g}"
        if self.below is not None and share + _ONE_SIDED * error < self.below:
            return f"has {share:.3f} ± {error:.3f} of the attribution, below {self.below:g}"
        return None


def alarms_of(watches: Mapping[str, Watch], metrics: Mapping[str, float]) -> dict[str, str | None]:
    """For each watch that has been followed what is wrong with it, or ``None``.

    Args:
        watches: by name.
        metrics: of a view, with ``watch/<name>`` and ``watch_error/<name>``.
    """
    return {
        name: watch.alarm(metrics[f"watch/{name}"], metrics[f"watch_error/{name}"])
        for name, watch in watches.items()
        if f"watch/{name}" in metrics
    }


def check_watch(value: Any) -> dict[str, Watch]:
    """Watches by their names.

    Raises:
        TypeError: if ``value`` is no mapping.
        ValueError: if a name cannot be part of a metric's name, or what it stands for is no watch; the message names
            it.
    """
    from lime_callback.arguments import check_name

    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise TypeError(
            "`watch` should be a dictionary of names and what they stand for, such as {'water': (1350.0, 1430.0)}. "
            "Found a "
            f"{type(value).__name__}."
        )
    return {check_name("watch", name): _watch(name, what) for name, what in value.items()}


def _watch(name: str, what: Any) -> Watch:
    if isinstance(what, Watch):
        return what
    try:
        is_mask = isinstance(what, (Tensor, np.ndarray)) and what.ndim > 1
        return Watch(pixels=what) if is_mask else Watch(bands=what)
    except (ValueError, TypeError) as error:
        raise ValueError(f"`watch[{name!r}]` names no set of channels or pixels: {error}") from error


def overlap(
    watch: Watch,
    features: Features,
    inputs: Tensor,
    wavelengths: Sequence[float] | None,
    batch: Mapping[str, Any] | None,
) -> Tensor | None:
    """The share of each feature's elements that lie in the set, ``[B, d]``.

    ``None`` if the features are not cut along the axes of the set: a superpixel has all wavelengths alike.

    Raises:
        ValueError: if the set is empty for these inputs.
    """
    mask, x = features.canonical, features.layout.canonical(inputs)
    if watch.bands is not None:
        if mask.shape[1] == 1 and x.shape[1] > 1:
            return None
        inside = torch.zeros(1, x.shape[1], 1, 1, dtype=torch.bool)
        inside[:, sorted(parse_group(watch.bands).pick(wavelengths, x.shape[1]).channels)] = True
    else:
        if mask.shape[2] * mask.shape[3] == 1 and x.shape[2] * x.shape[3] > 1:
            return None
        inside = (find_given("pixels", watch.pixels, inputs, features.layout, batch)[0] > 0).unsqueeze(1)
    if not bool(inside.any()):
        raise ValueError("`watch` should name channels or pixels that the inputs have. Found none of them there.")
    shape = [max(sizes) for sizes in zip(mask.shape, inside.shape, strict=True)]
    labels = mask.long().expand(shape).flatten(1) + 1
    hits = torch.zeros(2, shape[0], len(features) + 1)
    hits[0].scatter_add_(1, labels, inside.to(labels.device).expand(shape).flatten(1).float())
    hits[1].scatter_add_(1, labels, torch.ones(labels.shape))
    return (hits[0] / hits[1].clamp(min=1))[:, 1:].expand(len(inputs), -1)


def shares(explanation: Explanation, inside: Tensor) -> tuple[Tensor, Tensor]:
    """The share of ``Σ |coefficient|`` that lies in a set, and its standard error, ``[B, T]`` each; 0 if all are zero.

    A feature that lies partly in the set counts by that part.

    Args:
        explanation: with its samples.
        inside: share of each feature that lies in the set, ``[B, d]``.
    """
    assert explanation.samples is not None, "an explanation of this run has its samples"
    beta = explanation.coefficients.to(explanation.samples.weights.dtype)
    weight = inside.to(beta).unsqueeze(1)
    total = beta.abs().sum(-1)
    safe = torch.where(total > 0, total, 1.0)
    share = (weight * beta.abs()).sum(-1) / safe
    # The share's own influences, by the chain rule.
    slope = beta.sign() * (weight - share.unsqueeze(-1)) / safe.unsqueeze(-1)
    moved = (coefficient_influences(explanation.coefficients, explanation.samples) * slope.unsqueeze(1)).sum(-1)
    return share, moved.square().sum(1).sqrt()

"""Watch: a set of channels or pixels that is followed: its share of the attribution, and what hiding it changes.

Letters: ``B`` inputs, ``T`` targets, ``d`` features.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from lime_callback.checks.arguments import check_flag, check_name
from lime_callback.checks.numbers import is_number
from lime_callback.checks.plain_values import plain
from lime_callback.views.channels.groups import parse_group
from lime_callback.views.channels.set_extent import SetExtent, extent_of
from lime_callback.views.user_masks import check_mask_of_run, check_user_mask, find_user_mask

if TYPE_CHECKING:
    from lime_callback.views.features import Features
    from lime_callback.views.layout import Layout


@dataclass(frozen=True, eq=False)
class Watch:
    """A set of channels or of pixels that is followed: its share of the attribution, and what hiding it changes.

    An alarm is raised where the model rests on the set: where hiding it surely changes twice as many predictions as
    hiding random sets of as many channels or pixels (or half of those that they leave), and at least a tenth more. A
    set that the model should use, which ``below`` says, raises none for that. All alarms of a run together are raised
    without a cause in at most 5 % of the runs.

    Args:
        bands: channels, in every spelling that a group of :class:`~lime_callback.Superbands` has: a range in nm
            ``(1350.0, 1430.0)``, single wavelengths ``[462.08, 465.27]``, channel numbers, names, or a list of these.
        pixels: or pixels, as a mask that is true there: an array ``[H, W]``, the key of a batch entry (or its place in
            a batch that is a tuple), or a function of the inputs.
        above: raise an alarm when the share is above this, beyond its error over the probes; from 0 to 1.
        below: raise an alarm when it is below this.
        reliance: raise an alarm when hiding the set changes so many more of the predictions than hiding random sets, as
            a share from 0 to 1 (for values that are no classes, in their standard deviations); ``None``: as said above.
            What random sets change counts: a model that reads many bands a little raises no alarm by this.
        changed: raise an alarm when hiding the set surely changes more of the predictions than this, whatever random
            sets change. For what a model should not use at all, such as bands that water vapour absorbs.
        stop: stop the training at an alarm of one of these bounds.

    Raises:
        ValueError: if neither or both of bands and pixels are given, a bound is not between 0 and 1, the bounds leave
            no share without an alarm, or ``stop`` has no bound to wait for.
        TypeError: if an argument is of no such kind.
    """

    bands: Any = None
    pixels: Any = None
    above: float | None = None
    below: float | None = None
    reliance: float | None = None
    stop: bool = False
    changed: float | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "bands", plain(self.bands))
        if (self.bands is None) == (self.pixels is None):
            raise ValueError(
                "`watch` takes either `bands` or `pixels`. Found " + ("neither." if self.bands is None else "both.")
            )
        if self.bands is not None:
            parse_group(self.bands)
        else:
            check_user_mask("pixels", self.pixels)
        for name in ("above", "below", "reliance", "changed"):
            bound = getattr(self, name)
            if bound is not None and not is_number(bound):
                raise TypeError(f"`{name}` should be a share from 0 to 1. Found `{name} = {bound!r}`.")
            if bound is not None and not 0 <= bound <= 1:
                raise ValueError(f"`{name}` should be a share from 0 to 1. Found `{name} = {bound}`.")
        if self.above is not None and self.below is not None and self.above < self.below:
            raise ValueError(
                f"`above` should not be less than `below`, or every share raises an alarm. Found `above = "
                f"{self.above}` and `below = {self.below}`."
            )
        check_flag("stop", self.stop)
        if self.stop and all(bound is None for bound in (self.above, self.below, self.reliance, self.changed)):
            raise ValueError(
                "`stop` needs a bound to wait for. Found neither `above` nor `below` nor `reliance` nor `changed`."
            )

    def check_run(self, layout: Layout) -> None:
        """Raise a ``ValueError`` if the pixels are an array with a row for each input, whose inputs a run chooses."""
        check_mask_of_run("pixels", self.pixels, layout)

    @property
    def asks_reliance(self) -> bool:
        """Whether it is an alarm that the model rests on the set."""
        return self.reliance is not None or self.below is None

    def stops(self, what: str) -> bool:
        """Whether an alarm of one kind, ``"watch"``, ``"reliance"`` or ``"changed"``, stops the training."""
        return self.stop and (what != "reliance" or self.reliance is not None)


def check_watches(value: Any) -> dict[str, Watch]:
    """Watches by their names.

    A watch is what :class:`Watch` takes: an object, a mapping of its arguments, or its bands or pixels alone.

    Raises:
        TypeError: if ``value`` is no mapping.
        ValueError: if a name cannot be part of a metric's name, or what it stands for is no watch; the message names
            it.
    """
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
        if isinstance(what, Mapping) and set(what) != {"from", "to"}:
            return Watch(**_settings(what))
        is_mask = isinstance(what, (Tensor, np.ndarray)) and what.ndim > 1
        return Watch(pixels=what) if is_mask else Watch(bands=what)
    except (ValueError, TypeError) as error:
        raise ValueError(f"`watch[{name!r}]` names no set of channels or pixels: {error}") from error


def _settings(what: Mapping[str, Any]) -> Mapping[str, Any]:
    """A watch's arguments, as a configuration file says them.

    Raises:
        ValueError: if a watch has no such argument.
    """
    # LightningCLI hands a `class_path` over as it is when the class does not take its `init_args`.
    settings: Mapping[str, Any] = what.get("init_args", {}) if "class_path" in what else what
    known = [field.name for field in fields(Watch)]
    unknown = [name for name in settings if name not in known]
    if unknown:
        raise ValueError(
            f"a mapping should be a range {{'from': 400, 'to': 500}}, or hold {', '.join(map(repr, known))}. Found "
            f"{', '.join(map(repr, unknown))}."
        )
    return settings


def check_followed(
    watches: Mapping[str, Watch], followed: Iterable[str], views: Sequence[str], *, wavelengths: bool = True
) -> None:
    """Raise if no view can follow a watch: superpixels have all wavelengths alike, superbands all pixels.

    Args:
        watches: by name.
        followed: names of those that a view can follow.
        views: names of the views.
        wavelengths: whether the channels' wavelengths are known.

    Raises:
        ValueError: if there is one that none can.
    """
    lost = [name for name in watches if name not in set(followed)]
    if lost:
        bands = watches[lost[0]].bands is not None
        by_nm = bands and any(part.needs_wavelengths for part in parse_group(watches[lost[0]].bands).parts)
        if by_nm and not wavelengths:
            raise ValueError(
                f"`watch[{lost[0]!r}]` names channels by wavelength. Found no wavelengths; pass `wavelengths=` to the "
                "callback, one in nm for each channel, and where `views` is set, a view that tells channels apart, "
                "such as `Superbands()`; or name channels by number."
            )
        raise ValueError(
            f"`watch[{lost[0]!r}]` should name {'channels' if bands else 'pixels'} that a view tells apart. Found the "
            f"view{'s' * (len(views) != 1)} {', '.join(map(repr, views))}, none of which does; add "
            f"{'`Superbands()`' if bands else '`Superpixels()`'} or `Cubes()` to `views`."
        )


def watched_elements(
    watch: Watch,
    inputs: Tensor,
    layout: Layout,
    wavelengths: Sequence[float] | None,
    batch: Mapping[str, Any] | Sequence[Any] | None,
) -> Tensor:
    """The elements in the set, bool ``[1, C, 1, 1]`` or ``[1 or B, 1, H, W]``, on the CPU.

    Raises:
        ValueError: if the set is empty for these inputs, or does not fit them.
        TypeError: if a function or a batch entry gives no array.
    """
    if watch.bands is not None:
        count = layout.canonical(inputs[:1]).shape[1]
        inside = torch.zeros(1, count, 1, 1, dtype=torch.bool)
        inside[:, sorted(parse_group(watch.bands).pick(wavelengths, count).channels)] = True
    else:
        inside = (find_user_mask("pixels", watch.pixels, inputs, layout, batch)[0] > 0).unsqueeze(1)
    if not bool(inside.any()):
        what = "pixels" if watch.bands is None else f"bands = {watch.bands!r}"
        there = f"; the channels lie at {min(wavelengths):g} to {max(wavelengths):g} nm" if wavelengths else ""
        raise ValueError(
            f"`watch` should name channels or pixels that the inputs have. Found none of them there for `{what}`"
            f"{there if watch.bands is not None else ''}."
        )
    return inside


def can_follow(watch: Watch, features: Features, inputs: Tensor) -> bool:
    """Whether features are cut along the axes of the set: a superpixel has all wavelengths alike."""
    mask, x = features.canonical, features.layout.canonical(inputs[:1])
    if watch.bands is not None:
        return mask.shape[1] > 1 or x.shape[1] == 1
    return mask.shape[2] * mask.shape[3] > 1 or x.shape[2] * x.shape[3] == 1


class WatchOverlap(NamedTuple):
    """Where a set lies among features.

    Attributes:
        parts: the share of each feature's elements that lie in the set, ``[B, d]``.
        share: of all elements that can be hidden, how many lie in the set, ``[B]``: what to compare its share of the
            attribution with.
        extent: how many of all elements these are, in words, and where; ``None`` where nobody asks.
    """

    parts: Tensor
    share: Tensor
    extent: SetExtent | None = None


def watch_overlap(
    inside: Tensor, features: Features, count: int, wavelengths: Sequence[float] | None = None
) -> WatchOverlap:
    """Where a set lies among the features of ``count`` inputs.

    Args:
        inside: the set, bool ``[1 or B, C, H, W]`` with size 1 where it broadcasts.
        features: of the inputs, on the CPU.
        count: B.
        wavelengths: of all channels, in nm, or ``None``.
    """
    mask = features.canonical
    shape = [max(sizes) for sizes in zip(mask.shape, inside.shape, strict=True)]
    labels = mask.long().expand(shape).flatten(1) + 1
    hits = torch.zeros(2, shape[0], len(features) + 1)
    hits[0].scatter_add_(1, labels, inside.to(labels.device).expand(shape).flatten(1).float())
    hits[1].scatter_add_(1, labels, torch.ones(labels.shape))
    hits = hits[:, :, 1:]
    share = hits[0].sum(1) / hits[1].sum(1).clamp(min=1)
    parts = (hits[0] / hits[1].clamp(min=1)).expand(count, -1)
    return WatchOverlap(parts, share.expand(count), extent_of(inside, wavelengths))

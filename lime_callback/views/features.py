"""Features: which elements of an input are hidden together, and what each such group is called.

``mask`` is an integer tensor ``[B or 1, *dims]``, in which any axis may have size 1 and broadcasts; ``-1`` marks
elements that are never hidden. ``d`` is the number of names. An input that has fewer features than others lacks some
labels.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, replace
from functools import cached_property

import torch
from torch import Tensor

from lime_callback.views.feature_regrouping import merge, overlay, relabelled, rename
from lime_callback.views.layout import Layout


@dataclass(frozen=True, eq=False)
class Features:
    """The result of a view.

    Args:
        mask: integers from -1 to d - 1, shape ``[B or 1, *dims]`` or one that broadcasts to it.
        names: d different names, in the order of the labels.
        layout: the axes of one input, see :class:`~lime_callback.views.Layout`.
        per_input: whether each input was cut for itself and its features numbered, as superpixels are: a name means
            nothing in another input then.

    Raises:
        ValueError: if the mask holds no feature, a label without a name, or floating-point numbers, or a name stands
            twice.
        TypeError: if the mask is no tensor, or the names are no sequence.
    """

    mask: Tensor
    names: tuple[str, ...]
    layout: Layout
    per_input: bool = False

    def __post_init__(self) -> None:
        if isinstance(self.names, str) or not isinstance(self.names, Iterable):
            raise TypeError(
                f"`names` should be a sequence of names, one for each label. Found `names = {self.names!r}`."
            )
        object.__setattr__(self, "names", tuple(map(str, self.names)))
        object.__setattr__(self, "layout", Layout.of(self.layout))
        _check_integers(self.mask)
        if self.mask.ndim != len(self.layout.axes) + 1:
            raise ValueError(
                f"`mask` should have a batch axis and the axes of `layout = {self.layout.axes!r}`. Found shape "
                f"{tuple(self.mask.shape)}; an axis may have size 1."
            )
        # One read for both, since each one makes a device wait.
        low, high = torch.stack([self.mask.min(), self.mask.max()]).long().tolist() if self.mask.numel() else (-1, -1)
        if high < 0:
            raise ValueError(
                "`mask` should hold at least one feature. Found no label of 0 or above, so nothing can be hidden."
            )
        if low < -1 or high >= len(self.names):
            raise ValueError(
                f"`mask` should hold labels from -1 (never hidden) to {len(self.names) - 1}, one for each of the "
                f"{len(self.names)} names. Found labels from {low} to {high}."
            )
        object.__setattr__(self, "mask", self.mask.to(torch.int32))
        twice = [name for name, count in Counter(self.names).items() if count > 1]
        if twice:
            raise ValueError(f"`names` should be different from each other. Found {twice} more than once.")

    @classmethod
    def from_mask(cls, mask: Tensor, *, layout: str | Layout | None = None, prefix: str = "") -> Features:
        """Features of any integer mask ``[B or 1, *dims]``; labels become names, those below 0 are never hidden.

        Raises:
            ValueError: as the class does, and if there is no batch axis.
            TypeError: as the class does.
        """
        _check_integers(mask)
        if mask.ndim < 2:
            raise ValueError(
                f"`mask` should have a batch axis and the axes of one input. Found shape {tuple(mask.shape)}; "
                f"`mask.unsqueeze(0)` makes it the same for all inputs."
            )
        mask = mask.long().clamp(min=-1)
        labels = torch.unique(mask)
        labels = labels[labels >= 0]
        compact = torch.searchsorted(labels, mask.contiguous()) if len(labels) else mask
        return cls(
            mask=torch.where(mask < 0, -1, compact),
            names=tuple(f"{prefix}{label}" for label in labels.tolist()),
            layout=Layout.of_rank(mask.ndim - 1) if layout is None else Layout.of(layout),
        )

    def __len__(self) -> int:
        """The number of features d, of the input that has most."""
        return len(self.names)

    @property
    def kind(self) -> str:
        """What the features tell apart, in words."""
        _, channels, *pixels = self.canonical.shape
        if max(pixels) == 1:
            return "groups of channels" if self.layout.has_pixels else "elements"
        return "superpixels" if channels == 1 else "channels and pixels"

    @cached_property
    def present(self) -> Tensor:
        """Which features an input really has, bool ``[B or 1, d]``."""
        present = torch.zeros(self.mask.shape[0], len(self) + 1, dtype=torch.bool, device=self.mask.device)
        return present.scatter_(1, self.mask.flatten(1).long() + 1, True)[:, 1:]

    @property
    def canonical(self) -> Tensor:
        """The mask as ``[B or 1, C, H, W]``, with size 1 where it broadcasts."""
        return self.layout.canonical(self.mask)

    def merged(self, groups: Mapping[str, str | int | Sequence[str | int]]) -> Features:
        """The same with some features merged into one, which stands where the first of its members stood.

        Args:
            groups: for each new name its members, by their names or by their labels, the numbers in the mask.

        Raises:
            TypeError: if ``groups`` is no dictionary, or a member is neither a name nor a label.
            ValueError: if a member is unknown or in two groups, a group is empty, or its name is that of a feature
                outside of it.
        """
        labels, names = merge(self.names, groups)
        return replace(self, mask=relabelled(self.mask, labels), names=tuple(names), per_input=self._unnamed(names))

    def renamed(self, names: Mapping[str | int, str]) -> Features:
        """The same with new names for some features.

        Args:
            names: from the old name, or the label, to the new name.

        Raises:
            TypeError: if ``names`` is no dictionary, or a key is neither a name nor a label.
            ValueError: if a feature is unknown, or two have the same name then.
        """
        new = tuple(rename(self.names, names))
        return replace(self, names=new, per_input=self._unnamed(new))

    def over(self, below: Features) -> Features:
        """These features, and those of another view where these have none: a mask of one's own over superpixels.

        Args:
            below: of the same inputs. What does not show is left out; a name that is taken gets a number.

        Raises:
            TypeError: if ``below`` are no features.
            ValueError: if the layouts differ, or the masks' shapes do not broadcast.
        """
        if not isinstance(below, Features):
            raise TypeError(f"`below` should be Features. Found a {type(below).__name__}.")
        fits = all(1 in pair or len(set(pair)) == 1 for pair in zip(self.mask.shape, below.mask.shape, strict=False))
        if self.layout != below.layout or not fits:
            raise ValueError(
                f"`below` should be features of the same inputs, in the layout {self.layout.axes!r} and with a mask "
                f"that broadcasts with {tuple(self.mask.shape)}. Found {below.layout.axes!r} and "
                f"{tuple(below.mask.shape)}."
            )
        mask, names = overlay(self.mask, self.names, below.mask.to(self.mask.device), below.names)
        return Features(mask, tuple(names), self.layout, self.per_input or below.per_input)

    def _unnamed(self, names: Sequence[str]) -> bool:
        """Whether some of the new names are numbers of one input's own features still."""
        return self.per_input and not set(self.names).isdisjoint(names)

    def to(self, device: torch.device | str) -> Features:
        """The same features on another device; they have been checked, and a check there would make it wait."""
        moved = copy(self)
        vars(moved).update(mask=self.mask.to(device), present=self.present.to(device))
        return moved

    def check(self, shape: tuple[int, ...]) -> None:
        """Raise a ``ValueError`` if the mask does not broadcast to inputs of ``shape`` [B, *dims]."""
        self.layout.check(shape)
        for own, size in zip(self.mask.shape, shape, strict=True):
            if own not in (1, size):
                raise ValueError(
                    f"`features` should have a mask that broadcasts to the inputs' shape {tuple(shape)}. Found a mask "
                    f"of "
                    f"shape {tuple(self.mask.shape)}; each axis should have the same size, or size 1."
                )


def _check_integers(mask: Tensor) -> None:
    if not isinstance(mask, Tensor):
        raise TypeError(
            f"`mask` should be an integer tensor. Found a {type(mask).__name__}; make one of it with `torch.as_tensor`."
        )
    if mask.is_floating_point() or mask.is_complex():
        raise ValueError(f"`mask` should be an integer tensor. Found dtype {mask.dtype}; convert it with `.long()`.")

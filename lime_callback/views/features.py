"""Features: which elements of an input are hidden together, and what each such group is called.

``mask`` is an integer tensor ``[B or 1, *dims]``, in which any axis may have size 1 and broadcasts; ``-1`` marks
elements that are never hidden. ``d`` is the number of names. An input that has fewer features than others lacks some
labels.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, field, replace

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
        numbers: of the features in the mask that the user gave, in the order of the names; ``None`` for one without.
            By them :meth:`merged` and :meth:`renamed` know a feature. ``None`` in all: the labels.

    Attributes:
        present: which features an input really has, bool ``[B or 1, d]``.
        most: number of features of the input that has most; fewer than d where no input has all.

    Raises:
        ValueError: if the mask holds no feature, a label without a name, or floating-point numbers, a name stands
            twice, or there is not one number for each name.
        TypeError: if the mask is no tensor, or the names are no sequence.
    """

    mask: Tensor
    names: tuple[str, ...]
    layout: Layout
    per_input: bool = False
    numbers: tuple[int | None, ...] | None = None
    present: Tensor = field(init=False)
    most: int = field(init=False)

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
        # One read for all, since each one makes a device wait.
        low, high, most, present = -1, -1, 0, torch.zeros(len(self.mask), len(self.names), dtype=torch.bool)
        if self.mask.numel():
            present = _present(self.mask, len(self.names))
            ends = self.mask.min(), self.mask.max(), present.sum(1).max()
            low, high, most = torch.stack([end.long() for end in ends]).tolist()
        object.__setattr__(self, "present", present)
        object.__setattr__(self, "most", most)
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
        if self.numbers is None:
            object.__setattr__(self, "numbers", tuple(range(len(self.names))))
        elif len(self.numbers) != len(self.names):
            raise ValueError(f"`numbers` should be one for each of {len(self.names)} names. Found {len(self.numbers)}.")

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
            numbers=tuple(labels.tolist()),
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

    @property
    def canonical(self) -> Tensor:
        """The mask as ``[B or 1, C, H, W]``, with size 1 where it broadcasts."""
        return self.layout.canonical(self.mask)

    def merged(self, groups: Mapping[str, str | int | Sequence[str | int]]) -> Features:
        """The same with some features merged into one, which stands where the first of its members stood.

        Args:
            groups: for each new name its members, by their names or by their numbers in the mask. A group has the
                number of its first member.

        Raises:
            TypeError: if ``groups`` is no dictionary, or a member is neither a name nor a number.
            ValueError: if a member is unknown or in two groups, a group is empty, or its name is that of a feature
                outside of it.
        """
        labels, names = merge(self.names, self._numbers, groups)
        numbers = tuple(self._numbers[labels.index(label)] for label in range(len(names)))
        mask, per_input = relabelled(self.mask, labels), self._unnamed(names)
        return replace(self, mask=mask, names=tuple(names), per_input=per_input, numbers=numbers)

    def renamed(self, names: Mapping[str | int, str]) -> Features:
        """The same with new names for some features.

        Args:
            names: from the old name, or the number in the mask, to the new name.

        Raises:
            TypeError: if ``names`` is no dictionary, or a key is neither a name nor a number.
            ValueError: if a feature is unknown, or two have the same name then.
        """
        new = tuple(rename(self.names, self._numbers, names))
        return replace(self, names=new, per_input=self._unnamed(new))

    def over(self, below: Features) -> Features:
        """These features, and those of another view where these have none: a mask of one's own over superpixels.

        Args:
            below: of the same inputs. What does not show is left out; a name that is taken gets a number, and a number
                in a mask that is taken stands for the upper feature alone.

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
        laid = overlay(self.mask, self.names, below.mask.to(self.mask.device), below.names)
        shown = [below._numbers[label] for label in laid.shown]
        numbers = (*self._numbers, *(None if number in self._numbers else number for number in shown))
        return Features(laid.mask, tuple(laid.names), self.layout, self.per_input or below.per_input, numbers)

    @property
    def _numbers(self) -> tuple[int | None, ...]:
        assert self.numbers is not None, "set when the instance is made"
        return self.numbers

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


def _present(mask: Tensor, d: int) -> Tensor:
    """Which of d labels each row of a mask ``[B or 1, *dims]`` holds, bool ``[B or 1, d]``."""
    present = torch.zeros(len(mask), d + 2, dtype=torch.bool, device=mask.device)
    return present.scatter_(1, mask.flatten(1).long().clamp(-1, d) + 1, True)[:, 1:-1]


def _check_integers(mask: Tensor) -> None:
    if not isinstance(mask, Tensor):
        raise TypeError(
            f"`mask` should be an integer tensor. Found a {type(mask).__name__}; make one of it with `torch.as_tensor`."
        )
    if mask.is_floating_point() or mask.is_complex():
        raise ValueError(f"`mask` should be an integer tensor. Found dtype {mask.dtype}; convert it with `.long()`.")

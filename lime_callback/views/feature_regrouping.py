"""Labels and names anew: features merged, renamed, laid over each other.

A label is the place of a name; -1 is never hidden. A user's own mask has numbers of its own, by which its user knows a
feature: ``numbers`` holds them in the order of the names, ``None`` for a feature without one. All functions are pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import torch

from lime_callback.checks.numbers import whole_number

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor


class Overlay(NamedTuple):
    """One mask over another, see :func:`overlay`."""

    mask: Tensor
    names: list[str]
    shown: list[int]  # labels of the lower mask that show, in the order of their names


def merge(names: Sequence[str], numbers: Sequence[int | None], groups: Any) -> tuple[list[int], list[str]]:
    """The new label of each feature, and the new names; a group stands where the first of its members stood.

    Args:
        names: of the d features.
        numbers: of the d features.
        groups: for each new name its members, by name or by number.

    Raises:
        TypeError: if ``groups`` is no mapping, or a member is neither a name nor a number.
        ValueError: if a member is unknown or in two groups, a group is empty, or its name is that of a feature outside
            of it.
    """
    owner: dict[int, str] = {}
    for name, members in _mapping("groups", groups, {"field": list(names[:2])}).items():
        merged_labels = _labels(names, numbers, members, f"groups[{name!r}]")
        twice = [names[label] for label in merged_labels if owner.get(label, name) != name]
        if twice:
            raise ValueError(
                f"`groups` should hold each feature once. Found {twice[0]!r} in {owner[names.index(twice[0])]!r} and "
                f"in {name!r}."
            )
        owner |= dict.fromkeys(merged_labels, name)
    merged = list(dict.fromkeys(owner.get(label, name) for label, name in enumerate(names)))
    taken = [name for label, name in enumerate(names) if label not in owner and name in owner.values()]
    if taken:
        raise ValueError(
            f"`groups` should not name a group like a feature outside of it. Found {taken[0]!r}; choose another name, "
            f"or add it to the group."
        )
    return [merged.index(owner.get(label, name)) for label, name in enumerate(names)], merged


def rename(names: Sequence[str], numbers: Sequence[int | None], new: Any) -> list[str]:
    """The names with new ones in the place of some.

    Args:
        names: of the d features.
        numbers: of the d features.
        new: from the old name, or the number, to the new name.

    Raises:
        TypeError: if ``new`` is no mapping, or a key is neither a name nor a number.
        ValueError: if a key is unknown, or stands for the same feature as another.
    """
    renamed = list(names)
    seen: set[int] = set()
    for old, name in _mapping("names", new, {names[0]: "field"}).items():
        (label,) = _labels(names, numbers, [old], "names")
        if label in seen:
            raise ValueError(f"`names` should name each feature once. Found two new names for {names[label]!r}.")
        seen.add(label)
        renamed[label] = str(name)
    return renamed


def overlay(above: Tensor, upper: Sequence[str], below: Tensor, lower: Sequence[str]) -> Overlay:
    """One mask over another: where the upper one has a label it wins.

    Args:
        above: integers, -1 where the lower mask shows.
        upper: its names.
        below: integers of a shape that broadcasts with it.
        lower: its names; those of which nothing shows are left out, those that are taken get a number.

    Returns:
        The mask, its names, first the upper ones, and which of the lower ones are among them.
    """
    shown = torch.where(above >= 0, -1, below)
    names, labels = list(upper), [-1] * len(lower)
    seen = torch.unique(shown[shown >= 0]).tolist()
    for label in seen:
        labels[label] = len(names)
        names.append(unique_name(lower[label], names))
    return Overlay(torch.where(above >= 0, above, relabelled(shown, labels)), names, seen)


def relabelled(mask: Tensor, labels: Sequence[int]) -> Tensor:
    """The mask with ``labels[k]`` in the place of k; -1 stays."""
    table = torch.tensor([-1, *labels], dtype=mask.dtype, device=mask.device)
    return table[mask.long() + 1]


def unique_name(name: str, taken: Sequence[str]) -> str:
    """The name, with a number behind it if it is taken."""
    number = 2
    candidate = name
    while candidate in taken:
        candidate = f"{name} ({number})"
        number += 1
    return candidate


def _mapping(argument: str, value: Any, example: Mapping[Any, Any]) -> Mapping[Any, Any]:
    if not isinstance(value, Mapping):
        raise TypeError(f"`{argument}` should be a dictionary such as {example}. Found `{argument} = {value!r}`.")
    return value


def _labels(names: Sequence[str], numbers: Sequence[int | None], members: Any, argument: str) -> list[int]:
    members = [members] if isinstance(members, (str, int)) or not isinstance(members, Iterable) else list(members)
    if not members:
        raise ValueError(f"`{argument}` should hold at least one feature. Found none.")
    return [_label(names, numbers, member, argument) for member in members]


def _label(names: Sequence[str], numbers: Sequence[int | None], member: Any, argument: str) -> int:
    if isinstance(member, str):
        if member in names:
            return names.index(member)
    else:
        number = whole_number(member)
        if number is None:
            raise TypeError(f"`{argument}` should hold names or numbers of features. Found {member!r}.")
        if number in numbers:
            return numbers.index(number)
    known = ", ".join(map(repr, names[:8])) + ", …" * (len(names) > 8)
    raise ValueError(
        f"`{argument}` should hold features by their names, {known}, or by their numbers in the mask, "
        f"{_listed([number for number in numbers if number is not None])}. Found {member!r}."
    )


def _listed(numbers: Sequence[int]) -> str:
    """Numbers in words: ``0 to 5`` where none is left out between the first and the last."""
    if list(numbers) == list(range(numbers[0], numbers[-1] + 1)):
        return f"{numbers[0]} to {numbers[-1]}"
    return ", ".join(map(str, numbers[:8])) + ", …" * (len(numbers) > 8)

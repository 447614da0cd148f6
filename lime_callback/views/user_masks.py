"""Masks that come from the user: as an array, under a key of the batch, or from a function of the inputs."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from lime_callback.checks.numbers import whole_number
from lime_callback.views.layout import Layout

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


def check_user_mask(argument: str, value: Any) -> None:
    """Check what can be known of a mask without inputs.

    Raises:
        TypeError: if it is neither an array, nor a key, nor a function.
        ValueError: if it is an array of anything but integers and booleans.
    """
    if isinstance(value, (Tensor, np.ndarray)):
        _integers(argument, value)
    elif not (_is_key(value) or callable(value)) or isinstance(value, type):
        raise TypeError(
            f"`{argument}` should be an integer tensor or array, the key of a batch entry, or a function of the "
            f"inputs. Found {value!r}."
        )


def check_mask_of_run(argument: str, value: Any, layout: Layout) -> None:
    """Raise a ``ValueError`` if a mask for a run is an array with a row for each input: a run chooses its inputs.

    Args:
        argument: name of the user's argument, for the error.
        value: an array, or another way to a mask.
        layout: of the run's inputs.
    """
    pixels = sum(axis in "HWTD" for axis in layout.axes)
    if isinstance(value, (Tensor, np.ndarray)) and value.ndim > pixels and value.shape[0] > 1:
        raise ValueError(
            f"`{argument}` should be one mask for all inputs in a run, of {pixels} axes, since the run chooses which "
            f"samples it explains. Found shape {tuple(value.shape)}, a mask for each of {value.shape[0]} inputs. Let "
            f"the dataset return each sample's mask, and name it: `{argument}='segments'` where batches are "
            f"dictionaries, `{argument}=2` for the third entry of a tuple; or pass a function of the inputs."
        )


def find_user_mask(argument: str, value: Any, inputs: Tensor, layout: Layout, batch: Any) -> tuple[Tensor, bool]:
    """The mask as int64 ``[B or 1, H, W]`` on the CPU, and whether it is shared by all inputs.

    Its axes are those of one input, in the layout's order, without the channels and without axes of size one; a leading
    axis of size B or 1 may come first. The axes of a whole input, with one channel, are taken too.

    Raises:
        ValueError: if the shape does not fit, the values are no integers, or the batch has no such entry.
        TypeError: if the function or the batch entry gives no array.
    """
    if _is_key(value):
        value = _entry(argument, value, batch)
    elif callable(value) and not isinstance(value, Tensor):
        value = value(inputs.detach().clone())
    mask = _integers(argument, value).cpu()
    size, axes = inputs.shape[0], [axis for axis in layout.axes if axis in "HW"]
    dims = tuple(length for length, axis in zip(inputs.shape[1:], layout.axes, strict=True) if axis in "HW")
    shared = tuple(mask.shape) == dims
    if shared:
        mask = mask.unsqueeze(0)
    if tuple(mask.shape) in ((size, *dims), (1, *dims)):
        planes = Layout("".join(axes)).canonical(mask)[:, 0] if axes else mask.view(-1, 1, 1)
        return planes, shared
    whole = [1 if axis == "C" else length for length, axis in zip(inputs.shape[1:], layout.axes, strict=True)]
    if list(mask.shape) in ([size, *whole], [1, *whole]):
        return layout.canonical(mask)[:, 0], shared
    names = "".join(f", {axis}" for axis in axes)
    raise ValueError(
        f"`{argument}` should have shape [{names[2:]}] = {dims} for all inputs, or [B{names}] = {(size, *dims)} for "
        f"each. Found shape {tuple(mask.shape)}."
    )


def _is_key(value: Any) -> bool:
    return isinstance(value, str) or (not isinstance(value, (Tensor, np.ndarray)) and whole_number(value) is not None)


def _entry(argument: str, key: Any, batch: Any) -> Any:
    """The batch's entry with this name, or at this place.

    Raises:
        ValueError: if there is none.
    """
    if isinstance(batch, Mapping):
        if key in batch:
            return batch[key]
        found = f"the entries {', '.join(sorted(map(repr, batch)))}"
    elif isinstance(batch, (tuple, list)):
        number = whole_number(key)
        if number is not None and -len(batch) <= number < len(batch):
            return batch[number]
        if key in getattr(batch, "_fields", ()):
            return getattr(batch, key)
        found = f"a {type(batch).__name__} of {len(batch)}; name the place of an entry, from 0 to {len(batch) - 1}"
    else:
        found = "a batch without named entries"
    raise ValueError(f"`{argument} = {key!r}` should be the key of a batch entry. Found {found}.")


def read_bare_mask(value: Any, shape: Sequence[int], layout: Layout) -> Tensor:
    """The ``features`` of :func:`~lime_callback.explain` that are a mask, in a shape that broadcasts to the inputs'.

    A mask has all axes of the inputs, of size 1 where it is the same along one; or it leaves out the batch axis, axes
    of size one, the channels ``[H, W]``, or the pixels ``[C]``.

    Args:
        value: integers, a tensor or an array.
        shape: of the inputs, ``[B, *dims]``.
        layout: of the inputs.

    Returns:
        Integers of as many axes as the inputs have, on the mask's device.

    Raises:
        TypeError: if it is neither a tensor nor an array.
        ValueError: if it holds no integers, does not fit, or fits in two ways that mean different things.
    """
    mask, axes, sizes = _integers("features", value), "B" + layout.axes, tuple(shape)
    readings: dict[tuple[int, ...], tuple[bool, ...]] = {}
    known: dict[str, tuple[int, ...]] = {}
    for kept in _readings(axes):
        wanted = tuple(size for size, keep in zip(sizes, kept, strict=True) if keep)
        known.setdefault(_letters(axes, kept), wanted)
        given = iter(mask.shape)
        if mask.ndim == len(wanted) and _fits(tuple(mask.shape), wanted, broadcasts=all(kept[1:])):
            readings.setdefault(tuple(next(given) if keep else 1 for keep in kept), kept)
    if not readings:
        shapes = ", ".join(f"[{letters}] = {wanted}" for letters, wanted in known.items())
        raise ValueError(
            f"`features` should have a mask that broadcasts to the inputs' shape {sizes}, read as [{', '.join(axes)}]: "
            f"{shapes}; an axis of the first two may have size 1. Found shape {tuple(mask.shape)}. A mask for inputs "
            f"of another layout comes as a view's features: `Superpixels(mask=mask).features(inputs, layout='HWC')`."
        )
    if len(readings) > 1:
        ways = " or ".join(f"[{_letters(axes, kept)}], which is `{_indexed(kept)}`" for kept in readings.values())
        raise ValueError(
            f"`features` should be a mask that can be read in one way. Found shape {tuple(mask.shape)} beside inputs "
            f"of shape {sizes}: is it {ways}? Pass one of these."
        )
    return mask.reshape(next(iter(readings)))


def _readings(axes: str) -> Iterator[tuple[bool, ...]]:
    """Which of the inputs' axes, the batch's first, a mask may have: all, or some of them that belong together."""
    seen = set()
    for left_out, batch in product(("", "1", "1C", "1HWTD"), (True, False)):
        kept = (batch, *(axis not in left_out for axis in axes[1:]))
        if any(kept[1:]) and kept not in seen:
            seen.add(kept)
            yield kept


def _fits(shape: tuple[int, ...], wanted: tuple[int, ...], *, broadcasts: bool) -> bool:
    """Whether a mask's shape is the wanted one; size 1 stands for any where it ``broadcasts``."""
    return all(own == size or (own == 1 and broadcasts) for own, size in zip(shape, wanted, strict=True))


def _letters(axes: str, kept: Sequence[bool]) -> str:
    return ", ".join(axis for axis, keep in zip(axes, kept, strict=True) if keep)


def _indexed(kept: Sequence[bool]) -> str:
    """How the axes that a mask lacks are added, of a tensor and of an array: ``mask[:, None]``."""
    parts = [":" if keep else "None" for keep in kept]
    while len(parts) > 1 and parts[-1] == ":":
        parts.pop()
    return f"mask[{', '.join(parts)}]"


def _integers(argument: str, value: Any) -> Tensor:
    """A tensor of int64, on its device.

    Raises:
        TypeError: if it is neither a tensor nor an array.
        ValueError: if it holds anything but integers of at most 63 bits and booleans.
    """
    is_array = isinstance(value, np.ndarray)
    if not is_array and not isinstance(value, Tensor):
        raise TypeError(
            f"`{argument}` should be a tensor or an array. Found a {type(value).__name__}; make one of it with "
            f"`torch.as_tensor`."
        )
    numeric = value.dtype.kind in "biu" if is_array else not (value.is_floating_point() or value.is_complex())
    if not numeric:
        way = "`mask.astype(int)`" if is_array else "`mask.long()`"
        raise ValueError(f"`{argument}` should hold integers. Found dtype {value.dtype}; pass {way}.")
    mask = torch.from_numpy(value.astype(np.int64)) if is_array else value.detach().to(torch.int64)
    if "uint64" in str(value.dtype) and bool((mask < 0).any()):  # which would pass for what is never hidden
        raise ValueError(
            f"`{argument}` should hold integers below 2**63. Found larger ones of dtype {value.dtype}; number them "
            f"anew, with `np.unique(mask, return_inverse=True)`."
        )
    return mask

"""What a view cuts: inputs, checked, with what the user says of them, and the way from labels to features.

Views label canonical axes ``[B, C, H, W]``, with size 1 where a label holds for the whole axis. Wavelengths are in nm.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from lime_callback.checks.help_pages import see
from lime_callback.checks.wavelengths import check_wavelengths
from lime_callback.views.features import Features
from lime_callback.views.user_masks import find_user_mask

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from lime_callback.views.inputs.joined import InputPart
    from lime_callback.views.layout import Layout


@dataclass(frozen=True, eq=False)
class ViewInputs:
    """The arguments of :meth:`View.features <lime_callback.views.View.features>`, checked.

    Args:
        inputs: ``[B, *dims]``.
        layout: the axes of one input.
        wavelengths: those given to the callback, as they came.
        batch: further entries of the batch.
        parts: where each of several inputs lies in the joined one, see :mod:`~lime_callback.views.inputs.joined`.
        patches: the model's patches, int64 ``[H, W]``, or a function that returns them; ``None`` if they are unknown.

    Raises:
        TypeError: if the inputs are no tensor.
        ValueError: if their shape does not fit the layout, or is empty.
    """

    inputs: Tensor
    layout: Layout
    wavelengths: Sequence[float] | Mapping[str, Sequence[float]] | None
    batch: Mapping[str, Any] | Sequence[Any] | None
    parts: tuple[InputPart, ...] = ()
    patches: Tensor | Callable[[], Tensor] | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.inputs, Tensor):
            raise TypeError(f"`inputs` should be a tensor [B, *dims]. Found a {type(self.inputs).__name__}.")
        shape = tuple(self.inputs.shape)
        self.layout.check(shape)
        if self.inputs.numel() == 0:
            raise ValueError(f"`inputs` should have shape [B, *dims] and not be empty. Found shape {shape}.")

    @cached_property
    def images(self) -> Tensor:
        """The inputs as ``[B, C, H, W]``."""
        return self.layout.canonical(self.inputs.detach())

    def wavelengths_or(self, own: Sequence[float] | Mapping[str, Sequence[float]] | None) -> tuple[float, ...] | None:
        """The view's own wavelengths, or those given to the callback where it has none.

        Raises:
            ValueError: if their number is not that of the channels, or they are wrong in themselves.
        """
        wavelengths = check_wavelengths(self.wavelengths if own is None else own)
        channels, axes = self.images.shape[1], self.layout.axes
        if wavelengths is not None and len(wavelengths) != channels:
            hint = (
                f"check `layout = {axes!r}` if the channels lie on another axis"
                if "C" in axes
                else f"`layout = {axes!r}` names no channel axis; the layout of a spectrum is 'C'"
            )
            raise ValueError(
                f"`wavelengths` should hold one value for each of the {channels} channels. Found {len(wavelengths)} "
                f"wavelengths; {hint}. {see('wavelengths')}"
            )
        return wavelengths

    def user_mask(self, argument: str, value: Any) -> tuple[Tensor, bool]:
        """A mask of the user's, see :func:`~lime_callback.views.user_masks.find_user_mask`."""
        return find_user_mask(argument, value, self.inputs, self.layout, self.batch)

    def model_patches(self) -> Tensor:
        """The number of each pixel's patch, row by row, int64 ``[H, W]`` on the CPU; below 0 for pixels of none.

        Raises:
            ValueError: if the patches are unknown, or are not of these pixels.
        """
        found = self.patches() if callable(self.patches) else self.patches
        if found is None:
            raise ValueError(
                "`method = 'tokens'` and `'slic_tokens'` cut along the model's patches. Found none; pass `patches=`, "
                "which `lime_callback.forwards.model_patches(model, inputs)` returns, to the view's `features`."
            )
        patches: Tensor = torch.as_tensor(found).cpu().long()
        if patches.shape != self.images.shape[2:]:
            raise ValueError(
                f"`patches` should have the shape of the pixels, {tuple(self.images.shape[2:])}. Found "
                f"{tuple(patches.shape)}."
            )
        return patches

    def cut_by(self, features: Callable[..., Features]) -> Features:
        """What another view's ``features`` gives for the same inputs."""
        return features(
            self.inputs,
            layout=self.layout,
            wavelengths=self.wavelengths,
            batch=self.batch,
            parts=self.parts,
            patches=self.patches,
        )

    def labelled(
        self, labels: Tensor, names: Sequence[str], *, per_input: bool = False, numbers: Sequence[int] | None = None
    ) -> Features:
        """Features of labels, in the user's layout and on the inputs' device.

        Args:
            labels: whole numbers ``[B or 1, C or 1, H or 1, W or 1]``, with size 1 where they hold for the whole axis:
                from 0, one for each name, and -1 for what is never hidden.
            names: of the labels, in their order.
            per_input: whether each input is cut for itself, so that a name means nothing in another input.
            numbers: of the features in a mask that the user gave; ``None``: the labels.

        Raises:
            TypeError: if the labels are no tensor of whole numbers.
            ValueError: if their shape does not fit the inputs', or labels and names do not fit each other.
        """
        _check_labels(labels, tuple(self.images.shape))
        mask = self.layout.restore(labels.to(torch.int32)).to(self.inputs.device)
        return Features(mask, tuple(names), self.layout, per_input, None if numbers is None else tuple(numbers))


def _check_labels(labels: Any, shape: tuple[int, ...]) -> None:
    """Raise if labels are not whole numbers of a shape that broadcasts to ``shape`` [B, C, H, W]."""
    if not isinstance(labels, Tensor):
        raise TypeError(
            f"`labels` should be a tensor of whole numbers. Found a {type(labels).__name__}; make one of it with "
            f"`torch.as_tensor`."
        )
    if labels.is_floating_point() or labels.is_complex():
        raise TypeError(f"`labels` should be whole numbers. Found {labels.dtype}; round them and add `.long()`.")
    own = tuple(labels.shape)
    if len(own) != len(shape) or any(size not in (1, whole) for size, whole in zip(own, shape, strict=True)):
        way = "; `labels[None, None]` adds the axes before them" if own == shape[2:] else ""
        raise ValueError(
            f"`labels` should have the axes [B, C, H, W] of `given.images`, {list(shape)}, or size 1 where they hold "
            f"for the whole axis. Found shape {list(own)}{way}."
        )

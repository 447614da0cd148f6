"""Checks that several views share: do the inputs, and the wavelengths in nm, fit the layout?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from torch import Tensor

from lime_callback.checks.arguments import check_wavelengths

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lime_callback.views.layout import Layout


def check_inputs(inputs: Any, layout: Layout) -> None:
    """Raise if ``inputs`` are not what ``layout`` describes.

    Raises:
        TypeError: if they are no tensor.
        ValueError: if their shape does not fit, or is empty.
    """
    if not isinstance(inputs, Tensor):
        raise TypeError(f"`inputs` should be a tensor [B, *dims]. Found a {type(inputs).__name__}.")
    layout.check(tuple(inputs.shape))
    if inputs.numel() == 0:
        raise ValueError(f"`inputs` should have shape [B, *dims] and not be empty. Found shape {tuple(inputs.shape)}.")


def fitting_wavelengths(
    own: Sequence[float] | None, given: Sequence[float] | None, channels: int, layout: Layout
) -> tuple[float, ...] | None:
    """The wavelengths that hold for inputs of ``channels`` channels: the view's own before those given to the callback.

    Raises:
        ValueError: if their number is not that of the channels, or they are wrong in themselves.
    """
    numbers = check_wavelengths(given if own is None else own)
    if numbers is not None and len(numbers) != channels:
        hint = (
            f"check `layout = {layout.axes!r}` if the channels lie on another axis"
            if "C" in layout.axes
            else f"`layout = {layout.axes!r}` names no channel axis; the layout of a spectrum is 'C'"
        )
        raise ValueError(
            f"`wavelengths` should hold one value for each of the {channels} channels. Found {len(numbers)} "
            f"wavelengths; {hint}."
        )
    return numbers

"""The order of an input's axes, and the way to the one order in which everything is computed.

Views, baselines and figures work on the canonical order ``[B, C, H, W]``; an axis that the layout does not name has
size 1 there. Both directions are views of the same memory, nothing is copied.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from lime_callback.checks.help_pages import see

if TYPE_CHECKING:
    from torch import Tensor

_CANONICAL = "CHW"
_BY_RANK = {1: "C", 2: "HW", 3: "CHW", 4: "1CHW"}
_FEW_CHANNELS = (1, 3, 4)
_FAR = 2  # times as long is an axis of another kind
_LEAST_SIDE = 16  # of pictures that are taken for such only by their shape


def _way_out(sample: tuple[int, ...]) -> str:
    """A layout that samples of this shape can have."""
    many = [size for size in sample if size != 1]
    if len(sample) > 1 and len(many) == 1:  # a spectrum among axes of size one
        spectrum = "".join("1" if size == 1 else "C" for size in sample)
        return f"Pass layout='{spectrum}' for spectra, or the order that your data has."
    usual = _BY_RANK.get(len(sample), "")
    if usual and (usual[0] != "1" or sample[0] == 1):
        return f"Pass layout='{usual}', or the order that your data has."
    if len(sample) == 4 and 1 in sample:
        place = sample.index(1)
        return f"Pass layout='{'CHW'[:place]}1{'CHW'[place:]}', or the order that your data has."
    return "Pass a layout with a letter for each axis, such as layout='CTHW' with times or layout='CDHW' with depths."


def without_steps(layout: str | Layout) -> tuple[Layout, str]:
    """A layout without its axis of times, ``T``, or depths, ``D``, which the callback takes for more channels.

    Returns:
        The layout without it, and the letters with it; these are empty if there is no such axis.

    Raises:
        ValueError: if there are several, or none of the channels, or a letter is wrong.
    """
    if isinstance(layout, str) and (steps := [axis for axis in layout if axis in "TD"]):
        if len(steps) > 1 or "C" not in layout:
            raise ValueError(
                "`layout` should have one axis of times, T, or of depths, D, beside the channels, C, as in 'CTHW'. "
                f"Found `layout = {layout!r}`; let the dataset give one channel, or flatten one of the axes."
            )
        rest = layout.replace(steps[0], "")
        return Layout(layout if set(rest) - set(_CANONICAL) - {"1"} else rest), layout  # an error names all letters
    return Layout.of(layout), ""


@dataclass(frozen=True)
class Layout:
    """Names the axes of one sample, without the batch axis.

    Args:
        axes: letters ``C`` (channels), ``H`` and ``W`` (space), each at most once, and ``1`` for every axis of size
            one: ``"CHW"``, ``"HWC"``, ``"1CHW"`` (3-D convolutions over the channels), ``"C"`` (spectra), ``"W"``
            (signals). :class:`~lime_callback.LimeCallback` takes one axis of times, ``T``, or depths, ``D``, beside
            ``C``, as in ``"CTHW"``, and explains its steps as more channels.

    Raises:
        ValueError: if a letter is unknown or stands twice, or if there is no axis but those of size one.
    """

    axes: str

    def __post_init__(self) -> None:
        letters = self.axes.replace("1", "") if isinstance(self.axes, str) else ""
        if not letters or set(letters) - set(_CANONICAL) or len(set(letters)) < len(letters):
            raise ValueError(
                "`layout` should name the axes of one sample by the letters C, H and W, each at most once, and 1 for "
                "an axis of size one, as in 'CHW', 'HWC', '1CHW' or 'C'; LimeCallback takes T, times, or D, depths, "
                f"beside C, as in 'CTHW'. Found `layout = {self.axes!r}`.{self._meant()}"
            )

    def _meant(self) -> str:
        """Say what letters with a batch axis, or small ones, should have been; nothing of others."""
        if not isinstance(self.axes, str):
            return ""
        own = self.axes.upper()
        letters = own[1:] if own[:1] in ("B", "N") else own
        steps = next((step for step in "TD" if step in letters and "C" in letters), "")
        named = letters.replace("1", "").replace(steps, "", 1)
        if letters == self.axes or not named or set(named) - set(_CANONICAL) or len(set(named)) < len(named):
            return ""
        return f" Pass layout={letters!r}, {'without the axis of the batch' if letters != own else 'in capitals'}."

    @classmethod
    def of(cls, layout: str | Layout) -> Layout:
        """Take a layout as it is, or make one of its letters."""
        return layout if isinstance(layout, Layout) else cls(layout)

    @classmethod
    def of_rank(cls, rank: int) -> Layout:
        """The usual layout for samples of ``rank`` axes: C, HW, CHW or 1CHW.

        Raises:
            ValueError: if there is none, which is so for more than four axes.
        """
        if rank not in _BY_RANK:
            raise ValueError(
                f"`layout` should be given: there is no usual layout for samples of {max(rank, 0)} axes. Pass "
                f"`Features(..., layout=...)`, for example '1CHW'."
            )
        return cls(_BY_RANK[rank])

    @property
    def has_pixels(self) -> bool:
        """Whether there is an axis of space; without one samples are vectors."""
        return bool(set(self.axes) & set("HW"))

    def check(self, shape: tuple[int, ...], argument: str = "inputs") -> None:
        """Raise a ``ValueError`` if ``shape`` [B, *dims] does not have the axes that this layout names."""
        sample = tuple(shape[1:])
        singular = [size for size, axis in zip(sample, self.axes, strict=False) if axis == "1"]
        if len(sample) != len(self.axes) or any(size != 1 for size in singular):
            raise ValueError(
                f"`layout = {self.axes!r}` describes samples with {len(self.axes)} axes (1 stands for size one). Found "
                f"`{argument}` with samples of shape {sample}. {_way_out(sample)} {see('layout')}"
            )

    def check_plausible(self, shape: tuple[int, ...]) -> None:
        """Raise a ``ValueError`` if samples of ``shape`` [B, *dims] make sense with the channels last alone."""
        if self.axes != "CHW" or len(shape) != 4:
            return
        height, width, channels = shape[1:]
        if channels in _FEW_CHANNELS and min(height, width) >= _LEAST_SIDE:
            raise ValueError(
                f"`layout = 'CHW'` takes samples of shape {tuple(shape[1:])} for {height} channels of {width} x "
                f"{channels} pixels. Pass layout='HWC' for {channels} channels of {height} x {width} pixels; where the "
                f"channels are {height} indeed, say so by `wavelengths`, one for each. {see('layout')}"
            )

    def doubt(self, shape: tuple[int, ...]) -> str:
        """Say what is odd where samples of ``shape`` [B, *dims] make more sense with the channels on another axis.

        Pictures often are as high as wide: of three axes of which two are alike, the third is that of the channels.
        """
        sizes = dict(zip(self.axes, shape[1:], strict=False))
        if sorted(self.axes) != sorted(_CANONICAL) or len(shape) != 4:
            return ""
        odd = [axis for axis, size in sizes.items() if list(sizes.values()).count(size) == 1]
        if len(odd) != 1 or odd == ["C"]:
            return ""
        own, others = sizes[odd[0]], sizes["C"]
        if max(own, others) < _FAR * min(own, others):
            return ""
        place = self.axes.index(odd[0])
        better = "HW"[:place] + "C" + "HW"[place:]
        return (
            f"`layout = {self.axes!r}` takes samples of shape {tuple(shape[1:])} for {others} channels of "
            f"{sizes['H']} x {sizes['W']} pixels. If they are {own} channels of {others} x {others} pixels, pass "
            f"layout={better!r}; `wavelengths`, one for each channel, say that they are not. {see('layout')}"
        )

    def canonical(self, x: Tensor) -> Tensor:
        """``[B, *dims]`` (or a shape that broadcasts to it) as ``[B, C, H, W]``."""
        named = [(axis, i + 1) for i, axis in enumerate(self.axes) if axis != "1"]
        order = [position for _, position in sorted(named, key=lambda pair: _CANONICAL.index(pair[0]))]
        ones = [i + 1 for i, axis in enumerate(self.axes) if axis == "1"]
        x = x.permute(0, *order, *ones).flatten(1 + len(order)) if ones else x.permute(0, *order)
        x = x.squeeze(-1) if ones else x
        for i, axis in enumerate(_CANONICAL):
            if axis not in self.axes:
                x = x.unsqueeze(i + 1)
        return x

    def restore(self, x: Tensor) -> Tensor:
        """``[B, C, H, W]``, with size 1 where it broadcasts, in the axes of this layout."""
        x = x.permute(0, *[_CANONICAL.index(axis) + 1 for axis in self.axes if axis != "1"], *self._unnamed())
        for _ in self._unnamed():
            x = x.squeeze(-1)
        for i, axis in enumerate(self.axes):
            if axis == "1":
                x = x.unsqueeze(i + 1)
        return x

    def _unnamed(self) -> list[int]:
        return [i + 1 for i, axis in enumerate(_CANONICAL) if axis not in self.axes]

"""Panels, of which figures are made: the arrays and texts of one probe and target.

Letters: ``H``, ``W`` pixels, ``C`` channels, ``m`` features.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from itertools import takewhile
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from numpy.typing import NDArray

MOST = 16
"""The largest number of panels on one figure; more could not be read."""


@dataclass(frozen=True, eq=False)
class Panel:
    """One probe and one target of a spatial view.

    Attributes:
        image: RGB composite, uint8 ``[H, W, 3]``.
        heat: each pixel's coefficient, ``[H, W]``; a value that is not finite is unknown.
        segments: the number of each pixel's region, ``[H, W]``: its feature, or a set of features that lie over each
            other in the channels; a pixel below 0 is never hidden.
        title: the probe and the target, as in ``"probe 3 · Corn-notill"``.
        subtitle: the output and the score, as in ``"prediction 7.41, R² 0.83"``.
        pale: whether the surrogate's score is below the gate.
        empty: why nothing is explained, in few words, which are written in place of the map; ``""`` where something is.
        names: what is written into a region, by its number: ``▲`` or ``▼`` and a name; without room for the name the
            sign stands alone.
        unsure: numbers of the regions in which all intervals include 0.
        start: what was left out at the beginning of all names, as in ``"superpixel "``; the key says it.
        overlap: whether several features share a region; the key then says what its colour is.

    Raises:
        ValueError: if the shapes do not fit each other.
    """

    image: NDArray[np.uint8]
    heat: NDArray[np.floating[Any]]
    segments: NDArray[np.integer[Any]]
    title: str
    subtitle: str
    pale: bool = False
    empty: str = ""
    names: Mapping[int, str] = field(default_factory=dict)
    unsure: Collection[int] = ()
    start: str = ""
    overlap: bool = False

    def __post_init__(self) -> None:
        check_image(self.image)
        check_pixels("heat", self.heat, self.image)
        check_pixels("segments", self.segments, self.image)


@dataclass(frozen=True, eq=False)
class SpectrumPanel:
    """One probe and one target of a spectral view.

    Attributes:
        image: RGB composite, uint8 ``[H, W, 3]``; ``None`` if the input has no picture.
        spectrum: the probe's mean spectrum, ``[C]``; ``None`` draws none.
        coefficients: each channel's coefficient, ``[C]``; a value that is not finite is unknown.
        halves: half of each coefficient's 95 % interval, ``[C]``; a value that is not finite is unknown.
        title: the probe and the target.
        subtitle: the output and the score.
        pale: whether the surrogate's score is below the gate.
        empty: why nothing is explained, in few words; ``""`` where something is.
        spread: standard deviation over the inputs, ``[C]``, if ``coefficients`` are means over inputs; a value that is
            not finite is unknown; ``None`` draws none.

    Raises:
        ValueError: if the shapes do not fit each other.
    """

    image: NDArray[np.uint8] | None
    spectrum: NDArray[np.floating[Any]] | None
    coefficients: NDArray[np.floating[Any]]
    halves: NDArray[np.floating[Any]]
    title: str
    subtitle: str
    pale: bool = False
    empty: str = ""
    spread: NDArray[np.floating[Any]] | None = None

    def __post_init__(self) -> None:
        if self.image is not None:
            check_image(self.image)
        arrays = {name: getattr(self, name) for name in ("spectrum", "coefficients", "halves", "spread")}
        shapes = {name: np.shape(values) for name, values in arrays.items() if values is not None}
        if len(set(shapes.values())) > 1 or len(shapes["halves"]) != 1:
            raise ValueError(
                "`spectrum`, `coefficients`, `halves` and `spread` should have one value for each channel, shape [C]. "
                f"Found shapes {', '.join(f'{shape} of `{name}`' for name, shape in shapes.items())}."
            )


@dataclass(frozen=True, eq=False)
class BarPanel:
    """The features of one probe and one target, for bars.

    Attributes:
        title: the probe and the target.
        names: the features' names, m.
        coefficients: their values, ``[m]``; a value that is not finite is drawn as 0.
        halves: half of their 95 % intervals, ``[m]``; a value that is not finite is unknown.
        image: the probe's picture, uint8 ``[H, W, 3]``; ``None`` if the features have no place in one.
        segments: the number of each pixel's feature, ``[H, W]``.
        numbers: the features' numbers in ``segments``, m; ``None`` numbers them from 0.

    Raises:
        ValueError: if the shapes do not fit each other.
    """

    title: str
    names: Sequence[str]
    coefficients: NDArray[np.floating[Any]]
    halves: NDArray[np.floating[Any]]
    image: NDArray[np.uint8] | None = None
    segments: NDArray[np.integer[Any]] | None = None
    numbers: Sequence[int] | None = None

    def __post_init__(self) -> None:
        if self.image is not None:
            check_image(self.image)
            if self.segments is not None:
                check_pixels("segments", self.segments, self.image)
        shapes = {np.shape(self.coefficients), np.shape(self.halves), (len(self.names),)}
        if len(shapes) > 1:
            raise ValueError(
                f"`coefficients` and `halves` should have one value for each of the {len(self.names)} `names`. Found "
                f"shapes {np.shape(self.coefficients)} and {np.shape(self.halves)}."
            )

    def cleared(self) -> BarPanel:
        """Return the same without bars, for a probe of which nothing is explained."""
        return replace(self, names=[], coefficients=self.coefficients[:0], halves=self.halves[:0], numbers=[])


@dataclass(frozen=True)
class ProbeRow:
    """What the map says of a probe.

    Attributes:
        group: what the probe is explained for; probes of one group stand together.
        name: the probe's name, as in ``"probe 3"``, with a mark if prediction or truth is another class.
    """

    group: str
    name: str


def check_pixels(argument: str, values: NDArray[Any], image: NDArray[np.uint8]) -> None:
    """Raise a ``ValueError`` if there is not one value for each pixel of an image ``[H, W, 3]``."""
    if np.shape(values) != image.shape[:2]:
        raise ValueError(
            f"`{argument}` should have one value for each pixel of `image`, shape {image.shape[:2]}. Found shape "
            f"{np.shape(values)}; expand axes of size one first."
        )


def check_image(image: NDArray[np.uint8]) -> None:
    """Raise a ``ValueError`` if an image is not uint8 ``[H, W, 3]``."""
    if image.ndim != 3 or image.shape[-1] != 3 or image.dtype != np.uint8:
        raise ValueError(
            f"`image` should be uint8 of shape [H, W, 3]. Found {image.dtype} of shape {image.shape}; "
            "`composite` makes such images of any input."
        )


def common_start(names: Sequence[str]) -> str:
    """Return the words that all names begin with, and the space after them; empty if one would be left without text."""
    columns = zip(*(name.split(" ") for name in names), strict=False)
    start = "".join(f"{words[0]} " for words in takewhile(lambda words: len(set(words)) == 1, columns))
    return start if all(len(name) > len(start) for name in names) else ""


def check_first(first: Sequence[Any] | None, panels: Sequence[Any]) -> None:
    """Raise a ``ValueError`` if there are panels of an earlier explanation that do not match the present ones."""
    kinds = {type(panel) for panel in (*(first or ()), *panels)}
    if first is not None and (len(first) != len(panels) or len(kinds) > 1):
        raise ValueError(
            "`first` should hold as many panels as `panels`, of the same kind. Found "
            f"{len(first)} and {len(panels)} of {sorted(kind.__name__ for kind in kinds)}."
        )


def drawn_panels(panels: Sequence[Any], caption: str) -> tuple[list[Any], str]:
    """Return the first 16 panels, and the caption, which says how many panels there were if some are left out.

    Raises:
        ValueError: if there is no panel.
    """
    if len(panels) == 0:
        raise ValueError("`panels` should hold at least one panel. Found none.")
    if len(panels) > MOST:
        caption = f"{caption} · first {MOST} of {len(panels)} shown".removeprefix(" · ")
    return list(panels[:MOST]), caption

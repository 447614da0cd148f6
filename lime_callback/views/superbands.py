"""Superbands: groups of channels, by equal size, by name, by wavelength or by number."""

import logging
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from numbers import Real
from typing import Any

import torch

from lime_callback.checks.arguments import check_flag, check_name
from lime_callback.checks.numbers import check_count, whole_number
from lime_callback.checks.plain_values import plain
from lime_callback.checks.wavelengths import check_wavelengths
from lime_callback.views.channels.assignment import NOT_INCLUDED, assign, equal_groups
from lime_callback.views.channels.groups import Group, parse_group
from lime_callback.views.channels.named_bands import is_band
from lime_callback.views.features import Features
from lime_callback.views.view import View
from lime_callback.views.view_inputs import ViewInputs

_log = logging.getLogger("lime_callback")


_USUAL = 20  # groups of equal size


@dataclass(frozen=True, eq=False)
class Superbands(View):
    """Cuts an input into groups of channels, the same for every input and pixel.

    Args:
        bands: how many contiguous groups of equal size, in the order of wavelength (``None``: 20, or one for each
            channel where there are fewer); or the groups themselves, as a sequence or as a dictionary from name to
            group, or one group by its name alone. A group is one of

            - the name of a band (``"R"``, ``"S1"``) or of a spectral index (``"NDVI"``: the bands of its formula) of
              spyndex,
            - a list of floats: single wavelengths in nm, ``[462.08, 465.27]``; the nearest channel of each,
            - a tuple of two floats: a range in nm, ``(400.0, 500.0)``, or ``{"from": 400, "to": 500}``, as YAML can say
              it,
            - a list of whole numbers, a ``range`` or a ``slice``: channel numbers from 0,
            - a list of any of these but numbers, merged into one feature: ``["G", "B"]``.

            A decimal point decides: ``[460.0]`` is a wavelength, ``[460]`` a channel. A channel that two groups claim
            goes to the first.
        wavelengths: of the channels, in nm, in any order, or by their unit, such as ``{"um": values}``; they come
            before those given to the callback.
        name: of the view, in metrics and pictures.
        show_not_included: whether channels of no group form one further feature, ``not_included``; if not, they are
            never hidden.

    Raises:
        ValueError: if ``bands`` is below 1 or empty, a name is unknown, or a wavelength or channel number cannot be
            one.
        TypeError: if an argument is of a wrong kind.
    """

    bands: int | Sequence[Any] | Mapping[str, Any] | str | None = _USUAL
    wavelengths: Sequence[float] | Mapping[str, Sequence[float]] | None = None
    name: str = "spectral"
    show_not_included: bool = True

    def __post_init__(self) -> None:
        object.__setattr__(self, "bands", plain(self.bands))
        check_name("name", self.name)
        check_flag("show_not_included", self.show_not_included)
        object.__setattr__(self, "wavelengths", check_wavelengths(self.wavelengths))
        self._groups()

    def cut(self, given: ViewInputs) -> Features:
        """Cut into groups of channels, see :meth:`View.cut`.

        Warns once for each group that is left out, goes without a band, or shares channels with an earlier one, and for
        single wavelengths that lie far from any channel.

        Raises:
            ValueError: if wavelengths are needed and missing, if their number is not that of the channels, if a channel
                number is too high, or if no group has a channel.
        """
        count, nm = given.images.shape[1], given.wavelengths_or(self.wavelengths)
        groups = min(_USUAL, count) if self.bands is None else self._groups()
        assignment = (
            equal_groups(groups, nm, count)
            if isinstance(groups, int)
            else assign(groups, nm, count, show_not_included=self.show_not_included)
        )
        for note in assignment.notes:
            _log.info("%s: %s", self.name, note)
        for warning in assignment.warnings:
            warnings.warn(f"{self.name}: {warning}", UserWarning, stacklevel=3)
        return given.labelled(torch.tensor(assignment.labels).view(1, count, 1, 1), assignment.names)

    def _groups(self) -> int | list[Group]:
        """``bands`` as a count, or as groups that have been checked.

        Raises:
            ValueError: if there are none, or one is wrong.
            TypeError: if ``bands`` is neither.
        """
        bands: Any = self.bands
        if getattr(bands, "ndim", 0):  # an array is a list here
            bands = bands.tolist()
        if bands is None:
            return _USUAL
        if isinstance(bands, Mapping):
            groups = self._named(bands)
        elif isinstance(bands, str):
            groups = [parse_group(bands)]
        elif isinstance(bands, Sequence) and not isinstance(bands, bytes):
            loose = [item for item in bands if isinstance(item, Real) and not isinstance(item, bool)]
            if loose:
                raise ValueError(
                    f"`bands` should hold groups. Found the number {loose[0]!r} by itself; write "
                    f"`bands=[{list(bands)[:3]!r}]` for one group of several, or `bands=[[{loose[0]!r}], ...]` for "
                    f"groups of one."
                )
            groups = [parse_group(spec) for spec in bands]
        elif whole_number(bands) is not None:
            return check_count("bands", bands)
        else:
            raise TypeError(
                f"`bands` should be a whole number, a sequence of groups, a dictionary from name to group, or a name. "
                f"Found {bands!r}."
            )
        if not groups:
            raise ValueError("`bands` should hold at least one group. Found none.")
        return groups

    @staticmethod
    def _named(bands: Mapping[str, Any]) -> list[Group]:
        if set(bands) == {"from", "to"}:
            raise ValueError(f"`bands` should hold groups. Found one range by itself; write `bands=[{dict(bands)!r}]`.")
        if bands and all(whole_number(spec) is not None and is_band(name) for name, spec in bands.items()):
            first, number = next(iter(bands.items()))
            raise ValueError(
                f"`bands` should say whether {number} is a channel. Found {dict(bands)!r}: a number beside a band's "
                f"name is a segment of a mask in other packages, and here a channel. Write "
                f"`{[list(name) if isinstance(name, tuple) else name for name in bands]!r}` for the bands, by their "
                f"wavelengths, or `{{{str(first)!r}: [{number}], ...}}` for channels."
            )
        names = [str(name) for name in bands]
        if NOT_INCLUDED in names or "" in names:
            raise ValueError(
                f"`bands` should name each group, and not {NOT_INCLUDED!r}, which stands for channels of no group. "
                f"Found {names}."
            )
        return [parse_group(spec, name) for name, spec in zip(names, bands.values(), strict=True)]

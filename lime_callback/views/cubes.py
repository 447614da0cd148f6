"""Cubes: superpixels times superbands, groups of channels within groups of pixels."""

from dataclasses import dataclass, field

import torch

from lime_callback.checks.arguments import check_name
from lime_callback.views.features import Features
from lime_callback.views.layout import Layout
from lime_callback.views.superbands import Superbands
from lime_callback.views.superpixels import Superpixels
from lime_callback.views.view import View
from lime_callback.views.view_inputs import ViewInputs

_TIMES = "\N{MULTIPLICATION SIGN}"


@dataclass(frozen=True, eq=False)
class Cubes(View):
    """Cuts an input into pieces that are bounded in space and in wavelength.

    There are as many features as superpixels times superbands, so both are coarse by default.

    Args:
        superpixels: the pieces in space.
        superbands: the pieces in wavelength.
        name: of the view, in metrics and pictures.

    Raises:
        TypeError: if an argument is of a wrong kind.
        ValueError: if the name is empty or holds a slash.
    """

    superpixels: Superpixels = field(default_factory=lambda: Superpixels(n_segments=16))
    superbands: Superbands = field(default_factory=lambda: Superbands(bands=8))
    name: str = "cubes"

    def __post_init__(self) -> None:
        check_name("name", self.name)
        for argument, value, kind in (
            ("superpixels", self.superpixels, Superpixels),
            ("superbands", self.superbands, Superbands),
        ):
            if not isinstance(value, kind):
                raise TypeError(
                    f"`{argument}` should be a {kind.__name__}. Found {value!r}; pass for example "
                    f"`{argument}={kind.__name__}()`."
                )

    def check_run(self, layout: Layout) -> None:
        """See :meth:`View.check_run`."""
        self.superpixels.check_run(layout)

    def cut(self, given: ViewInputs) -> Features:
        """Cut into cubes, see :meth:`View.cut`.

        Returns:
            Features whose mask is int32 ``[B or 1, C, H, W]`` in the user's layout. The label is
            ``superpixel * n_superbands + superband``, and -1 where the superpixel is.

        Raises:
            ValueError: as the two views do.
        """
        space, spectrum = given.cut_by(self.superpixels.features), given.cut_by(self.superbands.features)
        pixel, band = space.canonical, spectrum.canonical
        labels = torch.where((pixel < 0) | (band < 0), -1, pixel * len(spectrum) + band)
        names = [f"{where} {_TIMES} {what}" for where in space.names for what in spectrum.names]
        return given.labelled(labels, names, per_input=space.per_input)

"""Superpixels: groups of neighbouring pixels, found in the input or given by the user."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
import torch
from torch import Tensor

from lime_callback.checks.arguments import check_flag, check_name
from lime_callback.checks.numbers import check_count
from lime_callback.checks.wavelengths import check_wavelengths
from lime_callback.views.features import Features
from lime_callback.views.guide_image import guide_image
from lime_callback.views.layout import Layout
from lime_callback.views.patch_segments import picture_groups, square_groups
from lime_callback.views.segmentation import (
    N_SEGMENTS,
    check_exact,
    check_options,
    grid,
    segment,
    segment_exactly,
)
from lime_callback.views.user_masks import check_mask_of_run, check_user_mask
from lime_callback.views.view import View
from lime_callback.views.view_inputs import ViewInputs

Method = Literal["slic", "grid", "quickshift", "felzenszwalb", "tokens", "slic_tokens"]
_METHOD: Method = "slic"


@dataclass(frozen=True, eq=False)
class Superpixels(View):
    """Cuts an input into groups of pixels, each with all channels.

    The methods of scikit-image follow what is in the picture, each input for itself. An input of more than three
    channels is segmented on its RGB composite where its wavelengths cover 490 to 665 nm, else on its first three
    principal components. An even picture, or a line of pixels, is cut into a grid. Of more than 512 x 512 pixels a
    reduced picture is segmented, and its borders are drawn anew at full resolution, but with ``exact`` or ``options``.

    A mask has the axes of one input without the channels, in the order of the layout: ``[H, W]``, shared by all inputs,
    or ``[B, H, W]``; ``[W, H]`` where the layout is ``"CWH"``. It may come as a tensor or array, under the key of a
    batch entry, or from a function of the inputs.

    Args:
        method: ``"slic"``, ``"quickshift"``, ``"felzenszwalb"``, or ``"grid"`` for near-square patches, the same for
            all inputs. ``"tokens"`` makes near-square groups of the patches that a vision transformer sees as tokens,
            which ``baseline="absent"`` leaves out as a whole; ``"slic_tokens"`` makes connected groups of patches that
            look alike, by SLIC of their mean colours, each input for itself.
        n_segments: about so many segments, never more; fewer where there are fewer pixels, and where the picture is
            plain. Where SLIC without ``options`` finds less than 0.8 of them, smaller ones stay, or all are compacter.
            ``None``: 50, or as many as ``options`` make with quickshift and felzenszwalb.
        options: arguments of scikit-image's function, such as ``{"kernel_size": 4, "max_dist": 200, "ratio": 0.2}``
            for quickshift; what is not among them is scikit-image's default. ``None``: what suits ``n_segments``.
        mask: integers, instead of a method: pixels of one number are hidden together, those below 0 never. In names and
            for merging and renaming, features keep these numbers. A number stands for the entry at this place of a
            batch that is a tuple or a list.
        valid: booleans or integers: where it is 0, pixels are never hidden and do not count for the segments.
        wavelengths: of the channels, in nm, or by their unit, such as ``{"um": values}``; they come before those given
            to the callback.
        name: of the view, in metrics and pictures.
        exact: whether the segments are exactly those that scikit-image's function makes of the inputs as they are, with
            all their channels, by ``n_segments`` (of ``"slic"`` alone) and ``options``, and by its own defaults where
            these are left out. Otherwise planes are stretched to their percentiles before, large pictures are
            reduced, small segments are merged where there are more than ``n_segments``, and an even picture is cut into
            a grid.
        classes: whether a mask for each input has the same numbers for the same things, as a land-cover map has and
            a segmentation of each input has not. Means over inputs can be taken then, by feature.

    Raises:
        ValueError: if the method is unknown, ``n_segments`` is below 1, an option is none of the method's, a method,
            number or options are given beside a mask, ``classes`` without one, or ``exact`` where no function of
            scikit-image's cuts.
        TypeError: if an argument is of a wrong kind.
    """

    method: Method = _METHOD
    n_segments: int | None = None
    mask: Tensor | np.ndarray[Any, Any] | Callable[[Tensor], Any] | str | int | None = None
    valid: Tensor | np.ndarray[Any, Any] | Callable[[Tensor], Any] | str | int | None = None
    wavelengths: Sequence[float] | Mapping[str, Sequence[float]] | None = None
    name: str = "spatial"
    options: Mapping[str, Any] | None = None
    classes: bool = False
    exact: bool = False

    def __post_init__(self) -> None:
        check_name("name", self.name)
        if self.method not in get_args(Method):
            known = ", ".join(map(repr, get_args(Method)))
            raise ValueError(f"`method` should be one of {known}. Found `method = {self.method!r}`.")
        if self.n_segments is not None:
            object.__setattr__(self, "n_segments", check_count("n_segments", self.n_segments))
        object.__setattr__(self, "options", check_options(self.method, self.options))
        object.__setattr__(self, "wavelengths", check_wavelengths(self.wavelengths))
        if self.valid is not None:
            check_user_mask("valid", self.valid)
        if check_flag("exact", self.exact):
            check_exact(self.method, self.n_segments, self.mask is not None)
        if check_flag("classes", self.classes) and self.mask is None:
            raise ValueError("`classes` says what the numbers of a `mask` mean. Found `classes = True` without one.")
        if self.mask is None:
            return
        check_user_mask("mask", self.mask)
        if (self.method, self.n_segments, self.options) != (_METHOD, None, None):
            raise ValueError(
                f"`mask` takes the place of `method` and `n_segments`; give one or the other. Found a mask beside "
                f"`method = {self.method!r}`, `n_segments = {self.n_segments}` and `options = {self.options}`."
            )

    def cut(self, given: ViewInputs) -> Features:
        """Cut into groups of pixels, see :meth:`View.cut`.

        Returns:
            Features whose mask has one channel, and one row where all inputs share it. Of a method, labels run from 0
            without a gap in every input; of a mask, features keep the user's numbers, and an input may lack one.

        Raises:
            ValueError: if the inputs hold NaN or infinite values, a mask does not fit, or no pixel is left.
        """
        images, nm = given.images, given.wavelengths_or(self.wavelengths)
        if not bool(images.isfinite().all()):
            raise ValueError(
                "`inputs` should be finite. Found NaN or infinite values; replace them before they reach the model."
            )
        valid = None
        if self.valid is not None:
            valid = given.user_mask("valid", self.valid)[0] != 0
        shared = False
        if self.mask is not None:
            labels, shared = given.user_mask("mask", self.mask)
        elif self.method == "grid":
            labels = grid(images.shape[2], images.shape[3], self.n_segments or N_SEGMENTS).unsqueeze(0)
        elif self.method == "tokens":
            labels = square_groups(given.model_patches(), self.n_segments or N_SEGMENTS).unsqueeze(0)
        else:
            patches = given.model_patches() if self.method == "slic_tokens" else None
            labels = self._segments(images, nm, valid, patches)
        if valid is not None:
            labels = torch.where(valid, labels, -1)
        own = self.mask is not None
        labels, numbers = _numbered(labels, shared=shared or own)
        if not numbers:
            cause = (
                "`mask` and `valid`"
                if self.mask is not None and valid is not None
                else "`mask`"
                if valid is None
                else "`valid`"
            )
            raise ValueError(
                f"{cause} should leave pixels that can be hidden. Found none in any input, so there is no feature."
            )
        shared |= self.classes or (not own and self.method in ("grid", "tokens") and valid is None)
        names = [f"superpixel {number}" for number in numbers]
        return given.labelled(labels.unsqueeze(1), names, per_input=not shared, numbers=numbers)

    def check_run(self, layout: Layout) -> None:
        """See :meth:`View.check_run`: masks and validity masks are one for all probes, or come with their samples."""
        check_mask_of_run("mask", self.mask, layout)
        check_mask_of_run("valid", self.valid, layout)

    def _segments(
        self, images: Tensor, wavelengths: Sequence[float] | None, valid: Tensor | None, patches: Tensor | None
    ) -> Tensor:
        """Labels int64 ``[B, H, W]`` of images ``[B, C, H, W]``, on the CPU; along patches ``[H, W]``, if given."""
        batch, _, height, width = images.shape
        everywhere = torch.ones(1, height, width, dtype=torch.bool) if valid is None else valid
        limits = (self.n_segments, self.options)
        labels = torch.full((batch, height, width), -1)
        for number, (image, inside) in enumerate(zip(images, everywhere.expand(batch, -1, -1), strict=True)):
            if inside.any():
                try:
                    if self.exact:
                        segments = segment_exactly(self.method, image, None if valid is None else inside, *limits)
                    else:
                        picture = guide_image(image, wavelengths, inside).numpy()
                        if patches is None:
                            segments = segment(self.method, picture, inside.numpy(), *limits)
                        else:
                            segments = picture_groups(patches, picture, inside.numpy(), self.n_segments or N_SEGMENTS)
                except Exception as error:
                    error.add_note(f"In image {number}.")
                    raise
                labels[number] = torch.from_numpy(segments)
        return labels


def _numbered(labels: Tensor, *, shared: bool) -> tuple[Tensor, list[int]]:
    """Labels from 0 without gaps, -1 for all below 0, and the number that names each label.

    Args:
        labels: int64 ``[B or 1, H, W]``.
        shared: whether a label means the same in every input. Then it keeps its number as its name, and an input may
            lack it; otherwise the labels of each input are numbered by themselves.
    """
    # By hand, since grids and masks would otherwise have to import scikit-image.
    labels = labels.clamp(min=-1)
    if shared:
        numbers = torch.unique(labels[labels >= 0])
        return torch.where(labels < 0, -1, torch.searchsorted(numbers, labels.contiguous())), numbers.tolist()
    rows = [_numbered(row.unsqueeze(0), shared=True) for row in labels]
    return torch.cat([row for row, _ in rows]), list(range(max(len(numbers) for _, numbers in rows)))

"""Validity: what is inside of a mask, and what is outside, as two features."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from torch import Tensor

from lime_callback.checks.arguments import check_name
from lime_callback.views.features import Features
from lime_callback.views.layout import Layout
from lime_callback.views.user_masks import check_mask_of_run, check_user_mask
from lime_callback.views.view import View
from lime_callback.views.view_inputs import ViewInputs


@dataclass(frozen=True, eq=False)
class Validity(View):
    """Cuts an input in two by a mask: is what lies outside of the field used at all?

    ``Superpixels(valid=...)`` takes the same mask and leaves the pixels outside alone.

    Args:
        valid: booleans or integers, as a tensor or array, the key of a batch entry, or a function of the inputs; see
            :class:`~lime_callback.Superpixels` for its axes.
        names: of the pixels where the mask is not 0, and of those where it is. For a mask that is true outside:
            ``("outside", "inside")``.
        name: of the view, in metrics and pictures.

    Raises:
        ValueError: if the mask is an array of anything but integers and booleans, the names are not two different
            ones, or the view's name is empty or holds a slash.
        TypeError: if an argument is of a wrong kind.
    """

    valid: Tensor | np.ndarray[Any, Any] | Callable[[Tensor], Any] | str | int
    names: Sequence[str] = ("inside", "outside")
    name: str = "validity"

    def __post_init__(self) -> None:
        check_name("name", self.name)
        check_user_mask("valid", self.valid)
        names = () if isinstance(self.names, str) or not isinstance(self.names, Sequence) else tuple(self.names)
        if len(set(names)) != 2 or len(names) != 2 or not all(isinstance(name, str) and name.strip() for name in names):
            raise ValueError(
                f"`names` should be two different names, of the pixels where the mask is not 0 and of those where it "
                f"is. Found `names = {self.names!r}`."
            )
        object.__setattr__(self, "names", names)

    def check_run(self, layout: Layout) -> None:
        """See :meth:`View.check_run`: a mask is one for all probes, or comes with their samples."""
        check_mask_of_run("valid", self.valid, layout)

    def cut(self, given: ViewInputs) -> Features:
        """Cut by the mask, see :meth:`View.cut`.

        Returns:
            Features whose mask has one channel: 0 where the user's is not 0, and 1 where it is. An input may lack one.

        Raises:
            ValueError: if the mask does not fit the inputs.
        """
        valid, _ = given.user_mask("valid", self.valid)
        return given.labelled((valid == 0).unsqueeze(1), self.names)

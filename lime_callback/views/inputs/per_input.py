"""Views of models with several inputs: each input as one feature, or cut by a view of its own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import torch

from lime_callback.checks.arguments import check_name
from lime_callback.views.superbands import Superbands
from lime_callback.views.superpixels import Superpixels
from lime_callback.views.view import View

if TYPE_CHECKING:
    from lime_callback.views.features import Features
    from lime_callback.views.inputs.joined import InputPart
    from lime_callback.views.view_inputs import ViewInputs


@dataclass(frozen=True, eq=False)
class PerInput(View):
    """Cuts each of several inputs by a view of its own, and explains all of their features together.

    One surrogate holds the features of all inputs, so that their coefficients can be compared: a superband of the
    hyperspectral image with a superpixel of the LiDAR's heights.

    Args:
        views: from the input's name or number, as ``input_key`` has it, to its view. An input without one gets
            ``Superpixels(n_segments=16)`` if it has pixels, and else ``Superbands(None)``, an element each.
        name: of the view, in metrics and pictures.

    Raises:
        TypeError: if ``views`` is no dictionary, or holds something else than views.
        ValueError: if the name is empty or holds a slash.
    """

    views: Mapping[str | int, View] = field(default_factory=dict)
    name: str = "per_input"

    def __post_init__(self) -> None:
        check_name("name", self.name)
        if not isinstance(self.views, Mapping) or not all(isinstance(view, View) for view in self.views.values()):
            raise TypeError(
                "`views` should be a dictionary from an input's name to its view, such as {'hsi': Superbands()}. Found "
                f"{self.views!r}."
            )
        object.__setattr__(self, "views", {str(name): view for name, view in self.views.items()})

    def cut(self, given: ViewInputs) -> Features:
        """Cut each input, see :meth:`View.cut`.

        Raises:
            ValueError: if there are not several inputs, a view belongs to none of them, or an input does not fit its
                view.
        """
        parts = _parts(self, given)
        unknown = [name for name in self.views if name not in {part.name for part in parts}]
        if unknown:
            raise ValueError(
                f"`views` should be named as the inputs are. Found {', '.join(map(repr, unknown))}, and the inputs "
                f"{', '.join(repr(part.name) for part in parts)}."
            )
        images, per_input = given.images, False
        laid: list[torch.Tensor] = []
        names: list[str] = []
        for part in parts:
            own = self._features(part, given)
            labels = part.onto(own.canonical.long(), (images.shape[2], images.shape[3]))
            laid.append(torch.where(labels < 0, -1, labels + len(names)))
            names += [f"{part.name} {name}" for name in own.names]
            per_input = per_input or own.per_input
        count = max(len(labels) for labels in laid)
        return given.labelled(
            torch.cat([labels.expand(count, -1, -1, -1) for labels in laid], dim=1), names, per_input=per_input
        )

    def _features(self, part: InputPart, given: ViewInputs) -> Features:
        usual = Superpixels(n_segments=16) if max(part.size) > 1 else Superbands(None)
        view, wavelengths = self.views.get(part.name, usual), given.wavelengths
        if wavelengths is not None and len(wavelengths) != part.stop - part.start:
            wavelengths = None  # they are of another input
        own = part.of(given.images)
        own = own if own.is_floating_point() else own.float()  # pictures of integers are cut all the same
        return view.features(own, layout=part.layout, wavelengths=wavelengths, batch=given.batch)


@dataclass(frozen=True, eq=False)
class WholeInputs(View):
    """Takes each of several inputs as one feature: which of them does the model use?

    Args:
        name: of the view, in metrics and pictures.

    Raises:
        ValueError: if the name is empty or holds a slash.
    """

    name: str = "inputs"

    def __post_init__(self) -> None:
        check_name("name", self.name)

    def cut(self, given: ViewInputs) -> Features:
        """Take each input as a feature, see :meth:`View.cut`.

        Raises:
            ValueError: if there are not several inputs.
        """
        parts = _parts(self, given)
        labels = torch.cat([torch.full((part.stop - part.start,), i) for i, part in enumerate(parts)])
        return given.labelled(labels.view(1, -1, 1, 1), [part.name for part in parts])


def _parts(view: View, given: ViewInputs) -> tuple[InputPart, ...]:
    if not given.parts:
        raise ValueError(
            f"`input_key` should name several inputs for `{type(view).__name__}`, such as `input_key=['hsi', 'lidar']`."
            " Found one input; take `Superpixels()` or `Superbands()` for it."
        )
    return given.parts

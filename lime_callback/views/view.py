"""What every view is: settings in, features out. A view holds no state and never changes its inputs."""

from __future__ import annotations

from abc import ABC
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from lime_callback.checks.arguments import check_name
from lime_callback.checks.help_pages import see
from lime_callback.views.layout import Layout
from lime_callback.views.view_inputs import ViewInputs

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from torch import Tensor

    from lime_callback.views.features import Features
    from lime_callback.views.inputs.joined import InputPart


class View(ABC):
    """One way to cut an input into features: a new one overrides :meth:`cut`.

    Attributes:
        name: the view's part of metrics and pictures.
    """

    name: str

    def features(
        self,
        inputs: Tensor,
        *,
        layout: str | Layout = "CHW",
        wavelengths: Sequence[float] | Mapping[str, Sequence[float]] | None = None,
        batch: Mapping[str, Any] | Sequence[Any] | None = None,
        parts: tuple[InputPart, ...] = (),
        patches: Tensor | Callable[[], Tensor] | None = None,
    ) -> Features:
        """Cut ``inputs`` into features.

        Args:
            inputs: ``[B, *dims]``, on any device; they are only read.
            layout: the axes of one input.
            wavelengths: of the channels, in nm; a view's own wavelengths come first.
            batch: further entries of the batch that the inputs come from, one row an input, for masks named by their
                key, or by their place in a tuple or a list.
            parts: where each of several inputs lies in ``inputs``, which join them.
            patches: for views along a model's patches, what ``lime_callback.forwards.model_patches`` returns: the
                number of each pixel's patch, row by row, ``[H, W]``; or a function that returns it.

        Returns:
            Features on the inputs' device.

        Raises:
            ValueError: if the inputs and the view's settings do not fit.
            TypeError: if the inputs are no tensor.
        """
        return self.cut(ViewInputs(inputs, Layout.of(layout), wavelengths, batch, parts, patches))

    def cut(self, given: ViewInputs) -> Features:
        """The view's own part of :meth:`features`.

        Args:
            given: the arguments of :meth:`features`, checked.

        Raises:
            ValueError: if the inputs and the view's settings do not fit.
        """
        raise NotImplementedError(f"{type(self).__name__} should override `cut`, which cuts inputs into features.")

    def check_run(self, layout: Layout) -> None:
        """Raise a ``ValueError`` if the view cannot cut the probes of a run, whose inputs have this layout."""
        return


def check_views(value: Any, default: Sequence[View]) -> tuple[View, ...]:
    """Views with different names; the default for ``None``.

    Raises:
        TypeError: if ``value`` is no view and no sequence of views.
        ValueError: if there is none, or two have the same name.
    """
    views = tuple(default) if value is None else (value,) if isinstance(value, View) else value
    if not isinstance(views, Sequence) or isinstance(views, str) or not all(isinstance(view, View) for view in views):
        raise TypeError(
            f"`views` should be a view or several, such as `[Superpixels(), Superbands()]`. Found `views = {value!r}`. "
            f"{see('views')}"
        )
    if not views:
        raise ValueError("`views` should hold at least one view. Found an empty sequence; `None` takes the default.")
    # A view of the user's own may have none.
    names = [check_name("name", getattr(view, "name", None)) for view in views]
    twice = [name for name, number in Counter(names).items() if number > 1]
    if twice:
        raise ValueError(
            f"`views` should have different names. Found {twice} more than once; pass `name=` to the views."
        )
    return tuple(views)

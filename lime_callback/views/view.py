"""What every view is: settings in, features out. A view holds no state and never changes its inputs."""

from __future__ import annotations

import warnings
from abc import ABC
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from lime_callback.checks.arguments import check_name
from lime_callback.checks.help_pages import see
from lime_callback.views.features import Features
from lime_callback.views.layout import Layout
from lime_callback.views.view_inputs import ViewInputs

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from torch import Tensor

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
        return _checked_cut(self, ViewInputs(inputs, Layout.of(layout), wavelengths, batch, parts, patches))

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


def _checked_cut(view: View, given: ViewInputs) -> Features:
    """Cut inputs by a view; of a view of the user's own check what it returns and what it did to the inputs.

    Args:
        view: how to cut.
        given: the inputs.

    Raises:
        TypeError: if the view returns no features, or labels of a wrong type.
        ValueError: if they do not fit the inputs, or the view wrote into these.
        RuntimeError: if anything else fails in the view.
    """
    if type(view).__module__.startswith("lime_callback."):
        return view.cut(given)
    call = f"`{type(view).__name__}.cut(given)`, view {getattr(view, 'name', None)!r}"
    before = _writes(given.inputs)
    try:
        features = view.cut(given)
        _check_features(features, given)
    except (TypeError, ValueError, NotImplementedError) as error:
        raise type(error)(f"In {call}: {error}") from error
    except Exception as error:
        raise RuntimeError(f"{call} failed with {type(error).__name__}: {error}") from error
    if _writes(given.inputs) != before:
        raise ValueError(
            f"Views only read their inputs, which the model gets afterwards. {call} wrote into them; write into a copy "
            "instead, such as `given.images.clone()`."
        )
    if len(features.names) == 1:
        warnings.warn(
            f"{call} returned one feature, {features.names[0]!r}: there is nothing to compare it with. Return labels "
            "from 0 to the number of features less 1, and -1 for what is never hidden.",
            stacklevel=3,
        )
    return features


def _check_features(features: Any, given: ViewInputs) -> None:
    if not isinstance(features, Features):
        raise TypeError(
            "a view should return Features, as `return given.labelled(labels, names)` does. Found "
            f"{'None' if features is None else f'a {type(features).__name__}'}."
        )
    features.check(tuple(given.inputs.shape))
    # Of several inputs with masks of their own each may lack some features.
    without = [name for name, there in zip(features.names, features.present.any(0).tolist(), strict=True) if not there]
    if without and len(features.mask) == 1 < len(given.inputs):
        raise ValueError(
            f"`names` should be one for each label in the mask, which is that of all inputs. Found no label of "
            f"{without}; leave these names out."
        )


def _writes(inputs: Tensor) -> int:
    """How many times the inputs' memory was written into; 0 where that is not counted, as in inference mode."""
    return 0 if inputs.is_inference() else inputs._version


def _name(view: View) -> str:
    """A view's name; one of the user's own may have none, or any."""
    name, kind = getattr(view, "name", None), type(view).__name__
    if name is None:
        raise TypeError(
            f"`views` should have names, which are part of metrics and pictures. Found a view {kind} without one; "
            f'give the class a field `name: str = "{kind.lower()}"`.'
        )
    try:
        return check_name("name", name)
    except (TypeError, ValueError) as error:
        raise type(error)(f"View {kind}: {error}") from error


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
    names = [_name(view) for view in views]
    twice = [name for name, number in Counter(names).items() if number > 1]
    if twice:
        raise ValueError(
            f"`views` should have different names. Found {twice} more than once; pass `name=` to the views."
        )
    return tuple(views)

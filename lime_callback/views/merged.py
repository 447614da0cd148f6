"""Merged: features of several views laid over each other, merged and renamed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import reduce

from lime_callback.checks.arguments import check_name
from lime_callback.views.features import Features
from lime_callback.views.layout import Layout
from lime_callback.views.view import View
from lime_callback.views.view_inputs import ViewInputs


@dataclass(frozen=True, eq=False)
class Merged(View):
    """Lays views over each other, and merges and renames their features.

    Args:
        views: a view or several: where the first has a feature it wins, where it has none the next one shows.
        groups: features that become one, see :meth:`Features.merged <lime_callback.Features.merged>`.
        names: new names, see :meth:`Features.renamed <lime_callback.Features.renamed>`; after the merging.
        name: of the view, in metrics and pictures.

    Raises:
        ValueError: if there is no view, or the name is empty or holds a slash.
        TypeError: if an argument is of a wrong kind.
    """

    views: View | Sequence[View]
    groups: Mapping[str, str | int | Sequence[str | int]] = field(default_factory=dict)
    names: Mapping[str | int, str] = field(default_factory=dict)
    name: str = "merged"

    def __post_init__(self) -> None:
        check_name("name", self.name)
        views = (self.views,) if isinstance(self.views, View) else self.views
        if not isinstance(views, Sequence) or isinstance(views, str) or not all(isinstance(v, View) for v in views):
            raise TypeError(f"`views` should be a view or several. Found `views = {self.views!r}`.")
        if not views:
            raise ValueError("`views` should hold at least one view. Found an empty sequence.")
        object.__setattr__(self, "views", tuple(views))
        for argument, value in (("groups", self.groups), ("names", self.names)):
            if not isinstance(value, Mapping):
                raise TypeError(f"`{argument}` should be a dictionary. Found `{argument} = {value!r}`.")

    def check_run(self, layout: Layout) -> None:
        """See :meth:`View.check_run`: as all views do."""
        for view in self._laid:
            view.check_run(layout)

    def cut(self, given: ViewInputs) -> Features:
        """Cut by all views, see :meth:`View.cut`.

        Raises:
            ValueError: as the views do, and if ``groups`` or ``names`` hold a feature that there is not.
        """
        laid: Features = reduce(Features.over, (given.cut_by(view.features) for view in self._laid))
        return laid.merged(self.groups).renamed(self.names)

    @property
    def _laid(self) -> tuple[View, ...]:
        assert isinstance(self.views, tuple), "set when the instance is made"
        return self.views

"""What an explained epoch has to show, and what every sink is: a place where it is shown."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from lime_callback.following.metric_table import is_metric

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

    from lime_callback.publishing.sinks.view_data import ViewData


def media_tag(tag: str) -> str:
    """The name of a picture or text in a logger: its tag, with ``_chart`` behind it where a scalar has that tag.

    So ``lime/spatial/drift`` becomes ``lime/spatial/drift_chart``. Loggers hold one kind of value under a name:
    of a scalar and a picture that share one, TensorBoard shows neither, and W&B only one.
    """
    return f"{tag}_chart" if is_metric(tag.rpartition("/")[2]) else tag


@dataclass(frozen=True, eq=False)
class Report:
    """What one explained epoch has to show. Scalars are not part of it: Lightning's ``self.log`` takes them.

    Args:
        epoch: counted from 0.
        step: the step under which Lightning logs this epoch's scalars, so that pictures and curves line up.
        pictures: tag, such as ``"lime/spatial/attributions"``, to uint8 ``[H, W, 3]``.
        texts: tag to Markdown.
        alarms: place, such as ``"lime/spectral/watch/water"``, to what is wrong there; told once.
        views: tag of a view, such as ``"lime/spectral"``, to what was found, for loggers that draw by themselves.
        name: of the callback, ``"lime"``.
        settings: of the callback, plain values by their names.

    Raises:
        ValueError: if a picture is not uint8 ``[H, W, 3]`` with at least one pixel. Loggers take other
            arrays, and then clip them, rescale them or show them black.
    """

    epoch: int
    step: int
    pictures: Mapping[str, NDArray[np.uint8]] = field(default_factory=dict)
    texts: Mapping[str, str] = field(default_factory=dict)
    alarms: Mapping[str, str] = field(default_factory=dict)
    views: Mapping[str, ViewData] = field(default_factory=dict)
    name: str = "lime"
    settings: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for tag, picture in self.pictures.items():
            shape, dtype = np.shape(picture), getattr(picture, "dtype", type(picture).__name__)
            if dtype != np.uint8 or len(shape) != 3 or shape[2] != 3 or 0 in shape:
                raise ValueError(
                    f"`pictures[{tag!r}]` should be a uint8 array [H, W, 3]. Found {dtype} of shape {shape}; "
                    "`lime_callback.figures.render` makes one of a figure."
                )


class Sink(ABC):
    """A place where reports go. With several processes, only the one of rank zero writes.

    Reports are written beside the training, in a thread, one behind the other; what a logger takes from one thread
    alone waits for the training's.

    Attributes:
        takes_pictures: whether pictures reach the user here; where no sink takes them, they become files.
    """

    takes_pictures: ClassVar[bool] = True

    def open(self) -> None:  # noqa: B027 - most have nothing to do
        """Make what the logger makes at its first use; on the training's thread, before each report."""

    @abstractmethod
    def begin(self, report: Report) -> Callable[[], None] | None:
        """Show the report, in any thread.

        Returns:
            What is left to be done on the training's thread; ``None`` if everything can be seen already.
        """

    def write(self, report: Report) -> None:
        """Show the report, on the training's thread. Everything can be seen when this returns."""
        self.open()
        rest = self.begin(report)
        if rest is not None:
            rest()

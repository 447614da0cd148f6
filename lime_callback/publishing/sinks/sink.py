"""Defines the report of an explained epoch, and the interface of the sinks that show it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from lime_callback.following.metric_table import is_metric

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    from lime_callback.publishing.finding import Finding
    from lime_callback.publishing.sinks.view_data import ViewData


def media_tag(tag: str) -> str:
    """Return a picture's or text's name in a logger: its tag, followed by ``_chart`` if a scalar has the same tag.

    So ``lime/spatial/drift`` becomes ``lime/spatial/drift_chart``. Loggers hold one kind of value under a name. If a
    scalar and a picture share a name, TensorBoard shows neither, and W&B only one of them.
    """
    return f"{tag}_chart" if is_metric(tag.rpartition("/")[2]) else tag


@dataclass(frozen=True, eq=False)
class Report:
    """The pictures, texts, alarms and numbers of an explained epoch, without scalars, which Lightning's log takes.

    Args:
        epoch: the epoch, counted from 1.
        step: the step under which Lightning logs this epoch's scalars, so that pictures and curves line up.
        pictures: uint8 ``[H, W, 3]`` by tag, such as ``"lime/spatial/attributions"``.
        texts: Markdown by tag.
        alarms: new alarms' texts by place, such as ``"lime/spectral/watch/water"``.
        views: the views' numbers by tag, such as ``"lime/spectral"``, for loggers that draw by themselves.
        name: the callback's name.
        settings: the callback's settings, plain values by their names.
        charts: whether the user asked for a chart of each followed feature.
        findings: all that were told in the run so far, open and closed.

    Raises:
        ValueError: if a picture is not uint8 ``[H, W, 3]`` with at least one pixel. Loggers would accept other arrays
            and clip them, rescale them or show them black.
    """

    epoch: int
    step: int
    pictures: Mapping[str, NDArray[np.uint8]] = field(default_factory=dict)
    texts: Mapping[str, str] = field(default_factory=dict)
    alarms: Mapping[str, str] = field(default_factory=dict)
    views: Mapping[str, ViewData] = field(default_factory=dict)
    name: str = "lime"
    settings: Mapping[str, Any] = field(default_factory=dict)
    charts: bool = False
    findings: Sequence[Finding] = ()

    def __post_init__(self) -> None:
        for tag, picture in self.pictures.items():
            shape, dtype = np.shape(picture), getattr(picture, "dtype", type(picture).__name__)
            if dtype != np.uint8 or len(shape) != 3 or shape[2] != 3 or 0 in shape:
                raise ValueError(
                    f"`pictures[{tag!r}]` should be a uint8 array [H, W, 3]. Found {dtype} of shape {shape}; "
                    "`lime_callback.figures.render` makes one of a figure."
                )

    @property
    def moment(self) -> str:
        """The epoch and the step, as people read them."""
        return f"epoch {self.epoch}, step {self.step}"

    @property
    def file_name(self) -> str:
        """The epoch and the step, as the name of a file.

        Earlier versions counted from 0 in ``epoch=0003-step=000120``, so that name would not say which count it has.
        """
        return f"epoch-{self.epoch:04d}-step-{self.step:06d}"


class Sink(ABC):
    """Shows reports in one place. With several processes, only rank zero has sinks.

    A thread shows one report after the other while training goes on. Calls that a logger accepts from the training's
    thread alone wait for that thread, see :meth:`begin`.

    Attributes:
        takes_pictures: whether the sink shows pictures; if no sink does, they become files.
    """

    takes_pictures: ClassVar[bool] = True

    @property
    def where(self) -> str:
        """Where a person will see the reports, once the logger has its run; may be empty."""
        return ""

    def open(self) -> None:  # noqa: B027 - most have nothing to do
        """Let the logger create its run or file. The training's thread calls this before each report."""

    def expect(self, metrics: set[str]) -> None:  # noqa: B027 (most loggers need no word before)
        """Hear of metrics by their names, before Lightning logs them for the first time."""

    @abstractmethod
    def begin(self, report: Report) -> Callable[[], None] | None:
        """Show the report; any thread may call this.

        Returns:
            A call that the training's thread has to make to finish; ``None`` if the report is shown already.
        """

    def write(self, report: Report) -> None:
        """Show the whole report at once; only the training's thread may call this."""
        self.open()
        rest = self.begin(report)
        if rest is not None:
            rest()

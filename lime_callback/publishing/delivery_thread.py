"""Draws an epoch's pictures and hands its report to the loggers while training goes on, one report after the other.

A separate process draws the pictures, and a thread hands them to the loggers. Some loggers accept certain calls from
the training's thread alone; that thread makes them when it next runs one of the callback's hooks.
"""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from lime_callback.forwards.profiler_sections import stage
from lime_callback.publishing.drawing_process import DrawingError, DrawingProcess

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from lime_callback.figures.figure_requests import Picture, Request
    from lime_callback.publishing.sinks import Report, Sink
    from lime_callback.publishing.sinks.console import Console

    Draw = Callable[[Mapping[str, Request], float], dict[str, Picture | Exception]]


class Delivered(NamedTuple):
    """The calls that the training's thread still has to make for a report, and the failures so far.

    Attributes:
        rest: pairs of a description and a call that a logger accepts from the training's thread alone.
        failures: pairs of a description and an error.
    """

    rest: list[tuple[str, Callable[[], None]]]
    failures: list[tuple[str, Exception]]


def present(
    draw: Draw,
    sinks: Sequence[Sink],
    report: Report,
    requests: Mapping[str, Mapping[str, Request]],
    scale: float = 2.0,
) -> Delivered:
    """Draw the requested pictures, and hand the report with them to the sinks.

    A failure of a picture or a sink does not keep the others back.

    Args:
        draw: turns requests into pictures.
        sinks: the sinks of the run's loggers.
        report: the report without its pictures.
        requests: for each view's name the requests by the tags of their pictures.
        scale: 1 for compact pictures, 2 for full ones.
    """
    delivered = Delivered([], [])
    pictures = {}
    views = {tag: view for view, of_view in requests.items() for tag in of_view}
    requests_of_all = {tag: request for of_view in requests.values() for tag, request in of_view.items()}
    for tag, picture in draw(requests_of_all, scale).items() if requests_of_all else ():
        if isinstance(picture, Exception):
            delivered.failures.append((f"a picture of view '{views[tag]}'", picture))
        else:
            pictures[tag] = picture
    whole = replace(report, pictures=pictures)
    for sink in sinks:
        sink_name = f"logger {type(sink).__name__}"
        try:
            rest = sink.begin(whole)
        except Exception as error:
            delivered.failures.append((sink_name, error))
        else:
            if rest is not None:
                delivered.rest.append((sink_name, rest))
    return delivered


@dataclass
class DeliveryThread:
    """Presents one report at a time; exists on rank zero alone.

    Args:
        console: tells the user what failed.
    """

    console: Console
    _process: DrawingProcess = field(default_factory=DrawingProcess, init=False)
    _draws_here: bool = field(default=False, init=False)
    _thread: ThreadPoolExecutor | None = field(default=None, init=False)
    _work: Callable[[Draw], Delivered] | None = field(default=None, init=False)
    _pending: Future[Delivered] | None = field(default=None, init=False)

    @property
    def is_idle(self) -> bool:
        """Whether no report is on its way."""
        return self._pending is None

    @property
    def is_ready(self) -> bool:
        """Whether a report is on its way that :meth:`finish` would not have to wait for."""
        return self._pending is not None and self._pending.done()

    def present(
        self,
        sinks: Sequence[Sink],
        report: Report,
        requests: Mapping[str, Mapping[str, Request]],
        scale: float = 2.0,
    ) -> None:
        """Wait for the report before, and begin to present this one, see :func:`present`."""
        self.finish()
        ready = []
        for sink in sinks:
            with self.console.contained(f"logger {type(sink).__name__}"):
                sink.open()
                ready.append(sink)
        self._work = partial(present, sinks=ready, report=report, requests=requests, scale=scale)
        if self._draws_here and requests:
            self._conclude(self._present_here())
        else:
            self._thread = self._thread or ThreadPoolExecutor(1, "lime_callback")
            self._pending = self._thread.submit(self._work, self._process.draw)

    def finish(self) -> None:
        """Wait until the last report has been presented, make its calls on this thread, and tell its failures."""
        if self._pending is None:
            return
        try:
            with stage("waiting"):
                delivered = self._pending.result()  # if an interrupt ends this wait, `close` waits again
        except DrawingError as error:
            self.console.remark(
                f"the pictures are drawn by the training's own process, which waits for them; another one cannot be "
                f"used ({error}).",
                key="studio",
            )
            self._draws_here = True
            delivered = self._present_here()
        except Exception as error:
            delivered = Delivered([], [("the report for the loggers", error)])
        self._pending = None
        self._conclude(delivered)

    def close(self) -> None:
        """Finish the last report, and end the thread and the process."""
        try:
            self.finish()
        finally:
            if self._thread is not None:
                self._thread.shutdown()
                self._thread = None
            self._process.close()

    def _present_here(self) -> Delivered:
        from lime_callback.figures.figure_requests import drawn

        assert self._work is not None, "there is a report"
        with stage("drawing"):
            return self._work(drawn)

    def _conclude(self, delivered: Delivered) -> None:
        self._work = None
        for work, rest in delivered.rest:
            with stage("logging"), self.console.contained(work):
                rest()
        for work, error in delivered.failures:
            with self.console.contained(work):
                raise error

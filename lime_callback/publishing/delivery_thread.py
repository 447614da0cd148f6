"""An epoch's report on its way to the loggers: drawn and written beside the training, one behind the other.

The pictures are drawn in a process of their own, and handed to the loggers in a thread. What a logger takes from the
training's thread alone is done there as soon as a hook comes by.
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

    Draw = Callable[[Mapping[str, Request]], dict[str, Picture | Exception]]


class Delivered(NamedTuple):
    """What is left to be done on the training's thread.

    Attributes:
        rest: what some loggers take there alone, by what it is.
        failures: what went wrong, by what it is.
    """

    rest: list[tuple[str, Callable[[], None]]]
    failures: list[tuple[str, Exception]]


def present(
    draw: Draw, sinks: Sequence[Sink], report: Report, requests: Mapping[str, Mapping[str, Request]]
) -> Delivered:
    """Draw what is asked for, and hand the report with it to the sinks.

    Args:
        draw: makes pictures of requests.
        sinks: the sinks of the run's loggers.
        report: the report, without its pictures.
        requests: each view's requests, by the tags of the pictures.
    """
    delivered = Delivered([], [])
    pictures = {}
    views = {tag: view for view, of_view in requests.items() for tag in of_view}
    asked = {tag: request for of_view in requests.values() for tag, request in of_view.items()}
    for tag, found in draw(asked).items() if asked else ():
        if isinstance(found, Exception):
            delivered.failures.append((f"a picture of view '{views[tag]}'", found))
        else:
            pictures[tag] = found
    whole = replace(report, pictures=pictures)
    for sink in sinks:
        what = f"logger {type(sink).__name__}"
        try:
            rest = sink.begin(whole)
        except Exception as error:
            delivered.failures.append((what, error))
        else:
            if rest is not None:
                delivered.rest.append((what, rest))
    return delivered


@dataclass
class DeliveryThread:
    """Presents one report at a time; rank zero's alone.

    Args:
        console: for what fails on the way.
    """

    console: Console
    _process: DrawingProcess = field(default_factory=DrawingProcess, init=False)
    _draws_here: bool = field(default=False, init=False)
    _thread: ThreadPoolExecutor | None = field(default=None, init=False)
    _work: Callable[[Draw], Delivered] | None = field(default=None, init=False)
    _pending: Future[Delivered] | None = field(default=None, init=False)

    @property
    def is_idle(self) -> bool:
        """Whether everything is where it should be."""
        return self._pending is None

    @property
    def is_ready(self) -> bool:
        """Whether there is something that :meth:`finish` would not have to wait for."""
        return self._pending is not None and self._pending.done()

    def present(self, sinks: Sequence[Sink], report: Report, requests: Mapping[str, Mapping[str, Request]]) -> None:
        """Begin to present a report when the one before is done, see :func:`present`."""
        self.finish()
        ready = []
        for sink in sinks:
            with self.console.contained(f"logger {type(sink).__name__}"):
                sink.open()
                ready.append(sink)
        self._work = partial(present, sinks=ready, report=report, requests=requests)
        if self._draws_here and requests:
            self._conclude(self._present_here())
        else:
            self._thread = self._thread or ThreadPoolExecutor(1, "lime_callback")
            self._pending = self._thread.submit(self._work, self._process.draw)

    def finish(self) -> None:
        """Wait until the last report is where it should be, and say what went wrong with it."""
        if self._pending is None:
            return
        try:
            with stage("waiting"):
                delivered = self._pending.result()  # interrupted, it is waited for again at the end
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
        """Finish, and let the thread and the process end."""
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
        for what, rest in delivered.rest:
            with stage("logging"), self.console.contained(what):
                rest()
        for what, error in delivered.failures:
            with self.console.contained(what):
                raise error

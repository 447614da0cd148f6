"""Draws the figures that others request, in this process or in one that does nothing else.

:func:`main` is that process: it reads requests from stdin, answers with pictures on stdout, and ends when stdin ends.
:class:`lime_callback.publishing.drawing_process.DrawingProcess` starts it. It imports neither torch nor Lightning.
"""

from __future__ import annotations

import gc
import os
import pickle
import signal
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from lime_callback.figures.style import FULL, isolated, render

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    Picture = NDArray[np.uint8]

Request = Callable[[], "Figure"]
"""A function of :mod:`lime_callback.figures` with its arguments: a ``functools.partial`` of arrays and plain values."""


@isolated
def drawn(requests: Mapping[str, Request], scale: float = FULL) -> dict[str, Picture | Exception]:
    """Draw each request; return uint8 ``[H, W, 3]`` by the same names, or the error where drawing failed.

    Args:
        requests: the requests, by any names.
        scale: 1 for compact pictures, 2 for full ones.
    """

    def picture(request: Request) -> Picture | Exception:
        try:
            return render(request(), scale)
        except Exception as error:
            return _sendable(error)

    with _swept():
        return {name: picture(request) for name, request in requests.items()}


@contextmanager
def _swept() -> Iterator[None]:
    """Free at once what figures leave behind: tens of thousands of objects that refer to each other.

    They and megabytes of memory would wait for Python's garbage collector. While the collector is off, all of them stay
    in its youngest generation, which takes hardly any time to collect.
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.collect(0)
        if enabled:
            gc.enable()


def _sendable(error: Exception) -> Exception:
    """Return the error so that another process can read it, with a note of its file and line instead of a traceback."""
    frame = traceback.extract_tb(error.__traceback__)[-1]
    error.add_note(f"In {Path(frame.filename).name}, line {frame.lineno}.")
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:  # an error's class may need other arguments than pickle passes to it
        return RuntimeError(f"{type(error).__name__}: {error} {' '.join(error.__notes__)}")
    return error.with_traceback(None)


def main(token: str) -> None:
    """Answer each pickled request on stdin with pickled pictures on stdout, until stdin ends.

    Args:
        token: written to stdout first. What comes before it was printed while Python started.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # an interrupt ends the run, which then waits for its last pictures
    requests = sys.stdin.buffer
    with os.fdopen(os.dup(sys.stdout.fileno()), "wb") as answers:
        os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # prints go to stderr: stdout carries answers alone
        with suppress(EOFError, BrokenPipeError):
            answers.write(token.encode())
            answers.flush()
            while True:
                try:
                    answer: object = drawn(*pickle.load(requests))
                except EOFError:
                    raise
                except Exception as error:  # this process cannot unpickle the request
                    answer = RuntimeError(f"{type(error).__name__}: {error}")
                pickle.dump(answer, answers, pickle.HIGHEST_PROTOCOL)
                answers.flush()

"""Figures that are asked for, drawn: here, or in a process that does nothing else."""

from __future__ import annotations

import gc
import pickle
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from lime_callback.figures.style import render

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    Picture = NDArray[np.uint8]

Request = Callable[[], "Figure"]
"""A call of a function of :mod:`lime_callback.figures`, as a ``functools.partial`` of arrays and plain values."""


def drawn(requests: Mapping[str, Request]) -> dict[str, Picture | Exception]:
    """The pictures that are asked for, uint8 ``[H, W, 3]``, by the same names; where one fails, what was wrong."""

    def picture(request: Request) -> Picture | Exception:
        try:
            return render(request())
        except Exception as error:
            return _told(error)

    with _swept():
        return {name: picture(request) for name, request in requests.items()}


@contextmanager
def _swept() -> Iterator[None]:
    """Take away at once what figures leave behind: tens of thousands of objects that refer to each other.

    They would wait for Python's collector, and megabytes of memory with them. As long as it is off, they are all among
    the youngest objects, which are looked through in no time.
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.collect(0)
        if enabled:
            gc.enable()


def _told(error: Exception) -> Exception:
    """An error that can be sent to another process, and says where it was, since its traceback stays here."""
    frame = traceback.extract_tb(error.__traceback__)[-1]
    error.add_note(f"In {Path(frame.filename).name}, line {frame.lineno}.")
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:  # an error may be of a class that takes other arguments than it keeps
        return RuntimeError(f"{type(error).__name__}: {error} {' '.join(error.__notes__)}")
    return error.with_traceback(None)

"""Draws pictures in a separate process, so that the training does not have to wait.

A thread would not do: drawing is Python code, and while a thread runs Python code, the others wait. The pipe is made by
hand, since a worker of loky stays behind when this process is killed.
"""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from threading import Timer
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lime_callback.figures.figure_requests import Picture, Request

_PATIENCE = 300.0  # seconds that an epoch's pictures may take
# Figures are large and short-lived. These settings make glibc return their memory to the system at once.
_GIVEN_BACK = {"MALLOC_MMAP_THRESHOLD_": "262144", "MALLOC_TRIM_THRESHOLD_": "262144"}


class DrawingError(RuntimeError):
    """The drawing process cannot be started, or has failed."""


class DrawingProcess:
    """A process that draws. The first :meth:`draw` starts it; it ends with :meth:`close` or with this process."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None

    def draw(self, requests: Mapping[str, Request], scale: float = 2.0) -> dict[str, Picture | Exception]:
        """Draw requests, see :func:`lime_callback.figures.figure_requests.drawn`.

        Any thread may call this, but only one at a time.

        Raises:
            DrawingError: if the process cannot be started, cannot read the requests, has ended, or takes longer than
                300 s.
        """
        try:
            pickled = pickle.dumps((dict(requests), scale), pickle.HIGHEST_PROTOCOL)
            pictures = self._answer(pickled)
        except Exception as error:
            self.close()
            raise DrawingError(f"{type(error).__name__}: {error}") from error
        if isinstance(pictures, Exception):
            raise DrawingError(str(pictures))
        return pictures

    def close(self) -> None:
        """End the process, if it was started."""
        process, self._process = self._process, None
        if process is None:
            return
        # Closing its stdin would not end it: copies of this process, such as a loader's workers, may hold it open.
        process.kill()
        with suppress(OSError):
            process.communicate()

    def _answer(self, pickled: bytes) -> dict[str, Picture | Exception] | Exception:
        process = self._process = self._process or _started()
        assert process.stdin is not None, "it is a pipe"
        assert process.stdout is not None, "it is a pipe"
        timer = Timer(_PATIENCE, process.kill)
        timer.daemon = True
        timer.start()
        try:
            process.stdin.write(pickled)
            process.stdin.flush()
            answer: dict[str, Picture | Exception] | Exception = pickle.load(process.stdout)
        except (EOFError, BrokenPipeError) as error:
            raise RuntimeError(f"it has ended, with exit code {process.wait()}") from error
        finally:
            timer.cancel()
        return answer


def _started() -> subprocess.Popen[bytes]:
    if not sys.executable:
        raise RuntimeError("there is no Python interpreter to start")
    # The process finds modules where this one does.
    paths = os.pathsep.join(str(Path(path).absolute()) for path in sys.path)
    return subprocess.Popen(
        [sys.executable, "-P", "-m", "lime_callback.figures.figure_requests"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": paths} | _GIVEN_BACK,
    )

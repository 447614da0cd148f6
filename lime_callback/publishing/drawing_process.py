"""Pictures that are drawn in a process of their own, so that the training's does not have to wait.

A thread would not do: drawing is Python code, and while one thread runs that, the others wait for it.
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

_PATIENCE = 300.0  # seconds for the pictures of an epoch
# Figures and pictures are large and short-lived: with these, glibc gives their memory back to the system at once.
_GIVEN_BACK = {"MALLOC_MMAP_THRESHOLD_": "262144", "MALLOC_TRIM_THRESHOLD_": "262144"}


class DrawingError(RuntimeError):
    """The process that draws cannot be used."""


class DrawingProcess:
    """A process that draws, started when it is first asked. It ends with this one, and when :meth:`close` is called."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None

    def draw(self, requests: Mapping[str, Request]) -> dict[str, Picture | Exception]:
        """See :func:`lime_callback.figures.figure_requests.drawn`. May be called in any thread, in one at a time.

        Raises:
            DrawingError: if the process cannot be started, cannot read the requests, or has ended.
        """
        try:
            asked = pickle.dumps(dict(requests), pickle.HIGHEST_PROTOCOL)
            found = self._answer(asked)
        except Exception as error:
            self.close()
            raise DrawingError(f"{type(error).__name__}: {error}") from error
        if isinstance(found, Exception):
            raise DrawingError(str(found))
        return found

    def close(self) -> None:
        """Let the process end, if there is one."""
        process, self._process = self._process, None
        if process is None:
            return
        # Copies of this process, such as a loader's workers, may hold its input open.
        process.kill()
        with suppress(OSError):
            process.communicate()

    def _answer(self, asked: bytes) -> dict[str, Picture | Exception] | Exception:
        process = self._process = self._process or _started()
        assert process.stdin is not None, "it is a pipe"
        assert process.stdout is not None, "it is a pipe"
        timer = Timer(_PATIENCE, process.kill)
        timer.daemon = True
        timer.start()
        try:
            process.stdin.write(asked)
            process.stdin.flush()
            found: dict[str, Picture | Exception] | Exception = pickle.load(process.stdout)
        except (EOFError, BrokenPipeError) as error:
            raise RuntimeError(f"it has ended, with exit code {process.wait()}") from error
        finally:
            timer.cancel()
        return found


def _started() -> subprocess.Popen[bytes]:
    if not sys.executable:
        raise RuntimeError("there is no Python interpreter to start")
    # Modules are found there as they are here.
    paths = os.pathsep.join(str(Path(path).absolute()) for path in sys.path)
    return subprocess.Popen(
        [sys.executable, "-P", "-m", "lime_callback.figures"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": paths} | _GIVEN_BACK,
    )

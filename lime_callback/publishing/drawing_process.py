"""Draws pictures in a separate process, so that the training does not have to wait.

A thread would not do: drawing is Python code, and while a thread runs Python code, the others wait. The pipe is made by
hand, since a worker of loky stays behind when this process is killed.
"""

from __future__ import annotations

import json
import os
import pickle
import secrets
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from threading import Timer
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lime_callback.figures.figure_requests import Picture, Request

_PATIENCE = 300.0  # seconds that an epoch's pictures may take
_MOST_ENDS = 5  # of the process in a run
# Figures are large and short-lived. These settings make glibc return their memory to the system at once.
_GIVEN_BACK = {"MALLOC_MMAP_THRESHOLD_": "262144", "MALLOC_TRIM_THRESHOLD_": "262144"}
_MARK = "LIME_CALLBACK_DRAWS"
# The process finds modules where this one does. The paths come when Python has started: a `sitecustomize` that lies in
# one of them, such as the script's folder, runs in neither process.
_PROGRAM = (
    "import json, sys; sys.path[:] = json.loads(sys.stdin.buffer.readline()); "
    "from lime_callback.figures.figure_requests import main; main(sys.argv[1])"
)
_FLAGS = {"isolated": "-I", "ignore_environment": "-E", "no_site": "-S", "no_user_site": "-s"}


class DrawingError(RuntimeError):
    """The drawing process cannot be started, or cannot read the requests."""


class _EndedError(RuntimeError):
    """The drawing process has ended while it drew."""


class DrawingProcess:
    """A process that draws. The first :meth:`draw` starts it; it ends with :meth:`close` or with this process."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._ends = 0

    def draw(self, requests: Mapping[str, Request], scale: float = 2.0) -> dict[str, Picture | Exception]:
        """Draw requests, see :func:`lime_callback.figures.figure_requests.drawn`.

        If the process ends meanwhile, another one draws the requests again, one by one: only what ends it again is
        lost, and has an error in its place. So has every picture that takes longer than 300 s, and every one after the
        process has ended five times. Any thread may call this, but only one at a time.

        Raises:
            DrawingError: if the process cannot be started, or cannot read the requests.
        """
        try:
            return self._answer(requests, scale)
        except TimeoutError as error:
            return dict.fromkeys(requests, error)
        except _EndedError:
            return {tag: self._alone(tag, request, scale) for tag, request in requests.items()}

    def close(self) -> None:
        """End the process, if it was started."""
        self._ends = 0
        self._kill()

    def _alone(self, tag: str, request: Request, scale: float) -> Picture | Exception:
        try:
            return self._answer({tag: request}, scale)[tag]
        except (TimeoutError, _EndedError) as error:
            return error

    def _answer(self, requests: Mapping[str, Request], scale: float) -> dict[str, Picture | Exception]:
        if self._ends >= _MOST_ENDS:
            raise _EndedError(f"the process that draws has ended {self._ends} times, and is not started again")
        try:
            pickled = pickle.dumps((dict(requests), scale), pickle.HIGHEST_PROTOCOL)
            self._process = self._process or _started()
        except Exception as error:
            raise DrawingError(f"{type(error).__name__}: {error}") from error
        try:
            pictures = _exchange(self._process, pickled)
        except BaseException as error:
            self._kill()
            self._ends += isinstance(error, (TimeoutError, _EndedError))
            raise
        if isinstance(pictures, dict):
            return pictures
        self._kill()
        raise DrawingError(str(pictures))

    def _kill(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            _killed(process)


def _exchange(process: subprocess.Popen[bytes], pickled: bytes) -> Any:
    """Send pickled requests, and return what comes back; an exception if the process cannot read them.

    Raises:
        TimeoutError: if it takes too long.
        _EndedError: if the process has ended.
    """
    assert process.stdin is not None, "it is a pipe"
    assert process.stdout is not None, "it is a pipe"
    with _Patience(process) as patience:
        try:
            process.stdin.write(pickled)
            process.stdin.flush()
            return pickle.load(process.stdout)
        except Exception as error:
            if patience.is_over:
                raise TimeoutError(f"it took longer than {_PATIENCE:g} s") from error
            process.kill()
            raise _EndedError(f"the process that draws has ended, with exit code {process.wait()}") from error


class _Patience:
    """Kills a process that takes too long."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self.is_over = False
        self._process = process
        self._timer = Timer(_PATIENCE, self._end)
        self._timer.daemon = True

    def __enter__(self) -> _Patience:
        self._timer.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()

    def _end(self) -> None:
        self.is_over = True
        self._process.kill()


def _killed(process: subprocess.Popen[bytes]) -> None:
    # Closing its stdin would not end it: copies of this process, such as a loader's workers, may hold it open.
    process.kill()
    with suppress(OSError):
        process.communicate()


def _started() -> subprocess.Popen[bytes]:
    """Start the process, and wait until it is ready."""
    if not sys.executable:
        raise RuntimeError("there is no Python interpreter to start")
    if getattr(sys, "frozen", False) or hasattr(sys.modules.get("__main__"), "__compiled__"):
        raise RuntimeError("this program is frozen, and would start itself again")
    if _MARK in os.environ:
        raise RuntimeError("this process was itself started to draw")
    token = secrets.token_hex(16)
    process = subprocess.Popen(
        [
            sys.executable,
            *(flag for name, flag in _FLAGS.items() if getattr(sys.flags, name)),
            "-P",
            "-c",
            _PROGRAM,
            token,
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={**os.environ, _MARK: "1"} | _GIVEN_BACK,
    )
    assert process.stdin is not None, "it is a pipe"
    assert process.stdout is not None, "it is a pipe"
    try:
        with _Patience(process):
            process.stdin.write(json.dumps([str(Path(path).absolute()) for path in sys.path]).encode() + b"\n")
            process.stdin.flush()
            # Whatever the start of Python prints, such as a `sitecustomize`, comes before the token.
            seen = b""
            while seen != token.encode():
                byte = process.stdout.read(1)
                if not byte:
                    raise RuntimeError(f"it has ended, with exit code {process.wait()}")
                seen = (seen + byte)[-len(token) :]
    except BaseException:
        _killed(process)
        raise
    return process

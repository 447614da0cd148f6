"""The process that draws: reads requests from stdin, answers with pictures on stdout, and ends when stdin ends.

:class:`lime_callback.publishing.drawing_process.DrawingProcess` starts it. It imports neither torch nor Lightning.
"""

from __future__ import annotations

import os
import pickle
import signal
import sys
from contextlib import suppress

from lime_callback.figures.figure_requests import drawn


def main() -> None:
    """Answer each pickled request on stdin with pickled pictures on stdout, until stdin ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # an interrupt ends the run, which then waits for its last pictures
    requests = sys.stdin.buffer
    with os.fdopen(os.dup(sys.stdout.fileno()), "wb") as answers:
        os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # prints go to stderr: stdout carries answers alone
        with suppress(EOFError, BrokenPipeError):
            while True:
                try:
                    answer: object = drawn(pickle.load(requests))
                except EOFError:
                    raise
                except Exception as error:  # this process cannot unpickle the request
                    answer = RuntimeError(f"{type(error).__name__}: {error}")
                pickle.dump(answer, answers, pickle.HIGHEST_PROTOCOL)
                answers.flush()


if __name__ == "__main__":
    main()

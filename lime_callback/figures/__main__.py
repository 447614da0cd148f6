"""The process that draws: reads requests from its input, answers with pictures, and ends when the input does.

Started by :class:`lime_callback.publishing.drawing_process.DrawingProcess`. It imports neither torch nor Lightning.
"""

from __future__ import annotations

import os
import pickle
import signal
import sys
from contextlib import suppress

from lime_callback.figures.figure_requests import drawn


def main() -> None:
    """Answer until nobody asks any more."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # an interrupt ends the run, which then waits for its last pictures
    requests = sys.stdin.buffer
    with os.fdopen(os.dup(sys.stdout.fileno()), "wb") as answers:
        os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # what is printed is no answer
        with suppress(EOFError, BrokenPipeError):
            while True:
                try:
                    found: object = drawn(pickle.load(requests))
                except EOFError:
                    raise
                except Exception as error:  # what was asked for cannot be read here
                    found = RuntimeError(f"{type(error).__name__}: {error}")
                pickle.dump(found, answers, pickle.HIGHEST_PROTOCOL)
                answers.flush()


if __name__ == "__main__":
    main()

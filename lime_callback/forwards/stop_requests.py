"""Ends an explanation early where somebody asks for it, such as a cluster that is about to end the process."""

from __future__ import annotations

from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_asked: ContextVar[Callable[[], bool] | None] = ContextVar("asked", default=None)


class StopExplaining(Exception):  # noqa: N818 - it is no error
    """An explanation ends early, since it was asked to; no failure."""


@contextmanager
def stoppable(asked: Callable[[], bool]) -> Iterator[None]:
    """Let explanations within this context end early.

    Args:
        asked: is called between batches, and says whether to stop.
    """
    token = _asked.set(asked)
    try:
        yield
    finally:
        _asked.reset(token)


def stop_asked() -> bool:
    """Return whether this process has been asked to stop."""
    asked = _asked.get()
    return asked is not None and asked()


def stop_if_asked() -> None:
    """Raise :class:`StopExplaining` if this process has been asked to stop."""
    if stop_asked():
        raise StopExplaining("asked to stop")

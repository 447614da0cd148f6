"""What an explained epoch spends its time on, as sections of the trainer's profiler, and how far it is.

``Trainer(profiler="simple")`` lists them beside its own: ``[LimeCallback]features``, ``forwards``, ``fit``, ``drift``,
``reliance``, ``drawing`` and ``logging``, all within ``[LimeCallback]explain``. Of the last two they have what the
training's thread does, since pictures are drawn and logged beside it; ``[LimeCallback]waiting`` is what it waits for
those of the epoch before. What the capture of the probes takes, it lists as the callback's
``on_validation_batch_start``. Nothing waits for the device at a section's end, so that on a GPU what is still being
computed there counts for the section that needs its results first.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

Profile = Callable[[str], AbstractContextManager[object]]

_profile: ContextVar[Profile | None] = ContextVar("profile", default=None)
_listener: ContextVar[Callable[[int, int], None] | None] = ContextVar("listener", default=None)


@contextmanager
def profiled(profile: Profile) -> Iterator[None]:
    """Until the end, stages are sections of this profiler.

    Args:
        profile: such as ``trainer.profiler.profile``, takes a name and returns a context.
    """
    token = _profile.set(profile)
    try:
        yield
    finally:
        _profile.reset(token)


@contextmanager
def stage(name: str) -> Iterator[None]:
    """A part of an explanation's work; without a profiler, nothing at all."""
    profile = _profile.get()
    if profile is None:
        yield
        return
    with profile(f"[LimeCallback]{name}"):
        yield


@contextmanager
def progress_heard(listener: Callable[[int, int], None]) -> Iterator[None]:
    """Until the end, a listener is told of every :func:`advance`, in this process."""
    token = _listener.set(listener)
    try:
        yield
    finally:
        _listener.reset(token)


@contextmanager
def progress_unheard() -> Iterator[None]:
    """Until the end, no listener is told of anything: for what is asked of the model besides the perturbations."""
    token = _listener.set(None)
    try:
        yield
    finally:
        _listener.reset(token)


def report_progress(done: int, of: int) -> None:
    """Of the rows that are gone through, so many are done; 0 when they begin. Without a listener, nothing at all."""
    listener = _listener.get()
    if listener is not None:
        listener(done, of)

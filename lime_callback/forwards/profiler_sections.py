"""Reports where an explained epoch spends its time, as sections of the trainer's profiler, and how far it has come.

``Trainer(profiler="simple")`` lists these sections beside its own: ``[LimeCallback]features``, ``forwards``, ``fit``,
``drift``, ``reliance``, ``drawing`` and ``logging``, all within ``[LimeCallback]explain``.

- Another thread and another process draw and log most things. ``drawing`` and ``logging`` only count the time of the
  training's thread, and ``[LimeCallback]waiting`` its wait for the pictures of the epoch before.
- The profiler lists the capture of the probes as the callback's ``on_validation_batch_start``.
- No section waits for a GPU at its end: work that still runs there counts for the section that first needs its results.
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
    """Make stages within this context sections of a profiler.

    Args:
        profile: takes a section's name and returns a context, as ``trainer.profiler.profile`` does.
    """
    token = _profile.set(profile)
    try:
        yield
    finally:
        _profile.reset(token)


@contextmanager
def stage(name: str) -> Iterator[None]:
    """Mark a part of an explanation's work as the section ``name``; without a profiler, do nothing."""
    profile = _profile.get()
    if profile is None:
        yield
        return
    with profile(f"[LimeCallback]{name}"):
        yield


@contextmanager
def progress_heard(listener: Callable[[int, int], None]) -> Iterator[None]:
    """Tell ``listener`` of every :func:`report_progress` within this context, in this process."""
    token = _listener.set(listener)
    try:
        yield
    finally:
        _listener.reset(token)


@contextmanager
def progress_unheard() -> Iterator[None]:
    """Tell no listener of anything within this context, which is for forwards that are no perturbations."""
    token = _listener.set(None)
    try:
        yield
    finally:
        _listener.reset(token)


def report_progress(done: int, total: int) -> None:
    """Tell the listener, if there is one, that ``done`` rows of ``total`` are done; 0 at the start."""
    listener = _listener.get()
    if listener is not None:
        listener(done, total)

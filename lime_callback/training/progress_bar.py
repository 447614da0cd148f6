"""How far a long explanation is, in a bar beside Lightning's own, and messages that leave bars whole.

The bar counts rows, which are perturbed inputs, over all probes and views. The trainer's own bar callback draws it, a
``TQDMProgressBar`` or a ``RichProgressBar`` of either Lightning package, which are known by what they have; beside any
other nothing is drawn. Nothing is asked of the device: on a GPU, a row counts as done when it is on its way. Of several
processes the first one draws, and its pace stands for all.
"""

from __future__ import annotations

import sys
import time
from contextlib import contextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

from lime_callback.forwards.profiler_sections import progress_heard

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

SECONDS = 2.0
_BETWEEN = 0.1  # seconds from one drawing to the next
_NAME = "Explaining"


class _Line(Protocol):
    def show(self, done: int, total: int) -> None: ...

    def close(self) -> None: ...


@contextmanager
def shown(
    trainer: Any, contained: Callable[[str], AbstractContextManager[None]], sweeps: int, rows: int
) -> Iterator[None]:
    """Until the end, what lasts longer than ``SECONDS`` has a bar, which is then removed.

    Args:
        trainer: whose bar callback draws.
        contained: takes what is tried, and keeps its failure from reaching the run.
        sweeps: how often rows are gone through.
        rows: expected each time.
    """
    callback = trainer.progress_bar_callback
    kind = _kind(callback) if trainer.is_global_zero else None
    if kind is None:
        yield
        return
    bar = _Bar(partial(kind, trainer, callback), contained, sweeps, rows)
    try:
        with progress_heard(bar.advance):
            yield
    finally:
        bar.close()


class _Bar:
    """Counts rows, and draws a line when it has taken long."""

    def __init__(
        self,
        line: Callable[[int, int], _Line],
        contained: Callable[[str], AbstractContextManager[None]],
        sweeps: int,
        rows: int,
    ) -> None:
        self._make, self._contained = line, contained
        self._line: _Line | None = None
        self._before = self._done = 0
        self._to_come, self._rows = sweeps, rows
        self._next = time.perf_counter() + SECONDS
        self._sound = True

    def advance(self, done: int, of: int) -> None:
        """Of this sweep's rows so many are done; 0 begins another one."""
        if done == 0:
            self._before += self._done
            self._to_come -= 1
        self._done = done
        now = time.perf_counter()
        if done > 0 and now >= self._next and self._sound:
            self._next, self._sound = now + _BETWEEN, False
            with self._contained("the progress bar"):
                self._draw(self._before + done, self._before + of + max(self._to_come, 0) * self._rows)
                self._sound = True

    def close(self) -> None:
        if self._line is not None:
            # What could not be drawn has been told of.
            with self._contained("the progress bar") if self._sound else suppress(Exception):
                self._line.close()

    def _draw(self, done: int, total: int) -> None:
        if self._line is None:
            self._line = self._make(done, total)
        self._line.show(done, total)


class _TqdmLine:
    def __init__(self, trainer: Any, callback: Any, done: int, total: int) -> None:
        fits = trainer.state.fn == "fit"
        if fits:
            beside = callback.train_progress_bar
        else:
            beside = callback.test_progress_bar if trainer.testing else callback.val_progress_bar
        above = 2 if fits and trainer.validating else 1
        self._bar = type(beside)(
            desc=_NAME,
            total=total,
            initial=done,
            position=2 * callback.process_position + above,
            leave=False,
            dynamic_ncols=True,
            file=sys.stdout,
            unit=" rows",
            bar_format=callback.BAR_FORMAT,
        )

    def show(self, done: int, total: int) -> None:
        self._bar.n, self._bar.total = done, total
        self._bar.refresh()

    def close(self) -> None:
        self._bar.total = self._bar.n  # a notebook keeps a bar that ends early
        self._bar.close()


class _RichLine:
    def __init__(self, trainer: Any, callback: Any, done: int, total: int) -> None:
        style = callback.theme.description
        self._callback, self._progress = callback, callback.progress
        self._task = self._progress.add_task(f"[{style}]{_NAME}" if style else _NAME, total=total, completed=done)

    def show(self, done: int, total: int) -> None:
        self._progress.update(self._task, completed=done, total=total)
        self._callback.refresh()

    def close(self) -> None:
        # Hidden and not removed, since Lightning finds its own tasks by their place among all.
        self._progress.update(self._task, visible=False)
        self._callback.refresh()


def _kind(callback: Any) -> type[_TqdmLine | _RichLine] | None:
    if callback is None or getattr(callback, "is_disabled", True):
        return None
    if hasattr(callback, "init_train_tqdm"):
        return _TqdmLine
    return _RichLine if hasattr(getattr(callback, "progress", None), "add_task") else None

"""Tells the user what the callback does and what failed: each message once, and without stopping the run."""

from __future__ import annotations

import logging
import re
import sys
import traceback
import warnings
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from lightning.pytorch.utilities import rank_zero_info, rank_zero_only
from lightning_utilities.core import rank_zero
from tqdm import tqdm

from lime_callback.checks.help_pages import see
from lime_callback.forwards.out_of_memory import is_out_of_memory
from lime_callback.forwards.stop_requests import StopExplaining

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

_PACKAGE = Path(__file__).parents[2]
_LISTED = 8  # probes that a message names
_NUMBER = re.compile(r"\d+")


@dataclass
class Console:
    """Writes a callback's messages, on rank zero alone.

    Args:
        name: the callback's name.
        on_error: ``"warn"`` turns failures into warnings; ``"raise"`` lets them reach the run.
        said: the keys of the messages so far.
    """

    name: str
    on_error: Literal["warn", "raise"] = "warn"
    said: list[str] = field(default_factory=list)

    def info(self, text: str) -> None:
        """Write a message."""
        with apart():
            rank_zero_info(f"LimeCallback '{self.name}': {text}")

    def remark(self, text: str, key: str | None = None) -> None:
        """Write a message about something harmless, unless a message of this key was written before."""
        key = text if key is None else key
        if key not in self.said:
            self.said.append(key)
            self.info(text)

    def once(self, text: str, key: str | None = None) -> bool:
        """Warn, unless there was a warning of this key before; return whether it warned."""
        key = text if key is None else key
        if key in self.said:
            return False
        self.said.append(key)
        with apart():
            _warn(f"LimeCallback '{self.name}': {text}")
        return True

    def over(self, key: str) -> None:
        """Forget a warning whose cause has passed, so that :meth:`once` warns again if the cause returns."""
        if key in self.said:
            self.said.remove(key)

    @contextmanager
    def contained(self, work: str) -> Iterator[None]:
        """Turn a failure within this context into a warning, once; with ``on_error="raise"`` let it through.

        That an explanation ends early is no failure, and ends what is around this context, too.

        Args:
            work: the name of the work, for the warning.
        """
        try:
            yield
        except StopExplaining:
            raise
        except Exception as error:
            if self.on_error == "raise":
                raise
            notes = " ".join(getattr(error, "__notes__", ()))
            cause = f"{type(error).__name__}: {error}{notes and f' ({notes})'}"
            if "See docs/" not in cause:
                cause = f"{cause.rstrip('.')}. {see('memory' if is_out_of_memory(error) else 'failed')}"
            # The key is the failure's place: at the next epoch its text may hold other numbers.
            frame = traceback.extract_tb(error.__traceback__)[-1]
            place = f"{work}: {type(error).__name__} in {Path(frame.filename).name}:{frame.lineno}"
            self.once(f"{work} failed and is left out; training goes on. Cause: {cause}", key=place)

    def degenerate(self, view: str, reasons: Mapping[int, str], way: Callable[[], str] = str) -> None:
        """Warn of degenerate explanations by a view, once for each cause.

        Args:
            view: its name.
            reasons: texts by the probes' numbers.
            way: returns a sentence on what may be passed instead, or an empty one.
        """
        for reason in sorted(set(reasons.values())):
            which = [str(probe) for probe, why in reasons.items() if why == reason]
            more = f" and {len(which) - _LISTED} more" if len(which) > _LISTED else ""
            text = f"the explanations of probes {', '.join(which[:_LISTED])}{more} by view '{view}' are degenerate"
            # Numbers of features and rows may change from one epoch to the next, and the cause is the same.
            self.once(f"{text}: {reason}. {way()}".rstrip(), key=f"{view}: {_NUMBER.sub('#', reason)}")

    def hiding(self, view: str, instead: str, remarks: Sequence[str]) -> None:
        """Say how a view hides features.

        Args:
            view: its name.
            instead: why it does so by values where tokens should have been left out; empty where that is not so.
            remarks: what else there is to say.
        """
        if instead:
            text = f"view '{view}' hides by values, as without `baseline='absent'`, since {instead}."
            self.once(text, key=f"{view}: absent")
        for remark in remarks:
            self.remark(f"view '{view}': {remark}.")

    @contextmanager
    def heard(self, work: str) -> Iterator[None]:
        """Tell the package's own warnings within this context as messages, once, and let all others through.

        Where warnings are errors, what merely warns must not fail.

        Args:
            work: the name of the work, for the message.
        """
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            yield
        for warning in caught:
            if Path(warning.filename).is_relative_to(_PACKAGE):
                self.once(f"{work}: {warning.message}")
            else:
                warnings.warn_explicit(warning.message, warning.category, warning.filename, warning.lineno)


@rank_zero_only
def _warn(text: str) -> None:
    """Warn as Python does where it shows warnings; where they are errors or are ignored, write to Lightning's log.

    A message must neither end a run nor be lost. Each run warns: Python would show a text of one line of code once a
    process, and hide it from a second run. No file of the given name exists, so that no line of code stands below the
    text, which says all.
    """
    with warnings.catch_warnings(record=True) as shown, suppress(UserWarning):
        warnings.warn_explicit(text, UserWarning, "lime_callback", 1, registry={})
    if shown:
        warnings.showwarning(text, UserWarning, "lime_callback", 1)
    else:
        rank_zero.log.warning(text)


@contextmanager
def apart() -> Iterator[None]:
    """Put messages written within this context on separate lines, above any progress bars."""
    stack = ExitStack()
    with suppress(Exception):  # a bar that cannot be cleared must not stop a message
        stack.enter_context(tqdm.external_write_mode(file=sys.stderr))
        # Rich's bar replaces `sys.stderr`; log handlers still write to the stream before, and so across the bar.
        before = getattr(sys.stderr, "rich_proxied_file", None)
        for name in ("", "lightning", "lightning.pytorch", "pytorch_lightning"):
            for handler in logging.getLogger(name).handlers:
                if before is not None and getattr(handler, "stream", None) is before:
                    assert isinstance(handler, logging.StreamHandler)
                    handler.setStream(sys.stderr)
                    stack.callback(handler.setStream, before)
    try:
        yield
    finally:
        with suppress(Exception):
            stack.close()

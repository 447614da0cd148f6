"""What the callback says to a person: each thing once, and failures without stopping the run."""

from __future__ import annotations

import logging
import sys
import traceback
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from lightning.pytorch.utilities import rank_zero_info, rank_zero_warn
from tqdm import tqdm

from lime_callback.explaining.deletion_insertion import steps_for

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence


@dataclass
class Console:
    """Speaks for one callback, on rank zero.

    Args:
        name: of the callback.
        on_error: ``"warn"`` keeps failures from reaching the run, ``"raise"`` lets them through.
        said: keys of the warnings so far.
    """

    name: str
    on_error: Literal["warn", "raise"] = "warn"
    said: list[str] = field(default_factory=list)
    _announced: bool = field(default=False, init=False)

    def info(self, text: str) -> None:
        """Say something."""
        with apart():
            rank_zero_info(f"LimeCallback '{self.name}': {text}")

    def remark(self, text: str, key: str | None = None) -> None:
        """Say something that is no trouble, once."""
        key = text if key is None else key
        if key not in self.said:
            self.said.append(key)
            self.info(text)

    def announce(self, probes: int, which: str, views: Sequence[str], perturbations: int, every: int) -> None:
        """Say in one line what will be done, once; ``which`` stands behind the validation samples."""
        if self._announced:
            return
        self._announced = True
        each = perturbations + 2 + 4 * steps_for(perturbations)  # see `ExplainedBatch.forwards`
        often = "each validation" if every == 1 else f"every {every} epochs"
        self.info(
            f"at the end of {often}, explains {probes} validation samples{which} by {' and '.join(map(repr, views))}, "
            f"with {perturbations} perturbations each ({probes * len(views) * each} forward passes of one sample)."
        )

    def once(self, text: str, key: str | None = None) -> bool:
        """Warn, unless something of this key was warned of before; returns whether it was news."""
        key = text if key is None else key
        if key in self.said:
            return False
        self.said.append(key)
        with apart():
            rank_zero_warn(f"LimeCallback '{self.name}': {text}")
        return True

    def over(self, key: str) -> None:
        """What was warned of has passed; if it comes again, that is news."""
        if key in self.said:
            self.said.remove(key)

    @contextmanager
    def contained(self, what: str) -> Iterator[None]:
        """Keep a failure from reaching the run, and report it once."""
        try:
            yield
        except Exception as error:
            if self.on_error == "raise":
                raise
            notes = " ".join(getattr(error, "__notes__", ()))
            cause = f"{type(error).__name__}: {error}{notes and f' ({notes})'}"
            # The same failure at the next epoch may have other numbers in its text.
            frame = traceback.extract_tb(error.__traceback__)[-1]
            place = f"{what}: {type(error).__name__} in {Path(frame.filename).name}:{frame.lineno}"
            self.once(f"{what} failed and is left out; training goes on. Cause: {cause}", key=place)

    def degenerate(self, view: str, reasons: Mapping[int, str]) -> None:
        """Say which explanations explain nothing, by view and probe."""
        for reason in sorted(set(reasons.values())):
            which = ", ".join(str(probe) for probe, why in reasons.items() if why == reason)
            text = f"the explanations of probes {which} by view '{view}' are degenerate: {reason}."
            self.once(text, key=f"{view}: {reason}")


@contextmanager
def apart() -> Iterator[None]:
    """What is said until the end stands on lines of its own, above the bars that are there."""
    stack = ExitStack()
    with suppress(Exception):  # a bar that cannot be cleared does not keep a message back
        stack.enter_context(tqdm.external_write_mode(file=sys.stderr))
        # Rich's bar catches what is written to `sys.stderr`, yet log handlers hold the stream that was there before.
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

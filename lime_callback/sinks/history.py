"""The history of a run's explanations: one tidy CSV file, appended to, and sound after a crash.

One row per epoch, step, view, probe, target and feature. Numbers read back to the last digit. A file that is
not this run's is moved aside: nothing that a user has there is overwritten.
"""

from __future__ import annotations

import csv
import io
import os
import shutil
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


class HistoryRow(NamedTuple):
    """A coefficient of one explanation.

    Attributes:
        epoch: counted from 0.
        step: of training, as Lightning logs it.
        view: name of the view.
        probe: number of the probe, counted from 0.
        target: name of the output that is explained, or its number.
        feature: name of the feature.
        coefficient: in units of the output.
        standard_error: of the coefficient.
        score: weighted R² of the fit that the coefficient belongs to.
    """

    epoch: int
    step: int
    view: str
    probe: int
    target: str
    feature: str
    coefficient: float
    standard_error: float
    score: float


_HEADER = (",".join(HistoryRow._fields) + "\r\n").encode()
_ODD = "surrogatepass"  # half a character, as a file's name may hold one, is kept as it is
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "'")


class HistoryFile:
    """Appends to a history. With several processes, only the one of rank zero has one.

    A run calls `start` or `rewind` before it appends. Where neither is called, the first `append` goes on
    with the history that is there.

    Args:
        path: need not exist yet, and neither need its folder; nothing is written before the first row.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self._sound = False

    def start(self) -> Path | None:
        """Begin a run afresh: a file that is there already is moved aside.

        Returns:
            Where it is now, ``history.1.csv`` or the next number that is free; ``None`` if there was no file.
        """
        self._sound = True
        if not os.path.lexists(self.path):
            return None
        aside = next(path for path in map(self._numbered, count(1)) if not os.path.lexists(path))
        self.path.rename(aside)
        return aside

    def rewind(self, step: int | None = None) -> Path | None:
        """Go on with a run from ``step``: drop the rows after it, and a row that a crash has cut off.

        The file is replaced in one go, so that a crash meanwhile leaves the old one.

        Args:
            step: the last step whose rows are kept; ``None`` keeps all.

        Returns:
            Where a file with another header was moved, as `start` does it; ``None`` if there was none.
        """
        if not self.path.is_file():
            return self.start()
        with self.path.open("rb") as file:
            header = next(_records(file), b"")
        if _is_header(header):
            self._keep_up_to(step)
        elif _HEADER.startswith(header):
            self.path.unlink()  # a crash came before the header was whole: there is no row to keep
        else:
            return self.start()
        self._sound = True
        return None

    def go_on(self, before: str | os.PathLike[str], step: int) -> Path | None:
        """Go on with a run that was interrupted at ``step``, see `rewind`.

        Args:
            before: where that run wrote its history. If it was elsewhere it is copied, and stays there as it is.
            step: the last step whose rows are kept.

        Returns:
            Where a file was moved that is in the way, as `start` does it; ``None`` if there was none.
        """
        before = Path(before)
        if before.absolute() == self.path.absolute() or not before.is_file():
            return self.rewind(step)
        aside = self.start()
        self.path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(before, self.path)
        self.rewind(step)
        return aside

    def append(self, rows: Iterable[HistoryRow]) -> None:
        """Write all rows in one go, to the disk.

        Raises:
            OSError: if that fails, for example on a full disk; the file is then as it was before.
        """
        buffer = io.StringIO(newline="")
        csv.writer(buffer).writerows(map(_cells, rows))  # its line ends make it quote every line break in a cell
        lines = buffer.getvalue().encode(errors=_ODD)
        if not lines:
            return
        if not self._sound:
            self.rewind()
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("ab", buffering=0) as file:
            size = file.seek(0, os.SEEK_END)
            rest = memoryview(lines if size else _HEADER + lines)
            try:
                while rest:
                    rest = rest[file.write(rest) :]
                os.fsync(file.fileno())
            except BaseException:
                self._sound = False  # should cutting off fail as well, the next append mends the end first
                file.truncate(size)
                raise

    def _numbered(self, number: int) -> Path:
        return self.path.with_name(f"{self.path.stem}.{number}{self.path.suffix}")

    def _keep_up_to(self, step: int | None) -> None:
        new = self.path.with_name(f"{self.path.name}.tmp")
        with self.path.open("rb") as old, new.open("wb") as file:
            records = _records(old)
            file.write(next(records))
            for record in filter(_is_whole, records):
                # A row that cannot be read is none of ours, and so it stays.
                if step is None or (row := _parse(record)) is None or row.step <= step:
                    file.write(record)
            file.flush()
            os.fsync(file.fileno())
        new.replace(self.path)


def read_history(path: str | os.PathLike[str]) -> list[HistoryRow]:
    """Read what `HistoryFile` has written; a row that a crash has cut off is passed over.

    Raises:
        ValueError: if the file is no history, or a whole row in it cannot be read.
    """
    with Path(path).open("rb") as file:
        header, *records = [*_records(file)] or [b""]
    if not _is_header(header):
        raise ValueError(
            f"`path` should be a history, which begins with {_HEADER.decode().strip()!r}. Found "
            f"{header[:200]!r} in {str(path)!r}; pass the `history.csv` of a run."
        )
    rows = []
    for number, record in enumerate(filter(_is_whole, records), start=1):
        row = _parse(record)
        if row is None:
            raise ValueError(
                f"`path` should be a history with {len(HistoryRow._fields)} cells in every row, numbers where they "
                f"belong. Found row {number} of {str(path)!r} to be {record[:200]!r}; mend or remove it."
            )
        rows.append(row)
    return rows


def _is_whole(record: bytes) -> bool:
    """Whether a record has its end; a crash can cut off the last one of a file."""
    return record.endswith(b"\n") and record.count(b'"') % 2 == 0


def _is_header(record: bytes) -> bool:
    return _is_whole(record) and record.rstrip(b"\r\n") == _HEADER.rstrip(b"\r\n")


def _records(file: Iterable[bytes]) -> Iterator[bytes]:
    """The rows as they stand: lines, joined where a line break is quoted. The last may be incomplete."""
    lines: list[bytes] = []
    quoted = False
    for line in file:
        lines.append(line)
        quoted ^= bool(line.count(b'"') % 2)
        if not quoted:
            yield b"".join(lines)
            lines = []
    if lines:
        yield b"".join(lines)


def _cells(row: HistoryRow) -> list[object]:
    epoch, step, view, probe, target, feature, *numbers = row
    view, target, feature = (_escape(str(text)) for text in (view, target, feature))
    return [int(epoch), int(step), view, int(probe), target, feature, *(repr(float(x)) for x in numbers)]


def _parse(record: bytes) -> HistoryRow | None:
    """The row in a record; ``None`` if it is none of ours."""
    try:
        ((epoch, step, view, probe, target, feature, coefficient, error, score),) = csv.reader(
            io.StringIO(record.decode(errors=_ODD), newline=""), strict=True
        )
        return HistoryRow(
            epoch=int(epoch),
            step=int(step),
            view=_unescape(view),
            probe=int(probe),
            target=_unescape(target),
            feature=_unescape(feature),
            coefficient=float(coefficient),
            standard_error=float(error),
            score=float(score),
        )
    except (ValueError, csv.Error):
        return None


def _escape(text: str) -> str:
    """Keep spreadsheets from running a name as a formula; an apostrophe is doubled, so that it reads back."""
    return f"'{text}" if text.startswith(_FORMULA) else text


def _unescape(text: str) -> str:
    return text.removeprefix("'")

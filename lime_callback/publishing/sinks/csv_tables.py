"""Tables of a run: CSV files that are appended to, sound after a crash, and go on after a resume.

A table has one kind of row, a named tuple of whole numbers, texts and floating-point numbers, among them ``step``.
Numbers read back to the last digit. A file that is not this run's is moved aside: nothing that a user has there is
overwritten.
"""

from __future__ import annotations

import csv
import io
import os
import shutil
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

from lime_callback.checks.whole_files import move_aside, replacing

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

Row = TypeVar("Row", bound=tuple[Any, ...])

_ODD = "surrogatepass"  # half a character, as a file's name may hold one, is kept as it is
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "'")


class CsvTable(Generic[Row]):
    """A table: reads it, and appends to it. With several processes, only the one of rank zero appends.

    A run calls `start` or `rewind` before it appends. Where neither is called, the first `append` goes on
    with the table that is there.

    Args:
        path: need not exist yet, and neither need its folder; nothing is written before the first row.

    Attributes:
        kind: the rows' class, a named tuple with a ``step``; set by each subclass, as the next one is.
        name: what the table is called, and its file without the suffix.
    """

    kind: type[Row]
    name: ClassVar[str]

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self._header = header_of(self.kind)
        self._sound = False

    @classmethod
    def read(cls, path: str | os.PathLike[str]) -> list[Row]:
        """Read all rows; one that a crash has cut off is passed over.

        Args:
            path: the file's.

        Raises:
            ValueError: if the file is no such table, or a whole row in it cannot be read.
        """
        with Path(path).open("rb") as file:
            header, *records = [*records_of(file)] or [b""]
        if not (columns := columns_of(header, cls.kind)):
            raise ValueError(
                f"`path` should be a {cls.name}, which begins with {header_of(cls.kind).decode().strip()!r}. Found "
                f"{header[:200]!r} in {str(path)!r}; pass the `{cls.name}.csv` of a run."
            )
        rows = []
        for number, record in enumerate(filter(is_whole, records), start=1):
            row = parse(record, cls.kind, columns)
            if row is None:
                raise ValueError(
                    f"`path` should be a {cls.name} with {columns} cells in every row, numbers where they "
                    f"belong. Found row {number} of {str(path)!r} to be {record[:200]!r}; mend or remove it."
                )
            rows.append(row)
        return rows

    def start(self) -> Path | None:
        """Begin a run afresh: a file that is there already is moved aside.

        Returns:
            Where it is now, ``history.1.csv`` or the next number that is free; ``None`` if there was no file.
        """
        self._sound = True
        return move_aside(self.path)

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
            header = next(records_of(file), b"")
        if columns := columns_of(header, self.kind):
            self._keep_up_to(step, columns)
        elif self._header.startswith(header):
            self.path.unlink()  # a crash came before the header was whole: there is no row to keep
        else:
            return self.start()
        self._sound = True
        return None

    def go_on(self, before: str | os.PathLike[str], step: int) -> Path | None:
        """Go on with a run that was interrupted at ``step``, see `rewind`.

        Args:
            before: where that run wrote its table. If it was elsewhere it is copied, and stays there as it is.
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

    def append(self, rows: Iterable[Row]) -> None:
        """Write all rows in one go, to the disk.

        Raises:
            OSError: if that fails, for example on a full disk; the file is then as it was before.
        """
        lines = _lines(rows, self.kind)
        if not lines:
            return
        if not self._sound:
            self.rewind()
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("ab", buffering=0) as file:
            size = file.seek(0, os.SEEK_END)
            rest = memoryview(lines if size else self._header + lines)
            try:
                while rest:
                    rest = rest[file.write(rest) :]
                os.fsync(file.fileno())
            except BaseException:
                self._sound = False  # should cutting off fail as well, the next append mends the end first
                file.truncate(size)
                raise

    def _keep_up_to(self, step: int | None, columns: int) -> None:
        at = fields_of(self.kind).index("step")
        with replacing(self.path) as file, self.path.open("rb") as old:
            records = records_of(old)
            next(records)
            file.write(self._header)
            whole = columns == len(fields_of(self.kind))
            for record in filter(is_whole, records):
                row = parse(record, self.kind, columns)
                # A row that cannot be read is none of ours, and so it stays.
                if row is None or step is None or row[at] <= step:
                    file.write(record if whole or row is None else _lines([row], self.kind))
            file.flush()
            os.fsync(file.fileno())


def fields_of(kind: type[Row]) -> tuple[str, ...]:
    """The columns."""
    return tuple(kind.__annotations__)


def header_of(kind: type[Row]) -> bytes:
    """The first line of a table."""
    return (",".join(fields_of(kind)) + "\r\n").encode()


def columns_of(header: bytes, kind: type[Row]) -> int:
    """How many of the columns a table has, by its first line; 0 if it is no such table.

    A table of an earlier version has the first columns: those that came later have defaults.
    """
    names, found = fields_of(kind), header.rstrip(b"\r\n").decode(errors="replace").split(",")
    needed = len(names) - len(getattr(kind, "_field_defaults", {}))
    fits = is_whole(header) and len(found) >= needed and tuple(found) == names[: len(found)]
    return len(found) if fits else 0


def is_whole(record: bytes) -> bool:
    """Whether a record has its end; a crash can cut off the last one of a file."""
    return record.endswith(b"\n") and record.count(b'"') % 2 == 0


def records_of(file: Iterable[bytes]) -> Iterator[bytes]:
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


def _lines(rows: Iterable[Row], kind: type[Row]) -> bytes:
    buffer = io.StringIO(newline="")
    # The writer's line ends make it quote every line break in a cell.
    csv.writer(buffer).writerows(_cells(row, kind) for row in rows)
    return buffer.getvalue().encode(errors=_ODD)


def _cells(row: Row, kind: type[Row]) -> list[object]:
    return [_WRITTEN[one](value) for one, value in zip(_types(kind), row, strict=True)]


def parse(record: bytes, kind: type[Row], columns: int | None = None) -> Row | None:
    """The row in a record of the first ``columns`` (``None``: of all); ``None`` if it is none of this kind."""
    try:
        (cells,) = csv.reader(io.StringIO(record.decode(errors=_ODD), newline=""), strict=True)
        return kind(*(_READ[one](cell) for one, cell in zip(_types(kind)[:columns], cells, strict=True)))
    except (ValueError, csv.Error):
        return None


@lru_cache
def _types(kind: type[Row]) -> tuple[str, ...]:
    """The names of the columns' types, which are references where annotations are text."""
    return tuple(getattr(one, "__forward_arg__", None) or one.__name__ for one in kind.__annotations__.values())


def _escape(text: str) -> str:
    """Keep spreadsheets from running a name as a formula; an apostrophe is doubled, so that it reads back."""
    return f"'{text}" if text.startswith(_FORMULA) else text


def _unescape(text: str) -> str:
    return text.removeprefix("'")


_WRITTEN: dict[str, Any] = {"int": int, "str": lambda x: _escape(str(x)), "float": lambda x: repr(float(x))}
_READ: dict[str, Any] = {"int": int, "str": _unescape, "float": float}

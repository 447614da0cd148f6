"""CSV files to which a run appends rows, which survive a crash and continue after a resume.

All rows of a table are of one kind: a named tuple of whole numbers, texts and floating-point numbers, with the fields
``epoch``, ``step``, ``view`` and ``epochs``. Numbers read back exactly. A file that is in the way is moved aside, so
that no file of the user is overwritten. Earlier versions counted epochs from 0 and wrote no column ``epochs``; their
rows are counted from 1 when they are read, and a resumed run writes them anew.
"""

from __future__ import annotations

import csv
import io
import os
import shutil
from functools import lru_cache
from math import isnan, nan
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, ClassVar, Generic, TypeVar

from lime_callback.checks.whole_files import check_regular, move_aside, replacing, sweep

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

Row = TypeVar("Row", bound=tuple[Any, ...])

_LONGEST = 1 << 20  # bytes of a row that is read; names make hundreds
_ODD = "surrogatepass"  # keeps half characters, which names of files may hold
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "'")


class ForeignRowsError(Exception):
    """Somebody else has written into a table to which a run appends."""


class CsvTable(Generic[Row]):
    """Reads a table and appends rows to it. With several processes, only rank zero appends.

    A run calls `start`, `rewind` or `go_on` before it appends. Otherwise the first `append` continues the table in the
    file.

    Args:
        path: the file's path; neither the file nor its folder has to exist before the first row is written.

    Attributes:
        kind: the rows' class, a named tuple; each subclass sets it.
        name: the table's name and its file's name without the suffix; each subclass sets it.
    """

    kind: type[Row]
    name: ClassVar[str]

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self._header = header_of(self.kind)
        self._sound = False
        self._size = 0  # of the file, as this table left it

    @classmethod
    def read(cls, path: str | os.PathLike[str]) -> list[Row]:
        """Read all rows, except a last one that a crash has cut off.

        Args:
            path: the file's path.

        Raises:
            ValueError: if the file's first line is not that of this table, or a complete row cannot be read.
            OSError: if the file cannot be read.
        """
        check_regular(Path(path))
        with Path(path).open("rb") as file:
            header, *records = [*records_of(file, _LONGEST)] or [b""]
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
        """Begin a new table; move a file that exists already aside.

        Returns:
            The moved file's new path, ``history.1.csv`` or the next free number; ``None`` if there was no file.
        """
        self._sound, self._size = True, 0
        return move_aside(self.path)

    def rewind(self, step: int | None = None, without: Collection[str] = (), epochs: float = nan) -> Path | None:
        """Continue a table after ``step``: drop later rows, and a last row that a crash has cut off.

        The file is replaced in one go, so that a crash meanwhile leaves the old file.

        Args:
            step: the last step whose rows are kept; ``None`` keeps all.
            without: names of views whose rows are dropped, too.
            epochs: the last count of epochs trained whose rows are kept; decides, where known, since steps may repeat.

        Returns:
            If the file has the header of another table, the path to which `start` has moved it; otherwise ``None``.
        """
        sweep(self.path.parent)
        if not self.path.is_file():
            return self.start()
        with self.path.open("rb") as file:
            header = next(records_of(file), b"")
        if columns := columns_of(header, self.kind):
            self._keep_up_to(step, columns, without, epochs)
        elif self._header.startswith(header):
            self.path.unlink()  # a crash cut off the header, so there are no rows to keep
        else:
            return self.start()
        self._sound, self._size = True, self.path.stat().st_size if self.path.exists() else 0
        return None

    def go_on(self, before: str | Path, step: int, without: Collection[str] = (), epochs: float = nan) -> Path | None:
        """Continue the table of a run that was interrupted, see `rewind`.

        Args:
            before: the path of the interrupted run's table. If it is another path than this table's, the file is copied
                and itself stays unchanged. A file that is no such table is not touched.
            step: the last step whose rows are kept.
            without: names of views whose rows are not taken over.
            epochs: the last count of epochs trained whose rows are kept, where it is known.

        Returns:
            If another file was in the way, the path to which `start` has moved it; otherwise ``None``.
        """
        before = Path(before)
        if before.absolute() == self.path.absolute() or not self._is_table(before):
            return self.rewind(step, without, epochs)
        aside = self.start()
        self.path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(before, self.path)
        self.rewind(step, without, epochs)
        return aside

    def append(self, rows: Iterable[Row]) -> None:
        """Append all rows in one go, and wait until they are on the disk.

        Raises:
            ForeignRowsError: if somebody else has written into the file, such as another run; nothing is written then.
            OSError: if writing fails, for example on a full disk; the file is then as it was before.
        """
        lines = _lines(rows, self.kind)
        if not lines:
            return
        if not self._sound:
            self.rewind()
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("ab", buffering=0) as file:
            size = file.seek(0, os.SEEK_END)
            if size not in (0, self._size):  # 0: somebody has removed it
                raise ForeignRowsError(f"another run has written into {self.path}")
            rest = memoryview(lines if size else self._header + lines)
            try:
                while rest:
                    rest = rest[file.write(rest) :]
                os.fsync(file.fileno())
            except BaseException:
                self._sound = False  # if `truncate` fails too, the next append mends the end first
                file.truncate(size)
                raise
            self._size = file.tell()

    def _is_table(self, path: Path) -> bool:
        """Return whether a path, which a checkpoint names, leads to a table of this kind, and to nothing else."""
        if not path.is_file():
            return False
        with path.open("rb") as file:
            return columns_of(file.readline(_LONGEST), self.kind) > 0

    def _keep_up_to(self, step: int | None, columns: int, without: Collection[str], epochs: float) -> None:
        at, view, trained = map(fields_of(self.kind).index, ("step", "view", "epochs"))
        with replacing(self.path) as file, self.path.open("rb") as old:
            records = records_of(old)
            next(records)
            file.write(self._header)
            whole = columns == len(fields_of(self.kind))
            for record in filter(is_whole, records):
                row = parse(record, self.kind, columns)
                # Somebody else wrote a row that cannot be read, so it stays.
                column, last = (at, step) if row is None or isnan(row[trained] - epochs) else (trained, epochs)
                if row is None or ((step is None or row[column] <= last) and row[view] not in without):
                    file.write(record if whole or row is None else _lines([row], self.kind))
            file.flush()
            os.fsync(file.fileno())


def fields_of(kind: type[Row]) -> tuple[str, ...]:
    """Return the names of the columns."""
    return tuple(kind.__annotations__)


def header_of(kind: type[Row]) -> bytes:
    """Return the first line of a table."""
    return (",".join(fields_of(kind)) + "\r\n").encode()


def columns_of(header: bytes, kind: type[Row]) -> int:
    """Return how many of the kind's columns a table has, by its first line; 0 if it is not a table of this kind.

    A table of an earlier version lacks the last columns, which came later and have defaults.
    """
    # Spreadsheets write a byte order mark, which this encoding leaves out.
    names, columns = fields_of(kind), header.rstrip(b"\r\n").decode("utf-8-sig", errors="replace").split(",")
    needed = len(names) - len(getattr(kind, "_field_defaults", {}))
    fits = is_whole(header) and len(columns) >= needed and tuple(columns) == names[: len(columns)]
    return len(columns) if fits else 0


def is_whole(record: bytes) -> bool:
    """Return whether a record is complete; a crash can cut off a file's last record."""
    return record.endswith(b"\n") and record.count(b'"') % 2 == 0


def records_of(file: BinaryIO, longest: int = -1) -> Iterator[bytes]:
    """Yield a file's rows as bytes: lines, joined where a line break is quoted. The last may be incomplete.

    Args:
        file: the file.
        longest: how many bytes a row may have, so that a file without line breaks is not read as a whole; -1 for any.

    Raises:
        ValueError: if a row is longer.
    """
    lines: list[bytes] = []
    quoted, size = False, 0
    while line := file.readline(longest):
        lines.append(line)
        size += len(line)
        quoted ^= bool(line.count(b'"') % 2)
        if 0 < longest <= size:
            raise ValueError(
                f"`path` should be a table with rows of less than {longest // 1000} kB. Found a longer one, which "
                f"begins with {lines[0][:100]!r}; a quotation mark may be missing before it."
            )
        if not quoted:
            yield b"".join(lines)
            lines, size = [], 0
    if lines:
        yield b"".join(lines)


def _whole(cell: str) -> int:
    """Read a whole number of 20 digits at most, as steps have; raise a ``ValueError`` otherwise."""
    return int(cell if len(cell) <= 20 else "too large")


def _lines(rows: Iterable[Row], kind: type[Row]) -> bytes:
    buffer = io.StringIO(newline="")
    # The writer quotes every line break in a cell, since it ends lines by CR and LF.
    csv.writer(buffer).writerows(_cells(row, kind) for row in rows)
    return buffer.getvalue().encode(errors=_ODD)


def _cells(row: Row, kind: type[Row]) -> list[object]:
    return [_WRITTEN[type_name](value) for type_name, value in zip(_types(kind), row, strict=True)]


def parse(record: bytes, kind: type[Row], columns: int | None = None) -> Row | None:
    """Read a record with the kind's first ``columns`` (``None``: all); return ``None`` if it is no such row."""
    try:
        (cells,) = csv.reader(io.StringIO(record.decode(errors=_ODD), newline=""), strict=True)
        row = kind(*(_READ[type_name](cell) for type_name, cell in zip(_types(kind)[:columns], cells, strict=True)))
    except (ValueError, csv.Error):
        return None
    counts_from_1 = "epochs" in fields_of(kind)[:columns]
    return row if counts_from_1 else row._replace(epoch=row.epoch + 1)  # type: ignore[attr-defined]


@lru_cache
def _types(kind: type[Row]) -> tuple[str, ...]:
    """Return the names of the columns' types; annotations that are texts are stored as forward references."""
    return tuple(
        getattr(annotation, "__forward_arg__", None) or annotation.__name__
        for annotation in kind.__annotations__.values()
    )


def _escape(text: str) -> str:
    """Put an apostrophe before a text that a spreadsheet would run as a formula, or that begins with an apostrophe."""
    return f"'{text}" if text.startswith(_FORMULA) else text


def _unescape(text: str) -> str:
    return text.removeprefix("'")


_WRITTEN: dict[str, Any] = {"int": int, "str": lambda x: _escape(str(x)), "float": lambda x: repr(float(x))}
_READ: dict[str, Any] = {"int": _whole, "str": _unescape, "float": float}

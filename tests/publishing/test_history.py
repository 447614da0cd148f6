"""The history file: exact, sound after a crash, and never at the cost of a file that was there."""

import csv
import errno
import math
import os

import pytest

from lime_callback.publishing.sinks import HistoryFile, HistoryRow, read_history
from lime_callback.publishing.sinks.measures_csv import MeasureRow, MeasuresFile, read_measures

NASTY = [
    "=1+1",
    "+cmd|' /C calc'!A0",
    "-2",
    "@SUM(A1)",
    "\ttab",
    "\rreturn",
    "\nline",
    "'=quoted",
    "''",
    "'s-Hertogenbosch",
    "",
    "plain",
    'with "quotes", commas',
    "two\nlines\r\nthree",
    "550-580 nm · Grün",
]


def row(step=10, feature="B1", coefficient=0.5, **changes):
    values = {
        "epoch": step // 10,  # counted from 1
        "step": step,
        "view": "spectral",
        "probe": 0,
        "target": "Corn",
        "feature": feature,
        "coefficient": coefficient,
        "standard_error": 0.1,
        "score": 0.83,
        "predicted": "Oats",
        "probability": 0.75,
        "truth": "Corn",
        "epochs": step / 10,
        "region_pixels": 64,
        "region_share": 0.5,
        "region_since": 2.0,
    }
    return HistoryRow(**(values | changes))


def epoch(step):
    return [row(step, f"B{i}", coefficient=step + i / 3) for i in range(4)]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "lime" / "history.csv"


def test_rows_read_back_to_the_last_digit(path):
    numbers = [0.1 + 0.2, 1 / 3, -1e-300, 5e-324, math.inf, -math.inf, -0.0, 2.0**60]
    rows = [row(coefficient=x, standard_error=x, score=x) for x in numbers]
    HistoryFile(path).append(rows)
    assert read_history(path) == rows
    assert str(read_history(path)[6].coefficient) == "-0.0"


def test_a_number_that_is_none_reads_back(path):
    HistoryFile(path).append([row(score=math.nan)])
    assert math.isnan(read_history(path)[0].score)


def test_columns_are_tidy_for_any_reader(path):
    HistoryFile(path).append([row()])
    with path.open(newline="") as file:
        (found,) = csv.DictReader(file)
    assert list(found) == [
        "epoch",
        "step",
        "view",
        "probe",
        "target",
        "feature",
        "coefficient",
        "standard_error",
        "score",
        "predicted",
        "probability",
        "truth",
        "epochs",
        "region_pixels",
        "region_share",
        "region_since",
    ]
    assert found["feature"] == "B1"
    assert float(found["coefficient"]) == 0.5


@pytest.mark.parametrize("name", NASTY)
def test_a_name_reads_back_and_is_no_formula(path, name):
    rows = [row(view=name, target=name, feature=name), row(20)]
    HistoryFile(path).append(rows)
    assert read_history(path) == rows
    with path.open(newline="") as file:
        cells = next(csv.DictReader(file))
    assert not any(cells[column].startswith(("=", "+", "-", "@", "\t", "\r", "\n")) for column in ("view", "feature"))


def test_nothing_is_written_without_rows(path):
    history = HistoryFile(path)
    history.start()
    history.append([])
    history.rewind(3)
    assert not path.parent.exists()


def test_a_fresh_run_moves_what_is_there_aside(path):
    for run in range(3):
        history = HistoryFile(path)
        aside = history.start()
        assert aside == (path.with_name(f"history.{run}.csv") if run else None)
        history.append(epoch(run))
    assert read_history(path) == epoch(2)
    assert read_history(path.with_name("history.1.csv")) == epoch(0)
    assert read_history(path.with_name("history.2.csv")) == epoch(1)


def test_a_resumed_run_writes_the_file_of_an_uninterrupted_one(path, tmp_path):
    steps = [10, 20, 30, 40]
    whole = HistoryFile(tmp_path / "whole.csv")
    whole.start()
    for step in steps:
        whole.append(epoch(step))

    first = HistoryFile(path)
    first.start()
    for step in steps[:3]:
        first.append(epoch(step))
    resumed = HistoryFile(path)
    assert resumed.rewind(20) is None  # the checkpoint is older than the last rows
    for step in steps[2:]:
        resumed.append(epoch(step))

    assert path.read_bytes() == (tmp_path / "whole.csv").read_bytes()


def test_rewinding_before_the_first_row_leaves_a_history_that_goes_on(path):
    HistoryFile(path).append(epoch(10))
    history = HistoryFile(path)
    history.rewind(0)
    assert read_history(path) == []
    history.append(epoch(10))
    assert read_history(path) == epoch(10)


def test_a_crash_at_any_byte_is_mended(path):
    """Whatever part of the last write reached the disk, the resumed run ends with the same file."""
    last = [row(20, 'two\nlines, "quoted"'), row(20, "ä")]
    history = HistoryFile(path)
    history.append(epoch(10))
    before = path.read_bytes()
    history.append(last)
    after = path.read_bytes()
    for cut in range(len(before), len(after)):
        path.write_bytes(after[:cut])
        assert read_history(path)[:4] == epoch(10)
        history = HistoryFile(path)
        history.rewind(10)
        assert path.read_bytes() == before
        history.append(last)
        assert path.read_bytes() == after


def test_a_crash_within_the_first_write_is_mended(path):
    HistoryFile(path).append(epoch(10))
    after = path.read_bytes()
    for cut in range(after.index(b"\n") + 1):
        path.write_bytes(after[:cut])
        history = HistoryFile(path)
        history.rewind(0)
        history.append(epoch(10))
        assert path.read_bytes() == after
    assert list(path.parent.iterdir()) == [path]


def test_appending_without_a_word_mends_the_end_and_goes_on(path):
    HistoryFile(path).append(epoch(10))
    with path.open("ab") as file:
        file.write(b"2,20,spec")
    HistoryFile(path).append(epoch(20))
    assert read_history(path) == epoch(10) + epoch(20)


@pytest.mark.parametrize("foreign", [b"my,own,table\n1,2,3\n", b"epoch\n1\n", b'"', b"\x89PNG\r\n\x1a\n\xff\x00"])
@pytest.mark.parametrize("open_it", [HistoryFile.rewind, lambda history: history.append(epoch(10))])
def test_a_file_with_another_header_is_moved_aside(path, foreign, open_it):
    path.parent.mkdir()
    path.write_bytes(foreign)
    history = HistoryFile(path)
    open_it(history)
    history.append(epoch(20))
    assert path.with_name("history.1.csv").read_bytes() == foreign
    assert read_history(path)[-4:] == epoch(20)


def test_a_whole_row_that_is_not_ours_stays(path):
    HistoryFile(path).append(epoch(10))
    with path.open("ab") as file:
        file.write(b"# my note\n")
    HistoryFile(path).rewind(5)
    assert path.read_bytes().endswith(b"truth,epochs,region_pixels,region_share,region_since\r\n# my note\n")


def test_a_write_that_fails_leaves_no_part_of_it(path, monkeypatch):
    history = HistoryFile(path)
    history.append(epoch(10))
    before = path.read_bytes()

    def full(_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        history.append(epoch(20))
    assert path.read_bytes() == before
    monkeypatch.undo()
    history.append(epoch(20))
    assert read_history(path) == epoch(10) + epoch(20)


def test_a_crash_while_rewinding_leaves_the_old_file(path, monkeypatch):
    HistoryFile(path).append(epoch(10) + epoch(20))

    def crash(_):
        raise KeyboardInterrupt("in the middle")

    monkeypatch.setattr(os, "fsync", crash)
    with pytest.raises(KeyboardInterrupt, match="in the middle"):
        HistoryFile(path).rewind(10)
    assert read_history(path) == epoch(10) + epoch(20)


def test_reading_another_file_says_so(tmp_path):
    other = tmp_path / "metrics.csv"
    other.write_text("epoch,loss\n1,0.5\n")
    with pytest.raises(ValueError, match=r"`path` should be a history, which begins with 'epoch,step,view.*epoch,loss"):
        read_history(other)
    other.write_text("")
    with pytest.raises(ValueError, match="`path` should be a history"):
        read_history(other)


def test_reading_a_row_that_is_not_ours_says_which(path):
    HistoryFile(path).append(epoch(10))
    with path.open("ab") as file:
        file.write(b"1,10,spectral,0,Corn,B9,0.5,0.1\r\n")
    with pytest.raises(ValueError, match=r"16 cells in every row.*Found row 5"):
        read_history(path)


OLD = b"epoch,step,view,probe,target,feature,coefficient,standard_error,score"
NO_REGION = {"epochs": math.nan, "region_pixels": -1, "region_share": math.nan, "region_since": math.nan}
UNKNOWN = {"predicted": "", "probability": math.nan, "truth": "", **NO_REGION}


@pytest.fixture(params=["does not know predictions", "counts from 0"])
def before(path, request):
    """Rows of a history of a version before, which counted epochs from 0, as the rows that they are now."""
    more = (b",predicted,probability,truth", b",Oats,0.75,Corn") if request.param == "counts from 0" else (b"", b"")
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [b"0,10,spectral,0,Corn,B1,0.5,0.1,0.83", b"1,20,spectral,0,Corn,B1,0.5,0.1,0.83"]
    path.write_bytes(b"".join(line + b"\r\n" for line in (OLD + more[0], *(line + more[1] for line in lines))))
    return [row(step, **(UNKNOWN if not more[0] else NO_REGION)) for step in (10, 20)]


def test_a_history_of_before_reads_as_one_that_does_not_know(path, before):
    assert repr(before) == repr(read_history(path))
    assert [row.epoch for row in before] == [1, 2]


@pytest.mark.parametrize("goes_on", ["at once", "after a rewind", "in another folder"])
def test_a_run_of_before_goes_on_with_one_count_in_its_file(path, before, goes_on):
    """Also where the run that goes on begins to write without a word."""
    history = HistoryFile(path if goes_on != "in another folder" else path.parent / "new" / "history.csv")
    if goes_on == "after a rewind":
        assert history.rewind(20) is None
    elif goes_on == "in another folder":
        assert history.go_on(path, 20) is None
    history.append(epoch(30))
    assert repr(read_history(history.path)) == repr([*before, *epoch(30)])
    with history.path.open(newline="") as file:
        assert [line["epoch"] for line in csv.DictReader(file)] == ["1", "2", "3", "3", "3", "3"]
    assert not path.with_name("history.1.csv").exists()
    HistoryFile(history.path).rewind(30)  # what is counted from 1 is not counted anew
    assert repr(read_history(history.path)) == repr([*before, *epoch(30)])


def test_measures_of_before_are_counted_from_1(path):
    path = path.with_name("measures.csv")
    path.parent.mkdir(parents=True)
    path.write_bytes(b"epoch,step,view,measure,value\r\n0,10,spectral,score,0.5\r\n")
    rows = [MeasureRow(1, 10, "spectral", "score", 0.5), MeasureRow(2, 20, "spectral", "score", 0.6, 2.0)]
    assert repr(read_measures(path)) == repr(rows[:1])
    MeasuresFile(path).append(rows[1:])
    assert repr(read_measures(path)) == repr(rows)


@pytest.mark.usefixtures("before")
def test_a_row_of_before_that_is_too_short_says_so(path):
    path.write_bytes(path.read_bytes() + b"3,30,spectral\r\n")
    with pytest.raises(ValueError, match=r"(9|12) cells in every row.*Found row 3"):
        read_history(path)

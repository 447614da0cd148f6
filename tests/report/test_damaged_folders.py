"""A run's folder that somebody else has written, or damaged: a note or an error each, and no harm."""

import codecs
import io
import json
import os
import shutil
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from report_pages import history

from lime_callback import Explanation, Features, explain
from lime_callback.__main__ import main
from lime_callback.checks.whole_files import replacing
from lime_callback.publishing.run_metadata import FORMAT
from lime_callback.publishing.sinks import HistoryFile, HistoryRow
from lime_callback.publishing.sinks.measures_csv import MeasureRow, MeasuresFile
from lime_callback.report import read
from lime_callback.report.html_page import page_text

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))
import report_fuzz


def explanation():
    mask = torch.tensor([0, 1, 2, 3]).view(1, 4, 1, 1)
    return explain(
        lambda x: x.mean((2, 3)),
        torch.rand(2, 4, 2, 2),
        Features(mask, tuple("abcd"), "CHW"),
        target=0,
        baseline="zero",
    )


def altered(path, **members):
    """Replace arrays of an explanation's file by bytes."""
    with zipfile.ZipFile(path) as file:
        all_members = {name: file.read(name) for name in file.namelist()} | members
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name, data in all_members.items():
            file.writestr(name, data)


# ---- files that are written


def test_a_link_in_the_way_of_a_partial_file_is_not_followed(tmp_path):
    victim, path = tmp_path / "victim", tmp_path / "run.json"
    victim.write_text("mine")
    for name in ("run.json.part", "run.json.tmp"):
        (tmp_path / name).symlink_to(victim)
    path.symlink_to(victim)
    with replacing(path) as file:
        assert Path(file.name).name.startswith("run.json.")
        file.write(b"{}")
    assert victim.read_text() == "mine"
    assert path.read_text() == "{}"
    assert not path.is_symlink()


def test_a_partial_file_does_not_stay_when_writing_fails(tmp_path):
    with pytest.raises(OSError, match="no disk"), replacing(tmp_path / ("x" * 250)):
        raise OSError("no disk")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("other", ["a secret\nof another\n", ""], ids=["another file", "an empty file"])
def test_a_checkpoint_cannot_have_any_file_copied(tmp_path, other):
    """Its state names the history that is gone on with; only what is one is read."""
    secret, table = tmp_path / "secret", HistoryFile(tmp_path / "run" / "history.csv")
    secret.write_text(other)
    assert table.go_on(secret, 3) is None
    history(tmp_path / "run")
    assert {path.name for path in (tmp_path / "run").iterdir()} == {"history.csv"}
    (tmp_path / "before").mkdir()
    rows = history(tmp_path / "before", epochs=3)
    new = HistoryFile(tmp_path / "new" / "history.csv")
    new.go_on(tmp_path / "before" / "history.csv", 20)
    assert [row[:9] for row in HistoryFile.read(new.path)] == [row[:9] for row in rows if row.step <= 20]


# ---- files that are read


def test_a_view_cannot_lead_out_of_the_folder(tmp_path):
    folder = tmp_path / "a" / "b"
    folder.mkdir(parents=True)
    explanation().save(tmp_path / "x.npz")
    for number, view in enumerate(("../../x", str(tmp_path / "x"), "..", "a/../../../x")):
        (folder / str(number)).mkdir()
        history(folder / str(number), view=view)
        found = read(folder / str(number))
        assert found.explanations == {}
        assert any("no view has such a name" in note for note in found.notes)


WRONG = {
    "name": [1],
    "wavelengths": "400",
    "class_names": [None],
    "views": [{"name": "spatial"}, 3],
    "settings": [],
    "gate": "<script>",
    "reference": "yes",
    "watch": {"green": 1},
    "anew": 2,
    "probes": "<script>alert(1)</script>",
}


@pytest.mark.parametrize("name", WRONG)
def test_settings_of_another_shape_are_left_out_with_a_note(tmp_path, name):
    history(tmp_path)
    sound = {"format": FORMAT, "gate": 0.5, "settings": {"design": "paired"}}
    (tmp_path / "run.json").write_text(json.dumps(sound | {name: WRONG[name]}))
    found = read(tmp_path)
    assert f"run.json is shown without {name!r}, which is not of the kind that a run writes." in found.notes
    assert found.about.get("settings" if name != "settings" else "gate") == (
        {"design": "paired"} if name != "settings" else 0.5
    )
    assert "<script>alert" not in page_text([found])


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[" * 5000, "run.json could not be read"),
        ("[]", "it is not of this format"),
        (json.dumps({"format": FORMAT, "settings": json.loads("[" * 900 + "]" * 900)}), "without 'settings'"),
        (json.dumps({"format": FORMAT, "settings": {"a": int("9" * 400)}}), "without 'settings'"),
        (json.dumps({"format": FORMAT, "probes": [{"number": 0, "picture": "javascript:1"}]}), "without 'probes'"),
        (json.dumps({"format": FORMAT, "probes": [{"number": int("9" * 400)}]}), "without 'probes'"),
    ],
    ids=["900 levels", "list", "deep settings", "number of 400 digits", "picture", "probe of 400 digits"],
)
def test_settings_that_would_do_harm_are_told(tmp_path, text, told):
    history(tmp_path)
    (tmp_path / "run.json").write_text(text)
    found = read(tmp_path)
    assert any(told in note for note in found.notes)
    page_text([found])


SOUND = json.dumps(
    {"name": "place", "subject": "a", "sentence": "b", "advice": "c", "severity": 1.0, "p_value": 0.0, "figures": {},
     "picture": "", "epoch": 0, "look": 1, "last": 2, "closed": None}
)  # fmt: skip


def with_line(**changes):
    return json.dumps(json.loads(SOUND) | changes)


@pytest.mark.parametrize(
    "line",
    [
        "[" * 5000, "[]", "{}", "no JSON", with_line(severity=3), with_line(severity="<script>"), with_line(epoch=-1),
        with_line(epoch=int("9" * 400)), with_line(sentence="x" * 3000), with_line(figures={"x": 1}),
        with_line(figures={"x": {"value": "1"}}), with_line(figures={str(i): {} for i in range(100)}),
        with_line(figures=json.loads("[" * 900 + "]" * 900)), with_line(closed="soon"), with_line(name=None),
        with_line(severity=float("nan")), with_line(p_value=float("inf")),
    ],
    ids=lambda line: line[:20] + line[-30:],
)  # fmt: skip
def test_a_line_that_is_no_finding_is_left_out_with_a_note(tmp_path, line):
    history(tmp_path)
    (tmp_path / "findings.jsonl").write_text(f"{SOUND}\n{line}\n\n{SOUND}")
    found = read(tmp_path)
    assert "findings.jsonl is shown without line 2, which is no finding." in found.notes
    assert [one.name for one in found.findings] == ["place", "place"]
    page_text([found])


def test_lines_and_findings_beyond_all_measure_are_told(tmp_path):
    history(tmp_path)
    path = tmp_path / "findings.jsonl"
    path.write_text("{}\n" * 100_000)
    notes = read(tmp_path).notes
    assert len([note for note in notes if "findings.jsonl" in note]) == 6
    assert "findings.jsonl is shown without 99995 more lines, which are no findings." in notes
    path.write_text(f"{SOUND}\n" * 1000)
    found = read(tmp_path)
    assert len(found.findings) == 200
    assert "findings.jsonl is shown without 800 of its 1000 findings." in found.notes
    path.write_text(f"{SOUND}\n" * 100_000)
    found = read(tmp_path)
    assert found.findings is None
    assert any("findings.jsonl could not be read (it has" in note for note in found.notes)
    path.write_bytes(SOUND.encode() + b"\n\xff\n")
    assert any("findings.jsonl could not be read" in note for note in read(tmp_path).notes)


def test_a_step_of_400_digits_is_told(tmp_path, capsys):
    history(tmp_path)
    path = tmp_path / "history.csv"
    path.write_text(path.read_text().replace(",10,", f",{'9' * 400},"))
    assert main(["report", str(tmp_path)]) == 1
    assert "numbers where they belong. Found row 1" in capsys.readouterr().err


def test_a_row_without_an_end_is_told(tmp_path):
    history(tmp_path)
    path = tmp_path / "history.csv"
    with path.open("ab") as file:
        file.write(b'1,10,"' + b"x\r\n" * 500_000)
    with pytest.raises(ValueError, match=r"rows of less than 1048 kB.* a quotation mark may be missing"):
        read(tmp_path)


def test_rows_that_ask_for_gigabytes_are_left_out_with_a_note(tmp_path):
    history(tmp_path)
    HistoryFile(tmp_path / "history.csv").append(
        HistoryRow(k, k, "large", k, "Corn", f"feature {k}", 0.0, 0.1, 0.9) for k in range(3000)
    )
    found = read(tmp_path)
    assert any(note.startswith("View 'large' is left out: its rows name so many") for note in found.notes)
    assert {row.view for row in found.history} == {"spectral"}
    (tmp_path / "alone").mkdir()
    HistoryFile(tmp_path / "alone" / "history.csv").append(
        row for row in HistoryFile.read(tmp_path / "history.csv") if row.view == "large"
    )
    with pytest.raises(ValueError, match="View 'large' is left out"):
        read(tmp_path / "alone")


def test_measures_that_ask_for_gigabytes_are_left_out_with_a_note(tmp_path):
    history(tmp_path, epochs=1500)
    MeasuresFile(tmp_path / "measures.csv").append(MeasureRow(1, 10, "spectral", f"m{k}", 0.0) for k in range(1000))
    found = read(tmp_path)
    assert "measures.csv is left out: it names 1000 different measures." in found.notes
    assert found.measures == []


@pytest.mark.parametrize("name", ["run.json", "measures.csv", "spectral.npz", "findings.jsonl"])
def test_a_pipe_in_place_of_a_file_is_told(tmp_path, name):
    history(tmp_path)
    os.mkfifo(tmp_path / name)
    assert any(note.startswith(f"{name} could not be read (it is no ordinary file)") for note in read(tmp_path).notes)


def test_a_pipe_in_place_of_the_history_is_no_history(tmp_path):
    os.mkfifo(tmp_path / "history.csv")
    with pytest.raises(FileNotFoundError, match=r"Found a folder with history\.csv"):
        read(tmp_path)
    with pytest.raises(ValueError, match="it is no ordinary file"):
        Explanation.load(tmp_path / "history.csv")


def test_a_file_that_asks_for_8_gigabytes_is_told(tmp_path):
    """By the header of an array, and by what is packed."""
    path = tmp_path / "spectral.npz"
    for data in (
        report_fuzz.header((1 << 30,), "<f8") + b"\0" * 64,
        report_fuzz.header((1 << 20,), "<f8") + bytes(1 << 23),
    ):
        explanation().save(path)
        altered(path, **{"coefficients.npy": data})
        with pytest.raises(ValueError, match=r"its arrays ask for \d+ MB, and the file has 0\.\d"):
            Explanation.load(path)
    history(tmp_path)
    assert any("its arrays ask for" in note for note in read(tmp_path).notes)


def test_complex_numbers_are_told(tmp_path):
    path = tmp_path / "one.npz"
    explanation().save(path)
    buffer = io.BytesIO()
    np.save(buffer, explanation().score.numpy().astype("<c8"))
    altered(path, **{"score.npy": buffer.getvalue()})
    with pytest.raises(ValueError, match="`score` should hold real numbers there"):
        Explanation.load(path)


def test_a_sound_run_has_no_note_and_all_its_settings(run):
    found = read(run)
    assert found.notes == []
    written = json.loads((run / "lime" / "run.json").read_text())
    assert found.about == {name: value for name, value in written.items() if value is not None}


def test_damaged_folders(run, tmp_path):
    """A short run of `benchmarks/report_fuzz.py`, which runs for ten minutes."""
    shutil.copytree(run / "lime", tmp_path / "run")
    sound = report_fuzz.with_findings(tmp_path / "run")
    told = {number: report_fuzz.build(sound, tmp_path / "work", 7, number) for number in range(60)}
    assert {number: wrong for number, wrong in told.items() if wrong[0]} == {}


def test_a_page_does_not_take_the_place_of_a_pipe_or_a_device(tmp_path, capsys):
    history(tmp_path / "run")
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    for output in (pipe, Path(os.devnull)):
        assert main(["report", str(tmp_path / "run"), "--output", str(output)]) == 1
        assert "`path` of the page should be a file's. Found" in capsys.readouterr().err
    assert pipe.is_fifo()


def test_a_history_that_a_spreadsheet_has_saved_again_is_read(tmp_path):
    rows = history(tmp_path)
    path = tmp_path / "history.csv"
    path.write_bytes(codecs.BOM_UTF8 + path.read_bytes())
    assert str(HistoryFile.read(path)) == str(rows)  # some cells are NaN

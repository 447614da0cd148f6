"""Files of the version before load: `small_run.py`, run with that version, left what `of_version_before` holds."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from logged_names import further_classes, verdict_measures
from small_run import CHECKPOINT, small_run

from lime_callback import Explanation
from lime_callback.publishing.sinks import read_history
from lime_callback.publishing.sinks.measures_csv import read_measures
from lime_callback.report import read, write_page

BEFORE = Path(__file__).parent / "of_version_before"
NUMBERS = slice(6, 9)  # coefficient, standard error, score
VIEWS = {"spatial": 9, "spectral": 2}  # features


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A copy of the files, as the working directory, in which they were made."""
    shutil.copytree(BEFORE, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_run_goes_on_from_the_checkpoint(folder):
    rows, measures = read_history("lime/history.csv"), read_measures("lime/measures.csv")
    small_run(CHECKPOINT)
    again = read_history("lime/history.csv")
    # The rows up to the checkpoint are kept to the last digit, but for the count of epochs, which was from 0.
    kept = [row for row in again if row.epoch <= 2]
    assert repr(kept) == repr(rows[: len(kept)])
    assert len(kept) == len(rows) * 2 / 3
    assert {(row.epoch, row.epochs) for row in again if row.epoch > 2} == {(3, 3.0)}
    assert [int(line.split(b",")[0]) for line in (BEFORE / "lime" / "history.csv").read_bytes().splitlines()[1:]] == [
        row.epoch - 1 for row in rows
    ]
    assert [row[:6] for row in again] == [row[:6] for row in rows]
    for now, then in zip(again, rows, strict=True):
        assert now[NUMBERS] == pytest.approx(then[NUMBERS], rel=1e-3, abs=1e-4)
    values = {row[:4]: row.value for row in read_measures("lime/measures.csv")}
    then = {row[:4] for row in measures}
    assert then <= values.keys()
    since = {"reliance_everything", "reliance_of_classes"} | verdict_measures("first")
    found = {measure for *_, measure in values.keys() - then}
    assert found - further_classes("first") == since  # which are written since
    # Drift is measured against the explanations in the checkpoint.
    for row in measures:
        if row.measure in {"drift", "drift_from_start", "noise_floor", "watch/first"}:
            assert values[row[:4]] == pytest.approx(row.value, abs=1e-3), row


def test_the_checkpoint_loads_weights_only_and_names_no_class_of_ours(folder):
    """So that a class that moves to another module, or is called something else, takes no checkpoint along."""
    content = torch.load(CHECKPOINT, weights_only=True)
    assert "LimeCallback{'name': 'lime'}" in content["callbacks"]
    assert b"lime_callback" not in Path(CHECKPOINT).read_bytes()


@pytest.mark.filterwarnings("ignore:LimeCallback 'lime'. 'first' is what the model rests on")
def test_the_checkpoint_serves_as_a_reference(folder):
    trainer, _ = small_run(reference=CHECKPOINT)
    assert 0 < trainer.callback_metrics["lime/spectral/drift_from_reference"] < 2


def test_tables_and_report_are_read(folder):
    run = read(folder)
    assert run.notes == []
    assert run.about == json.loads(Path("lime/run.json").read_text())
    assert (
        {row.view for row in run.history} == {row.view for row in run.measures} == run.explanations.keys() == {*VIEWS}
    )
    assert {row.epoch for row in run.history} == {1, 2, 3}
    assert "95 % interval" in run._repr_html_()
    assert write_page([run], "page.html").stat().st_size > 10_000


@pytest.mark.parametrize("view", VIEWS)
def test_explanations_are_loaded(folder, view):
    explanation = Explanation.load(f"lime/{view}.npz")
    rows = [row for row in read_history("lime/history.csv") if (row.view, row.epoch) == (view, 3)]
    assert explanation.coefficients.flatten().tolist() == pytest.approx([row.coefficient for row in rows])
    assert len(explanation.features) == VIEWS[view]
    assert explanation.score.flatten().tolist() == pytest.approx([row.score for row in rows[:: VIEWS[view]]])
    assert explanation.effects.abs().sum(-1).flatten().tolist() == pytest.approx([1.0] * 3)

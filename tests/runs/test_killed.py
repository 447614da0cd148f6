"""A run that is killed, at any moment and any number of times, goes on as if it had not been; see killing.py."""

import json
import os
import subprocess
import sys
from pathlib import Path

import torch
from killing import DRAWN, EPOCHS, FEW, KILLS, PLACES
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from lime_callback import Explanation
from lime_callback.publishing.sinks import read_history

VIEWS = ("spatial", "spectral")
ROWS = 2 * (4 + 3)  # of an epoch: probes, and the features of both views


def killed(how, folder):
    script = Path(__file__).parents[1] / "killing.py"
    settings = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "TMPDIR": str(folder)}
    done = subprocess.run(
        [sys.executable, script, how, folder], env=os.environ | settings, capture_output=True, text=True, timeout=280,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-5000:]
    return json.loads(done.stdout.splitlines()[-1])


def logged(folder):
    """All that is in the event files, by kind, tag and step; each of them has to open. Times are left out."""
    found = {}
    for path in sorted(folder.rglob("events.out.tfevents*"), key=lambda path: path.stat().st_mtime_ns):
        one = EventAccumulator(str(path), size_guidance={"images": 0, "scalars": 0}).Reload()
        tags = one.Tags()
        for tag in set(tags["scalars"]) - {"lime/seconds"}:
            found |= {("scalar", tag, event.step): event.value for event in one.Scalars(tag)}
        for tag in tags["images"]:
            found |= {("picture", tag, event.step): event.encoded_image_string for event in one.Images(tag)}
    return found


def check_as_if_never_killed(parts, whole, epochs):
    """History, explanations, scalars and pictures of the run in ``parts`` are those of the one in ``whole``."""
    # A run that was killed before there was a checkpoint keeps its folder; the one that began anew has the last.
    ours, theirs = (max((folder / "lightning_logs" / "version_0").glob("lime*")) for folder in (parts, whole))
    rows = read_history(ours / "history.csv")
    keys = [(row.epoch, row.step, row.view, row.probe, row.target, row.feature) for row in rows]
    assert len(set(keys)) == len(keys) == epochs * ROWS
    assert {(row.epoch, row.view, row.probe) for row in rows} == {
        (epoch, view, probe) for epoch in range(1, epochs + 1) for view in VIEWS for probe in (0, 1)
    }
    assert (ours / "history.csv").read_bytes() == (theirs / "history.csv").read_bytes()
    assert (ours / "measures.csv").read_bytes() == (theirs / "measures.csv").read_bytes()
    assert (ours / "run.json").read_bytes() == (theirs / "run.json").read_bytes()
    for view in VIEWS:
        one, other = (Explanation.load(folder / f"{view}.npz") for folder in (ours, theirs))
        assert torch.equal(one.coefficients, other.coefficients)
    assert {path.suffix for path in ours.iterdir()} == {".csv", ".json", ".jsonl", ".npz"}  # and no part of a file
    found, expected = logged(parts), logged(whole)
    assert found.keys() == expected.keys()
    assert [key for key in expected if found[key] != expected[key]] == []


def test_killed_ten_times_in_the_middle_of_an_explanation(tmp_path):
    done = killed("moments", tmp_path)
    assert (done["reached"], done["code"]) == ([EPOCHS], 0)
    assert len(done["kills"]) == KILLS
    assert sum(kill["inside"] for kill in done["kills"]) > KILLS / 2, done  # how fast a machine is may change
    check_as_if_never_killed(tmp_path / "parts", tmp_path / "whole", EPOCHS)
    pictures = {step for kind, _, step in logged(tmp_path / "parts") if kind == "picture"}
    assert len(pictures) == EPOCHS
    # The first kill came before there was a checkpoint: what that run wrote is kept.
    assert all(read_history(path) for path in (tmp_path / "parts").rglob("history.csv"))


def test_killed_where_it_hurts_most(tmp_path):
    codes = killed("places", tmp_path)
    assert codes == {place: [-9, -9, 0] for place in PLACES}
    for place in PLACES:
        check_as_if_never_killed(tmp_path / place, tmp_path / ("drawn" if place == DRAWN else "undrawn"), FEW)

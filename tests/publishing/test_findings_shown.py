"""Findings reach the run's folder and the loggers: whole, once, and as they are now."""

import json
import math
from pathlib import Path

import pytest
from lightning.pytorch.callbacks import ModelCheckpoint
from toys import WAVELENGTHS, events, fit
from wandb_records import history_of

from lime_callback import LimeCallback, Superbands
from lime_callback.findings import Detector, Figure, Finding, Suspicion
from lime_callback.publishing.findings_file import write_findings
from lime_callback.publishing.sinks import MLflowSink, PictureFiles, Report, TensorBoardSink, WandbSink

pytestmark = pytest.mark.filterwarnings("ignore:LimeCallback 'lime'. epoch")


class Odd(Detector):
    """Finds something from an epoch on, and another thing in one epoch alone."""

    name = "odd"

    def __init__(self, first=0, once=1):
        self.first, self.once = first, once

    def look(self, facts):
        if facts.epoch >= self.first:
            yield suspicion("always", facts.epoch)
        if facts.epoch == self.once:
            yield suspicion("at once", facts.epoch)


class Silent(Detector):
    name = "silent"

    def look(self, facts):
        return ()


def suspicion(subject, epoch):
    figures = {"changed": Figure(0.5, 0.4, 0.6), "unknown": Figure(math.nan)}
    return Suspicion(subject, f"epoch {epoch} is odd.", "Look.", 1.0, 0.0, figures, picture="spectral/superbands")


def lime(findings, **settings):
    return LimeCallback(
        Superbands(3), wavelengths=WAVELENGTHS, n_perturbations=16, probes=2, pictures=False, findings=findings,
        every_n_epochs=1, **settings,
    )  # fmt: skip


def lines(folder):
    return [json.loads(line) for line in (folder / "lime" / "findings.jsonl").read_text().splitlines()]


def test_a_line_of_the_file_is_a_finding(tmp_path):
    one = lime([Odd()])
    fit(tmp_path, one, epochs=4)
    found = lines(tmp_path)
    assert [line["subject"] for line in found] == ["always", "at once"]
    assert [line["closed"] for line in found] == [None, 3]
    assert [line["last"] for line in found] == [3, 1]
    assert found[0]["figures"] == {
        "changed": {"value": 0.5, "low": 0.4, "high": 0.6},
        "unknown": {"value": None, "low": None, "high": None},
    }
    kept = [Finding.of_plain(line) for line in found]
    assert [(each.line, each.epoch) for each in kept] == [(each.line, each.epoch) for each in one.findings()]


def test_a_run_without_findings_says_that_somebody_looked(tmp_path):
    fit(tmp_path / "looked", lime([Silent()]), epochs=1)
    assert lines(tmp_path / "looked") == []
    fit(tmp_path / "off", lime("off"), epochs=1)
    assert not (tmp_path / "off" / "lime" / "findings.jsonl").exists()


@pytest.mark.filterwarnings("ignore:Checkpoint directory")
def test_a_resumed_run_s_file_is_that_of_an_uninterrupted_one(tmp_path):
    def part(epochs, ckpt=None):
        kept = ModelCheckpoint(tmp_path / "kept", filename="{epoch}", save_top_k=-1)
        callbacks = [lime([Odd(first=1, once=9)]), kept]
        fit(tmp_path, *callbacks, epochs=epochs, enable_checkpointing=True, ckpt=ckpt)
        return (tmp_path / "lime" / "findings.jsonl").read_text()

    whole = part(4)
    (tmp_path / "lime" / "findings.jsonl").write_text("what was told after the checkpoint\n")
    assert part(4, tmp_path / "kept" / "epoch=0.ckpt") == whole
    assert not (tmp_path / "lime_1").exists()


def test_a_crash_leaves_the_file_before(tmp_path):
    write_findings(tmp_path, [Finding("a", "b", "c", "d", 1.0, 0.0)])
    before = (tmp_path / "findings.jsonl").read_text()
    with pytest.raises(TypeError, match="not JSON serializable"):
        write_findings(tmp_path, [Finding("a", "b", object(), "d", 1.0, 0.0)])
    assert [path.name for path in tmp_path.iterdir()] == ["findings.jsonl"]
    assert (tmp_path / "findings.jsonl").read_text() == before


# ---- loggers


def finding(subject="a", severity=0.5, epoch=1, closed=None, figure=0.5):
    return Finding(
        "place",
        subject,
        f"{subject} is odd.",
        "Look.",
        severity,
        0.0,
        {"x": Figure(figure)},
        epoch=epoch,
        closed=closed,
    )


# What a run tells at three epochs: a finding, the same one with another that is worse, and the first one being over.
TOLD = ([finding()], [finding(), finding("b", 0.9, 2)], [finding(closed=3), finding("b", 0.9, 2)])


def reports():
    yield Report(1, 10)
    for epoch, found in enumerate([TOLD[0], *TOLD], start=2):
        yield Report(epoch, 10 * epoch, findings=found)


def test_tensorboard_lists_the_open_ones_when_they_change(tmp_path):
    from lightning.pytorch.loggers import TensorBoardLogger

    logger = TensorBoardLogger(tmp_path)
    logger.log_metrics({"lime/findings": 2.0}, step=20)
    sink = TensorBoardSink(logger)
    for report in reports():
        sink.write(report)
    sink.write(Report(6, 60, findings=[finding(closed=3), finding("b", 0.9, 2, closed=5)]))
    logger.finalize("success")
    found = events(tmp_path)
    (tag,) = found.Tags()["tensors"]
    assert tag.startswith("lime/findings")
    written = [(event.step, event.tensor_proto.string_val[0].decode()) for event in found.Tensors(tag)]
    first, second = "- **place**, since epoch 2: a is odd. Look.", "- **place**, since epoch 3: b is odd. Look."
    assert written == [(20, first), (40, f"{second}\n{first}"), (50, second), (60, "No finding is open.")]
    assert [event.value for event in found.Scalars("lime/findings")] == [2.0]


def test_wandb_has_a_table_of_all(offline):
    from lightning.pytorch.loggers import WandbLogger

    logger = WandbLogger(project="lime", save_dir=offline)
    sink = WandbSink(logger)
    run = Path(logger.experiment.dir).parent
    for report in reports():
        sink.write(report)
    logger.experiment.finish()
    rows = history_of(run)
    assert [row["lime/epoch"] for row in rows] == [2, 4, 5], "one row when the findings change"
    table = json.loads((run / "files" / rows[-1]["lime/findings_table"]["path"]).read_text())
    assert table["columns"] == ["name", "subject", "sentence", "severity", "epoch", "closed", "advice"]
    assert table["data"] == [
        ["place", "b", "b is odd.", 0.9, 3, None, "Look."],
        ["place", "a", "a is odd.", 0.5, 2, 4, "Look."],
    ]


@pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy is deprecated")
def test_mlflow_has_a_file_of_all(tmp_path):
    from lightning.pytorch.loggers import MLFlowLogger

    logger = MLFlowLogger(
        tracking_uri=f"sqlite:///{tmp_path / 'runs.db'}", artifact_location=str(tmp_path / "artifacts")
    )
    sink = MLflowSink(logger)
    client, run = logger.experiment, logger.run_id
    sink.write(Report(1, 10))
    assert client.list_artifacts(run) == []
    for found in (*TOLD, [finding(figure=math.inf)]):
        sink.write(Report(2, 20, findings=found))
    there = json.loads(Path(client.download_artifacts(run, "lime/findings.json", str(tmp_path))).read_text())
    assert [one["subject"] for one in there["findings"]] == ["a"]
    assert there["findings"][0]["figures"]["x"]["value"] is None


def test_a_run_brings_them_to_its_loggers(tmp_path, monkeypatch):
    seen = []
    monkeypatch.setattr(PictureFiles, "begin", lambda _, report: seen.append(report))
    fit(tmp_path, lime([Odd(once=0)]), epochs=2)
    assert [len(report.findings) for report in seen] == [2, 2]
    assert seen[0].alarms["lime/finding/odd"].count("epoch 0 is odd.") == 2, "two findings of a name share their alarm"


def test_files_hold_no_more_than_alarms(tmp_path):
    PictureFiles(tmp_path).write(Report(1, 10, findings=TOLD[0]))
    assert list(tmp_path.iterdir()) == []

"""Reports reach whatever logger there is, and read back from it as they were."""

import importlib
import re
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from lightning.pytorch.loggers import CSVLogger, Logger, TensorBoardLogger
from matplotlib.image import imread
from toys import WAVELENGTHS, events, fit
from wandb_records import history_of, records_of

from lime_callback import LimeCallback, Superbands, Superpixels
from lime_callback.publishing.sinks import (
    SINKS,
    PictureFiles,
    Report,
    TensorBoardSink,
    WandbSink,
    media_tag,
    sinks_for,
    unserved,
)
from lime_callback.publishing.sinks.picture_files import safe_name

LIGHTNINGS = ["lightning.pytorch", "pytorch_lightning"]
TAGS = ["lime/spatial/attributions", "lime/spectral/superbands", "lime/spatial/drift"]


def picture(seed=0, height=40, width=60):
    """Smooth colours: half-bright, so that a logger that rescales shows itself."""
    phase = np.random.default_rng(seed).uniform(0, 6, 3)
    y, x = np.mgrid[:height, :width]
    waves = np.sin(x[..., None] / 9 + y[..., None] / 7 + phase)
    return (127 + 60 * waves).astype(np.uint8)


def report(epoch=3, step=120):
    return Report(
        epoch=epoch,
        step=step,
        pictures={tag: picture(step + i) for i, tag in enumerate(TAGS)},
        texts={"lime/summary": "**bold** <b>&\n\n| a | b |\n|---|---|\n| 1 | 2 |"},
    )


def loggers_of(lightning):
    return importlib.import_module(f"{lightning}.loggers")


def pixels(path):
    return (imread(path)[..., :3] * 255).round().astype(np.uint8)


@pytest.mark.parametrize("lightning", LIGHTNINGS)
def test_tensorboard_holds_every_picture_at_its_step(tmp_path, lightning):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    logger = loggers_of(lightning).TensorBoardLogger(tmp_path, name="run", version=0)
    (sink,) = sinks_for([logger], tmp_path / "lime")
    for epoch, step in [(0, 40), (1, 80), (2, 120)]:
        logger.log_metrics({"lime/spatial/drift": epoch / 10}, step=step)
        sink.write(report(epoch, step))

    # Flushed by the sink: nothing closes the logger before it is read.
    events = EventAccumulator(logger.log_dir, size_guidance={"images": 0, "tensors": 0, "scalars": 0})
    events.Reload()
    assert set(events.Tags()["images"]) == set(map(media_tag, TAGS))
    for i, tag in enumerate(TAGS):
        found = events.Images(media_tag(tag))
        assert [event.step for event in found] == [40, 80, 120]
        for event in found:
            path = tmp_path / "found.png"
            path.write_bytes(event.encoded_image_string)
            assert np.array_equal(pixels(path), picture(event.step + i))
    (text,) = events.Tags()["tensors"]
    assert text.startswith("lime/summary")
    assert events.Tensors(text)[-1].tensor_proto.string_val[0].startswith(b"**bold** <b>&")
    assert [event.step for event in events.Scalars("lime/spatial/drift")] == [40, 80, 120]
    logger.finalize("success")


@pytest.mark.parametrize("lightning", LIGHTNINGS)
def test_an_offline_wandb_run_holds_pictures_and_scalars_under_the_step(offline, lightning):
    logger = loggers_of(lightning).WandbLogger(project="lime", save_dir=offline)
    (sink,) = sinks_for([logger], offline / "lime")
    logger.experiment  # noqa: B018 - starts the run
    run = Path(logger.experiment.dir).parent
    for epoch, step in [(0, 40), (1, 80)]:
        logger.log_metrics({"lime/spatial/drift": epoch / 10, "epoch": epoch}, step=step)
        sink.write(report(epoch + 1, step))
    logger.experiment.finish()

    rows = history_of(run)
    assert len(rows) == 4, "one row for the scalars and one for the report, in each epoch"
    assert [row["trainer/global_step"] for row in rows] == [40, 40, 80, 80]
    assert [row["lime/spatial/drift"] for row in rows[::2]] == [0.0, 0.1]
    assert [row["lime/epoch"] for row in rows[1::2]] == [1, 2]
    assert ["epoch" in row for row in rows] == [True, False] * 2, "Lightning's `epoch` counts from 0, ours from 1"
    for row in rows[1::2]:
        for i, tag in enumerate(TAGS):
            image = row[media_tag(tag)]
            moment = f"epoch {row['lime/epoch']}, step {row['trainer/global_step']}"
            assert image["caption"] == f"{tag.split('/')[1]}, {moment}"
            assert image["_type"] == "image-file"
            shown = pixels(run / "files" / image["path"])
            assert np.array_equal(shown, picture(row["trainer/global_step"] + i))
            assert shown.max() > 100
        text = (run / "files" / row["lime/summary"]["path"]).read_text()
        assert "<strong>bold</strong> &lt;b&gt;&amp;" in text
        assert "<td>2</td>" in text
        assert not re.search("[*][*]|<pre>|<b>", text)
    scalars, media = (
        {key for row in part for key in row if key.startswith("lime/")} for part in (rows[::2], rows[1::2])
    )
    assert not scalars & media, "a W&B key holds one kind of value"


def test_alarms_are_alerts_in_wandb(offline):
    from lightning.pytorch.loggers import WandbLogger

    logger = WandbLogger(project="lime", save_dir=offline)
    (sink,) = sinks_for([logger], offline / "lime")
    run = Path(logger.experiment.dir).parent
    sink.write(Report(0, 1, alarms={"lime/spectral/watch/water": "too much"}))
    logger.experiment.finish()
    alerts = [record.alert for record in records_of(run) if record.WhichOneof("record_type") == "alert"]
    assert [(alert.title, alert.text) for alert in alerts] == [("lime/spectral/watch/water", "too much")]


def test_a_run_in_wandb_from_the_callback(offline):
    """Pictures are there and not black, and everything stands under the step of Lightning's own scalars."""
    from lightning.pytorch.loggers import WandbLogger

    logger = WandbLogger(project="lime", save_dir=offline)
    lime = LimeCallback(views=[Superpixels("grid", 4), Superbands(3)], wavelengths=WAVELENGTHS, n_perturbations=24)
    fit(offline, lime, logger=logger, epochs=3, accumulate_grad_batches=2)
    run = Path(logger.experiment.dir).parent
    folder = offline / "lime" / logger.version
    logger.experiment.finish()

    rows = history_of(run)
    losses = [row for row in rows if "val_loss" in row]
    assert [row["epoch"] for row in losses] == [0, 1, 2]
    steps = [row["trainer/global_step"] for row in losses]
    assert steps == sorted(set(steps))
    for metric, measured in (("score", steps), ("drift", steps[1:])):  # drift is from one explained epoch to the next
        assert [row["trainer/global_step"] for row in rows if f"lime/spectral/{metric}" in row] == measured
    for tag in ("spatial/attributions", "spatial/superpixels", "spectral/superbands", "spectral/drift_chart"):
        found = [row for row in rows if f"lime/{tag}" in row]
        assert [row["trainer/global_step"] for row in found] == steps
        for row in found:
            shown = pixels(run / "files" / row[f"lime/{tag}"]["path"])
            assert shown.max() > 200
            assert shown.min() < 100
    assert (folder / "lime" / "history.csv").exists()


def test_an_empty_report_adds_no_row_to_wandb():
    logged = []
    logger = SimpleNamespace(experiment=SimpleNamespace(log=logged.append))
    WandbSink(logger).write(Report(epoch=0, step=1))
    assert logged == []


@pytest.mark.parametrize(
    ("tag", "name"),
    [
        ("lime/spatial/attributions", "lime/spatial/attributions"),
        ("lime/spatial/drift", "lime/spatial/drift_chart"),
        ("lime/cubes/score", "lime/cubes/score_chart"),
        ("lime/drift/attributions", "lime/drift/attributions"),
    ],
)
def test_a_picture_has_no_scalar_s_name(tag, name):
    assert media_tag(tag) == name


@pytest.mark.parametrize("lightning", LIGHTNINGS)
def test_every_logger_that_takes_pictures_is_served(tmp_path, lightning):
    loggers = loggers_of(lightning)

    class OwnLogger(loggers.TensorBoardLogger):
        pass

    mix = [
        loggers.CSVLogger(tmp_path),
        OwnLogger(tmp_path),
        loggers.WandbLogger(offline=True, save_dir=tmp_path),
        loggers.TensorBoardLogger(tmp_path),
    ]
    sinks = sinks_for(mix, tmp_path / "lime")
    assert [type(sink) for sink in sinks] == [TensorBoardSink, WandbSink, TensorBoardSink]
    assert [sink.logger for sink in sinks] == [mix[1], mix[2], mix[3]]
    assert list(tmp_path.iterdir()) == [], "choosing sinks starts no logger"


@pytest.mark.parametrize("lightning", LIGHTNINGS)
def test_a_logger_of_the_users_own_gets_a_sink_of_the_users_own(tmp_path, monkeypatch, lightning):
    class PageLogger(loggers_of(lightning).CSVLogger):
        pass

    class PageSink(PictureFiles):
        pass

    monkeypatch.setitem(SINKS, "PageLogger", lambda logger: PageSink(Path(logger.save_dir)))
    logger = PageLogger(tmp_path)
    assert sinks_for([logger], tmp_path / "lime") == [PageSink(tmp_path)]
    assert unserved([logger]) == []


@pytest.mark.parametrize("lightning", LIGHTNINGS)
def test_pictures_become_files_where_no_logger_takes_them(tmp_path, lightning):
    logger = importlib.import_module(f"{lightning}.loggers.logger")
    for loggers in ([], [loggers_of(lightning).CSVLogger(tmp_path)], [logger.DummyLogger()], [SimpleNamespace()]):
        assert sinks_for(loggers, tmp_path / "lime") == [PictureFiles(tmp_path / "lime")]
    assert list(tmp_path.iterdir()) == []


class CometLogger(Logger):
    """Takes numbers, and keeps them to itself."""

    name, version = "comet", "1"

    def log_metrics(self, metrics, step=None):
        pass

    def log_hyperparams(self, *args, **kwargs):
        pass


def test_a_logger_that_gets_no_pictures_is_told_of_once(tmp_path, caplog):
    """They are files then, also where another logger takes them."""
    loggers = [CometLogger(), TensorBoardLogger(tmp_path, name="", version="run"), CSVLogger(tmp_path)]
    assert unserved(loggers) == ["CometLogger"]
    lime = LimeCallback(views=Superbands(3), wavelengths=WAVELENGTHS, n_perturbations=8, probes=2)
    with caplog.at_level("INFO"):
        fit(tmp_path, lime, logger=loggers, epochs=2)
    (told,) = [one.message for one in caplog.records if "CometLogger" in one.message]
    folder = tmp_path / "run" / "lime"
    assert told.endswith(f"CometLogger gets numbers alone; the pictures are files in {folder}.")
    assert len(list(folder.glob("spectral/superbands/*.png"))) == 2
    assert len(events(tmp_path).Images("lime/spectral/superbands")) == 2


def test_files_hold_the_report(tmp_path):
    folder = tmp_path / "lime"
    PictureFiles(folder).write(report())
    for i, tag in enumerate(["spatial/attributions", "spectral/superbands", "spatial/drift"]):
        assert np.array_equal(pixels(folder / tag / "epoch-0003-step-000120.png"), picture(120 + i))
    assert (folder / "summary" / "epoch-0003-step-000120.md").read_text().startswith("**bold** <b>&")


def test_files_of_another_name_keep_it(tmp_path):
    PictureFiles(tmp_path / "lime").write(Report(0, 1, {"second/spatial/attributions": picture()}))
    assert (tmp_path / "lime/second/spatial/attributions/epoch-0000-step-000001.png").is_file()


@pytest.mark.parametrize(
    "view",
    [
        "../../../escaped",
        "..",
        ".",
        "",
        "/absolute",
        "C:\\windows",
        "NUL",
        "nul.txt",
        "-rf",
        "a:b*c?",
        "line\nbreak",
        "nothing\0",
        "x" * 5000,
        "\U00020000" * 300,
        "\ud800",
    ],
)
def test_no_name_leaves_the_folder_or_harms_it(tmp_path, view):
    folder = tmp_path / "a" / "b" / "c" / "lime"
    PictureFiles(folder).write(Report(0, 1, {f"lime/{view}/attributions": picture()}))
    (file,) = tmp_path.rglob("*.png")
    assert file.is_relative_to(folder)
    parts = file.relative_to(folder).parts[:-1]
    assert parts[-1] == "attributions"
    assert all(part.replace("-", "_").replace(".", "_").isidentifier() or part[0].isdigit() for part in parts)


@pytest.mark.parametrize("name", ["spatial", "Grün", "view-2", "B8A_1.5", "衛星"])
def test_a_plain_name_is_kept(name):
    assert safe_name(name) == name


def test_different_names_stay_different():
    names = ["a b", "a_b", "a/b", "a?b", "", ".", "..", "_", "x" * 100, "x" * 101]
    assert len(set(map(safe_name, names))) == len(names)


@pytest.mark.parametrize(
    "wrong",
    [
        picture().astype(np.float32) / 255,
        picture()[..., 0],
        np.zeros((4, 4, 4), np.uint8),
        np.zeros((0, 4, 3), np.uint8),
        [[[0, 0, 0]]],
    ],
)
def test_a_picture_that_a_logger_would_change_is_refused(wrong):
    with pytest.raises(ValueError, match=r"`pictures\['lime/x'\]` should be a uint8 array \[H, W, 3\]. Found"):
        Report(epoch=0, step=0, pictures={"lime/x": wrong})

"""What MLflow holds of a run, read back from its store."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
from lightning.pytorch.loggers import MLFlowLogger
from logged_names import PICTURES
from matplotlib.image import imread
from test_sinks import picture
from toys import WAVELENGTHS, fit

from lime_callback import LimeCallback, Superbands, Superpixels
from lime_callback.publishing.sinks import MLflowSink, Report, read_history, sinks_for
from lime_callback.views.watch import Watch

EPOCHS = 3
pytestmark = [  # MLflow's own use of SQLAlchemy and pandas
    pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy is deprecated"),
    pytest.mark.filterwarnings("ignore:For backward compatibility, 'str' dtypes are included"),
]


@pytest.fixture(scope="module")
def logger_of(tmp_path_factory):
    """Gives loggers whose runs are in one store, since a new one takes seconds."""
    folder = tmp_path_factory.mktemp("mlflow")
    return lambda **settings: MLFlowLogger(
        tracking_uri=f"sqlite:///{folder / 'runs.db'}", artifact_location=str(folder / "artifacts"), **settings
    )


@pytest.fixture(scope="module")
def run(tmp_path_factory, logger_of):
    folder, logger = tmp_path_factory.mktemp("run"), logger_of()
    lime = LimeCallback(
        [Superpixels("grid", 4), Superbands(3)], wavelengths=WAVELENGTHS, n_perturbations=96, probes=2,
        design="paired", watch={"all": Watch([0, 1, 2, 3, 4, 5], above=0.5)}, charts=True,
    )  # fmt: skip
    with pytest.warns(UserWarning, match="'all' has 100.0"):
        fit(folder, lime, logger=logger, epochs=EPOCHS)
    return (
        logger.experiment,
        logger.run_id,
        read_history(folder / logger.name / logger.run_id / "lime" / "history.csv"),
        folder,
    )


def read(run, path, folder):
    client, number, *_ = run
    return Path(client.download_artifacts(number, path, str(folder))).read_bytes()


def test_pictures_have_a_slider_over_the_steps(run, tmp_path):
    client, number, history, _ = run
    steps = sorted({row.step for row in history})
    files = [one.path for one in client.list_artifacts(number, "images") if one.path.endswith(".png")]
    keys = {}
    for path in files:
        key, _, step, *_ = path.removeprefix("images/").split("+")
        keys.setdefault(key.replace("~", "/"), []).append(int(step))
        shown = imread(client.download_artifacts(number, path, str(tmp_path)))
        assert len(np.unique(shown[..., :3].reshape(-1, 3), axis=0)) > 16
    assert keys.keys() == set(PICTURES)
    assert all(sorted(found) == [0, *steps] for found in keys.values())  # the page opens at step 0


def test_a_picture_is_stored_as_it_is(logger_of, tmp_path):
    logger = logger_of()
    (sink,) = sinks_for([logger], tmp_path)
    assert type(sink) is MLflowSink
    sink.write(Report(3, 120, {"lime/Grün (1)/drift": picture(1)}, {"lime/x y/about": "**bold**"}))
    client, number = logger.experiment, logger.run_id
    (path,) = [one.path for one in client.list_artifacts(number, "images") if one.path.endswith(".png")]
    assert path.startswith("images/lime~Gr_n _1_~drift_chart+step+120+")
    shown = imread(client.download_artifacts(number, path, str(tmp_path)))
    assert np.array_equal((shown[..., :3] * 255).round().astype(np.uint8), picture(1))
    (text,) = [one.path for one in client.list_artifacts(number, "lime") if one.is_dir]
    assert [one.path for one in client.list_artifacts(number, text)] == [f"{text}/about.md"]


def test_means_are_a_table_and_with_charts_effects_are_metrics(run):
    client, number, history, _ = run
    mean = {}
    for row in history:
        mean.setdefault((row.epoch, row.view, row.feature), []).append(row.coefficient)
    found = client.load_table(client.get_run(number).info.experiment_id, "lime/means.json", run_ids=[number])
    assert len(found) == len(mean) == EPOCHS * (4 + 3)
    for row in found.itertuples():
        assert row.coefficient == pytest.approx(np.mean(mean[row.epoch, row.view, row.feature]), abs=1e-6)
        assert abs(row.effect) <= row.effect_size + 1e-6
        values = client.get_metric_history(number, f"lime_effects/{row.view}/{row.feature}")
        assert {one.step: one.value for one in values}[row.step] == pytest.approx(row.effect, abs=1e-6)
    assert found.groupby(["epoch", "view"]).effect_size.sum().tolist() == pytest.approx([1.0] * EPOCHS * 2, abs=1e-5)
    scores = client.get_metric_history(number, "lime/spatial/score")
    assert [one.step for one in scores] == sorted({row.step for row in history})
    epochs = client.get_metric_history(number, "lime/epoch")
    assert [(one.value, one.step) for one in epochs] == sorted({(row.epoch, row.step) for row in history})


def test_settings_card_and_rows_are_files(run, tmp_path):
    client, number, history, _ = run
    assert json.loads(read(run, "lime/settings.json", tmp_path))["n_perturbations"] == 96
    assert "How to read it" in read(run, "lime/about.md", tmp_path).decode()
    listed = []
    for one in sorted(file.path for file in client.list_artifacts(number, "lime/explanations")):
        columns = json.loads(read(run, one, tmp_path))
        listed += list(zip(*columns.values(), strict=True))
    assert repr(listed) == repr([tuple(row) for row in history])


def test_alarms_are_tags(run):
    client, number, *_ = run
    tags = client.get_run(number).data.tags
    assert "above" in tags["lime/spectral/watch/all.alarm"]


def test_a_resumed_run_goes_on_with_the_table(logger_of, tmp_path):
    lime = {"wavelengths": WAVELENGTHS, "n_perturbations": 8, "probes": 2}
    first = logger_of()
    fit(tmp_path / "a", LimeCallback(Superbands(3), **lime), logger=first, epochs=1)
    again = logger_of(run_id=first.run_id)
    fit(tmp_path / "b", LimeCallback(Superbands(3), **lime), logger=again, epochs=1)
    client = again.experiment
    experiment = client.get_run(first.run_id).info.experiment_id
    assert len(client.load_table(experiment, "lime/means.json", run_ids=[first.run_id])) == 2 * 3
    assert not [name for name in client.get_run(first.run_id).data.metrics if name.startswith("lime_effects")]


def test_a_server_that_is_away_stops_nothing(logger_of, tmp_path, monkeypatch, recwarn):
    logger = logger_of()

    def away(*_, **__):
        raise ConnectionError("mlflow is away")

    monkeypatch.setattr(logger.experiment, "log_image", away)
    lime = LimeCallback(Superbands(3), wavelengths=WAVELENGTHS, n_perturbations=8, probes=2)
    one, _ = fit(tmp_path, lime, logger=logger, epochs=2)
    assert one.state.status == "finished"
    (told,) = [str(each.message) for each in recwarn if "mlflow is away" in str(each.message)]
    assert "logger MLflowSink failed and is left out; training goes on" in told
    (history,) = tmp_path.rglob("history.csv")
    assert {row.epoch for row in read_history(history)} == {1, 2}


def test_nothing_is_printed_into_a_progress_bar(logger_of, tmp_path, capfd, monkeypatch):
    """MLflow draws a bar of its own where it reads an artifact, as it does to append to a table."""
    monkeypatch.delenv("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", raising=False)
    lime = LimeCallback(Superbands(3), wavelengths=WAVELENGTHS, n_perturbations=8, probes=2)
    fit(tmp_path, lime, logger=logger_of(), epochs=2)
    assert "artifacts" not in capfd.readouterr().err
    assert "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR" not in os.environ

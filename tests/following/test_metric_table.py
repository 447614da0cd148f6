"""One table of metrics: a run logs nothing that is not in it, and a row is all that a drift measure needs."""

import csv
from pathlib import Path

import pytest
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.loggers import CSVLogger
from toys import WAVELENGTHS, Classifier, fit

from lime_callback import LimeCallback, Superbands, Superpixels, Watch
from lime_callback.comparing import drift
from lime_callback.comparing.attribution_shift import LONGEST
from lime_callback.following import metric_table
from lime_callback.following.metric_table import COSTS, METRICS, Metric, is_metric, worst_values
from lime_callback.publishing.sinks import media_tag


def logged(folder):
    """The values of each scalar that the callback logged, by its name behind the callback's."""
    (path,) = folder.rglob("metrics.csv")
    with path.open() as file:
        rows = list(csv.DictReader(file))
    names = [name for name in rows[0] if name.startswith("lime/")]
    return {name.removeprefix("lime/"): [float(row[name]) for row in rows if row[name]] for name in names}


def callback(**settings):
    defaults = {"wavelengths": WAVELENGTHS, "probes": 4, "n_perturbations": 64, "target": 0, "on_error": "raise"}
    watch = {"first": Watch([0, 1], below=0.0)}
    return LimeCallback(**{"views": Superbands(3), "pictures": False, "watch": watch} | defaults | settings)


@pytest.fixture(scope="module")
def before(tmp_path_factory):
    folder = tmp_path_factory.mktemp("before")
    fit(folder, ModelCheckpoint(folder, filename="last"), epochs=1, enable_checkpointing=True)
    return folder / "last.ckpt"


def test_all_that_a_run_logs_is_in_the_table_and_all_of_the_table_is_logged(tmp_path, before):
    views = [Superbands(3), Superpixels("grid", n_segments=4)]
    # The perturbations are enough for faithfulness, and the epochs for a view that settles.
    lime = callback(views=views, reference=str(before), design="paired", n_perturbations=128, every_n_epochs=1)
    fit(tmp_path, lime, epochs=8, logger=CSVLogger(tmp_path))
    names = {name.removeprefix("spectral/").removeprefix("spatial/") for name in logged(tmp_path)}
    assert {name for name in names if not is_metric(name)} == set()
    changing = {metric.name.replace("<watch>", "first") for metric in METRICS if not metric.constant}
    assert names == changing | set(COSTS)


def test_each_metric_is_told_in_words_where_people_look():
    """The callback's docstring and the page on reading name each; the card of a run has the table's own words."""
    page = (Path(__file__).parents[2] / "docs" / "reading.md").read_text()
    for metric in METRICS:
        assert 10 < len(metric.words) < 110
        assert f"``{metric.name}``" in LimeCallback.__doc__
        assert f"`{metric.name.replace('<watch>', '<name>')}`" in page


def test_no_value_that_stands_for_another_is_logged(tmp_path):
    """Where no explanation passes the gate, monitors find the worst share, and loggers get none."""
    one, _ = fit(tmp_path, callback(gate=1.0), epochs=2, logger=CSVLogger(tmp_path))
    found = logged(tmp_path)
    assert "spectral/watch_reference/first" not in found  # a constant, for monitors and files
    assert one.callback_metrics["lime/spectral/watch_reference/first"] == pytest.approx(1 / 3)
    for name in ("watch/first", "watch_error/first", "drift", "moved"):
        assert f"spectral/{name}" not in found
        assert f"lime/spectral/{name}" in one.callback_metrics
    assert one.callback_metrics["lime/spectral/watch/first"] == 1.0


def test_a_reliance_that_could_not_be_measured_is_not_logged(tmp_path, monkeypatch):
    from lime_callback.following import run_reliance

    def fails(*_, **__):
        raise RuntimeError("no reliance today")

    monkeypatch.setattr(run_reliance, "hidden_outputs", fails)
    with pytest.warns(UserWarning, match="no reliance today"):
        one, _ = fit(tmp_path, callback(on_error="warn"), epochs=2, logger=CSVLogger(tmp_path))
    assert [name for name in logged(tmp_path) if "/reliance/" in name] == []
    assert one.callback_metrics["lime/spectral/reliance/first"] == 1.0  # for monitors


def test_a_row_makes_a_drift_measure_a_metric(tmp_path, monkeypatch):
    assert "sign_changes" in drift.MEASURES
    turned = Metric("turned", 1.0, "before", "sign_changes", words="share of the signs that turned")
    monkeypatch.setattr(metric_table, "METRICS", [*METRICS, turned])
    one, _ = fit(tmp_path, callback(), model=Classifier, epochs=1, logger=CSVLogger(tmp_path / "one"))
    assert one.callback_metrics["lime/spectral/turned"] == 1.0
    assert "spectral/turned" not in logged(tmp_path / "one")
    fit(tmp_path, callback(), model=Classifier, epochs=3, logger=CSVLogger(tmp_path / "three"))
    assert len(logged(tmp_path / "three")["spectral/turned"]) == 2
    assert media_tag("lime/spectral/turned") == "lime/spectral/turned_chart"


def test_the_worst_scale_is_the_largest():
    assert worst_values()["scale"] == LONGEST

"""What W&B draws and lists by itself, read back from an offline run, record by record."""

import json
import math
from pathlib import Path

import lightning.pytorch as pl
import numpy as np
import pytest
import torch
from lightning.pytorch.loggers import WandbLogger
from logged_names import OF_BOTH, VIEWS
from matplotlib.image import imread
from toys import WAVELENGTHS, Classifier, fit
from wandb_records import history_of, records_of

from lime_callback import Explanation, LimeCallback, Superbands, Superpixels
from lime_callback.publishing.sinks import Report, ViewData, WandbSink, read_history
from lime_callback.publishing.sinks.history_csv import HistoryRow
from lime_callback.publishing.sinks.wandb import _value
from lime_callback.surrogates.confidence_intervals import critical_value

CHARTS = {f"lime/{view}/{chart}" for view in VIEWS for chart in ("bars", "lines")}


class TwoOptimizers(Classifier):
    """So `global_step` counts two for each batch."""

    automatic_optimization = False

    def training_step(self, batch, _):
        for optimizer in self.optimizers():
            optimizer.zero_grad()
            self.manual_backward(self.loss(batch))
            optimizer.step()

    def configure_optimizers(self):
        return [torch.optim.SGD(self.parameters(), 1e-2) for _ in range(2)]


def run(folder, *callbacks, model=Classifier, epochs=2, **settings):
    """The folders of W&B's run and of the callback's files, and the history that the callback wrote."""
    logger = WandbLogger(project="lime", save_dir=folder)
    lime = LimeCallback(
        [Superpixels("grid", 4), Superbands(3)], wavelengths=WAVELENGTHS, n_perturbations=96, probes=2,
        design="paired", class_names=["maize", "oats", "soy"],
    )  # fmt: skip
    fit(folder, lime, *callbacks, model=model, logger=logger, epochs=epochs, **settings)
    place, files = Path(logger.experiment.dir).parent, folder / "lime" / logger.version
    logger.experiment.finish()
    return place, read_history(files / "lime" / "history.csv")


def own(rows):
    """The rows that hold a report."""
    return [row for row in rows if any(key.startswith("lime/") and isinstance(row[key], dict) for key in row)]


def table(place, value):
    return json.loads((place / "files" / value["path"]).read_text())


@pytest.mark.parametrize(
    "settings",
    [{"val_check_interval": 1}, {"accumulate_grad_batches": 2}, {"model": TwoOptimizers}],
    ids=["validation within an epoch", "accumulation", "two optimizers"],
)
@pytest.mark.usefixtures("blank_pictures")
def test_each_report_is_one_row_in_order(offline, settings):
    place, history = run(offline, **settings)
    rows = history_of(place)
    assert [row["_step"] for row in rows] == list(range(len(rows)))  # nothing was dropped
    steps = [row["trainer/global_step"] for row in rows if "val_loss" in row]
    assert len(steps) == (6 if "val_check_interval" in settings else 2)
    assert steps == sorted(set(steps))
    reports = own(rows)
    assert [row["trainer/global_step"] for row in reports] == steps
    for row in reports:
        assert row.keys() >= {*OF_BOTH, *(f"{chart}_table" for chart in CHARTS), "lime/spatial/probes", "lime/table"}
    assert sorted({row.step for row in history}) == steps


@pytest.fixture
def found(offline):
    place, history = run(offline)
    return place, history, own(history_of(place)), list(records_of(place))


def test_everything_that_there_is_to_read(found):
    place, history, rows, records = found
    _the_table_grows_by_what_is_new(place, history, rows)
    _bars_are_the_means(place, history, rows)
    _lines_go_over_the_epochs(place, rows)
    _regions_have_names_and_coefficients(place, history, rows, records)
    _charts_settings_and_summary(records)


def _the_table_grows_by_what_is_new(place, history, rows):
    listed = [table(place, row["lime/table"]) for row in rows]
    assert {tuple(one["columns"]) for one in listed} == {tuple(history[0]._fields)}
    assert [tuple(line) for one in listed for line in one["data"]] == [tuple(row) for row in history]
    assert [row["lime/table"]["increment_num"] for row in rows] == [0, 1]
    assert [len(row["lime/table"]["previous_increments_paths"]) for row in rows] == [0, 1]


def _bars_are_the_means(place, history, rows):
    for epoch, row in enumerate(rows):
        bars = {name: values for name, *values in table(place, row["lime/spectral/bars_table"])["data"]}
        for name, (mean, lower, upper) in bars.items():
            part = [one for one in history if (one.epoch, one.view, one.feature) == (epoch, "spectral", name)]
            values = [one.coefficient for one in part if one.score >= 0.2]  # those that pass the gate
            half = float(critical_value(len(values) - 1.0)) * np.std(values, ddof=1) / len(values) ** 0.5
            assert mean == pytest.approx(np.mean(values), abs=1e-6)
            assert [mean - lower, upper - mean] == pytest.approx([half] * 2, rel=1e-5, abs=1e-6)


def _lines_go_over_the_epochs(place, rows):
    data = table(place, rows[-1]["lime/spectral/lines_table"])["data"]
    last = {name: value for name, value, *_ in table(place, rows[-1]["lime/spectral/bars_table"])["data"]}
    assert {epoch for epoch, _, _ in data} == {1.0, 2.0}
    assert {name: value for epoch, name, value in data if epoch == 2.0} == pytest.approx(last)


def test_a_region_without_an_interval_says_its_coefficient_alone():
    assert _value(-0.5, 0.25) == "-0.5 ± 0.25"
    assert _value(0.5, math.inf) == _value(0.5, math.nan) == "+0.5"


def _regions_have_names_and_coefficients(place, history, rows, records):
    row = rows[-1]["lime/spatial/probes"]
    explanation = Explanation.load(next(place.parents[1].rglob("lime/*/lime/spatial.npz")))
    assert row["count"] == 2
    assert row["captions"][0].startswith("probe 0: ")
    values = [json.loads(one.value_json) for record in records for one in record.config.update if one.key == "_wandb"]
    labels = [one["mask/class_labels"] for one in values if "mask/class_labels" in one][-1]
    for probe, masks in enumerate(row["all_masks"]):
        ((name, mask),) = masks.items()
        assert name == f"probe {probe}"
        shown = (imread(place / "files" / mask["path"]) * 255).round()
        assert set(np.unique(shown)) == {1, 2, 3, 4}
        assert shown.shape == (252, 252)  # 12 x 12 pixels, each 21 times
        said = labels[f"lime/spatial/probes_wandb_delimeter_probe {probe}"]["value"]
        part = [one for one in history if (one.epoch, one.view, one.probe) == (1, "spatial", probe)]
        halves = explanation.half_widths(simultaneous=True)[probe, 0].tolist()
        for one, half in zip(part, halves, strict=True):
            assert half > 1.96 * one.standard_error > 0
            assert f"{one.feature}: {one.coefficient:+.3g} ± {half:.2g} (epoch 1)" in said.values()


def _charts_settings_and_summary(records):
    updates = [one for record in records for one in record.config.update]
    specs = {
        one.nested_key[2]: one.value_json for one in updates if list(one.nested_key[:2]) == ["_wandb", "visualize"]
    }
    assert specs.keys() == CHARTS
    assert all(("wandb/bar/v0" in spec) == chart.endswith("bars") for chart, spec in specs.items())
    (settings,) = {one.value_json for one in updates if one.key == "lime"}
    assert json.loads(settings)["n_perturbations"] == 96
    last = {}
    for record in records:
        last |= {one.key or "/".join(one.nested_key): json.loads(one.value_json) for one in record.summary.update}
    assert last["lime/spatial/score"].keys() == {"min", "max", "last"}
    assert last["lime/spatial/drift"].keys() == {"min", "max", "last"}


def test_a_resumed_run_goes_on_with_the_table(offline):
    """Offline a resumed run has a folder of its own, with the increments from there on, and W&B joins them by name."""
    from pytorch_lightning.loggers import WandbLogger as Again

    artifacts = []
    for kind in (WandbLogger, Again):
        logger = kind(project="lime", save_dir=offline, version="one")
        report = Report(0, 1)
        sink = WandbSink(logger)
        sink.write(report)
        table = sink._table(report)
        table.add_data(*HistoryRow(0, 1, "spatial", 0, "oats", "a", 1.0, 0.1, 0.9))
        logger.experiment.log({"lime/table": table})
        place = Path(logger.experiment.dir).parent
        logger.experiment.finish()
        found = [record.artifact for record in records_of(place) if record.WhichOneof("record_type") == "artifact"]
        artifacts.append({(one.name, one.type, one.incremental_beta1) for one in found})
    assert artifacts[0] == artifacts[1]
    assert len(artifacts[0]) == 1


def test_rows_of_the_table_are_let_go_when_they_are_logged(offline):
    """W&B would hold them all to the end of the run: hundreds of bytes for each feature of each probe and epoch."""
    logger = WandbLogger(project="lime", save_dir=offline)
    sink, count = WandbSink(logger), 5
    for epoch in range(3):
        rows = [HistoryRow(epoch, epoch, "spectral", p, "oats", "a", p / 7, 0.1, 0.9) for p in range(count)]
        sink.write(Report(epoch, epoch, views={"lime/spectral": ViewData(["a"], 0.9, rows)}))
        (held,) = sink._tables.values()
        assert len(held.data) == (epoch + 1) * count
        assert len({id(row) for row in held.data}) == 1
    place = Path(logger.experiment.dir).parent
    logger.experiment.finish()
    listed = [table(place, row["lime/table"])["data"] for row in own(history_of(place))]
    assert [[(row[0], row[3], row[6]) for row in one] for one in listed] == [
        [(epoch, p, p / 7) for p in range(count)] for epoch in range(3)
    ]


@pytest.mark.usefixtures("blank_pictures")
def test_a_run_that_is_away_stops_neither_training_nor_other_loggers(offline, monkeypatch, recwarn):
    logger = WandbLogger(project="lime", save_dir=offline)

    def away(*_, **__):
        raise ConnectionError("wandb is away")

    monkeypatch.setattr(logger.experiment, "define_metric", away)
    lime = LimeCallback(Superbands(3), wavelengths=WAVELENGTHS, n_perturbations=8, probes=2)
    one, _ = fit(offline, lime, logger=logger, epochs=2)
    logger.experiment.finish()
    assert one.state.status == "finished"
    (told,) = [str(each.message) for each in recwarn if "wandb is away" in str(each.message)]
    assert "logger WandbSink failed and is left out; training goes on" in told


class Marked(pl.Callback):
    """Logs a picture of its own under a key that begins as ours do."""

    def on_validation_epoch_end(self, trainer, module):
        trainer.logger.log_metrics({"lime_of_mine": 1.0}, step=0)


@pytest.mark.usefixtures("blank_pictures")
def test_a_smaller_step_of_someone_else_loses_nothing(offline):
    place, history = run(offline, Marked())
    rows = history_of(place)
    assert [row["_step"] for row in rows] == list(range(len(rows)))
    assert len(own(rows)) == len({row.epoch for row in history}) == 2

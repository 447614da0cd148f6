"""What W&B draws and lists by itself, read back from an offline run, record by record."""

import json
import math
import re
from pathlib import Path
from types import SimpleNamespace

import lightning.pytorch as pl
import numpy as np
import pytest
import torch
from lightning.pytorch.loggers import WandbLogger
from logged_names import OF_BOTH, VIEWS
from matplotlib.image import imread
from toys import WAVELENGTHS, Classifier, fit
from wandb_records import history_of, records_of

from lime_callback import LimeCallback, Superbands, Superpixels
from lime_callback.explaining.effects import effects
from lime_callback.publishing.delivery_thread import DeliveryThread
from lime_callback.publishing.sinks import Report, ViewData, WandbSink, read_history
from lime_callback.publishing.sinks.history_csv import HistoryRow
from lime_callback.publishing.sinks.view_data import Segmented
from lime_callback.publishing.sinks.wandb_media import effect_text
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
        assert row.keys() >= {*OF_BOTH, *(f"{chart}_table" for chart in CHARTS), "lime/spatial/probes", "lime/history"}
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
    _regions_keep_their_number_and_name(place, history, rows, records)
    _charts_settings_and_summary(records)


def _the_table_grows_by_what_is_new(place, history, rows):
    listed = [table(place, row["lime/history"]) for row in rows]
    assert {tuple(one["columns"]) for one in listed} == {tuple(history[0]._fields)}
    np.testing.assert_equal([tuple(line) for one in listed for line in one["data"]], [tuple(row) for row in history])
    assert [row["lime/history"]["increment_num"] for row in rows] == [0, 1]
    assert [len(row["lime/history"]["previous_increments_paths"]) for row in rows] == [0, 1]


def effects_of(history, epoch, view):
    """The effects of each probe by its number and the feature's name, of probes that pass the gate."""
    found = {}
    for probe in {row.probe for row in history}:
        part = [row for row in history if (row.epoch, row.view, row.probe) == (epoch, view, probe)]
        if part[0].score >= 0.2:
            values, errors = (
                torch.tensor([getattr(row, name) for row in part]) for name in ("coefficient", "standard_error")
            )
            found[probe] = dict(zip([row.feature for row in part], effects(values, errors).tolist(), strict=True))
    return found


def _bars_are_the_means(place, history, rows):
    for row in rows:
        by_probe = effects_of(history, row["lime/epoch"], "spectral").values()
        assert len(by_probe) > 1
        lines = table(place, row["lime/spectral/bars_table"])
        assert lines["columns"] == ["feature", "absolute_effect", "effect", "lower", "upper"]
        sizes = [size for _, size, *_ in lines["data"]]
        assert sizes == sorted(sizes, reverse=True)
        assert sum(sizes) == pytest.approx(1, abs=1e-5)
        for name, size, mean, lower, upper in lines["data"]:
            values = [effect[name] for effect in by_probe]
            half = float(critical_value(len(values) - 1.0)) * np.std(values, ddof=1) / len(values) ** 0.5
            assert [size, mean] == pytest.approx([np.mean(np.abs(values)), np.mean(values)], abs=1e-6)
            assert [mean - lower, upper - mean] == pytest.approx([half] * 2, rel=1e-4, abs=1e-5)


def _lines_go_over_the_epochs(place, rows):
    data = table(place, rows[-1]["lime/spectral/lines_table"])["data"]
    last = {name: effect for name, _, effect, *_ in table(place, rows[-1]["lime/spectral/bars_table"])["data"]}
    assert {epoch for epoch, _, _ in data} == {1.0, 2.0}
    assert {name: value for epoch, name, value in data if epoch == 2.0} == pytest.approx(last)


def test_a_region_without_an_interval_says_its_effect_alone():
    assert effect_text(-0.5, 0.25) == "-0.50 ± 0.25"
    assert effect_text(0.5, math.inf) == effect_text(0.5, math.nan) == "+0.50"


def labels_of(records):
    """The lists of names of each mask, by the mask's name, in the order in which they were sent."""
    found = {}
    for record in records:
        for one in record.config.update:
            if one.key == "_wandb":
                for mask, label in json.loads(one.value_json).get("mask/class_labels", {}).items():
                    found.setdefault(mask.rpartition("_wandb_delimeter_")[2], []).append(label["value"])
    return found


def _regions_keep_their_number_and_name(place, history, rows, records):
    names = [row.feature for row in history if (row.epoch, row.view, row.probe) == (1, "spatial", 0)]
    told = labels_of(records)
    assert told.keys() == {"probe 0", "probe 1"}
    own = {"0": "never hidden"} | {str(i + 1): name for i, name in enumerate(names)}
    assert all(label == own for labels in told.values() for label in labels)
    for row in rows:
        shown = row["lime/spatial/probes"]
        for probe, (masks, caption) in enumerate(zip(shown["all_masks"], shown["captions"], strict=True)):
            ((name, mask),) = masks.items()
            assert name == f"probe {probe}"
            numbers = (imread(place / "files" / mask["path"]) * 255).round()
            assert numbers.shape == (252, 252)  # 12 x 12 pixels, each 21 times
            corners = [numbers[y, x] for y in (0, -1) for x in (0, -1)]
            assert corners == [1, 2, 3, 4]  # at every epoch, whichever is the strongest
            epoch = row["lime/epoch"]
            assert f" · spatial, epoch {epoch}, step {row['trainer/global_step']} · " in caption
            effect = effects_of(history, epoch, "spatial")[probe]
            listed = re.findall(r"(superpixel \d+) ([+-][\d.]+) ± [\d.]+", caption)
            assert [name for name, _ in listed] == sorted(effect, key=lambda name: -abs(effect[name]))
            assert all(float(value) == pytest.approx(effect[name], abs=0.0051) for name, value in listed)


@pytest.mark.parametrize("count", [255, 300])
def test_numbers_of_many_regions_are_chosen_once(count):
    """By the first explanation: a mask has 255 numbers beside that of what is never hidden."""
    sink, shown = WandbSink(SimpleNamespace()), []
    for epoch in (1, 2):
        effect = np.roll(np.linspace(1, 0.1, count), 7 * epoch)
        order = np.argsort(-effect).tolist()  # that of the first explanation, as far as the run knows it
        probe = Segmented(
            "probe 0", "", np.zeros((20, 20, 3), np.uint8), np.zeros((20, 20), int), effect, effect, order
        )
        view = ViewData([f"superpixel {i}" for i in range(count)], 0.9, [])
        shown.append(list(sink._regions("lime/spatial", probe, view)))
    assert shown[0] == shown[1] == sorted(shown[0])
    assert len(shown[0]) == 255
    assert set(range(count)) - set(shown[0]) == (
        {*range(300)} - {(i + 7) % 300 for i in range(255)} if count > 255 else set()
    )


def test_masks_of_many_regions_are_sent_as_they_are(offline):
    count = 300
    segments = np.arange(count).reshape(15, 20)
    probe = Segmented(
        "probe 0", "", np.zeros((15, 20, 3), np.uint8), segments, np.linspace(1, 0, count), np.full(count, 0.1),
        range(count),
    )  # fmt: skip
    view = ViewData([f"superpixel {i}" for i in range(count)], 0.9, [], segmented=lambda: [probe])
    logger = WandbLogger(project="lime", save_dir=offline)
    WandbSink(logger).write(Report(1, 1, views={"lime/spatial": view}))
    place = Path(logger.experiment.dir).parent
    logger.experiment.finish()
    (row,) = history_of(place)
    mask = row["lime/spatial/probes"]["all_masks"][0]["probe 0"]
    numbers = (imread(place / "files" / mask["path"])[::12, ::12] * 255).round().astype(int)
    assert np.array_equal(numbers, np.where(segments < 255, segments + 1, 0))
    (label,) = labels_of(records_of(place))["probe 0"]
    assert label == {"0": "never hidden, or weak at first"} | {str(i + 1): f"superpixel {i}" for i in range(255)}


class Impatient(pl.Callback):
    """Waits for the pictures at each batch, or never: they are logged as early, or as late, as they can be."""

    def __init__(self, waits):
        self.waits = waits

    def on_train_batch_end(self, trainer, *_):
        if self.waits:
            next(
                one for one in trainer.callbacks if isinstance(one, LimeCallback)
            )._validation.publisher.delivery.finish()


def test_how_long_pictures_are_drawn_decides_on_nothing_but_the_row(offline, monkeypatch):
    """The same values belong to the same steps, over which W&B draws them."""
    monkeypatch.setattr(DeliveryThread, "is_ready", False)
    found, places = {}, {}
    for waits in (True, False):
        folder = offline / str(waits)
        folder.mkdir()
        place, _ = run(folder, Impatient(waits), epochs=3)
        rows = own(history_of(place))
        places[waits] = [row["_step"] for row in rows]
        found[waits] = {
            (key, row["trainer/global_step"], row["lime/epoch"]): value.get("sha256", value.get("captions"))
            for row in rows for key, value in row.items() if isinstance(value, dict)
        }  # fmt: skip
        assert [(row["lime/epoch"], row["trainer/global_step"]) for row in rows] == [(1, 2), (2, 5), (3, 8)]
        metrics = {record.metric.name: record.metric for record in records_of(place) if record.metric.name}
        media = {key for row in rows for key, value in row.items() if isinstance(value, dict)}
        listed = {f"{key}_table" if key.endswith(("/bars", "/lines")) else key for key in metrics}
        assert media | {"lime/epoch"} <= listed
        steps = {metric.step_metric for metric in metrics.values() if metric.name.startswith("lime/")}
        assert steps == {"trainer/global_step"}
    assert places[True] != places[False]
    pictures = {key for key in found[True] if key[0] in OF_BOTH}
    assert len(pictures) == 3 * len(OF_BOTH)
    assert found[True].keys() == found[False].keys()
    assert {key: found[True][key] for key in pictures} == {key: found[False][key] for key in pictures}


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
        logger.experiment.log({"lime/history": table})
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
    listed = [table(place, row["lime/history"])["data"] for row in own(history_of(place))]
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


@pytest.mark.parametrize(
    ("there", "key"),
    [
        ({}, "lime"),
        ({"lime": {"rate": 0.1}}, "lime_callback"),
        ({"lime": "green"}, "lime_callback"),
        ({"lime": 1, "lime_callback": 2}, "lime_callback2"),
        ({"lime": {"seed": 5, "n_perturbations": 8}}, "lime"),  # ours, of the run that is resumed
    ],
    ids=["none", "mapping", "text", "both", "ours"],
)
def test_an_entry_of_the_user_s_configuration_is_kept(there, key):
    class Config(dict):
        def update(self, values, allow_val_change):
            super().update(values)

    run = SimpleNamespace(config=Config(there), define_metric=lambda *_, **__: None)
    settings = {"seed": 0, "n_perturbations": 64}
    view = ViewData(("a",), 0.5, [], np.zeros(1), {"score": 0.5}, (), None, tuple)
    WandbSink(None)._define(run, Report(1, 1, views={"lime/spectral": view}, settings=settings), {})
    assert run.config == there | {key: settings}

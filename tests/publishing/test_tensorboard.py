"""What TensorBoard draws by itself, read back from the event file."""

import re

import numpy as np
import pytest
import torch
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.loggers import TensorBoardLogger
from tensorboard.plugins.custom_scalar import layout_pb2
from toys import WAVELENGTHS, Classifier, Samples, events, fit

from lime_callback import LimeCallback, Superbands, Superpixels, Watch
from lime_callback.explaining.effects import effects
from lime_callback.following.metric_table import METRICS
from lime_callback.publishing.sinks import read_history
from lime_callback.publishing.sinks.tensorboard_layout import layout_there, layout_with
from lime_callback.surrogates.confidence_intervals import critical_value

CONFIG = "custom_scalars__config__"
EPOCHS = 3
MANY = [400.0 + 10 * i for i in range(40)]


def lime(name="lime", **settings):
    views = [Superpixels("grid", 4), Superbands(3)]
    return LimeCallback(
        views=views, wavelengths=WAVELENGTHS, n_perturbations=96, design="paired", probes=3, name=name, **settings
    )


def layout_of(found):
    return layout_pb2.Layout.FromString(found.Tensors(CONFIG)[-1].tensor_proto.string_val[0])


def many_bands():
    return Samples(48, (40, 12, 12))


class OfManyBands(Classifier):
    def __init__(self):
        super().__init__(shape=(40, 12, 12))


def effects_of(history, epoch, view, gate=-2.0):
    """The effects of each probe, by the features' names, where its score passes the gate."""
    found = []
    rows = [row for row in history if (row.epoch, row.view) == (epoch, view) and row.score >= gate]
    for probe in sorted({row.probe for row in rows}):
        own = [row for row in rows if row.probe == probe]
        values, errors = (
            torch.tensor([getattr(row, name) for row in own]) for name in ("coefficient", "standard_error")
        )
        found.append(dict(zip([row.feature for row in own], effects(values, errors).tolist(), strict=True)))
    return found


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    fit(folder, lime(charts=True), logger=TensorBoardLogger(folder, name="", version="run"), epochs=EPOCHS)
    return events(folder), read_history(folder / "run" / "lime" / "history.csv")


def test_each_view_has_a_chart_of_lines_with_their_bands(run):
    found, _ = run
    categories = {one.title: one for one in layout_of(found).category}
    assert set(categories) == {"lime/spatial", "lime/spectral"}
    *each, together = categories["lime/spectral"].chart  # which TensorBoard shows from the last to the first
    assert len(each) == len(together.margin.series) == 3
    assert [chart.margin.series[0] for chart in reversed(each)] == list(together.margin.series)
    for category in categories.values():
        for series in category.chart[-1].margin.series:
            assert {series.value, series.lower, series.upper} <= set(found.Tags()["scalars"])


def test_lines_and_bands_are_the_means_and_their_intervals(run):
    found, history = run
    steps = [event.step for event in found.Scalars("val_loss")]
    name = next(row.feature for row in history if row.view == "spectral")
    ends = [found.Scalars(f"lime_effects/spectral/{name}/{end}") for end in ("lower", "mean", "upper")]
    for epoch in range(EPOCHS):
        values = [of_probe[name] for of_probe in effects_of(history, epoch + 1, "spectral", gate=0.2)]
        mean, error = np.mean(values), np.std(values, ddof=1) / len(values) ** 0.5
        half = float(critical_value(len(values) - 1.0)) * error
        assert [end[epoch].value for end in ends] == pytest.approx([mean - half, mean, mean + half], abs=1e-6)
        assert {end[epoch].step for end in ends} == {steps[epoch]}


@pytest.mark.usefixtures("blank_pictures")
def test_the_band_of_a_single_probe_is_that_of_its_perturbations(tmp_path):
    one = LimeCallback(Superbands(3), wavelengths=WAVELENGTHS, probes=1, n_perturbations=64, charts=True, gate=None)
    fit(tmp_path, one, logger=TensorBoardLogger(tmp_path, name="", version="run"), epochs=1)
    found, explanation = events(tmp_path), one.explanation("spectral")
    for i, name in enumerate(explanation.features.names):
        low, mean, high = (
            found.Scalars(f"lime_effects/spectral/{name}/{end}")[0].value for end in ("lower", "mean", "upper")
        )
        half = float(explanation.effect_errors[0, 0, i] * critical_value(float(explanation.freedom[0])))
        effect = float(explanation.effects[0, 0, i])
        assert [low, mean, high] == pytest.approx([effect - half, effect, effect + half], abs=1e-6)


def test_histograms_hold_every_effect(run):
    found, history = run
    assert found.Tags()["histograms"] == ["lime_effects/spatial/all", "lime_effects/spectral/all"]
    for epoch, event in enumerate(found.Histograms("lime_effects/spectral/all")):
        values = [value for of_probe in effects_of(history, epoch + 1, "spectral") for value in of_probe.values()]
        assert event.histogram_value.num == len(values) == 9
        assert event.histogram_value.sum == pytest.approx(sum(values), abs=1e-5)


@pytest.mark.usefixtures("blank_pictures")
def test_what_opens_first_are_pictures_and_few_scalars(tmp_path):
    """With all that a view can be asked for; lines of each feature come only where charts are asked for."""
    saving = ModelCheckpoint(tmp_path, filename="last")
    fit(tmp_path / "before", saving, model=OfManyBands, data=many_bands(), epochs=1, enable_checkpointing=True)
    views = [Superpixels("grid", 16), Superbands(20)]
    corner = torch.zeros(12, 12, dtype=torch.bool)
    corner[:3, :3] = True
    one = LimeCallback(
        views, wavelengths=MANY, n_perturbations=256, reference=tmp_path / "last.ckpt", relevant_change=0.9,
        watch={"water": Watch([3, 4]), "corner": Watch(pixels=corner)}, probes=4,
    )  # fmt: skip
    logger = TensorBoardLogger(tmp_path, name="", version="run")
    fit(tmp_path, one, model=OfManyBands, data=many_bands(), logger=logger, epochs=4)
    tags = events(tmp_path / "run").Tags()
    names = [metric.name for metric in METRICS if not metric.constant]
    for view, watched, missing in (("spatial", "corner", set()), ("spectral", "water", {"similarity"})):
        own = {tag.removeprefix(f"lime/{view}/") for tag in tags["scalars"] if tag.startswith(f"lime/{view}/")}
        # All that there is: no view has more.
        assert own == {name.replace("<watch>", watched) for name in names} - missing
        assert len(own) < 25
        first = min(tag for tag in [*tags["scalars"], *tags["images"]] if tag.startswith(f"lime/{view}/"))
        assert first == f"lime/{view}/attributions"
    others = {tag for tag in tags["scalars"] if not tag.startswith(("lime/spatial/", "lime/spectral/"))}
    assert others == {"epoch", "loss", "val_loss", "lime/forwards", "lime/perturbations", "lime/seconds"}
    assert tags["histograms"] == []
    assert [tag for tag in tags["tensors"] if not tag.startswith("lime/about")] == []


@pytest.mark.usefixtures("blank_pictures")
@pytest.mark.filterwarnings("ignore:LimeCallback 'lime'. view")
def test_what_stands_for_a_value_that_is_not_measured_is_no_scalar(tmp_path):
    """No explanation passes this gate, so there is no drift to speak of; monitors find the worst."""
    one, _ = fit(tmp_path, lime(gate=1.0), logger=TensorBoardLogger(tmp_path, name="", version="run"), epochs=EPOCHS)
    assert one.callback_metrics["lime/spectral/drift"] == 2
    assert one.callback_metrics["lime/spectral/settled"] == -1
    found = events(tmp_path / "run")
    own = [tag for tag in found.Tags()["scalars"] if tag.startswith("lime/s") and tag != "lime/seconds"]
    assert {tag.rpartition("/")[2] for tag in own} == {
        "score",
        "score_min",
        "gated",
        "similarity",
        "prediction_changed",
    }
    assert not {event.value for tag in own for event in found.Scalars(tag) if "gated" not in tag} & {2, -1}


def test_the_card_says_once_how_to_keep_every_picture(run):
    found, _ = run
    text = found.Tensors("lime/about/text_summary")[0].tensor_proto.string_val[0].decode()
    assert text.count("--samples_per_plugin images=") == 1


def test_the_card_is_written_once_and_tells_of_the_run(run):
    found, _ = run
    (event,) = found.Tensors("lime/about/text_summary")
    text = event.tensor_proto.string_val[0].decode()
    for part in (
        "How to read it",
        r"Superbands\(bands=3",
        r"\| n_perturbations \| 96 \|",
        r"\n\| 2 \| [0-2] \| [0-2] \|",
    ):
        assert re.search(part, text)


@pytest.mark.usefixtures("blank_pictures")
def test_there_are_no_more_tags_at_the_last_epoch_than_at_the_second(tmp_path):
    counts = []
    for epochs in (2, 4):
        folder = tmp_path / str(epochs)
        fit(folder, lime(charts=True), logger=TensorBoardLogger(folder), epochs=epochs)
        tags = events(folder).Tags()
        # When explanations have settled is not known at the second epoch; stand-ins are not logged.
        tags["scalars"] = [tag for tag in tags["scalars"] if not tag.endswith("/settled")]
        counts.append({kind: len(tags[kind]) for kind in ("images", "scalars", "histograms", "tensors")})
        own = [tag for tag in tags["scalars"] if tag.startswith("lime_effects/")]
        assert len(own) == 3 * (4 + 3)
    assert counts[0] == counts[1]


@pytest.mark.usefixtures("blank_pictures")
def test_at_most_eight_places_are_followed_the_strongest_of_the_first_explanation(tmp_path):
    one = LimeCallback(views=Superpixels("grid", 16), n_perturbations=64, probes=2, charts=True)
    fit(tmp_path, one, logger=TensorBoardLogger(tmp_path, name="", version="run"), epochs=2)
    found, history = events(tmp_path), read_history(tmp_path / "run" / "lime" / "history.csv")
    followed = {tag.split("/")[2] for tag in found.Tags()["scalars"] if tag.startswith("lime_effects/spatial/")}
    followed.discard("all")  # the histogram
    by_probe = effects_of(history, 1, "spatial", gate=0.2) or effects_of(history, 1, "spatial")
    sums = {name: sum(abs(of_probe[name]) for of_probe in by_probe) for name in by_probe[0]}
    assert followed == set(sorted(sums, key=lambda name: -sums[name])[:8])


@pytest.mark.usefixtures("blank_pictures")
def test_charts_of_others_stay(tmp_path):
    """There is one layout a run: it is shared with the user's own charts, another callback, and a resumed run."""
    logger = TensorBoardLogger(tmp_path, name="", version="run")
    logger.experiment.add_custom_scalars({"mine": {"losses": ["Multiline", ["loss", "val_loss"]]}})
    fit(tmp_path, lime(charts=True), lime("second", charts=True), logger=logger, epochs=1)
    titles = ["mine", "lime/spatial", "lime/spectral", "second/spatial", "second/spectral"]
    assert sorted(one.title for one in layout_of(events(tmp_path)).category) == sorted(titles)
    fit(tmp_path, lime(charts=True), logger=TensorBoardLogger(tmp_path, name="", version="run"), epochs=1)
    layout = layout_there(tmp_path / "run")
    assert sorted(one.title for one in layout.category) == sorted(titles)
    (mine,) = [one for one in layout.category if one.title == "mine"]
    assert list(mine.chart[0].multiline.tag) == ["loss", "val_loss"]


def test_a_category_is_replaced_by_its_new_one():
    first = layout_with(layout_pb2.Layout(), {"a": {"x": ["1", "2", "3"]}})
    second = layout_with(first, {"a": {"y": ["4", "5", "6"]}})
    assert [chart.title for chart in second.category[0].chart][:-1] == ["y"]
    assert len(second.category) == 1


def test_without_pictures_there_is_nothing_but_numbers(tmp_path):
    fit(tmp_path, lime(pictures=False, charts=True), logger=TensorBoardLogger(tmp_path), epochs=1)
    tags = events(tmp_path).Tags()
    assert not tags["images"]
    assert not tags["histograms"]
    assert not tags["tensors"]
    assert not [tag for tag in tags["scalars"] if tag.startswith("lime_effects")]

"""What TensorBoard draws by itself, read back from the event file."""

import re

import numpy as np
import pytest
import torch
from lightning.pytorch.loggers import TensorBoardLogger
from tensorboard.plugins.custom_scalar import layout_pb2
from toys import WAVELENGTHS, events, fit

from lime_callback import LimeCallback, Superbands, Superpixels
from lime_callback.explaining.effects import effects
from lime_callback.publishing.sinks import read_history
from lime_callback.publishing.sinks.tensorboard_layout import layout_there, layout_with
from lime_callback.surrogates.confidence_intervals import critical_value

pytestmark = pytest.mark.xdist_group("tensorboard")  # one process makes the run that its tests share

CONFIG = "custom_scalars__config__"
EPOCHS = 3


def lime(name="lime", **settings):
    views = [Superpixels("grid", 4), Superbands(3)]
    return LimeCallback(
        views=views, wavelengths=WAVELENGTHS, n_perturbations=96, design="paired", probes=3, name=name, **settings
    )


def layout_of(found):
    return layout_pb2.Layout.FromString(found.Tensors(CONFIG)[-1].tensor_proto.string_val[0])


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    fit(folder, lime(), logger=TensorBoardLogger(folder, name="", version="run"), epochs=EPOCHS)
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
    ends = [found.Scalars(f"lime_coefficients/spectral/{name}/{end}") for end in ("lower", "mean", "upper")]
    for epoch in range(EPOCHS):
        rows = [row for row in history if (row.epoch, row.feature) == (epoch, name)]
        values = [row.coefficient for row in rows if row.score >= 0.2]  # those that pass the gate
        mean, error = np.mean(values), np.std(values, ddof=1) / len(values) ** 0.5
        half = float(critical_value(len(values) - 1.0)) * error
        assert [end[epoch].value for end in ends] == pytest.approx([mean - half, mean, mean + half], abs=1e-6)
        assert {end[epoch].step for end in ends} == {steps[epoch]}


def test_histograms_hold_every_coefficient(run):
    found, history = run
    assert found.Tags()["histograms"] == ["lime/spatial/all_coefficients", "lime/spectral/all_coefficients"]
    for epoch, event in enumerate(found.Histograms("lime/spectral/all_coefficients")):
        values = [row.coefficient for row in history if (row.epoch, row.view) == (epoch, "spectral")]
        assert event.histogram_value.num == len(values) == 9
        assert event.histogram_value.sum == pytest.approx(sum(values), abs=1e-5)


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
        fit(folder, lime(), logger=TensorBoardLogger(folder), epochs=epochs)
        tags = events(folder).Tags()
        # When explanations have settled is not known at the second epoch; stand-ins are not logged.
        tags["scalars"] = [tag for tag in tags["scalars"] if not tag.endswith("/settled")]
        counts.append({kind: len(tags[kind]) for kind in ("images", "scalars", "histograms", "tensors")})
        own = [tag for tag in tags["scalars"] if tag.startswith("lime_coefficients/")]
        assert len(own) == 3 * (4 + 3)
    assert counts[0] == counts[1]


@pytest.mark.usefixtures("blank_pictures")
def test_at_most_eight_places_are_followed_the_strongest_of_the_first_explanation(tmp_path):
    one = LimeCallback(views=Superpixels("grid", 16), n_perturbations=64, probes=2)
    fit(tmp_path, one, logger=TensorBoardLogger(tmp_path, name="", version="run"), epochs=2)
    found, history = events(tmp_path), read_history(tmp_path / "run" / "lime" / "history.csv")
    followed = {tag.split("/")[2] for tag in found.Tags()["scalars"] if tag.startswith("lime_coefficients/spatial/")}
    rows = [row for row in history if row.epoch == 0]
    sums = dict.fromkeys((row.feature for row in rows), 0.0)
    for probe in range(2):
        own = [row for row in rows if row.probe == probe]
        values, errors = (
            torch.tensor([getattr(row, name) for row in own]) for name in ("coefficient", "standard_error")
        )
        if own[0].score >= 0.2 or all(row.score < 0.2 for row in rows):
            for row, effect in zip(own, effects(values, errors).abs().tolist(), strict=True):
                sums[row.feature] += effect
    assert followed == set(sorted(sums, key=lambda name: -sums[name])[:8])


@pytest.mark.usefixtures("blank_pictures")
def test_charts_of_others_stay(tmp_path):
    """There is one layout a run: it is shared with the user's own charts, another callback, and a resumed run."""
    logger = TensorBoardLogger(tmp_path, name="", version="run")
    logger.experiment.add_custom_scalars({"mine": {"losses": ["Multiline", ["loss", "val_loss"]]}})
    fit(tmp_path, lime(), lime("second"), logger=logger, epochs=1)
    titles = ["mine", "lime/spatial", "lime/spectral", "second/spatial", "second/spectral"]
    assert sorted(one.title for one in layout_of(events(tmp_path)).category) == sorted(titles)
    fit(tmp_path, lime(), logger=TensorBoardLogger(tmp_path, name="", version="run"), epochs=1)
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
    fit(tmp_path, lime(pictures=False), logger=TensorBoardLogger(tmp_path), epochs=1)
    tags = events(tmp_path).Tags()
    assert not tags["images"]
    assert not tags["histograms"]
    assert not tags["tensors"]
    assert not [tag for tag in tags["scalars"] if tag.startswith("lime_coefficients")]

"""One class of a segmentation: what is said of its region, of probes without it, and of the samples that have it."""

import pytest
import torch
from test_segmentation import Segmenter, run
from torch import nn
from torch.utils.data import Dataset
from toys import Untrained

from lime_callback import LimeCallback, Superpixels
from lime_callback.explaining.model_reliance import reliance
from lime_callback.outputs import ClassRegion
from lime_callback.pictures.probe_texts import panel_texts
from lime_callback.pictures.status_lines import status
from lime_callback.pictures.view_pictures import requests
from lime_callback.probes import HasClass
from lime_callback.report import read
from lime_callback.report.page_data import page_data

NAMES = ["ground", "water", "building"]
GRID = Superpixels("grid", n_segments=9)


def has_building(i):
    return i % 5 not in (0, 2)


class Scenes(Dataset):
    """Water on the left, and a building of 16 pixels in some samples; each class is bright in a channel.

    Attributes:
        mask: the classes, ``[N, 12, 12]``.
    """

    def __init__(self, size=24):
        generator = torch.Generator().manual_seed(3)
        self.mask = torch.zeros(size, 12, 12, dtype=torch.long)
        self.mask[:, :, :6] = 1
        for i in range(size):
            if has_building(i):
                self.mask[i, 4:8, i % 8 : i % 8 + 4] = 2
        self.x = nn.functional.one_hot(self.mask, 3).movedim(-1, 1) + 0.1 * torch.randn(
            size, 3, 12, 12, generator=generator
        )

    def __len__(self):
        return len(self.x)

    def __getitem__(self, i):
        return {"image": self.x[i], "mask": self.mask[i]}


class Reads(Untrained):
    """Reads a pixel's class off the means of its neighbourhood: right nearly everywhere, from the first epoch on."""

    def __init__(self):
        super().__init__(4.0)

    def forward(self, x):
        return self.weight * nn.functional.avg_pool2d(x, 3, 1, 1)


def callback(**settings):
    usual = {"probes": 6, "n_perturbations": 64, "class_names": NAMES, "target": "building", "every_n_epochs": 1}
    usual |= {"output": ClassRegion(region="mask"), "on_error": "raise", "pictures": False, "background": 0}
    return LimeCallback([GRID], **usual | settings)


def view_of(lime):
    return lime._latest.loop.view("spatial")


def said_by(caplog):
    return [record.getMessage() for record in caplog.records if "LimeCallback" in record.getMessage()]


def test_a_region_of_the_model_says_how_large_it_is_since_when_and_how_much_of_it_is_left(tmp_path):
    """The class is predicted nowhere at epoch 1, on the left half at epoch 2, and on the right half at epoch 3."""
    lime, texts = LimeCallback([GRID], probes=2, n_perturbations=16, output=ClassRegion(), target=1, pictures=False), []

    class Seeing(Segmenter):
        def on_validation_epoch_end(self):
            if not self.trainer.sanity_checking:
                texts.append(view_of(lime).now.text(0, 1, None))

    told = run(tmp_path, lime, Seeing(begins=1), epochs=3)
    assert texts == [
        "no pixel predicted as class 1",
        "72 px predicted at epoch 2, 100 % still",
        "72 px predicted at epoch 2, 0 % still",
    ]
    (warned,) = [text for text in told if "still predicted so" in text]
    assert "0 % of the pixels that were pinned as class 1 are still predicted so" in warned
    assert "`output=ClassRegion(region='mask')`" in warned
    assert "⚠ 0 % of the pixels that were pinned as class 1 are still predicted so" in status(view_of(lime))
    (shown,) = page_data(read(tmp_path / "lime"))["views"]
    assert {name for name in shown["regions"]["names"] if name} == set(texts)


def test_probes_without_the_class_are_named_once_drawn_empty_and_left_out_of_means(tmp_path):
    lime, data = callback(), Scenes()
    told = run(tmp_path, lime, Reads(), data, epochs=2)
    view, probes = view_of(lime), lime._validation.probes
    has = (probes.batch["mask"] == 2).flatten(1).any(1)
    assert 0 < int(has.sum()) < 6
    without = (~has).nonzero().flatten().tolist()
    (warned,) = [text for text in told if "no pixel of building" in text]
    assert f"probe{'s' * (len(without) > 1)} {', '.join(map(str, without))}: nothing" in warned
    assert "`HasClass`" in warned
    assert any(text.startswith(f"⚠ {len(without)} of 6 probes ") for text in status(view))
    found = view.last
    assert not view.counts(found)[~has].any()
    assert view.counts(found)[has].all()
    assert view.metrics["score"] == pytest.approx(float(found.score[has].mean()))
    assert view.metrics["score_min"] == pytest.approx(float(found.score[has].min()))
    for probe in range(6):
        texts = panel_texts(view, probes, NAMES, found, probe, 0)
        assert (texts["title"] == f"probe {probe} · no pixel of building here") == (probe in without)
        assert bool(texts.get("empty")) == (probe in without)
    bars = requests(view, probes, None, NAMES)["superpixels"].args[0]
    assert [bool(panel.names) for panel in bars] == has.tolist()


def test_a_mean_over_a_region_is_no_prediction_of_another_class(tmp_path):
    """Water has more of the picture than the building, which is what is explained."""
    lime = callback(pictures=False)
    run(tmp_path, lime, Reads(), Scenes(), epochs=2)
    view = view_of(lime)
    texts = [view.now.text(probe, 2, NAMES) for probe in range(6)]
    assert not any("≠" in text or "predicted water" in text for text in [*texts, *status(view)])
    assert not any("another class" in text for text in status(view))
    (shown,) = page_data(read(tmp_path / "lime"))["views"]
    assert shown["predictions"]["kind"] == "pixels"
    assert {name for name in shown["regions"]["names"] if name} == set(texts)


def test_the_announcement_names_class_and_mask_before_training(tmp_path, caplog):
    caplog.set_level("INFO")
    run(tmp_path, callback(), Reads(), Scenes(), epochs=1)
    first = said_by(caplog)[0]
    assert "explains building, as the mean probability over its pixels in the batch's 'mask', of 6 " in first
    assert "labels in entry 'mask', a class for each pixel" in first
    assert sum("explains building" in text for text in said_by(caplog)) == 1


def test_without_a_mask_the_argument_that_takes_it_is_said_as_it_is_written_for_this_batch(tmp_path, caplog):
    class Pairs(Scenes):
        def __getitem__(self, i):
            return self.x[i], self.mask[i]

    caplog.set_level("INFO")
    run(tmp_path, callback(output="auto"), Reads(), Pairs(), epochs=1)
    (said,) = [text for text in said_by(caplog) if "predicted as a class" in text]
    assert "for building. " in said
    assert "`output=ClassRegion(region=1)` takes those of the batch's mask" in said
    lime = callback(output=ClassRegion(region=1))
    run(tmp_path / "mask", lime, Reads(), Pairs(), epochs=1)
    assert view_of(lime).now.text(1, 2, NAMES).startswith(("16 px of the mask", "no pixel of building here"))


def test_a_class_by_its_name_is_the_class_by_its_number(tmp_path):
    by_name, by_number = callback(), callback(target=2)
    assert by_name.config.target == by_number.config.target == 2
    assert callback(target=["water", 0]).config.target == [1, 0]
    with pytest.raises(
        ValueError, match=r"`target` should be .* or its name.*Found `target = 'roof'`. The classes are"
    ):
        callback(target="roof")
    for typed in ("Building", "bulding"):
        with pytest.raises(ValueError, match=f"Found `target = '{typed}'`. Did you mean 'building'. The classes are"):
            callback(target=typed)
    with pytest.raises(ValueError, match=r"Found `target = 'water'`. Pass `class_names=` to name a class"):
        callback(target="water", class_names=None)


def test_samples_that_have_the_class_are_taken_and_pictures_say_which(tmp_path):
    lime, data = callback(probes=HasClass("building", count=4, share=0.1)), Scenes()
    told = run(tmp_path, lime, Reads(), data, epochs=1)
    probes = lime._validation.probes
    assert len(probes.numbers) == 4
    assert all((data.mask[number] == 2).any() for number in probes.numbers)
    assert not any("no pixel of" in text for text in told)
    title = panel_texts(view_of(lime), probes, NAMES, view_of(lime).last, 0, 0)["title"]
    assert title.startswith(f"sample {probes.numbers[0]} · explains building · 16 px of the mask, ")
    with pytest.raises(ValueError, match=r"`label` should be .*Found `label = 'roof'`. The classes are \['ground'"):
        callback(probes=HasClass("roof"))


def test_one_of_each_class_of_masks(tmp_path):
    lime, data = callback(probes="one_per_class", target="all"), Scenes()
    run(tmp_path, lime, Reads(), data, epochs=1)
    numbers = lime._validation.probes.numbers
    assert numbers is not None
    assert len(numbers) == 3
    assert set(data.mask[list(numbers)].flatten().tolist()) == {0, 1, 2}


@pytest.mark.parametrize("scale", [6.0, 12.0, 40.0])
def test_changes_of_means_over_regions_stay_readable(scale):
    """A class that is surely right has the same mean in all samples: by its deviation alone, any change is endless."""
    data = Scenes()
    with_all = [i for i in range(24) if has_building(i)]
    regions = ClassRegion(region=data.mask[with_all])
    bright = torch.zeros(3, 12, 12, dtype=torch.bool)
    bright[2] = True
    found = reliance(lambda z: scale * z, data.x[with_all], {"red": bright}, output=regions)
    assert not found.classes  # they are no shares of predictions
    assert 0 < float(found.changed.max()) < float(found.everything.max()) < 10


def test_pictures_are_drawn_before_a_class_has_a_region_and_after(tmp_path):
    lime = LimeCallback([GRID], probes=2, n_perturbations=32, output=ClassRegion(), target=1, every_n_epochs=1)
    told = run(tmp_path, lime, Segmenter(begins=1), epochs=3)
    assert not any("failed" in text for text in told)
    assert len(list((tmp_path / "lime").rglob("*.png"))) == 3 * 3

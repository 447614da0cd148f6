"""One line says what is explained: what was found in the data, and not what was asked for."""

import pytest
import torch
from toys import Classifier, Samples, fit, loader

from lime_callback import LimeCallback, Superbands, Superpixels


def announced(caplog):
    said = [record.getMessage() for record in caplog.records if " perturbations each" in record.getMessage()]
    return [text.removeprefix("LimeCallback ") for text in said]


def callback(**settings):
    usual = {"views": Superpixels("grid", 4), "n_perturbations": 8, "pictures": False, "background": 0}
    usual |= {"every_n_epochs": 1}
    return LimeCallback(**usual | settings)


@pytest.mark.filterwarnings("ignore:.*are degenerate")
def test_the_line_says_what_is_done_in_fit_test_and_validate(tmp_path, caplog):
    caplog.set_level("INFO")
    lime = callback(probes=16, class_names=["corn", "oats", "rye"])
    one, model = fit(tmp_path, lime, data=Samples(3), epochs=1)
    one.test(model, loader(Samples(5)), verbose=False)
    one.validate(model, loader(Samples(48)), verbose=False)
    found = "batch entry 0, [6, 12, 12] as CHW (6 channels, 12 x 12 pixels), labels in entry 1"
    assert announced(caplog) == [
        f"'lime': explains 3 validation samples (16 were asked for) at the end of every validation: {found} (corn: 1, "
        "oats: 1, rye: 1); by 'spatial', 8 perturbations each (at most 30 forward passes of one sample).",
        f"'lime/test': explains 5 test samples (16 were asked for): {found} (corn: 2, oats: 2, rye: 1); by 'spatial', "
        "8 perturbations each (at most 50 forward passes of one sample).",
        f"'lime/validate': explains 16 validation samples: {found} (corn: 3, oats: 8, rye: 5); by 'spatial', "
        "8 perturbations each (at most 160 forward passes of one sample).",
    ]


@pytest.mark.filterwarnings("ignore:.*are degenerate")
def test_without_validation_it_speaks_of_training_samples(tmp_path, caplog):
    caplog.set_level("INFO")
    fit(tmp_path, callback(probes=2, every_n_epochs=3), epochs=1, limit_val_batches=0)
    (said,) = announced(caplog)
    assert said.startswith("'lime': explains 2 training samples at the end of every 3 epochs: ")


@pytest.mark.filterwarnings("ignore:.*are degenerate")
@pytest.mark.parametrize(
    ("pack", "unpack", "settings", "found"),
    [
        (
            lambda x, y, i: {"image": x, "y": y.float()}, lambda batch: (batch["image"], batch["y"].long()), {},
            "batch entry 'image', [6, 12, 12] as CHW (6 channels, 12 x 12 pixels), labels in entry 'y', not",
        ),
        (
            lambda x, y, i: (x, y), lambda batch: batch, {"layout": "WHC", "views": Superbands(3)},
            "batch entry 0, [6, 12, 12] as WHC (12 channels, 12 x 6 pixels), labels in entry 1 (class",
        ),
        (
            lambda x, y, i: x, lambda x: (x, torch.zeros(len(x)).long()), {},
            "the batch, [6, 12, 12] as CHW (6 channels, 12 x 12 pixels), no labels found; by",
        ),
    ],
    ids=["by name", "another layout", "images alone"],
)  # fmt: skip
def test_a_wrong_guess_is_seen(tmp_path, caplog, pack, unpack, settings, found):
    caplog.set_level("INFO")
    fit(
        tmp_path, callback(probes=2, **settings), data=Samples(pack=pack), model=lambda: Classifier(unpack=unpack),
        epochs=1, limit_train_batches=1,
    )  # fmt: skip
    (said,) = announced(caplog)
    assert found in said


def test_a_label_below_0_has_no_class_s_name():
    from lime_callback.outputs.targets import target_name

    assert target_name(-1, ["corn", "oats"]) == "-1"

"""Three lines say, before training starts, what is explained, what that costs and where it is seen; each once."""

import re
import warnings
from pathlib import Path

import lightning.pytorch as pl
import pytest
import torch
from lightning.pytorch.loggers import MLFlowLogger, TensorBoardLogger, WandbLogger
from toys import WAVELENGTHS, Classifier, Samples, fit, loader

from lime_callback import LimeCallback, Superbands, Superpixels


def announced(caplog):
    said = [record.getMessage() for record in caplog.records if "LimeCallback" in record.getMessage()]
    return [text.removeprefix("LimeCallback ") for text in said if "  Cost: " in text or ": took " in text]


def callback(**settings):
    usual = {"views": Superpixels("grid", 4), "n_perturbations": 8, "pictures": False, "background": 0}
    usual |= {"every_n_epochs": 1}
    return LimeCallback(**usual | settings)


@pytest.mark.filterwarnings("ignore:.*are degenerate")
def test_the_lines_say_what_is_done_in_fit_test_and_validate(tmp_path, caplog):
    caplog.set_level("INFO")
    lime = callback(probes=16, class_names=["corn", "oats", "rye"])
    one, model = fit(tmp_path, lime, data=Samples(3), epochs=1)
    one.test(model, loader(Samples(5)), verbose=False)
    one.validate(model, loader(Samples(48)), verbose=False)
    found = "batch entry 0, [6, 12, 12] as CHW (6 channels, 12 x 12 pixels), labels in entry 1"

    def lines(kind, when, folder, count=16):
        fewer = " (there are no 16)" if count < 16 else ""
        return (
            f"explains {count} {kind} samples{fewer} by 'spatial': {found}.\n"
            f"  Cost: about {count * 10} forward passes of one sample{when}.\n"
            f"  Shown: in {folder}; as a page by `python -m lime_callback report {folder}`."
        )

    assert announced(caplog) == [
        f"'lime': {lines('validation', ' at the end of every validation', tmp_path / 'lime', 3)}",
        "'lime': took 3 validation samples of 16 that were asked for: corn: 1, oats: 1, rye: 1.",
        f"'lime/test': {lines('test', '', tmp_path / 'lime' / 'test', 5)}",
        "'lime/test': took 5 test samples of 16 that were asked for: corn: 2, oats: 2, rye: 1.",
        f"'lime/validate': {lines('validation', '', tmp_path / 'lime' / 'validate')}",
        "'lime/validate': took 16 validation samples: corn: 3, oats: 6, rye: 7.",
    ]


@pytest.mark.filterwarnings("ignore:.*are degenerate")
@pytest.mark.parametrize("checked", [0, 1], ids=["no sanity check", "a sanity check"])
def test_they_are_there_before_the_first_training_step_and_nothing_is_said_twice(tmp_path, caplog, checked):
    caplog.set_level("INFO")
    before = []

    class First(pl.Callback):
        def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
            before.append(announced(caplog))

    fit(tmp_path, callback(probes=4), First(), num_sanity_val_steps=checked)
    assert len(before[0]) == 1
    assert before[0][0].startswith("'lime': explains 4 validation samples by 'spatial': ")
    said = [line for text in announced(caplog) for line in text.splitlines()]
    assert len(said) == len(set(said)) == 4


@pytest.mark.filterwarnings("ignore:.*are degenerate")
def test_the_folder_that_is_told_is_the_one_that_is_written(tmp_path, caplog):
    caplog.set_level("INFO")
    for _ in range(2):
        fit(tmp_path, callback(probes=2), epochs=1)
    told = [text.splitlines()[2] for text in announced(caplog) if "Shown" in text]
    first, second = tmp_path / "lime", tmp_path / "lime_1"
    assert told == [
        f"  Shown: in {first}; as a page by `python -m lime_callback report {first}`.",
        f"  Shown: in {second}; as a page by `python -m lime_callback report {second}` (lime holds another run).",
    ]
    assert all((folder / "history.csv").exists() for folder in (first, second))
    assert "writes to" not in caplog.text


@pytest.mark.filterwarnings("ignore:.*are degenerate")
@pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy is deprecated")
@pytest.mark.filterwarnings("ignore:For backward compatibility, 'str' dtypes are included")
def test_loggers_are_named_with_the_address_of_the_run(tmp_path, caplog):
    caplog.set_level("INFO")
    web = WandbLogger(save_dir=tmp_path, offline=True)
    tracked = MLFlowLogger(tracking_uri=f"sqlite:///{tmp_path}/mlflow.db", artifact_location=str(tmp_path / "kept"))
    fit(tmp_path, callback(probes=2), epochs=1, logger=[TensorBoardLogger(tmp_path), web, tracked])
    place = tmp_path / "lightning_logs" / "version_0" / "lime"
    assert announced(caplog)[0].splitlines()[2] == (
        f"  Shown: in TensorBoard and W&B (offline: `wandb sync {Path(web.experiment.dir).parent}`) and MLflow (run "
        f"{tracked.run_id} of sqlite:///{tmp_path}/mlflow.db); as a page by `python -m lime_callback report {place}`."
    )
    assert (place / "history.csv").exists()


@pytest.mark.filterwarnings("ignore:.*are degenerate")
def test_a_run_that_writes_nothing_says_so(tmp_path, caplog):
    caplog.set_level("INFO")
    fit(tmp_path, callback(probes=2), fast_dev_run=True)
    assert announced(caplog)[0].endswith("  Shown: nowhere, since a `fast_dev_run` writes nothing.")


@pytest.mark.finds
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    "settings",
    [{}, {"wavelengths": WAVELENGTHS}, {"findings": "off"}, {"background": 0}],
    ids=["superpixels", "superbands too", "no findings", "no background"],
)
def test_an_explained_epoch_costs_about_what_was_told(tmp_path, caplog, settings):
    caplog.set_level("INFO")
    lime = LimeCallback(every_n_epochs=1, pictures=False, n_perturbations=128, **settings)
    one, _ = fit(tmp_path, lime, epochs=2)
    told = int(re.search(r"about ([\d,]+) forward", announced(caplog)[0])[1].replace(",", ""))
    assert 0.6 * told < one.callback_metrics["lime/forwards"] <= told


@pytest.mark.filterwarnings("ignore:.*are degenerate")
def test_without_validation_it_speaks_of_training_samples(tmp_path, caplog):
    caplog.set_level("INFO")
    fit(tmp_path, callback(probes=2, every_n_epochs=3), epochs=1, limit_val_batches=0)
    said, took = announced(caplog)
    assert said.startswith("'lime': explains 2 training samples by 'spatial': batch entry 0")
    assert "of one sample at the end of every 3 epochs.\n" in said
    assert took.startswith("'lime': took 2 training samples: class 0: ")


@pytest.mark.filterwarnings("ignore:.*`layout = 'WHC'` takes samples")
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
            "batch entry 0, [6, 12, 12] as WHC (12 channels, 12 x 6 pixels), labels in entry 1.\n",
        ),
        (
            lambda x, y, i: x, lambda x: (x, torch.zeros(len(x)).long()), {},
            "the batch, [6, 12, 12] as CHW (6 channels, 12 x 12 pixels), no labels found.\n",
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
    assert found in announced(caplog)[0]


@pytest.mark.filterwarnings("ignore:.*are degenerate")
@pytest.mark.parametrize(
    ("settings", "limits", "said"),
    [
        ({"probes": 1000}, {}, r"explains 48 validation samples \(there are no 1,000\) by.*\n.*about 480 forward"),
        ({"probes": 1000}, {"limit_val_batches": 2}, r"explains 32 validation samples \(there are no 1,000\) by"),
        ({"probes": 40}, {}, r"explains 40 validation samples by.*\n.*about 400 forward"),
        ({"probes": "one_per_class"}, {}, r"explains at most 16 validation samples, .*\n.*Cost: at most 160 forward"),
    ],
)  # fmt: skip
def test_no_more_samples_are_announced_than_there_are(tmp_path, caplog, settings, limits, said):
    caplog.set_level("INFO")
    fit(tmp_path, callback(**settings), epochs=1, **limits)
    first, took = announced(caplog)
    assert re.search(said, first)
    if settings["probes"] == "one_per_class":  # nobody asked for 16
        assert re.search(r"took 3 validation samples: numbers .* They cost about 30 forward passes\.$", took)
    else:
        assert "They cost" not in took


@pytest.mark.filterwarnings("ignore:.*are degenerate")
def test_entries_that_may_be_labels_are_proposed_where_none_is_found(tmp_path, caplog):
    caplog.set_level("INFO")
    data = Samples(pack=lambda x, y, i: {"id": i, "x": x, "cls": y, "place": x[0]})
    unpack = lambda batch: (batch["x"], batch["cls"])  # noqa: E731
    fit(tmp_path, callback(probes=2), data=data, model=lambda: Classifier(unpack=unpack), epochs=1)
    told = re.search(r"no labels found, pass for example `label_key=(.*?)` or `.*?` if it holds them\.\n", caplog.text)
    assert told[1] == "'cls'"
    caplog.clear()
    fit(
        tmp_path, callback(probes=2, label_key=eval(told[1])), data=data, model=lambda: Classifier(unpack=unpack),
        epochs=1,
    )  # fmt: skip
    assert "labels in entry 'cls'." in caplog.text


@pytest.mark.filterwarnings("ignore:.*are degenerate")
@pytest.mark.parametrize(("shown", "told"), [([0, 0, 0, 0], True), ([0, 1, 0, 0], False)])
def test_probes_of_one_class_are_told_where_there_are_others(tmp_path, shown, told):
    """The callback takes the samples 8, 16, 29 and 37 of the 48."""
    data = Samples()
    data.y = torch.arange(48) % 3
    data.y[torch.tensor([8, 16, 29, 37])] = torch.tensor(shown)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        fit(tmp_path, callback(probes=4, background=16), data=data, epochs=1)
    texts = [str(one.message) for one in said if "probes are of" in str(one.message)]
    assert len(texts) == told
    if told:
        assert "all 4 probes are of class 0, and there are 3 classes or more" in texts[0]
        assert "probes='one_per_class'" in texts[0]


def test_a_label_below_0_has_no_class_s_name():
    from lime_callback.outputs.targets import target_name

    assert target_name(-1, ["corn", "oats"]) == "-1"

"""The callback in a trainer: what it takes, what it logs, and what it leaves alone."""

import logging
import warnings

import lightning.pytorch as pl
import pytest
import pytorch_lightning
import torch
from lightning.pytorch.callbacks import EarlyStopping, ModelCheckpoint
from lightning.pytorch.loggers import CSVLogger, TensorBoardLogger
from logged_names import OF_BOTH, VIEWS
from torch import nn
from toys import WAVELENGTHS, Classifier, Samples, Still, classifier, events, fit, loader, trainer

from lime_callback import LimeCallback, Superbands, Superpixels, explain
from lime_callback.publishing.sinks import read_history

blank_pictures = pytest.mark.usefixtures("blank_pictures")
SPATIAL, SPECTRAL = Superpixels("grid", n_segments=4), Superbands(bands=3)


def callback(views=(SPATIAL, SPECTRAL), **settings):
    return LimeCallback(
        list(views), **{"wavelengths": WAVELENGTHS, "probes": 4, "n_perturbations": 24, "on_error": "raise"} | settings
    )


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    """The metrics of an epoch without anything special."""
    one, _ = fit(tmp_path_factory.mktemp("plain"), callback(pictures=False), epochs=1)
    return one.callback_metrics


@pytest.mark.own_pace
def test_works_without_any_argument_and_says_what_it_will_do(tmp_path, caplog):
    photos = Samples(shape=(3, 16, 16))
    with caplog.at_level(logging.INFO):
        one, _ = fit(tmp_path, LimeCallback(), model=lambda: Classifier((3, 16, 16)), data=photos)
    said, *_ = [record.message for record in caplog.records if "LimeCallback" in record.message]
    # Of each sample 256 perturbations, itself, all of it hidden, and four curves of four steps; 640 for findings.
    assert said == (
        "LimeCallback 'lime': explains 8 validation samples by 'spatial': batch entry 0, [3, 16, 16] as CHW (3 "
        "channels, 16 x 16 pixels), labels in entry 1.\n"
        "  Cost: about 2,832 forward passes of one sample at the end of every validation, or of fewer where they take "
        "more than 10% of the run's time.\n"
        f"  Shown: in {tmp_path / 'lime'}; as a page by `python -m lime_callback report {tmp_path / 'lime'}`."
    )
    assert one.callback_metrics["lime/spatial/score"] > 0.1
    assert (tmp_path / "lime" / "history.csv").exists()
    assert list((tmp_path / "lime" / "spatial" / "attributions").glob("*.png"))


def test_tensorboard_and_history_hold_every_view_and_epoch(tmp_path):
    fit(tmp_path, callback(), logger=TensorBoardLogger(tmp_path), epochs=3)
    found = events(tmp_path)
    losses = [event.step for event in found.Scalars("val_loss")]
    for view in VIEWS:
        for metric in ("score", "score_min", "drift", "drift_from_start", "rank_correlation", "top5_overlap"):
            since = metric not in ("score", "score_min")  # the first one: there is nothing to compare with before
            assert [event.step for event in found.Scalars(f"lime/{view}/{metric}")] == losses[since:]
    for picture in OF_BOTH:
        images = found.Images(picture)
        assert [event.step for event in images] == losses
        assert min(image.width for image in images) > 300
    (path,) = tmp_path.rglob("history.csv")
    rows = read_history(path)
    assert {(row.epoch, row.view, row.probe) for row in rows} == {
        (epoch, view, probe) for epoch in (1, 2, 3) for view in ("spatial", "spectral") for probe in range(4)
    }
    assert {row.step for row in rows} == set(losses)
    assert len(rows) == 3 * 4 * (4 + 3)


@blank_pictures
def test_what_is_logged_is_what_explain_finds(tmp_path):
    """The callback's numbers are those of ``explain`` on the same samples and seeds."""
    from lime_callback.sampling.seeds import seed_for

    _, model = fit(tmp_path, callback([SPECTRAL], target="label"), epochs=1)
    rows = read_history(tmp_path / "lime" / "history.csv")
    data = Samples()
    probes = [8, 16 + 0, 16 + 13, 32 + 5]  # of three batches of 16, spread evenly
    x, y = data.x[probes], data.y[probes]
    found = explain(
        model.eval(), x, SPECTRAL.features(x, wavelengths=WAVELENGTHS), y, n_perturbations=24, output="centered",
        background=data.x, seed=[seed_for(0, probe, "spectral") for probe in range(4)],
    )  # fmt: skip
    logged = torch.tensor([row.coefficient for row in rows]).view(4, 1, 3)
    torch.testing.assert_close(logged, found.coefficients, atol=1e-5, rtol=0)


@blank_pictures
def test_monitors_find_their_values(tmp_path):
    checkpoint = ModelCheckpoint(tmp_path / "best", monitor="lime/spectral/drift", filename="{epoch}")
    stopping = EarlyStopping("lime/spatial/score_min", mode="max", patience=10)
    one, _ = fit(tmp_path, checkpoint, stopping, callback(every_n_epochs=2), epochs=4, enable_checkpointing=True)
    assert one.current_epoch == 4
    assert checkpoint.best_model_path.endswith("epoch=2.ckpt")  # the first with something to compare with


@blank_pictures
def test_the_schedule(tmp_path):
    fit(tmp_path, callback([SPECTRAL], every_n_epochs=3), epochs=7)
    assert sorted({row.epoch for row in read_history(tmp_path / "lime" / "history.csv")}) == [1, 4, 7]


@blank_pictures
def test_validation_within_an_epoch(tmp_path):
    fit(tmp_path, callback([SPECTRAL]), epochs=2, val_check_interval=1, logger=TensorBoardLogger(tmp_path))
    found = events(tmp_path)
    losses = [event.step for event in found.Scalars("val_loss")]
    assert len(losses) == 6
    for one, expected in (
        (found.Scalars("lime/spectral/drift"), losses[1:]), (found.Images("lime/spectral/superbands"), losses)
    ):  # fmt: skip
        assert [event.step for event in one] == expected
    (path,) = tmp_path.rglob("history.csv")
    assert [*dict.fromkeys(row.step for row in read_history(path))] == losses


@blank_pictures
def test_an_unchanged_model_has_no_drift(tmp_path):
    one, _ = fit(tmp_path, callback(), model=Still)
    for view in VIEWS:
        assert one.callback_metrics[f"lime/{view}/drift"] == 0
        assert one.callback_metrics[f"lime/{view}/rank_correlation"] == pytest.approx(1)
        assert one.callback_metrics[f"lime/{view}/top5_overlap"] == 1


def test_training_is_bit_identical(tmp_path):
    _, alone = fit(tmp_path / "alone")
    _, watched = fit(tmp_path / "watched", callback())
    for (name, a), b in zip(alone.state_dict().items(), watched.state_dict().values(), strict=True):
        assert torch.equal(a, b), name


class Named(dict):
    """Stands in for a Hugging Face output, which is an ordered mapping with attributes."""

    __getattr__ = dict.__getitem__


@blank_pictures
@pytest.mark.parametrize(
    ("item", "unpack", "settings"),
    [
        (lambda x, y, i: (x, y), lambda b: b, {}),
        (lambda x, y, i: (i, x, y), lambda b: b[1:], {"input_key": 1, "label_key": 2}),
        (lambda x, y, i: {"image": x, "label": y}, lambda b: (b["image"], b["label"]), {}),
        (lambda x, y, i: {"pixel_values": x, "labels": y}, lambda b: (b["pixel_values"], b["labels"]), {}),
        (lambda x, y, i: {"x": x, "y": y, "id": str(i)}, lambda b: (b["x"], b["y"]), {}),
        (
            lambda x, y, i: {"rock": x, "kind": y},
            lambda b: (b["rock"], b["kind"]),
            {"input_key": "rock", "label_key": "kind"},
        ),
    ],
)
def test_batches_of_every_form(tmp_path, item, unpack, settings):
    one, _ = fit(
        tmp_path,
        callback(target="label", **settings),
        model=lambda: Classifier(unpack=unpack),
        data=Samples(pack=item),
        epochs=1,
    )
    assert one.callback_metrics["lime/spectral/score"] > 0


@blank_pictures
def test_batches_without_labels(tmp_path):
    class Autoencoder(Classifier):
        def loss(self, batch):
            return self(batch).square().mean()

    one, _ = fit(tmp_path, callback(), model=Autoencoder, data=Samples(pack=lambda x, y, i: x), epochs=1)
    assert one.callback_metrics["lime/spectral/score"] > 0


@blank_pictures
@pytest.mark.parametrize(
    ("pack", "pick", "settings"),
    [
        (lambda y: Named(loss=y.mean(), logits=y), lambda y: y.logits, {}),
        (lambda y: {"prediction": y}, lambda y: y["prediction"], {}),
        (lambda y: (y, y.mean()), lambda y: y[0], {}),
        (lambda y: {"aux": 2 * y, "main": y}, lambda y: y["main"], {"output_key": "main"}),
    ],
)
def test_outputs_of_every_form(tmp_path, plain, pack, pick, settings):
    one, _ = fit(tmp_path, callback(**settings), model=lambda: Classifier(pack=pack, pick=pick), epochs=1)
    assert one.callback_metrics["lime/spectral/score"] == plain["lime/spectral/score"]


@blank_pictures
@pytest.mark.filterwarnings("ignore:.*too few to tell 3 features apart")
def test_models_with_several_inputs(tmp_path):
    """Only the image is perturbed; each perturbed image comes with its own probe's other inputs."""

    class Two(Classifier):
        def forward(self, x, offset):
            return self.net(x) + offset.unsqueeze(1)

        def loss(self, batch):
            return nn.functional.cross_entropy(self(batch["image"], batch["offset"]), batch["label"])

    seen = []

    def forward(module, batch):
        seen.append(batch["offset"])
        assert len(batch["name"]) == len(batch["image"])
        return module(batch["image"], batch["offset"])

    data = Samples(pack=lambda x, y, i: {"image": x, "label": y, "offset": 100.0 * i, "name": f"field {i}"})
    fit(
        tmp_path,
        callback([SPECTRAL], forward=forward, design="paired", stem="off", reliance=False),
        model=Two,
        data=data,
        epochs=1,
    )
    counts = torch.cat(seen).unique(return_counts=True)
    assert counts[0].tolist() == [800.0, 1600.0, 2400.0, 2900.0, 3700.0]  # that of 24 is the sanity check's
    # Besides the perturbations there are the probe itself, once for its targets as well, and all of it hidden.
    assert counts[1][[0, 1, 3, 4]].tolist() == [24 + 3] * 4


@blank_pictures
@pytest.mark.parametrize(
    ("target", "names"),
    [("predicted", 1), ("label", 1), ("all", 3), (2, 1), ([0, 2], 2)],
)
def test_targets(tmp_path, target, names):
    fit(tmp_path, callback([SPECTRAL], target=target, class_names=["rye", "oat", "hop"]), epochs=1)
    rows = read_history(tmp_path / "lime" / "history.csv")
    assert len(rows) == 4 * names * 3
    assert {row.target for row in rows} <= {"rye", "oat", "hop"}
    if target == [0, 2]:
        assert {row.target for row in rows} == {"rye", "hop"}


@blank_pictures
@pytest.mark.parametrize(
    ("layout", "axes"), [("HWC", (1, 2, 0)), ("CWH", (0, 2, 1)), ("1CHW", None)], ids=["HWC", "CWH", "1CHW"]
)
def test_layouts_agree(tmp_path, plain, layout, axes):
    def there(x):
        return x.unsqueeze(0) if axes is None else x.permute(*axes).contiguous()

    def back(x):
        return x.squeeze(1) if axes is None else x.permute(0, *[axes.index(i) + 1 for i in range(3)])

    class Other(Classifier):
        def forward(self, x):
            return self.net(back(x).contiguous())

    moved = Samples(pack=lambda x, y, i: (there(x), y))
    one, _ = fit(tmp_path, callback(layout=layout), model=Other, data=moved, epochs=1)
    for view in VIEWS:
        name = f"lime/{view}/score"
        torch.testing.assert_close(one.callback_metrics[name], plain[name], atol=1e-4, rtol=0)


@blank_pictures
def test_several_loggers_and_trainers_of_the_other_package(tmp_path):
    loggers = [
        pytorch_lightning.loggers.TensorBoardLogger(tmp_path / "tb"),
        pytorch_lightning.loggers.CSVLogger(tmp_path / "csv"),
    ]
    one, _ = fit(
        tmp_path,
        callback(),
        model=classifier(pytorch_lightning.LightningModule),
        kind=pytorch_lightning.Trainer,
        logger=loggers,
    )
    assert one.callback_metrics["lime/spectral/score"] > 0
    assert len(events(tmp_path / "tb").Images("lime/spatial/attributions")) == 2
    assert (tmp_path / "tb" / "lightning_logs" / "version_0" / "lime" / "history.csv").exists()
    assert not list(tmp_path.rglob("*.png"))


@blank_pictures
def test_pictures_become_files_where_no_logger_takes_them(tmp_path):
    fit(tmp_path, callback(), logger=CSVLogger(tmp_path))
    folder = tmp_path / "lightning_logs" / "version_0" / "lime"
    assert len(list(folder.glob("spectral/superbands/*.png"))) == 2


def test_nothing_is_written_in_a_fast_run(tmp_path):
    fit(tmp_path, callback(), fast_dev_run=True)
    assert not list(tmp_path.rglob("*.*"))


@blank_pictures
def test_trainer_validate(tmp_path):
    pl.seed_everything(0, verbose=False)
    one = trainer(tmp_path, callback())
    (found,) = one.validate(Classifier(), loader(), verbose=False)
    assert found["lime/validate/spectral/score"] > 0
    # Nothing of a run, and nothing that stands for what was not measured.
    assert not [name for name in (*found, *one.callback_metrics) if name.startswith("lime/s") or "drift" in name]


@blank_pictures
def test_two_callbacks_of_different_names(tmp_path):
    one, _ = fit(tmp_path, callback([SPECTRAL]), callback([SPECTRAL], name="soft", output="softmax"), epochs=1)
    assert "lime/spectral/score" in one.callback_metrics
    assert "soft/spectral/score" in one.callback_metrics
    assert (tmp_path / "soft" / "history.csv").exists()


@blank_pictures
def test_fewer_samples_than_probes(tmp_path):
    fit(tmp_path, callback([SPECTRAL], probes=100), epochs=1, data=Samples(20))
    assert {row.probe for row in read_history(tmp_path / "lime" / "history.csv")} == set(range(20))


@blank_pictures
def test_a_failure_is_reported_once_and_training_goes_on(tmp_path):
    class Fragile(Classifier):
        def forward(self, x):
            if not self.training and self.trainer.current_epoch > 0 and len(x) == 3:
                raise RuntimeError("no threes")
            return super().forward(x)

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        one, model = fit(tmp_path, callback(on_error="warn", max_batch_size=3), model=Fragile, epochs=4)
    said = [str(w.message) for w in caught if "LimeCallback" in str(w.message)]
    assert len(said) == 2
    for one_said, view in zip(sorted(said), ("spatial", "spectral"), strict=True):
        assert one_said.startswith(
            f"LimeCallback 'lime': view '{view}' failed and is left out; training goes on. Cause: RuntimeError: no "
            "threes (LimeCallback calls the model with the images alone."
        )
        assert "a tensor of shape (3, 6, 12, 12)" in one_said
    assert one.current_epoch == 4
    assert {row.epoch for row in read_history(tmp_path / "lime" / "history.csv")} == {1}
    _, alone = fit(tmp_path / "alone", model=Fragile, epochs=4)
    assert all(torch.equal(a, b) for a, b in zip(alone.parameters(), model.parameters(), strict=True))


@pytest.mark.parametrize(
    ("settings", "kind", "message"),
    [
        ({"probes": 0}, ValueError, "`probes` should be a whole number of at least 1. Found `probes = 0`"),
        ({"every_n_epochs": 0}, ValueError, "`every_n_epochs` should be 'auto', or a whole number of at least 1"),
        ({"n_perturbations": 1}, ValueError, "`n_perturbations` should be a whole number of at least 2"),
        ({"max_batch_size": 0}, ValueError, "`max_batch_size` should be a whole number of at least 1"),
        ({"views": []}, ValueError, "`views` should hold at least one view"),
        ({"views": "spatial"}, TypeError, "`views` should be a view or several"),
        ({"views": [SPATIAL, SPATIAL]}, ValueError, r"`views` should have different names. Found \['spatial'\]"),
        ({"target": "truth"}, ValueError, "`target` should be 'auto', 'predicted', 'label', 'all'.*'truth'"),
        ({"target": -1}, ValueError, "`target` should be .*Found `target = -1`"),
        ({"target": [1, 1]}, ValueError, "`target` should be .*a list of different indices"),
        ({"on_error": "ignore"}, ValueError, "`on_error` should be one of 'warn', 'raise'"),
        ({"layout": "BCHW"}, ValueError, "`layout` should name the axes of one sample"),
        ({"name": "a/b"}, ValueError, "`name` should be a name of letters"),
        ({"wavelengths": 550.0}, TypeError, "`wavelengths` should be a sequence of numbers in nm"),
        ({"wavelengths": [0.4, 0.5]}, ValueError, "`wavelengths` should be in nm.*micrometres"),
        ({"wavelengths": [400, -1]}, ValueError, r"`wavelengths` should be finite and above 0.*\[-1.0\]"),
        ({"design": "sobol"}, ValueError, "`design` should be one of 'bernoulli', 'paired'"),
        ({"output": "logits"}, ValueError, "`output` should be one of 'auto', 'raw', 'centered', 'softmax', 'sigmoid'"),
    ],
)
def test_wrong_arguments_are_named_at_once(settings, kind, message):
    with pytest.raises(kind, match=message):
        LimeCallback(**{"wavelengths": WAVELENGTHS} | settings)


@pytest.mark.parametrize(
    ("settings", "model", "data", "message"),
    [
        ({"wavelengths": [400.0, 500.0]}, {}, {}, "`wavelengths`.* 6 channels.*2"),
        ({"wavelengths": "visible"}, {}, {}, "`wavelengths = 'visible'` should be the key of a batch entry"),
        ({"views": [Superbands(["R"])], "wavelengths": None}, {}, {}, "wavelengths"),
        ({"views": [Superpixels(mask=torch.zeros(5, 5, dtype=torch.long))]}, {}, {}, r"`mask`.*12.*\(5, 5\)"),
        ({"views": [Superpixels(mask=torch.full((12, 12), -1))]}, {}, {}, "no feature|at least one feature|no label"),
        ({"target": 7}, {}, {}, r"`target` should be an index from 0 to 2: the model has 3 outputs. Found \[7\]"),
        (
            {"target": "label"},
            {"unpack": lambda b: (b, torch.zeros(len(b)).long())},
            {"pack": lambda x, y, i: x},
            "'label'",
        ),
        (
            {},
            {"pack": lambda y: y.mean(0), "pick": lambda y: y.expand(16, -1)},
            {},
            r"`forward` should return \[m\] or \[m, K\]",
        ),
        ({"layout": "HW"}, {}, {}, r"`layout = 'HW'` describes samples with 2 axes.*Pass layout='CHW'"),
        ({"input_key": "scene"}, {}, {}, "`input_key` should name the batch's entry with the images.*'scene'"),
        ({"label_key": "truth"}, {}, {}, "`label_key` should name an entry of the batch.*'truth'"),
        (
            {"output_key": "main"},
            {"pack": lambda y: {"o": y}, "pick": lambda y: y["o"]},
            {},
            "`output_key` should name",
        ),
    ],
)
def test_what_does_not_fit_the_data_raises_before_training(tmp_path, settings, model, data, message):
    model = Classifier(**model)
    before = [parameter.clone() for parameter in model.parameters()]
    with pytest.raises(ValueError, match=message):
        fit(tmp_path, callback(on_error="warn", **settings), model=lambda: model, data=Samples(**data))
    assert all(torch.equal(a, b) for a, b in zip(before, model.parameters(), strict=True))


@pytest.mark.parametrize("hook", ["on_train_epoch_start", "on_train_batch_end", "on_train_epoch_end"])
def test_a_callback_that_is_appended_to_a_running_training_explains_without_validation(tmp_path, hook, caplog):
    lime = callback([SPECTRAL], pictures=False)

    class Appends(pl.Callback):
        pass

    def append(self, trainer, *_):
        if trainer.current_epoch == 1 and lime not in trainer.callbacks:
            trainer.callbacks.append(lime)

    setattr(Appends, hook, append)
    with caplog.at_level(logging.INFO):
        fit(tmp_path, Appends(), epochs=4, limit_val_batches=0)
    epochs = {row.epoch for row in read_history(tmp_path / "lime" / "history.csv")}
    assert epochs == ({2, 3, 4} if hook == "on_train_epoch_start" else {3, 4})
    said = "was appended within an epoch, without validation: explains from the next epoch on" in caplog.text
    assert said == (hook == "on_train_batch_end")

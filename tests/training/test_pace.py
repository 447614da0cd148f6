"""Which validations are explained, and what monitors make of it."""

import math
from types import SimpleNamespace

import pytest
import torch
from lightning.pytorch.callbacks import Callback, EarlyStopping
from toys import WAVELENGTHS, Classifier, fit, loader, trainer

from lime_callback import LimeCallback, Superbands
from lime_callback.publishing.sinks import read_history
from lime_callback.training import run_pace
from lime_callback.training.run_pace import RunPace
from lime_callback.training.trainer_facts import validations_left


def callback(**settings):
    usual = {"wavelengths": WAVELENGTHS, "probes": 2, "n_perturbations": 16, "pictures": False, "on_error": "raise"}
    return LimeCallback(Superbands(3), **usual | settings)


def in_epoch(epoch):
    """What a pace asks of a trainer within an epoch, counted from 0."""
    progress = SimpleNamespace(current=SimpleNamespace(ready=epoch + 1, completed=epoch))
    loop = SimpleNamespace(epoch_progress=progress)
    return SimpleNamespace(current_epoch=epoch, fit_loop=loop, global_step=epoch, state=SimpleNamespace(fn="fit"))


def explained(settings, epochs, per_epoch):
    """The validations that are explained, as epochs from 0 and numbers within them."""
    pace = RunPace(callback(**settings).config)
    return [(epoch, i) for epoch in range(epochs) for i in range(per_epoch) if pace.take(in_epoch(epoch))]


def test_an_epoch_that_is_due_is_explained_once():
    assert explained({"every_n_epochs": 3}, 7, 4) == [(0, 0), (3, 0), (6, 0)]
    assert explained({"every_n_epochs": 1}, 2, 2) == [(0, 0), (0, 1), (1, 0), (1, 1)]


def test_validations_are_thinned():
    assert explained({"every_n_validations": 3}, 2, 4) == [(0, 0), (0, 3), (1, 2)]
    with pytest.raises(ValueError, match=r"both say how often to explain.*leave one of the two out"):
        callback(every_n_epochs=2, every_n_validations=2)
    with pytest.raises(ValueError, match="`every_n_validations` should be"):
        callback(every_n_validations=0)


def test_a_run_thins_its_validations_and_goes_on_counting_after_a_resume(tmp_path):
    settings = {"val_check_interval": 1, "limit_train_batches": 3}
    one, model = fit(tmp_path, callback(every_n_validations=4), epochs=2, **settings)
    (path,) = tmp_path.rglob("history.csv")
    assert sorted({row.step for row in read_history(path)}) == [0, 4]  # of the steps 0 to 5
    one.save_checkpoint(tmp_path / "last.ckpt")
    again = trainer(tmp_path, callback(every_n_validations=4), epochs=4, **settings)
    again.fit(model, loader(), loader(), ckpt_path=tmp_path / "last.ckpt")
    assert sorted({row.step for row in read_history(path)}) == [0, 4, 8]


@pytest.mark.parametrize(
    ("settings", "between"),
    [({"every_n_epochs": 5}, 5), ({"every_n_validations": 4}, 4)],
    ids=["epochs", "validations"],
)
def test_a_patience_that_repeated_values_use_up_is_warned_of(tmp_path, settings, between):
    stopping = EarlyStopping("lime/spectral/score", patience=3, mode="max")
    one = trainer(tmp_path, stopping, callback(**settings), epochs=1)
    with pytest.warns(UserWarning, match=f"once in {between} validations, .* Pass `patience={3 * between}`"):
        one.fit(Classifier(), loader(), loader())


def test_a_patience_that_suffices_is_not_warned_of(tmp_path):
    others = EarlyStopping("val_loss", patience=1), EarlyStopping("lime/spectral/score", patience=5, mode="max")
    trainer(tmp_path, *others, callback(every_n_epochs=5), epochs=1).fit(Classifier(), loader(), loader())


@pytest.fixture
def takes(monkeypatch):
    """Sets what an explanation takes, as a multiple of the time between two validations."""

    def one(share):
        choose = RunPace.choose
        monkeypatch.setattr(RunPace, "choose", lambda pace, measured, left: choose(pace, share, left))

    return one


def epochs_of(folder):
    (path,) = folder.rglob("history.csv")
    return sorted({row.epoch for row in read_history(path)})


own_pace = pytest.mark.own_pace
FAST = {"limit_train_batches": 1, "limit_val_batches": 1}


@own_pace
@pytest.mark.parametrize(("share", "explained"), [(0.4, [1, 2, 7, 12]), (0.05, list(range(1, 13)))])
def test_as_many_validations_are_left_out_as_keep_a_tenth_of_the_time(tmp_path, takes, caplog, share, explained):
    takes(share)
    fit(tmp_path, callback(), epochs=12, **FAST)
    assert epochs_of(tmp_path) == explained
    said = [text for text in caplog.messages if "explained from now on" in text]
    assert len(said) == (share == 0.4)
    assert all(
        "one validation in 5 is explained" in text and "`every_n_epochs=1` explains each" in text for text in said
    )


@own_pace
def test_the_choice_is_kept_over_a_resume(tmp_path, takes, caplog):
    takes(0.4)
    one, model = fit(tmp_path, callback(), epochs=4, **FAST)
    assert epochs_of(tmp_path) == [1, 2, 4]
    one.save_checkpoint(tmp_path / "last.ckpt")
    caplog.clear()
    takes(7.0)  # nothing is measured again
    trainer(tmp_path, callback(), epochs=10, **FAST).fit(model, loader(), loader(), ckpt_path=tmp_path / "last.ckpt")
    assert epochs_of(tmp_path) == [1, 2, 4, 9, 10]
    assert not any("explained from now on" in text for text in caplog.messages)


@own_pace
def test_the_last_epoch_is_explained_though_early_stopping_decides_after_its_validation(tmp_path, takes):
    class Worse(Classifier):
        def validation_step(self, batch, index):
            self.log("worse", float(self.current_epoch))

    takes(0.4)
    lime = callback()
    one, _ = fit(tmp_path, lime, EarlyStopping("worse", patience=3), model=Worse, epochs=30, **FAST)
    assert one.current_epoch == 4
    assert epochs_of(tmp_path) == [1, 2, 4]
    assert one.callback_metrics["lime/spectral/score"] == pytest.approx(
        lime.explanation("spectral").score.mean().item()
    )


@own_pace
@pytest.mark.parametrize(
    ("settings", "steps"),
    [
        ({"val_check_interval": 1, "limit_train_batches": 3, "epochs": 3}, [0, 1, 8]),
        ({"max_steps": 5, "limit_train_batches": 1, "epochs": -1}, [0, 1, 4]),
        ({"check_val_every_n_epoch": 2, "limit_train_batches": 1, "epochs": 9}, [1, 3, 7]),
        ({"limit_val_batches": 0, "limit_train_batches": 1, "epochs": 4}, [1, 2, 4]),
    ],
    ids=["inside an epoch", "steps", "every other epoch", "no validation"],
)
def test_the_runs_last_validation_is_explained(tmp_path, takes, settings, steps):
    takes(0.4)
    fit(tmp_path, callback(), **settings)
    (path,) = tmp_path.rglob("history.csv")
    assert sorted({row.step for row in read_history(path)}) == steps


@own_pace
@pytest.mark.parametrize("max_steps", [11, 12])
def test_final_weights_that_no_validation_has_seen_are_named_as_what_they_are(tmp_path, takes, caplog, max_steps):
    """Of epochs of three steps, the validation after the third is left out, since others were expected after it."""
    takes(0.4)
    fit(tmp_path, callback(), max_steps=max_steps, limit_train_batches=3, epochs=-1)
    (path,) = tmp_path.rglob("history.csv")
    last = max({(row.step, row.epoch, row.epochs) for row in read_history(path)})
    assert last == (11, 4, pytest.approx(max_steps / 3))  # a validation after 12 batches is at step 11, too
    said = [text for text in caplog.messages if "no validation has seen" in text]
    assert len(said) == (max_steps == 11)
    assert all("the final weights, after 3.667 epochs," in text for text in said)


@own_pace
def test_final_weights_after_the_last_validation_of_an_epoch_are_those_of_the_whole_epoch(tmp_path, takes, caplog):
    takes(0.4)
    fit(tmp_path, callback(), limit_train_batches=3, val_check_interval=2, epochs=4)
    (path,) = tmp_path.rglob("history.csv")
    assert max(row.epochs for row in read_history(path)) == pytest.approx(3 + 2 / 3)
    assert "no validation has seen" not in caplog.text


@own_pace
def test_each_validation_is_explained_where_early_stopping_waits_for_new_values(tmp_path, takes):
    takes(0.4)
    stopping = EarlyStopping("lime/spectral/score", patience=3, mode="max")
    one, _ = fit(tmp_path, callback(), stopping, epochs=6, **FAST)
    assert epochs_of(tmp_path) == list(range(1, one.current_epoch + 1))


@own_pace
def test_a_run_that_explains_by_itself_trains_the_same(tmp_path, takes):
    takes(0.4)
    _, explained = fit(tmp_path, callback(), epochs=5)
    _, plain = fit(tmp_path, epochs=5)
    assert all(torch.equal(a, b) for a, b in zip(explained.parameters(), plain.parameters(), strict=True))


def test_only_numbers_and_auto_say_how_often(tmp_path):
    with pytest.raises(TypeError, match=r"`every_n_epochs` should be 'auto', or a whole number of at least 1[.] Found"):
        callback(every_n_epochs="often")
    with pytest.raises(
        ValueError, match=r"`every_n_epochs` should be 'auto', or a whole number of at least 1[.] Found"
    ):
        callback(every_n_epochs=0)


@pytest.mark.parametrize("left", [3, 10, 37, 100, None])
@pytest.mark.parametrize("share", [0.01, 0.11, 0.2, 1.0, 5.0])
def test_explanations_take_a_tenth_of_the_time_with_the_last_one_among_them(share, left, monkeypatch):
    monkeypatch.setattr(run_pace, "SHARE", 0.1)
    pace = RunPace(callback().config)
    pace.choose(share, left)
    validations = left or 10_000
    explained = math.ceil(validations / pace.chosen) if left else validations // pace.chosen
    if explained > 1:
        assert explained * share <= 0.08 * (validations + explained * share) + 1e-9
    assert pace.chosen == 1 or (pace.chosen - 1) * 0.08 < share or left is not None


@own_pace
@pytest.mark.parametrize(
    ("settings", "left"),
    [
        ({"epochs": 6}, [5, 4]),
        ({"epochs": 7, "check_val_every_n_epoch": 2}, [2, 1]),
        ({"epochs": 2, "val_check_interval": 1, "limit_train_batches": 3}, [5, 4]),
        ({"epochs": 4, "limit_val_batches": 0}, [3, 2]),
        ({"epochs": -1, "max_steps": 6}, [None, None]),
    ],
)
def test_what_is_left_of_a_run_is_counted(tmp_path, settings, left):
    counted = []

    class Counts(Callback):
        def on_validation_end(self, trainer, module):
            counted.append(validations_left(trainer))

        def on_train_epoch_end(self, trainer, module):
            if settings.get("limit_val_batches") == 0:
                counted.append(validations_left(trainer))

    fit(tmp_path, Counts(), **{"limit_train_batches": 2, "num_sanity_val_steps": 0} | settings)
    assert counted[:2] == left

"""One callback in several trainings: folds of a cross-validation, a cell that is run again, a training that goes on."""

import copy
import pickle
import warnings

import lightning.pytorch as pl
import pytest
import torch
from toys import WAVELENGTHS, Classifier, Samples, fit, loader, trainer

from lime_callback import LimeCallback, Superbands
from lime_callback.publishing.sinks import read_history
from lime_callback.publishing.sinks.console import Console


def callback(**settings):
    usual = {"wavelengths": WAVELENGTHS, "probes": 2, "n_perturbations": 24, "pictures": False, "on_error": "raise"}
    return LimeCallback(Superbands(3), **usual | settings)


def fold(number):
    """Samples of a fold of their own."""
    data = Samples()
    data.x = data.x + number
    return data


class Drifts(pl.Callback):
    """What monitors find of the drift at each validation."""

    def __init__(self):
        self.found = []

    def on_validation_end(self, trainer, pl_module):
        if not trainer.sanity_checking:
            self.found.append(float(trainer.callback_metrics["lime/spectral/drift"]))


def test_each_fold_is_a_run_of_its_own(tmp_path):
    lime = callback()
    for number in range(3):
        drifts = Drifts()
        fit(tmp_path / f"{number}", lime, drifts, epochs=3, seed=number, data=fold(number))
        alone = callback()
        fit(tmp_path / f"alone {number}", alone, epochs=3, seed=number, data=fold(number))
        here, there = lime.explanation("spectral"), alone.explanation("spectral")
        assert torch.equal(here.coefficients, there.coefficients)
        assert torch.equal(here.fingerprint, there.fingerprint)  # this fold's samples
        assert drifts.found[0] == 2.0  # nothing to compare with: no explanation of another model
        assert max(drifts.found[1:]) < 2.0
        (history,) = (tmp_path / f"{number}").rglob("history.csv")
        assert sorted({row.epoch for row in read_history(history)}) == [1, 2, 3]


def test_another_model_on_the_same_trainer_begins_anew(tmp_path):
    lime, drifts = callback(), Drifts()
    one = trainer(tmp_path, lime, drifts, epochs=1)
    for seed in range(2):
        pl.seed_everything(seed, verbose=False)
        one.fit_loop.epoch_progress.reset()
        one.fit(Classifier(), loader(), loader())
    assert drifts.found == [2.0, 2.0]


def test_a_training_that_goes_on_keeps_its_explanations(tmp_path):
    lime, drifts = callback(), Drifts()
    one, model = fit(tmp_path, lime, drifts, epochs=2)
    first = lime.explanation("spectral")
    one.fit_loop.max_epochs = 4
    one.fit(model, loader(), loader())
    assert len(drifts.found) == 4
    assert max(drifts.found[1:]) < 2.0
    assert torch.equal(lime.explanation("spectral").fingerprint, first.fingerprint)


@pytest.mark.filterwarnings("ignore:Checkpoint directory .* exists and is not empty")
def test_a_checkpoint_is_resumed_by_a_callback_that_has_had_another_run(tmp_path):
    saving = pl.callbacks.ModelCheckpoint(tmp_path / "kept", filename="{epoch}", save_top_k=-1)
    fit(tmp_path / "whole", callback(), saving, epochs=2, enable_checkpointing=True)
    checkpoint = tmp_path / "kept" / "epoch=0.ckpt"
    found = []
    for name in ("used", "new"):
        lime, drifts = callback(), Drifts()
        if name == "used":
            fit(tmp_path / "before", lime, epochs=1, seed=5, data=fold(5))
        pl.seed_everything(0, verbose=False)
        keeping = pl.callbacks.ModelCheckpoint(tmp_path / "kept", filename="{epoch}", save_top_k=-1)
        one = trainer(tmp_path / name, lime, drifts, keeping, epochs=2, enable_checkpointing=True)
        one.fit(Classifier(), loader(shuffle=True), loader(), ckpt_path=checkpoint)
        found.append((drifts.found, lime.explanation("spectral").coefficients))
    (used, of_used), (new, of_new) = found
    assert used == new
    assert used[-1] < 2.0  # compared with the explanation in the checkpoint
    assert torch.equal(of_used, of_new)


def test_a_callback_can_be_sent_to_another_process_and_copied_after_a_run(tmp_path):
    lime = pickle.loads(pickle.dumps(callback()))
    fit(tmp_path / "first", lime, epochs=1)
    again = copy.deepcopy(lime)
    fit(tmp_path / "second", again, epochs=2, seed=1, data=fold(1))
    assert not torch.equal(again.explanation("spectral").fingerprint, lime.explanation("spectral").fingerprint)


def test_a_wrapper_may_call_in_its_stead(tmp_path):
    class Wrapper(pl.Callback):
        """Hands all hooks on, as frameworks do that group callbacks."""

        def __init__(self, inner):
            self.inner = inner

        def __getattribute__(self, name):
            inner = object.__getattribute__(self, "inner") if name.startswith(("on_", "setup", "teardown")) else None
            return getattr(inner, name) if inner is not None else object.__getattribute__(self, name)

    lime = callback()
    fit(tmp_path, Wrapper(lime), epochs=2)
    assert lime.explanation("spectral") is not None


def test_what_fails_in_a_second_run_is_said_again():
    """Python shows the same warning of the same line once in a process, unless it is told otherwise."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("default")
        for _ in range(2):
            console = Console("lime")
            for _ in range(2):
                with console.contained("the view"):
                    raise RuntimeError("no features today")
    told = [str(entry.message) for entry in caught]
    assert len(told) == 2  # once in each run
    assert all("the view failed and is left out" in text for text in told)


@pytest.mark.parametrize("choice", [2, "highest_loss", [5, 1]], ids=str)
@pytest.mark.parametrize("restarted", [True, False], ids=["from epoch 0", "at a later epoch"])
def test_another_validation_set_on_the_same_trainer_begins_anew(tmp_path, choice, restarted):
    lime, drifts = callback(probes=choice), Drifts()
    one, model = fit(tmp_path, lime, drifts, epochs=2)
    before = lime.explanation("spectral").fingerprint
    if restarted:
        one.fit_loop.epoch_progress.reset()
    one.fit_loop.max_epochs = 2 if restarted else 4
    one.fit(model, loader(), loader(fold(1)))
    assert drifts.found[2] == 2.0  # not compared with other samples
    assert drifts.found[3] < 2.0
    assert not torch.equal(lime.explanation("spectral").fingerprint, before)
    assert len(lime._latest.loop.view("spectral").series.epochs) == 2
    history = read_history(tmp_path / "lime_1" / "history.csv")
    assert {row.epoch for row in history} == ({1, 2} if restarted else {3, 4})
    assert {row.epoch for row in read_history(tmp_path / "lime" / "history.csv")} == {1, 2}


@pytest.mark.parametrize("choice", ["highest_loss", [5, 1]], ids=str)
def test_the_same_samples_go_on_however_they_were_chosen(tmp_path, choice):
    lime, drifts = callback(probes=choice), Drifts()
    one, model = fit(tmp_path, lime, drifts, epochs=1)
    numbers = lime._validation.probes.numbers
    one.fit_loop.max_epochs = 2
    one.fit(model, loader(), loader())
    assert lime._validation.probes.numbers == numbers
    assert drifts.found[1] < 2.0


def test_without_validation_a_training_goes_on(tmp_path):
    lime = callback()
    one, model = fit(tmp_path, lime, epochs=1, limit_val_batches=0)
    one.fit_loop.max_epochs = 2
    one.fit(model, loader(shuffle=True), loader())
    assert lime._latest.loop.view("spectral").series.epochs == [1.0, 2.0]

"""A module that logs a value named "step" chooses where Lightning's loggers write: the callback writes there, too."""

from functools import partial

import lightning.pytorch as pl
import pytest
from lightning.pytorch.loggers import TensorBoardLogger
from toys import Classifier, events, fit, loader, trainer

from lime_callback import LimeCallback, Superpixels
from lime_callback.publishing.sinks import read_history


class Logs(Classifier):
    """Logs its validation's loss, and a step in the hook that the test names."""

    def __init__(self, where, add=0, **settings):
        super().__init__()
        self.where, self.add, self.settings = where, add, settings

    def log_step(self, hook):
        if hook in self.where:
            self.log("step", float(self.current_epoch + self.add), **self.settings)

    def training_step(self, batch, batch_idx):
        self.log_step("training_step")
        return super().training_step(batch, batch_idx)

    def validation_step(self, batch, batch_idx, dataloader_idx=0):
        self.log_step("validation_step")
        self.log("val_loss", self.loss(batch))

    def test_step(self, batch, batch_idx):
        self.log_step("test_step")
        self.log("test_loss", self.loss(batch))

    def on_validation_epoch_end(self):
        self.log_step("on_validation_epoch_end")

    def on_train_epoch_end(self):
        self.log_step("on_train_epoch_end")


def lime(pictures=False):
    return LimeCallback(
        Superpixels("grid", 4), probes=2, n_perturbations=16, reliance=False, background=8, pictures=pictures
    )


def steps_of(found, name):
    return [event.step for event in found.Scalars(name)]


def history_steps(folder):
    (history,) = folder.rglob("history.csv")
    return sorted({row.step for row in read_history(history)})


HOOKS = {
    "on_validation_epoch_end": [0, 1, 2],
    "training_step, on_train_epoch_end": [2, 5, 8],
    "training_step, on_validation_epoch_end": [0, 1, 2],
}


@pytest.mark.parametrize("where", HOOKS)
def test_an_axis_of_epochs_is_one_for_scalars_and_history(tmp_path, where):
    fit(tmp_path, lime(), model=lambda: Logs(where), epochs=3, logger=TensorBoardLogger(tmp_path))
    found = events(tmp_path)
    assert steps_of(found, "val_loss") == steps_of(found, "lime/spatial/score") == HOOKS[where]
    assert history_steps(tmp_path) == HOOKS[where]


def test_pictures_stand_on_the_axis_of_epochs(tmp_path):
    model = partial(Logs, "on_validation_epoch_end")
    fit(tmp_path, lime(pictures=True), model=model, logger=TensorBoardLogger(tmp_path))
    found = events(tmp_path)
    pictures = {tag: [event.step for event in found.Images(tag)] for tag in found.Tags()["images"]}
    assert any("attributions" in tag for tag in pictures)
    assert {step for steps in pictures.values() for step in steps} == {0, 1} == {*steps_of(found, "val_loss")}


@pytest.mark.parametrize(
    ("on_step", "on_epoch", "logger"), [(True, False, True), (True, True, True), (False, True, False)]
)
def test_a_step_that_lightning_does_not_take_is_not_taken(tmp_path, on_step, on_epoch, logger):
    model = partial(Logs, "validation_step", on_step=on_step, on_epoch=on_epoch, logger=logger)
    fit(tmp_path, lime(), model=model, logger=TensorBoardLogger(tmp_path))
    assert history_steps(tmp_path) == steps_of(events(tmp_path), "val_loss") == [2, 5]


@pytest.mark.parametrize(("where", "steps"), [("on_validation_epoch_end", [0, 1]), ("validation_step", [2, 5])])
def test_several_validation_loaders(tmp_path, where, steps):  # a step by the loader's number has another name
    one = trainer(tmp_path, lime(), logger=TensorBoardLogger(tmp_path))
    one.fit(Logs(where), loader(), [loader(), loader()])
    assert history_steps(tmp_path) == steps_of(events(tmp_path), "val_loss/dataloader_idx_0") == steps


def test_without_validation_the_step_of_the_training_epoch_is_taken(tmp_path):
    model = partial(Logs, "training_step", on_step=False, on_epoch=True)
    fit(tmp_path, lime(), model=model, limit_val_batches=0, logger=TensorBoardLogger(tmp_path))
    assert history_steps(tmp_path) == steps_of(events(tmp_path), "lime/spatial/score") == [0, 1]


@pytest.mark.parametrize("what", ["validate", "test"])
def test_outside_of_a_run_too(tmp_path, what):
    one = trainer(tmp_path, lime(), logger=TensorBoardLogger(tmp_path))
    getattr(one, what)(Logs("validation_step, test_step", add=7), loader())
    assert history_steps(tmp_path) == steps_of(events(tmp_path), f"lime/{what}/spatial/score") == [7]


def test_an_exception_between_explanation_and_end_of_validation_loses_nothing(tmp_path):
    class Breaks(Classifier):
        def on_validation_epoch_end(self):
            if not self.trainer.sanity_checking:
                raise RuntimeError("broken")

    with pytest.raises(RuntimeError, match="broken"):
        fit(tmp_path, lime(), model=Breaks)
    assert history_steps(tmp_path) == [2]


@pytest.mark.filterwarnings("ignore:You're resuming from a checkpoint that ended before the epoch ended")
def test_several_validations_at_one_step_are_told_apart_by_a_resumed_run(tmp_path):
    class Save(pl.Callback):
        def on_validation_end(self, trainer, pl_module):
            if not trainer.sanity_checking and trainer.global_step == 4:  # the first of two validations at step 1
                trainer.save_checkpoint(tmp_path / "middle.ckpt")

    def run(ckpt_path=None):
        one = trainer(tmp_path, lime(), Save(), val_check_interval=1 / 3, limit_train_batches=3)
        one.fit(Logs("on_validation_epoch_end"), loader(), loader(), ckpt_path=ckpt_path)

    run()
    (history,) = tmp_path.rglob("history.csv")
    whole = {(row.epochs, row.step) for row in read_history(history)}
    run(tmp_path / "middle.ckpt")
    (history,) = tmp_path.rglob("history.csv")
    rows = read_history(history)
    keys = [(row.epochs, row.probe, row.feature) for row in rows]
    assert len(set(keys)) == len(keys)
    assert {(row.epochs, row.step) for row in rows} == whole
    assert {step for _, step in whole} == {0, 1}
